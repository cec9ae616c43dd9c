import assert from "node:assert/strict";
import type { NotificationPolicy, WaitOutcome, WaitPlan } from "../../core/notification.ts";
import { outcomes } from "./policy.ts";
import { fc } from "./properties.ts";
import { simulateWaits, type WaitCosts, type WaitFigures, type WaitLoad } from "./wait_simulator.ts";

/** Round figures that are told apart in every sum. */
const COSTS: WaitCosts = { lookNs: 1, yieldNs: 500, sleepNs: 20, wakeNs: 3000, timerSlackNs: 400_000, sliceNs: 5e6 };

/** A policy whose plan has these members each time. */
function always(plan: Partial<WaitPlan>): () => NotificationPolicy {
  return () => ({ plan: (into) => void Object.assign(into, plan) });
}

function simulate(plan: Partial<WaitPlan>, load: WaitLoad): WaitFigures & { outcomes: WaitOutcome[] } {
  const outcomes: WaitOutcome[] = [];
  const figures = simulateWaits(always(plan), load, COSTS, (_, outcome) => outcomes.push({ ...outcome }));
  return { ...figures, outcomes };
}

const waits = (...gaps: number[]): WaitLoad => ({ gaps, from: "wait" });

Deno.test("a sleeper is late by a wake, and has used the CPU time of a sleep", () => {
  const { latency, cpuNs, sleeps, wakes, elapsedNs, outcomes } = simulate({}, waits(100_000, 100_000));
  assert.deepEqual([latency, cpuNs, sleeps, wakes], [{ meanNs: 3020, maxNs: 3020 }, 40, 2, 2]);
  assert.equal(elapsedNs, 2 * 103_020);
  assert.deepEqual(outcomes[1], { ...outcomes[1], spinHit: false, sleptNs: 103_000, wakeNs: 3000, found: true });
});

Deno.test("a spinner is late by a look, and has used all the time that it waited", () => {
  const { latency, cpuNs, sleeps, outcomes } = simulate({ spinNs: 50_000 }, waits(10_000, 1, 49_999));
  assert.deepEqual([latency, cpuNs, sleeps], [{ meanNs: 1, maxNs: 1 }, 10_001 + 2 + 50_000, 0]);
  assert.deepEqual(outcomes.map(({ spinHit, found }) => [spinHit, found]), Array(3).fill([true, true]));
});

Deno.test("what is there already is not waited for", () => {
  const { waits: count, cpuNs, latency } = simulate({}, waits(0, 0));
  assert.deepEqual([count, cpuNs, latency.maxNs], [0, 0, 0]);
});

Deno.test("a spin that finds nothing ends with a sleep", () => {
  const { latency, cpuNs, spunNs, sleptNs } = simulate({ spinNs: 50_000 }, waits(80_000));
  assert.deepEqual([latency.maxNs, cpuNs, spunNs, sleptNs], [3020, 50_020, 50_000, 33_000]);
});

Deno.test("a spin without end goes on from wait to wait, and never sleeps", () => {
  const { latency, waits: count, sleeps, spunNs } = simulate({ spinNs: Infinity }, waits(250e6));
  assert.deepEqual([latency.maxNs, count, sleeps, spunNs], [1, 3, 0, 250e6 + 1]);
});

Deno.test("a thread that offers its core finds its work at a look", () => {
  const { latency, spunNs, sleeps } = simulate({ yieldNs: Infinity }, waits(1_000_100));
  assert.deepEqual([latency.maxNs, spunNs, sleeps], [400, 1_000_500, 0]);
});

Deno.test("a sleep that comes first ends by its timer, and what came meanwhile has waited for it", () => {
  const { latency, sleeps, wakes, outcomes } = simulate({ preSleepNs: 50_000, spinNs: 1000 }, waits(100_000));
  assert.deepEqual([latency.maxNs, sleeps, wakes], [350_000 + 20 + 1, 1, 0]);
  assert.deepEqual([outcomes[0].spinHit, outcomes[0].sleptNs, outcomes[0].wakeNs], [true, 450_000, 0]);
});

Deno.test("a sleeper that waits for several entries is woken by the last of them", () => {
  const load: WaitLoad = { gaps: Array(12).fill(10_000), from: "arrival" };
  const { wakes, latency } = simulate({ armDistance: 4 }, load);
  assert.equal(wakes, 3);
  assert.equal(latency.maxNs, 30_000 + 3020);
});

Deno.test("several requests are in flight at a time, which the device does one after the other", () => {
  const load: WaitLoad = { ...waits(...Array(8).fill(10_000)), queueDepth: 4, serviceNs: 100 };
  // The first four come at 10, 20, 30 and 40 µs; each is served and asked for again at once, behind the others.
  const spinning = simulate({ spinNs: Infinity }, load);
  assert.deepEqual([spinning.elapsedNs, spinning.waits], [80_000 + 1 + 100, 8]);
  // Woken with the fourth at 43 µs, it serves four, and asks for four more.
  const knowing = simulate({ armDistance: 32 }, { ...load, knowsInFlight: true });
  assert.deepEqual([knowing.wakes, knowing.elapsedNs], [2, 2 * (40_000 + 3020 + 4 * 100)]);
  const unknowing = simulate({ armDistance: 32, blockNs: 50_000 }, load);
  assert.deepEqual([unknowing.wakes, unknowing.elapsedNs], [0, 2 * (50_000 + 400_000 + 20 + 4 * 100)]);
});

Deno.test("a sleeper whose entries are too few is woken by its timer, at the latest after 100 ms", () => {
  assert.equal(simulate({ armDistance: 2, blockNs: 60_000 }, waits(10_000)).latency.maxNs, 50_000 + 400_000 + 20);
  assert.equal(simulate({ armDistance: 2 }, waits(0, 10_000)).latency.maxNs, 100e6 - 10_000 + 400_000 + 20);
  const idle = simulate({ blockNs: 60_000 }, waits(1e6));
  assert.deepEqual(idle.outcomes.map(({ found }) => found), [false, false, true]);
});

Deno.test("entries that come while others are served are served without a wait", () => {
  const { waits: count, latency } = simulate({ spinNs: Infinity }, {
    ...{ gaps: [1000, 100, 100, 100], from: "arrival", serviceNs: 10_000 },
  });
  assert.equal(count, 1);
  assert.equal(latency.maxNs, 3 * 9900 + 1);
});

Deno.test("who spins for a peer that needs the core keeps it from its work; who offers the core or sleeps does not", () => {
  const load: WaitLoad = { ...waits(1e6), contention: { kind: "peer" } };
  const spinning = simulate({ spinNs: Infinity }, load);
  assert.deepEqual([spinning.elapsedNs, spinning.lostNs], [5e6 + 1e6 + 1, 1e6]);
  const offering = simulate({ yieldNs: Infinity }, load);
  assert.deepEqual([offering.elapsedNs, offering.lostNs], [1e6 + 500, 1e6]);
  assert.equal(simulate({}, load).elapsedNs, 1e6 + 3020);
  assert.deepEqual([spinning, offering].map(({ outcomes }) => outcomes[0].lostNs), [1e6, 1e6]);
});

Deno.test("a neighbour that never stops gets every second slice from a spinner, and all time from a sleeper", () => {
  const load: WaitLoad = { ...waits(22e6), contention: { kind: "neighbour", burstNs: 1e9, pauseNs: 0 } };
  const { lostNs, spunNs, latency } = simulate({ spinNs: Infinity }, load);
  assert.deepEqual([lostNs, spunNs, latency.maxNs], [10e6, 12e6 + 1, 1]);
  assert.equal(simulate({}, load).latency.maxNs, 3020);
});

Deno.test("a neighbour that was away wants the core again after its pause, asleep or not", () => {
  const contention = { kind: "neighbour", burstNs: 1e6, pauseNs: 9e6 } as const;
  // Offered at once at 0, and at the first look after 10 ms of its period each.
  assert.equal(simulate({ yieldNs: Infinity }, { ...waits(95e6), contention }).lostNs, 10e6);
  // It has run for itself while the thread slept: at 1 ms after the sleep it does not want the core.
  assert.equal(simulate({ preSleepNs: 31e6 - 400_000, spinNs: 8e6 }, { ...waits(38e6), contention }).lostNs, 0);
});

Deno.test("a policy is told the simulation's time, entries and CPU time", () => {
  const seen: number[][] = [];
  simulateWaits(
    (context) => ({ plan: () => void seen.push([context.nowNs(), context.taken(), context.threadCpuNs()]) }),
    { ...waits(100_000, 100_000), serviceNs: 1000 },
    COSTS,
  );
  assert.deepEqual(seen, [[0, 0, 0], [104_020, 1, 1020]]);
});

Deno.test("a peer on the same core brings one entry at a time, when it is asked", () => {
  assert.throws(() => simulate({}, { ...waits(1), queueDepth: 2, contention: { kind: "peer" } }), /'queueDepth' 1/);
  assert.throws(
    () => simulate({}, { gaps: [1], from: "arrival", contention: { kind: "peer" } }),
    /'from' must be 'wait'/,
  );
});

Deno.test("all time is accounted for: looking, lost, asleep, going to sleep, serving", () => {
  const member = fc.oneof(fc.constantFrom(0, Infinity), fc.integer({ min: 1, max: 1e6 }));
  const plan = fc.record({
    ...{ spinNs: member, yieldNs: member, blockNs: member, preSleepNs: fc.nat(1e6) },
    armDistance: fc.integer({ min: 1, max: 8 }),
  });
  const load = fc.record({
    ...{ gaps: fc.array(fc.nat(5e6), { maxLength: 30 }), from: fc.constantFrom("wait" as const, "arrival" as const) },
    ...{ serviceNs: fc.nat(1e5), queueDepth: fc.integer({ min: 1, max: 8 }) },
    knowsInFlight: fc.boolean(),
    contention: fc.constantFrom(undefined, { kind: "neighbour" as const, burstNs: 1e6, pauseNs: 2e6 }),
  });
  fc.assert(fc.property(plan, load, (plan, load) => {
    if (plan.spinNs + plan.yieldNs + plan.blockNs + plan.preSleepNs === 0) plan.spinNs = 1;
    const figures = simulate(plan, load);
    const serviceNs = load.gaps.length * load.serviceNs;
    const overheadNs = figures.sleeps * COSTS.sleepNs;
    const close = (a: number, b: number): boolean => Math.abs(a - b) < 1;
    assert(close(figures.elapsedNs, figures.spunNs + figures.lostNs + figures.sleptNs + overheadNs + serviceNs));
    assert(close(figures.cpuNs, figures.spunNs + overheadNs + serviceNs));
    assert.equal(figures.waits, figures.outcomes.length);
  }));
});

Deno.test("the outcomes of a simulation are such as the suite draws at random", () => {
  const keys = fc.sample(outcomes, 1).map((outcome) => Object.keys(outcome).sort())[0];
  assert.deepEqual(Object.keys(simulate({}, waits(1)).outcomes[0]).sort(), keys);
});
