/**
 * What the runner and a machine process say to each other: one JSON line down, and perhaps a word later; JSON lines up.
 *
 * @module
 */

import type { MachinePlan } from "../domain/plan.ts";
import type { Counters } from "../counters.ts";
import type { FaultedMachine, FaultJob } from "../faults/conductor.ts";
import type { FaultRecord } from "../faults/injector.ts";
import type { DomainResult } from "../hypervisor.ts";
import type { HostUse } from "../measure/host.ts";
import type { RunWindow } from "../phases.ts";
import type { Consent } from "../plugin.ts";
import type { ClientDomains } from "./clients.ts";
import type { NeighbourUsage } from "../neighbours.ts";
import type { NeighbourOptions } from "./neighbour_options.ts";
import type { Affinity } from "./scenario.ts";

/** One repetition of one cell, as the runner asks for it. */
export interface MachineJob {
  /** What to build. */
  readonly plan: MachinePlan;
  /** How long to run it, unless its workload has a conductor; null: until the runner says {@link FINISH}. */
  readonly window: RunWindow | null;
  /** Which cores the domains get. */
  readonly affinity: Affinity;
  /** Who else computes on them; nobody when absent. */
  readonly neighbours?: NeighbourOptions;
  /** Where media may be made. */
  readonly scratchDirectory: string | null;
  /** What may be destroyed, and what programs may run. */
  readonly consent: Consent;
  /** The faults that it goes through, where that is what it is for. */
  readonly faults?: FaultJob;
}

/** What one repetition measured. */
export interface MachineResults {
  /** What each domain measured and counted that was there to the end, by name. */
  readonly domains: Readonly<Record<string, DomainResult>>;
  /** The clients, those that were lost too. */
  readonly clients: readonly ClientDomains[];
  /** Why clients were lost, in the order in which they were; none as a rule. */
  readonly losses: readonly string[];
  /** What the conductor counted. */
  readonly counters: Counters;
  /** The most memory that the process had; null where that cannot be known. */
  readonly peakMemoryBytes: number | null;
  /** What the machine did besides in the window; null where that cannot be known. */
  readonly host: HostUse | null;
  /** What its neighbours used; null where it has none. */
  readonly neighbours: NeighbourUsage | null;
}

/** What a machine process says: any number of notes and faults, and one of the others once. */
export type MachineAnswer =
  /** What a device has to say that is no error. */
  | { readonly type: "note"; readonly text: string }
  /** What came of a fault. */
  | { readonly type: "fault"; readonly record: FaultRecord }
  /** What came of a machine that went through faults. */
  | { readonly type: "faulted"; readonly machine: FaultedMachine }
  /** What was measured. */
  | { readonly type: "results"; readonly results: MachineResults }
  /** Why there is nothing. */
  | { readonly type: "failed"; readonly message: string };

/** Begins every line of the protocol (ASCII record separator), as a plugin may print lines of its own. */
export const RECORD = "\x1e";

/** A line to a machine process: finish in order, and say what was measured. */
export const FINISH = "finish";
/** A line to a machine process: replace the drivers by their modules as they are now on the disk. */
export const UPGRADE = "upgrade";
/** A line to a machine process: end as soon as everything is undone that outlives a process. */
export const ABORT = "abort";
