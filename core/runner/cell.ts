/**
 * What a scenario expands to: cells, each one combination of the matrix.
 *
 * @module
 */

import type { Demand } from "./consent.ts";
import type { CheckedExpectation } from "./expectation_result.ts";
import type { ResolvedDevice, ResolvedPlugin } from "./plugins.ts";
import type { Scenario } from "./scenario.ts";

/** One combination of the matrix: what is measured. */
export interface Cell {
  /** Hash of all that decides the measurement. */
  readonly id: string;
  /** Policy, device, workload, placement and every path of the matrix, each with its value. */
  readonly labels: Readonly<Record<string, string>>;
  /** The scenario of this cell. */
  readonly scenario: Scenario;
  /** The devices, as a rule one. */
  readonly devices: readonly ResolvedDevice[];
  /** The policies of both sides. */
  readonly policy: { readonly frontend: ResolvedPlugin; readonly backend: ResolvedPlugin };
  /** The workload. */
  readonly workload: ResolvedPlugin;
}

/** A scenario that was checked. */
export interface ExpandedScenario {
  /** The file that it came from. */
  readonly file: string;
  /** The scenario of the first cell; what is the run's (name, repetitions, order, matrix) is the same in all. */
  readonly scenario: Scenario;
  /** Its cells, in the matrix's order. */
  readonly cells: readonly Cell[];
  /** What must hold of what is measured. */
  readonly expectations: readonly CheckedExpectation[];
  /** What running it takes consent for: each path and program once for each place that names it. */
  readonly demands: readonly Demand[];
}
