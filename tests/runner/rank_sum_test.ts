import assert from "node:assert/strict";
import fc from "fast-check";
import { leastProbability, rankSum } from "../../core/runner/rank_sum.ts";

/** The same by trying all ways to divide the values: for few of them. */
function byTrial(first: readonly number[], second: readonly number[]): { larger: number; smaller: number } {
  const all = [...first, ...second];
  const rank = (value: number): number => {
    return all.filter((other) => other < value).length * 2 + all.filter((other) => other === value).length + 1;
  };
  const ranks = all.map(rank);
  const sumOf = (chosen: readonly number[]): number => chosen.reduce((sum, index) => sum + ranks[index], 0);
  const observed = sumOf(second.map((_, index) => first.length + index));
  let [count, larger, smaller] = [0, 0, 0];
  for (let bits = 0; bits < 1 << all.length; bits++) {
    const chosen = [...all.keys()].filter((index) => (bits >> index) & 1);
    if (chosen.length !== second.length) continue;
    count++;
    if (sumOf(chosen) >= observed) larger++;
    if (sumOf(chosen) <= observed) smaller++;
  }
  return { larger: larger / count, smaller: smaller / count };
}

Deno.test("the probability is the share of all ways to divide the values, with and without equal ones", () => {
  const values = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 5 });
  fc.assert(fc.property(values, values, (first, second) => {
    const [found, expected] = [rankSum(first, second), byTrial(first, second)];
    assert(Math.abs(found.larger - expected.larger) < 1e-12, `${found.larger} ${expected.larger}`);
    assert(Math.abs(found.smaller - expected.smaller) < 1e-12, `${found.smaller} ${expected.smaller}`);
  }));
});

Deno.test("the probabilities are those of published tables of the rank-sum test", () => {
  // Rank sums of the smaller group, and how likely as small a one is.
  assert.equal(rankSum([5, 6, 7, 8, 10], [1, 2, 3, 4, 9]).smaller.toFixed(4), "0.0476", "5 and 5: 19");
  assert.equal(rankSum([6, 7, 8, 9, 10, 12], [1, 2, 3, 4, 5, 11]).smaller.toFixed(4), "0.0206", "6 and 6: 26");
  assert.equal(rankSum([6, 7, 8, 9, 10], [1, 2, 3, 4, 5]).smaller, 1 / 252);
});

Deno.test("exchanged groups exchange the sides", () => {
  const values = fc.array(fc.double({ min: 1, max: 2, noNaN: true }), { minLength: 1, maxLength: 9 });
  fc.assert(fc.property(values, values, (first, second) => {
    const [there, back] = [rankSum(first, second), rankSum(second, first)];
    assert(Math.abs(there.larger - back.smaller) < 1e-12 && Math.abs(there.smaller - back.larger) < 1e-12);
  }));
});

Deno.test("complete separation has the smallest probability that there is", () => {
  for (const [first, second] of [[5, 5], [6, 6], [3, 9], [10, 10], [20, 40]]) {
    const { larger } = rankSum(
      Array.from({ length: first }, (_, i) => i),
      Array.from({ length: second }, (_, i) => 100 + i),
    );
    const least = leastProbability(first, second);
    assert(Math.abs(2 * larger - least) < 1e-9 * least, `${larger} ${least}`);
  }
  assert.equal(leastProbability(5, 5), 2 / 252);
  assert.equal(leastProbability(1, 1), 1);
});

Deno.test("the approximation for many values is as the exact test, where both can be had", () => {
  const first = Array.from({ length: 60 }, (_, index) => index * 1.01);
  const second = Array.from({ length: 60 }, (_, index) => index + 9.5);
  const exact = rankSum(first, second);
  const approximate = rankSum([...first, 30.001], second);
  assert(Math.abs(exact.larger - approximate.larger) < 0.005, `${exact.larger} ${approximate.larger}`);
  assert(Math.abs(exact.smaller - approximate.smaller) < 0.005);
  assert.deepEqual(rankSum(Array(100).fill(1), Array(100).fill(1)), { larger: 1, smaller: 1 });
});
