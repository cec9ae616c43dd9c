/**
 * What holds for every notification policy while time goes by: on the simulated waiter of `wait_simulator.ts`, for any
 * arrivals.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  type NotificationPolicy,
  type PolicyContext,
  resetPlan,
  type WaitOutcome,
  type WaitPlan,
} from "../../core/notification.ts";
import { fc } from "./properties.ts";
import { MAX_SLEEP_NS, simulateWaits, TYPICAL_COSTS, type WaitLoad } from "./wait_simulator.ts";

type Create = (context: PolicyContext) => NotificationPolicy;

const time = fc.oneof(
  fc.constant(0),
  fc.double({ min: 0, max: 9, noNaN: true }).map((decades) => 10 ** decades),
  fc.double({ min: 0, max: 2e5, noNaN: true }),
);
const contention: fc.Arbitrary<WaitLoad["contention"]> = fc.oneof(
  fc.constant(undefined),
  fc.record({
    kind: fc.constant("neighbour" as const),
    burstNs: fc.integer({ min: 1000, max: 20e6 }),
    pauseNs: fc.integer({ min: 0, max: 20e6 }),
  }),
);

/** Loads of one request at a time, also where who answers it needs the very core. */
const closed: fc.Arbitrary<WaitLoad> = fc.record({
  gaps: fc.array(time, { minLength: 1, maxLength: 60 }),
  from: fc.constant("wait" as const),
  knowsInFlight: fc.boolean(),
  contention: fc.oneof(contention, fc.constant({ kind: "peer" as const })),
});

/** Loads of several requests at a time. */
const deep: fc.Arbitrary<WaitLoad> = fc.record({
  gaps: fc.array(time, { minLength: 1, maxLength: 200 }),
  from: fc.constant("wait" as const),
  queueDepth: fc.integer({ min: 2, max: 32 }),
  knowsInFlight: fc.boolean(),
  serviceNs: fc.integer({ min: 0, max: 100_000 }),
  contention,
});

/** Loads that come whatever the thread does. */
const open: fc.Arbitrary<WaitLoad> = fc.record({
  gaps: fc.array(time, { minLength: 1, maxLength: 200 }),
  from: fc.constant("arrival" as const),
  serviceNs: fc.integer({ min: 0, max: 100_000 }),
  contention,
});

/** A policy of which each plan is looked at as the policy left it, with how many entries were taken by then. */
function watched(create: Create, look: (plan: WaitPlan, taken: number) => void): Create {
  return (context) => {
    const policy = create(context);
    return {
      plan: (plan) => {
        policy.plan(plan);
        look(plan, context.taken());
      },
      waited: (outcome) => policy.waited?.(outcome),
    };
  };
}

const IDLE_NS = 60e9;

/** Whether a plan says that its thread does not sleep, however long nothing comes. */
function neverSleeps(plan: WaitPlan): boolean {
  return plan.spinNs + plan.yieldNs === Infinity;
}

/**
 * Work that comes is found, for any arrivals, within two of the longest sleeps, one before a look and one after it; and who
 * waits for several entries waits for a time of its own, as some of them may never come.
 *
 * @param assertInRange what holds for each plan alone
 */
export function assertFindsWork(create: Create, assertInRange: (plan: WaitPlan) => void): void {
  const { sliceNs, timerSlackNs } = TYPICAL_COSTS;
  const assertPlan = (plan: WaitPlan): void => {
    assertInRange(plan);
    const { armDistance, blockNs } = plan;
    assert(armDistance === 1 || blockNs < MAX_SLEEP_NS, `it waits for ${armDistance} entries for ${blockNs} ns`);
  };
  fc.assert(
    fc.property(closed, (load) => {
      const { entries, latency } = simulateWaits(watched(create, assertPlan), load);
      assert.equal(entries, load.gaps.length);
      // Who looks with its core wanted by another has it half of the time at least.
      const limitNs = 2 * (MAX_SLEEP_NS + timerSlackNs + sliceNs);
      assert(latency.maxNs <= limitNs, `an entry waited for ${latency.maxNs} ns; at most ${limitNs}`);
    }),
    { numRuns: 50 },
  );
  fc.assert(
    fc.property(fc.oneof(open, deep), (load) => {
      assert.equal(simulateWaits(watched(create, assertPlan), load).entries, load.gaps.length);
    }),
    { numRuns: 50 },
  );
}

/** After a busy time a minute goes by without work: in it the thread sleeps in every wait, unless its plan says that it never does. */
export function assertSleepsWhenIdle(create: Create): void {
  const busy = [...Array(2000).keys()].map((entry) => entry % 7 * 1000);
  let endless = false;
  let idle = false;
  let sleptNs = 0;
  const watch = watched(create, (plan, taken) => {
    endless = neverSleeps(plan);
    idle = taken === busy.length;
  });
  simulateWaits(watch, { gaps: [...busy, IDLE_NS], from: "wait" }, TYPICAL_COSTS, (_, outcome) => {
    if (!idle || endless) return;
    assert(outcome.sleptNs > 0 || outcome.found, "it looked for work, found none and did not sleep");
    sleptNs += outcome.sleptNs;
  });
  assert(endless || sleptNs > 0);
}

/** Calls between two looks at the heap, and growth that is the looks' own, or that of something that is rare. */
const CALLS = 1000;
const CALLS_BYTES = 4096;
/** Looks in a row that must find so little growth: a collection that hides growth does not come with each of them. */
const QUIET_LOOKS = 5;
/** By then the engine has compiled what runs so often. */
const MAX_LOOKS = 2000;

/** Once it has run for a while, neither a plan nor what is learnt from a wait takes memory. */
export function assertAllocatesNothing(policy: NotificationPolicy): void {
  const plan: WaitPlan = { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: Infinity };
  const outcomes = [...Array(16).keys()].map((i): WaitOutcome => {
    const [spinHit, found] = [i % 2 === 0, i % 4 !== 1];
    const sleptNs = spinHit ? 0 : 10 ** (i % 6) + 0.25;
    const [spunNs, lostNs] = [i * 1234.5 + 0.25, i === 3 ? 5000.5 : 0];
    return { spinHit, spunNs, lostNs, sleptNs, wakeNs: spinHit ? 0 : 20_000.5 + i * 3000, found: spinHit || found };
  });
  const run = (): void => {
    for (let call = 0; call < CALLS; call++) {
      resetPlan(plan);
      policy.plan(plan);
      policy.waited?.(outcomes[call % outcomes.length]);
    }
  };
  let quiet = 0;
  let least = Infinity;
  for (let look = 0; look < MAX_LOOKS && quiet < QUIET_LOOKS; look++) {
    const before = Deno.memoryUsage().heapUsed;
    run();
    const grownBytes = Deno.memoryUsage().heapUsed - before;
    if (grownBytes >= 0) least = Math.min(least, grownBytes);
    quiet = grownBytes >= 0 && grownBytes <= CALLS_BYTES ? quiet + 1 : 0;
  }
  assert.equal(quiet, QUIET_LOOKS, `${CALLS} waits took ${least} bytes`);
}
