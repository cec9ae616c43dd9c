/**
 * The ways of waiting that `auto` tries.
 *
 * @module
 */

import type { WaitPlan } from "../../../core/notification.ts";

/** One way of waiting. */
export interface Candidate {
  /** What it is called in tests and figures. */
  readonly name: string;
  /** What it does with a wait. */
  readonly plan: Readonly<WaitPlan>;
}

/** How long a wait is looked for at most: a wake costs 2 % of it, and so hardly counts where waits are longer. */
const LONG_NS = 2e6;
/** A sleep and a wake between two cores cost about so much. */
const WAKE_NS = 50_000;
/** Longest wait for entries beyond the first: those that are waited for may never come. */
const COALESCED_NS = 200_000;

/** Looks for as long as it may be worth it. */
export const SPIN: Candidate = candidate("spin", { spinNs: LONG_NS });
/** Looks, with the core offered to others: best where whoever is waited for needs this core. */
export const YIELD: Candidate = candidate("yield", { spinNs: 1000, yieldNs: LONG_NS });
/** Looks for as long as a wake costs (Karlin et al., SOSP 1991). */
export const SPIN_THEN_SLEEP: Candidate = candidate("spin-then-sleep", { spinNs: WAKE_NS });
/** Sleeps at once. */
export const SLEEP: Candidate = candidate("sleep", {});
/** Sleeps until a few entries are there. */
export const COALESCE: Candidate = candidate("coalesce", { armDistance: 4, blockNs: COALESCED_NS });
/** Sleeps until many are. */
export const COALESCE_MANY: Candidate = candidate("coalesce-many", { armDistance: 16, blockNs: COALESCED_NS });
/** Sleeps for a time whatever happens, so that more is done at once: what a device completes cannot be coalesced else. */
export const NAP: Candidate = candidate("nap", { preSleepNs: 100_000 });

/** All, the shortest delays first. */
export const CANDIDATES: readonly Candidate[] = [
  ...[SPIN, YIELD, SPIN_THEN_SLEEP, SLEEP, COALESCE, COALESCE_MANY, NAP],
];

function candidate(name: string, plan: Partial<WaitPlan>): Candidate {
  return { name, plan: { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: Infinity, ...plan } };
}
