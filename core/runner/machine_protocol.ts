/**
 * What the runner and a machine process say to each other: one JSON line down, JSON lines up.
 *
 * @module
 */

import type { DomainSample, MachinePlan } from "../domain.ts";
import type { RunWindow } from "../hypervisor.ts";

/** One repetition of one cell, as the runner asks for it. */
export interface MachineJob {
  /** What to build. */
  readonly plan: MachinePlan;
  /** How long to run it. */
  readonly window: RunWindow;
  /** Which cores the domains get. */
  readonly affinity: "spread" | "same" | "none";
  /** Where media may be made. */
  readonly scratchDirectory: string | null;
}

/** What a machine process answers, once. */
export type MachineAnswer =
  /** What each domain measured, by name. */
  | { readonly type: "samples"; readonly samples: Readonly<Record<string, DomainSample>> }
  /** Why there is nothing. */
  | { readonly type: "failed"; readonly message: string };

/** Begins every line of the protocol (ASCII record separator), as a plugin may print lines of its own. */
export const RECORD = "\x1e";
