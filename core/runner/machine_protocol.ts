/**
 * What the runner and a machine process say to each other: one JSON line down, JSON lines up.
 *
 * @module
 */

import type { MachinePlan } from "../domain/plan.ts";
import type { DomainResult, RunWindow } from "../hypervisor.ts";
import type { Consent } from "../plugin.ts";
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
  /** What may be destroyed. */
  readonly consent: Consent;
}

/** What one repetition measured. */
export interface MachineResults {
  /** What each domain measured and counted, by name. */
  readonly domains: Readonly<Record<string, DomainResult>>;
  /** The most memory that the process had; null where that cannot be known. */
  readonly peakMemoryBytes: number | null;
}

/** What a machine process says: any number of notes, and one of the others once. */
export type MachineAnswer =
  /** What a device has to say that is no error. */
  | { readonly type: "note"; readonly text: string }
  /** What was measured. */
  | { readonly type: "results"; readonly results: MachineResults }
  /** Why there is nothing. */
  | { readonly type: "failed"; readonly message: string };

/** Begins every line of the protocol (ASCII record separator), as a plugin may print lines of its own. */
export const RECORD = "\x1e";
