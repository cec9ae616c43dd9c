import assert from "node:assert/strict";
import fc from "fast-check";
import {
  ALIKE,
  LEAST_ROUNDS,
  type LoadTrials,
  MOST_ROUNDS,
  nextTrial,
  SCREENING_ROUNDS,
  standingsOf,
} from "../../../core/runner/advise/elimination.ts";
import { simulate, type SimulatedPolicy, type SimulatedRun } from "../../helpers/simulated_policies.ts";

const TRIALS = 200;

/** Policies of so many IOPS. */
function policies(iops: readonly number[], deviation: number): SimulatedPolicy[] {
  return iops.map((each) => ({ iops: each, deviation }));
}

/** How often something holds, as a share of seeded trials. */
function share(run: (seed: number) => SimulatedRun, holds: (run: SimulatedRun) => boolean): number {
  let held = 0;
  for (let seed = 1; seed <= TRIALS; seed++) if (holds(run(seed))) held++;
  return held / TRIALS;
}

const NINE = [100, 200, 20, 150, 90, 186, 160, 180, 100];

Deno.test("the best of nine policies is named in at least 95 % of trials, though the machine drifts", () => {
  const found = share((seed) => simulate([policies(NINE, 0.03)], { seed, budget: 150 }), ({ standings: [load] }) => {
    return load[1] === "first" && load.every((standing, policy) => policy === 1 || standing === "worse");
  });
  assert.ok(found >= 0.95, `${found}`);
});

Deno.test("it is so where some policies vary ten times as much as others", () => {
  const unequal = NINE.map((iops, policy) => ({ iops, deviation: policy % 3 === 0 ? 0.2 : 0.02 }));
  const right = share((seed) => simulate([unequal], { seed, budget: 200 }), ({ standings: [load] }) => {
    return load[1] === "first";
  });
  const lost = share((seed) => simulate([unequal], { seed, budget: 200 }), ({ standings: [load] }) => {
    return load[1] === "worse";
  });
  assert.ok(right >= 0.95, `${right}`);
  assert.ok(lost <= 0.01, `${lost}`);
});

Deno.test("repetitions that others disturb make it slower to answer, and not wrong", () => {
  const disturbed = NINE.map((iops) => ({ iops, deviation: 0.03, disturbed: 0.1 }));
  const run = (seed: number): SimulatedRun => simulate([disturbed], { seed, budget: 200 });
  const lost = share(run, ({ standings: [load] }) => load[1] === "worse");
  const named = share(run, ({ standings: [load] }) => load[1] === "first");
  assert.ok(lost <= 0.02, `${lost}`);
  assert.ok(named >= 0.9, `${named}`);
});

Deno.test("policies that are equally good are called a tie, or not told apart, in at least 95 % of trials", () => {
  for (const [count, deviation] of [[2, 0.03], [2, 0.005], [4, 0.02]]) {
    const all = policies([...Array<number>(count).fill(200), 100, 90, 150], deviation);
    const tied = share((seed) => simulate([all], { seed, budget: 150 }), ({ standings: [load] }) => {
      return load.slice(0, count).every((standing) => ["first", "alike", "undecided"].includes(standing));
    });
    assert.ok(tied >= 0.95, `${count} with ${deviation}: ${tied}`);
  }
});

Deno.test("a tie of steady policies is known to be one, and ends before the time is over", () => {
  const known = share((seed) => simulate([policies([200, 200, 100], 0.005)], { seed, budget: 100 }), (run) => {
    return run.decided && run.spent < 100 && run.standings[0].slice(0, 2).toSorted().join() === "alike,first";
  });
  assert.ok(known >= 0.95, `${known}`);
});

Deno.test("what is clearly worse gets little of the time, the contenders the rest", () => {
  const { repetitions: [load], spent } = simulate([policies([20, 200, 30, 197, 40], 0.05)], { seed: 3, budget: 80 });
  assert.equal(spent, 80);
  assert.deepEqual([load[0], load[2], load[4]], [SCREENING_ROUNDS, SCREENING_ROUNDS, SCREENING_ROUNDS]);
  assert.equal(load[1] + load[3], 80 - 3 * SCREENING_ROUNDS);
});

Deno.test("the load that was asked about is looked at more than others, which are screened all the same", () => {
  const tie = policies([200, 200], 0.05);
  const { repetitions: [asked, other] } = simulate([tie, tie], { seed: 1, budget: 60 });
  assert.ok(asked[0] > 1.5 * other[0] && other[0] >= SCREENING_ROUNDS);
});

Deno.test("a policy that fails is left out, at once or later, and the others go on", () => {
  const all = policies([100, 400, 200, 150], 0.02).map((policy, index) => {
    return index === 1 ? { ...policy, failsAfter: 1 } : index === 3 ? { ...policy, failsAfter: 0 } : policy;
  });
  const { standings: [load], decided } = simulate([all], { seed: 1, budget: 60 });
  assert.deepEqual(load, ["worse", "failed", "first", "failed"]);
  assert.ok(decided);
});

Deno.test("where all fail there is nothing more to do", () => {
  const all = policies([100, 200], 0.02).map((policy) => ({ ...policy, failsAfter: 0 }));
  const { standings, spent } = simulate([all], { seed: 1, budget: 60 });
  assert.deepEqual(standings, [["failed", "failed"]]);
  assert.equal(spent, 2);
});

Deno.test("the price of CPU decides which is best", () => {
  const all: SimulatedPolicy[] = [
    { iops: 1000, cores: 2, deviation: 0.02 },
    { iops: 800, cores: 0.8, deviation: 0.02 },
    { iops: 200, cores: 0.1, deviation: 0.02 },
  ];
  for (const [cpuPrice, best] of [[0, 0], [0.5, 1], [1, 2]]) {
    const { standings: [load] } = simulate([all], { seed: 2, budget: 60, cpuPrice });
    assert.equal(load.indexOf("first"), best, `at ${cpuPrice}`);
  }
});

Deno.test("in an open loop the lowest latency is best among those that keep up", () => {
  const all: SimulatedPolicy[] = [
    { iops: 1000, p99Ns: 2e5, deviation: 0.01 },
    { iops: 1000, p99Ns: 5e4, deviation: 0.01 },
    { iops: 700, p99Ns: 1e4, deviation: 0.01 },
  ];
  const { standings: [load] } = simulate([all], { seed: 2, budget: 60, openLoop: true });
  assert.deepEqual(load, ["worse", "first", "behind"]);
});

Deno.test("who seems to fall behind is held against the one that completes most, though that is much slower to answer", () => {
  const all: SimulatedPolicy[] = [
    { iops: 1000, p99Ns: 9e6, deviation: 0.06 },
    { iops: 800, p99Ns: 5e4, deviation: 0.06 },
    { iops: 800, p99Ns: 4e4, deviation: 0.06 },
  ];
  const right = share((seed) => simulate([all], { seed, budget: 150, openLoop: true }), ({ standings: [load] }) => {
    return load.join() === "first,behind,behind";
  });
  assert.ok(right >= 0.95, `${right}`);
});

Deno.test("whatever was measured, the next trial is of a policy that has not failed, at a load that is open", () => {
  const observation = fc.record({
    iops: fc.oneof(fc.constant(0), fc.double({ min: 1, max: 1e6, noNaN: true })),
    p99Ns: fc.oneof(fc.constant(null), fc.double({ min: 1, max: 1e9, noNaN: true })),
    cores: fc.oneof(fc.constant(null), fc.double({ min: 0, max: 4, noNaN: true })),
  });
  const arm = fc.record({
    policy: fc.constant("a"),
    observations: fc.array(observation, { maxLength: 6 }),
    failure: fc.constantFrom(null, null, null, "it failed"),
  });
  const load = fc.record({
    openLoop: fc.boolean(),
    asked: fc.boolean(),
    arms: fc.array(arm, { minLength: 1, maxLength: 5 }),
  });
  fc.assert(
    fc.property(
      fc.array(load, { minLength: 1, maxLength: 3 }),
      fc.constantFrom(0, 0.3, 1),
      (loads: LoadTrials[], price) => {
        for (const each of loads) {
          const { standings, ratios } = standingsOf(each, price);
          assert.equal(standings.length, each.arms.length);
          assert.ok(standings.filter((standing) => standing === "first").length <= 1);
          for (const [index, ratio] of ratios.entries()) {
            if (ratio !== null && each.arms[index].observations.length > 0) assert.ok(ratio.low <= ratio.high);
          }
        }
        const next = nextTrial(loads, price, 1);
        if (next === undefined) return;
        const { arms } = loads[next.load];
        assert.equal(arms[next.arm].failure, null);
        assert.ok(arms[next.arm].observations.length < MOST_ROUNDS);
        assert.equal(standingsOf(loads[next.load], price).resolved, false);
        assert.deepEqual(nextTrial(loads, price, 1), next, "the same measurements lead to the same trial");
      },
    ),
  );
});

Deno.test("one policy alone is measured so often that its figures say something, and no more", () => {
  const { standings, spent } = simulate([policies([100], 0.02)], { seed: 1, budget: 60 });
  assert.deepEqual(standings, [["first"]]);
  assert.equal(spent, LEAST_ROUNDS);
  assert.ok(ALIKE > 0);
});
