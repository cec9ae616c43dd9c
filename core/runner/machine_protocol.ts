/**
 * What the runner and a machine process say to each other: one JSON line down, JSON lines up.
 *
 * @module
 */

import type { MachinePlan } from "../domain/plan.ts";
import type { DomainResult, RunWindow } from "../hypervisor.ts";
import type { Affinity } from "./scenario.ts";

/** One repetition of one cell, as the runner asks for it. */
export interface MachineJob {
  /** What to build. */
  readonly plan: MachinePlan;
  /** How long to run it. */
  readonly window: RunWindow;
  /** Which cores the domains get. */
  readonly affinity: Affinity;
  /** Where media may be made. */
  readonly scratchDirectory: string | null;
}

/** What one repetition measured. */
export interface MachineResults {
  /** What each domain measured and counted, by name. */
  readonly domains: Readonly<Record<string, DomainResult>>;
  /** The most memory that the process had; null where that cannot be known. */
  readonly peakMemoryBytes: number | null;
}

/** What a machine process answers, once. */
export type MachineAnswer =
  /** What was measured. */
  | { readonly type: "results"; readonly results: MachineResults }
  /** Why there is nothing. */
  | { readonly type: "failed"; readonly message: string };

/** Begins every line of the protocol (ASCII record separator), as a plugin may print lines of its own. */
export const RECORD = "\x1e";
