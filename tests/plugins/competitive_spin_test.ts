import assert from "node:assert/strict";
import competitiveSpin from "../../plugins/policies/competitive_spin.ts";
import { fc } from "../conformance/properties.ts";
import { simulateWaits, type WaitCosts } from "../conformance/wait_simulator.ts";
import { planOf, policyOf, slept, spun } from "../helpers/scripted_waits.ts";

const C = 40_000;
/** A machine on which a sleep costs its wake and nothing else: the model of the paper. */
const COSTS: WaitCosts = { lookNs: 0, yieldNs: 1, sleepNs: 0, wakeNs: C, timerSlackNs: 0, sliceNs: 1e6 };
/** Below what wakes cost by themselves, about it, and above. Longer waits cost everybody the same. */
const gap = fc.oneof(fc.integer({ min: 1, max: 3 * C }), fc.constantFrom(1, C - 1, C, C + 1, 1e6, 50e6));

/** What it pays for waits: looking, and sleeps at the cost of a wake each. */
function paid(options: Record<string, unknown>, gaps: readonly number[]): number {
  const { spunNs, wakes, sleeps } = simulateWaits(
    () => policyOf(competitiveSpin, options),
    { gaps, from: "wait" },
    COSTS,
  );
  assert.equal(sleeps, wakes, "no sleep was ended by a timer");
  return spunNs + wakes * C;
}

/** What who knows all gaps pays: spins for short ones, sleeps at once for the others. */
function leastPaid(gaps: readonly number[]): number {
  return gaps.reduce((sum, gapNs) => sum + Math.min(gapNs, C), 0);
}

Deno.test("competitive-spin pays at most twice what who knows the future pays, for any waits", () => {
  fc.assert(fc.property(fc.array(gap, { minLength: 1, maxLength: 50 }), (gaps) => {
    const ratio = paid({ cost: "40us" }, gaps) / leastPaid(gaps);
    assert(ratio <= 2 + 1e-9, `pays ${ratio} times`);
  }));
});

Deno.test("competitive-spin pays twice for waits that are just longer than its spin, and once for those within", () => {
  assert.equal(paid({ cost: "40us" }, Array(20).fill(C + 1)) / leastPaid(Array(20).fill(C + 1)), 2);
  assert.equal(paid({ cost: "40us" }, Array(20).fill(C - 1)) / leastPaid(Array(20).fill(C - 1)), 1);
});

Deno.test("competitive-spin, randomised, pays e/(e − 1) times on average over its seeds, whatever the waits", () => {
  // Very short waits are left out: of these it pays too much so seldom that the average takes far more seeds.
  const gaps = fc.array(fc.integer({ min: C / 4, max: 3 * C }), { minLength: 10, maxLength: 10 });
  fc.assert(
    fc.property(gaps, (gaps) => {
      const SEEDS = 1000;
      let sum = 0;
      for (let seed = 1; seed <= SEEDS; seed++) sum += paid({ algorithm: "randomised", cost: "40us", seed }, gaps);
      const ratio = sum / SEEDS / leastPaid(gaps);
      assert(Math.abs(ratio - Math.E / (Math.E - 1)) < 0.1, `pays ${ratio} times`);
    }),
    { numRuns: 10 },
  );
});

Deno.test("competitive-spin, randomised, draws from 0 to the cost with the density e^(t/C)", () => {
  const policy = policyOf(competitiveSpin, { algorithm: "randomised", cost: "1ms" });
  const spins = Array.from({ length: 20_000 }, () => planOf(policy).spinNs / 1e6).sort((a, b) => a - b);
  assert(spins[0] >= 0 && spins[spins.length - 1] < 1);
  // The greatest distance of the two distributions (Kolmogorov and Smirnov); at 1.95/√n one in a thousand is larger.
  const distance = Math.max(...spins.map((spin, i) => Math.abs(Math.expm1(spin) / (Math.E - 1) - i / spins.length)));
  assert(distance < 1.95 / Math.sqrt(spins.length), `the distributions differ by ${distance}`);
});

Deno.test("competitive-spin begins with its first guess and learns what wakes cost, from far below and far above", () => {
  const wakes = fc.integer({ min: 1000, max: 900_000 });
  const first = fc.constantFrom("1us", "50us", "1ms");
  fc.assert(fc.property(wakes, first, (wakeNs, initialCost) => {
    const policy = policyOf(competitiveSpin, { initialCost });
    assert.equal(planOf(policy).spinNs, { "1us": 1000, "50us": 50_000, "1ms": 1e6 }[initialCost]);
    for (let wait = 0; wait < 150; wait++) policy.waited?.(slept(1e6, { wakeNs }));
    const { spinNs } = planOf(policy);
    assert(spinNs >= wakeNs / 1.07 && spinNs <= wakeNs * 1.07, `${spinNs} for ${wakeNs}`);
  }));
});

Deno.test("competitive-spin is within 2.1 times of the best choice once it has learnt the cost", () => {
  fc.assert(fc.property(fc.array(gap, { minLength: 200, maxLength: 200 }), (gaps) => {
    const learning = Array(100).fill(10e6);
    const ratio = (paid({}, [...learning, ...gaps]) - paid({}, learning)) / leastPaid(gaps);
    assert(ratio <= 2.1, `pays ${ratio} times`);
  }));
});

Deno.test("competitive-spin learns the median: some wakes that take very long change little", () => {
  const policy = policyOf(competitiveSpin);
  for (let wait = 0; wait < 1000; wait++) policy.waited?.(slept(1e6, { wakeNs: wait % 5 === 0 ? 20e6 : 40_000 }));
  const { spinNs } = planOf(policy);
  assert(spinNs > 35_000 && spinNs < 50_000, `${spinNs}`);
});

Deno.test("competitive-spin takes no more for a wake's cost than it may, and never nothing", () => {
  const policy = policyOf(competitiveSpin, { maxCost: "200us" });
  for (let wait = 0; wait < 100; wait++) policy.waited?.(slept(1e6, { wakeNs: 5e6 }));
  assert.equal(planOf(policy).spinNs, 200_000);
  for (let wait = 0; wait < 1000; wait++) policy.waited?.(slept(1e6, { wakeNs: 1 }));
  assert.equal(planOf(policy).spinNs, 500);
  assert.equal(competitiveSpin.options.safeParse({ maxCost: "20us" }).success, false, "the first guess is above it");
});

Deno.test("competitive-spin learns nothing where wakes are not measured, or the cost is given", () => {
  const policy = policyOf(competitiveSpin);
  for (const wait of [slept(1e6), spun(1000), slept(1e6, { found: false })]) policy.waited?.(wait);
  assert.equal(planOf(policy).spinNs, 50_000);
  const fixed = policyOf(competitiveSpin, { cost: "30us" });
  for (let wait = 0; wait < 50; wait++) fixed.waited?.(slept(1e6, { wakeNs: 5000 }));
  assert.equal(planOf(fixed).spinNs, 30_000);
});
