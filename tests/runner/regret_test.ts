import assert from "node:assert/strict";
import fc from "fast-check";
import { mulberry32 } from "../../core/mulberry32.ts";
import {
  goodnessRatio,
  moreIsBetter,
  type RegretCell,
  type RegretTable,
  regretTable,
} from "../../core/runner/regret.ts";
import { type CellResult, type EstimateName, ESTIMATES, type Result } from "../../core/runner/result.ts";
import { cellOf, resultOf } from "../helpers/results.ts";
import { normal } from "../helpers/simulated_policies.ts";

/** A cell of a policy at a queue depth. */
function cell(policy: string, depth: number, iops: readonly number[], change: Partial<CellResult> = {}): CellResult {
  const own = cellOf(policy, iops);
  return { ...own, labels: { ...own.labels, queueDepth: `${depth}` }, ...change };
}

function around(value: number, count = 6): number[] {
  return Array.from({ length: count }, (_, index) => value * (1 + 0.002 * (index - (count - 1) / 2)));
}

function at({ loads }: RegretTable, load: number, policy: string): RegretCell {
  return loads[load].cells.find((each) => each.policy === policy) as RegretCell;
}

const near = (value: number | undefined, expected: number): boolean => Math.abs((value ?? NaN) - expected) < 0.01;

Deno.test("within each load every policy stands relative to the best one", () => {
  const result = resultOf([
    ...[cell("a", 1, around(100)), cell("b", 1, around(200)), cell("c", 1, around(150))],
    ...[cell("a", 8, around(400)), cell("b", 8, around(100)), cell("c", 8, around(300))],
  ]);
  const table = regretTable("iops", [result]);
  assert.deepEqual(table.loads.map(({ best }) => best), ["b", "a"]);
  assert.deepEqual(table.loads.map(({ labels }) => labels.queueDepth), ["1", "8"]);
  assert.ok(!("policy" in table.loads[0].labels));
  assert.ok(near(at(table, 0, "c").relative?.median, 0.75) && near(at(table, 0, "c").regret ?? NaN, 0.25));
  assert.ok(near(at(table, 0, "b").relative?.median, 200 / 150) && at(table, 0, "b").regret === 0, "to the runner-up");
  assert.deepEqual(["a", "b", "c"].map((policy) => at(table, 0, policy).worst), ["yes", "no", "no"]);
  assert.equal(table.confirmed, false);
});

Deno.test("the best is chosen from some runs and the figures are from others, where it may be beaten", () => {
  const choose = resultOf([cell("a", 1, around(105)), cell("b", 1, around(100)), cell("c", 1, around(20))]);
  const confirm = resultOf([cell("a", 1, around(100)), cell("b", 1, around(110)), cell("c", 1, around(20))]);
  const table = regretTable("iops", [choose], [confirm]);
  assert.equal(table.confirmed, true);
  assert.equal(table.loads[0].best, "a");
  assert.ok(near(at(table, 0, "b").relative?.median, 1.1));
  assert.ok(near(at(table, 0, "c").estimate?.median, 20));
});

Deno.test("choosing and confirming by the same noisy runs flatters the best, by others it does not", () => {
  const random = mulberry32(9);
  const names = Array.from({ length: 8 }, (_, index) => `p${index}`);
  const run = (): Result =>
    resultOf(names.map((name) => cell(name, 1, Array.from({ length: 5 }, () => 100 * (1 + 0.1 * normal(random))))));
  let [same, fresh] = [0, 0];
  const trials = 60;
  const meanRelative = (table: RegretTable): number => {
    return table.loads[0].cells.reduce((sum, each) => sum + (each.relative?.median ?? NaN), 0) / names.length;
  };
  for (let trial = 0; trial < trials; trial++) {
    const [choose, confirm] = [run(), run()];
    same += meanRelative(regretTable("iops", [choose])) / trials;
    fresh += meanRelative(regretTable("iops", [choose], [confirm])) / trials;
  }
  assert.ok(same < 0.96, `all are equal, yet they seem to be ${same} of the best`);
  assert.ok(Math.abs(fresh - 1) < 0.02, `${fresh}`);
});

Deno.test("of latencies less is better, and as good relative to the best means less, too", () => {
  const result = resultOf([cell("slow", 1, around(100)), cell("fast", 1, around(200))]);
  const table = regretTable("latencyP99Ns", [result]);
  assert.equal(table.loads[0].best, "fast");
  assert.ok(near(at(table, 0, "slow").relative?.median, 0.5));
  assert.equal(at(table, 0, "slow").worst, "yes");
});

Deno.test("repetitions of the same load in several documents count together; loads of other scenarios are others", () => {
  const one = resultOf([cell("a", 1, around(100, 3)), cell("b", 1, around(50, 3))]);
  const two = resultOf([cell("b", 1, around(50, 3)), cell("a", 1, around(100, 3))]);
  const other = resultOf([cell("a", 1, [1]), cell("b", 1, [2])], { scenario: { name: "other" } });
  const table = regretTable("iops", [one, two, other]);
  assert.deepEqual(table.loads.map(({ scenario, best }) => [scenario, best]), [["test", "a"], ["other", "b"]]);
  assert.equal(at(table, 0, "b").relative?.interval, "bootstrap95", "six repetitions carry an interval");
});

Deno.test("a policy that failed has no figure and is the worst; the best is one that both sides measured", () => {
  const broken: Partial<CellResult> = { status: "failed", error: "it broke", samples: [] };
  const choose = resultOf([cell("a", 1, around(300)), cell("b", 1, around(200)), cell("c", 1, around(100))]);
  const confirm = resultOf([cell("a", 1, [], broken), cell("b", 1, around(200)), cell("c", 1, around(100))]);
  const table = regretTable("iops", [choose], [confirm]);
  assert.equal(table.loads[0].best, "b");
  assert.deepEqual(
    [at(table, 0, "a").estimate, at(table, 0, "a").relative, at(table, 0, "a").regret, at(table, 0, "a").worst],
    [null, null, null, "yes"],
  );
  const none = regretTable("iops", [resultOf([cell("a", 1, [], broken)])]);
  assert.deepEqual([none.loads[0].best, at(none, 0, "a").relative], [null, null]);
});

Deno.test("who is last without being told apart from the next is perhaps the worst", () => {
  const result = resultOf([
    cell("a", 1, [100, 120, 80, 110, 90]),
    cell("b", 1, [99, 119, 79, 109, 89]),
    cell("c", 1, around(500)),
  ]);
  const table = regretTable("iops", [result]);
  assert.deepEqual(["a", "b", "c"].map((policy) => at(table, 0, policy).worst), ["no", "perhaps", "no"]);
  const alone = regretTable("iops", [resultOf([cell("a", 1, [100])])]);
  assert.equal(at(alone, 0, "a").worst, "no");
});

Deno.test("loads that one side lacks are named and left out", () => {
  const choose = resultOf([cell("a", 1, [100]), cell("a", 8, [100])]);
  const table = regretTable("iops", [choose], [resultOf([cell("a", 8, [100]), cell("a", 32, [100])])]);
  assert.deepEqual(table.loads.map(({ labels }) => labels.queueDepth), ["8"]);
  assert.equal(table.unmatched.length, 2);
  assert.match(table.unmatched[0], /^test: .*queueDepth=1$/);
});

Deno.test("the interval of a ratio covers the true one in 90 to 99 % of trials", () => {
  const random = mulberry32(4);
  for (const count of [6, 12]) {
    let covered = 0;
    const trials = 300;
    for (let trial = 0; trial < trials; trial++) {
      const draw = (mean: number) => {
        return Array.from({ length: count }, () => ({ value: mean * (1 + 0.03 * normal(random)), pieces: null }));
      };
      const { low, high } = goodnessRatio("iops", draw(90), draw(100));
      if (low <= 0.9 && high >= 0.9) covered++;
    }
    assert.ok(covered / trials >= 0.9 && covered / trials <= 0.995, `${count}: ${covered / trials}`);
  }
});

Deno.test("a ratio lies in its interval, and the other way round it is the inverse", () => {
  const values = fc.array(fc.double({ min: 1, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 8 });
  const repeated = (all: readonly number[]) => all.map((value) => ({ value, pieces: null }));
  fc.assert(
    fc.property(values, values, fc.constantFrom<EstimateName>(...ESTIMATES), (a, b, metric) => {
      const there = goodnessRatio(metric, repeated(a), repeated(b));
      assert.ok(there.low <= there.median && there.median <= there.high);
      const back = goodnessRatio(metric, repeated(b), repeated(a));
      assert.ok(Math.abs(there.median * back.median - 1) < 1e-9);
      const plain = goodnessRatio("iops", repeated(a), repeated(b)).median;
      assert.ok(Math.abs(there.median - (moreIsBetter(metric) ? plain : 1 / plain)) < 1e-9 * there.median);
    }),
    { numRuns: 30 },
  );
});
