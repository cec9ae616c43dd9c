/**
 * The ways of waiting that `auto` tries: for both ends of a ring, as what is best for one depends on what the other does.
 *
 * @module
 */

import type { WaitPlan } from "../../../core/notification.ts";

/** One way of waiting. */
export interface Way {
  /** What it is called in tests and figures. */
  readonly name: string;
  /** What the side that asks does with a wait. */
  readonly frontend: Readonly<WaitPlan>;
  /** What the side that answers does. */
  readonly backend: Readonly<WaitPlan>;
}

/** How long a wait is looked for at most. A wake costs some 0.1 ms where a core has been idle for long: 1 % of it. */
const LONG_NS = 20e6;
/** A sleep and a wake between two cores cost about so much. */
const WAKE_NS = 50_000;
/** Longest wait for entries beyond the first: those that are waited for may never come. */
const COALESCED_NS = 200_000;

const LOOKING = plan({ spinNs: LONG_NS });
const ASLEEP = plan({});

/** Looks for as long as it may be worth it. */
export const SPIN: Way = both("spin", LOOKING);
/** Looks, with the core offered to others: best where whoever is waited for needs this core, so it is offered at once. */
export const YIELD: Way = both("yield", plan({ yieldNs: LONG_NS }));
/** Looks for as long as a wake costs (Karlin et al., SOSP 1991). */
export const SPIN_THEN_SLEEP: Way = both("spin-then-sleep", plan({ spinNs: WAKE_NS }));
/** Sleeps at once. */
export const SLEEP: Way = both("sleep", ASLEEP);
/** Sleeps until a few entries are there. */
export const COALESCE: Way = both("coalesce", plan({ armDistance: 4, blockNs: COALESCED_NS }));
/** Sleeps until many are. */
export const COALESCE_MANY: Way = both("coalesce-many", plan({ armDistance: 16, blockNs: COALESCED_NS }));
/** Sleeps for a time whatever happens, so that more is done at once: what a device completes cannot be coalesced else. */
export const NAP: Way = both("nap", plan({ preSleepNs: 100_000 }));
/** A driver that looks serves an application that sleeps. */
export const SERVER: Way = { name: "server", frontend: ASLEEP, backend: LOOKING };
/** An application that looks is served by a driver that sleeps. */
export const CLIENT: Way = { name: "client", frontend: LOOKING, backend: ASLEEP };

/** All; where two cannot be told apart, the one before is taken. So the shortest delays are first. */
export const WAYS: readonly Way[] = [
  ...[SPIN, YIELD, SPIN_THEN_SLEEP, SLEEP, COALESCE, COALESCE_MANY, NAP, SERVER, CLIENT],
];

/** Those that both ends of a ring can try together: numbers of ways. */
export const TOGETHER: readonly number[] = [...WAYS.keys()];
/** Those that a thread can try alone: in which both sides do the same, so that each has another plan. */
export const ALONE: readonly number[] = TOGETHER.filter((way) => WAYS[way].frontend === WAYS[way].backend);

function plan(plan: Partial<WaitPlan>): Readonly<WaitPlan> {
  return { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: Infinity, ...plan };
}

function both(name: string, plan: Readonly<WaitPlan>): Way {
  return { name, frontend: plan, backend: plan };
}
