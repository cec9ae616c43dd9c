/**
 * Serves the device of a scenario: runs its one cell until somebody wants it to finish, with a workload that passes the
 * device on to others.
 *
 * @module
 */

import type { Consent } from "../plugin.ts";
import type { ExpandedScenario } from "./cell.ts";
import { clientsOf } from "./clients.ts";
import { missingConsent } from "./consent.ts";
import { ScenarioError } from "./diagnostics.ts";
import type { Override } from "./load.ts";
import { runMachineProcess, type RunningMachine } from "./machine_process.ts";
import { neighbourOptions } from "./neighbour_options.ts";
import { permissionNeeds, planMachine, workloadNeeds } from "./plan.ts";
import type { Sample } from "./result.ts";
import { toSample } from "./sample.ts";

/** How serving goes. */
export interface ServeOptions extends Partial<Consent> {
  /** A folder in which media may be made, which are removed after it. The system's own by default. */
  readonly scratchParent?: string;
  /** Ends it in order when aborted: what is in flight is answered, and the device is flushed. */
  readonly finish?: AbortSignal;
  /** Ends it at once when aborted. */
  readonly signal?: AbortSignal;
  /** Told how to command the machine, once it is started. */
  readonly onStarted?: (machine: RunningMachine) => void;
  /** Told at once what the device and the workload have to say, such as where it listens. */
  readonly onNote?: (text: string) => void;
}

/**
 * What makes a scenario one that serves: a workload in place of its own. How its own is measured, and what must hold of
 * that, is left out.
 *
 * @param use the workload that serves, such as `nbd-export`
 * @param options its options
 */
export function servingOverrides(use: string, options: Readonly<Record<string, unknown>>): Override[] {
  const values = { workload: { use, with: options }, run: {}, expect: [] };
  return Object.entries(values).map(([path, value]) => ({ path, value: JSON.stringify(value), origin: "serve" }));
}

/**
 * Serves a scenario that has one cell (see {@link servingOverrides}, and `oneCell` of `expandScenario`).
 *
 * @returns what was served, once it has finished
 * @throws {ScenarioError} when it would destroy what `allowDestructive` does not name, or run a program that
 * `allowCommands` does not; nothing was run then
 * @throws {RangeError} when there are several cells, devices or clients
 * @throws {DomainError} when it failed, with its cause
 * @throws the signal's reason when that was aborted
 */
export async function serveScenario(expanded: ExpandedScenario, options: ServeOptions = {}): Promise<Sample> {
  const { allowDestructive = [], force = false, allowCommands = [], scratchParent, finish, signal, onNote, onStarted } =
    options;
  const { cells: [cell, ...others] } = expanded;
  if (others.length > 0) {
    throw new RangeError(`Cannot serve ${expanded.file}: it makes ${others.length + 1} cells; allowed is one`);
  }
  const clients = clientsOf(planMachine(cell)).length;
  if (clients > 1) {
    throw new RangeError(
      `Cannot serve ${expanded.file}: it has ${clients} applications, counted over its devices; allowed is one`,
    );
  }
  const refused = missingConsent(expanded, options);
  if (refused.length > 0) throw new ScenarioError(refused);
  const results = await runMachineProcess(
    {
      ...{ plan: planMachine(cell), window: null, affinity: cell.scenario.affinity },
      neighbours: neighbourOptions(cell.scenario),
    },
    {
      ...{ needs: permissionNeeds(cell), scratchParent, signal, finish, onNote, onStarted },
      consent: { allowDestructive, force, allowCommands },
      conductNs: workloadNeeds(cell).conductNs,
    },
  );
  return toSample(0, results);
}
