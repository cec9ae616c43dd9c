import assert from "node:assert/strict";
import fc from "fast-check";
import { mulberry32 } from "../../core/mulberry32.ts";
import { drawMedians, estimateOf, type Repeated, RESAMPLES } from "../../core/runner/bootstrap.ts";
import { normal } from "../helpers/random.ts";

/** Repetitions whose processes differ by one standard deviation, and their 20 pieces by another; the truth is 1. */
function measured(count: number, between: number, within: number, random: () => number): Repeated[] {
  return Array.from({ length: count }, () => {
    const own = 1 + between * normal(random);
    const numerators = Array.from({ length: 20 }, () => own * (1 + within * normal(random)));
    const value = numerators.reduce((total, each) => total + each, 0) / numerators.length;
    return { value, pieces: { numerators, denominators: numerators.map(() => 1) } };
  });
}

/** In what share of seeded trials the interval holds the truth. */
function coverage(count: number, between: number, within: number): number {
  const random = mulberry32(count);
  let covered = 0;
  const trials = 1500;
  for (let trial = 0; trial < trials; trial++) {
    const { low, high } = estimateOf(measured(count, between, within, random));
    if (low <= 1 && 1 <= high) covered++;
  }
  return covered / trials;
}

for (const count of [6, 10, 20]) {
  Deno.test(`a 95 % interval of ${count} processes that differ holds the truth in 90 to 98 of 100 trials`, () => {
    const share = coverage(count, 0.01, 0.02);
    assert(share >= 0.9 && share <= 0.98, `${share}`);
  });
}

Deno.test("where processes do not differ the interval errs towards too wide, as what is within counts twice", () => {
  const share = coverage(6, 0, 0.02);
  assert(share >= 0.95, `${share}`);
});

Deno.test("an interval is wider where the pieces differ, though the repetitions are the same", () => {
  const values = [10, 11, 12, 13, 14, 15];
  const width = (pieces: Repeated["pieces"]): number => {
    const { low, high } = estimateOf(values.map((value) => ({ value, pieces })));
    return high - low;
  };
  const rough = { numerators: [1, 100, 1, 100], denominators: [1, 1, 1, 1] };
  const even = { numerators: [5, 5, 5, 5], denominators: [1, 1, 1, 1] };
  assert(width(rough) > 1.2 * width(even), `${width(rough)} ${width(even)}`);
  // One draws numbers for pieces and the other does not, so they differ as two runs of the bootstrap do.
  assert(Math.abs(width(even) - width(null)) < 0.1 * width(null), `${width(even)} ${width(null)}`);
});

Deno.test("pieces of different lengths count by their lengths: a constant rate gives no width of its own", () => {
  const pieces = { numerators: [2, 20, 200], denominators: [1, 10, 100] };
  const estimate = estimateOf(Array.from({ length: 6 }, () => ({ value: 7, pieces })));
  for (const key of ["median", "low", "high"] as const) assert(Math.abs(estimate[key] - 7) < 1e-9, key);
});

Deno.test("pieces in which nothing happened, or no time passed, leave the repetition's value", () => {
  for (const pieces of [{ numerators: [0, 0], denominators: [1, 1] }, { numerators: [1, 1], denominators: [0, 0] }]) {
    const estimate = estimateOf(Array.from({ length: 6 }, (_, index) => ({ value: index, pieces })));
    assert.equal(estimate.median, 2.5);
    assert(estimate.low >= 0 && estimate.high <= 5);
  }
});

Deno.test("the median lies within its interval, whatever was measured, and the same always gives the same", () => {
  const positive = fc.double({ min: 1e-3, max: 1e9, noNaN: true });
  const pieces = fc.array(fc.tuple(positive, positive), { minLength: 1, maxLength: 8 }).map((pairs) => ({
    numerators: pairs.map(([numerator]) => numerator),
    denominators: pairs.map(([, denominator]) => denominator),
  }));
  const repetition = fc.record({ value: positive, pieces: fc.option(pieces) });
  fc.assert(
    fc.property(fc.array(repetition, { minLength: 6, maxLength: 12 }), (repetitions) => {
      const { low, median, high } = estimateOf(repetitions);
      assert(low <= median && median <= high, `${low} ${median} ${high}`);
      assert.deepEqual(estimateOf(repetitions), { low, median, high, interval: "bootstrap95" });
    }),
    { numRuns: 30 },
  );
});

Deno.test("without pieces a drawn median lies within the values", () => {
  const repetitions = [3, 1, 4, 1, 5].map((value) => ({ value, pieces: null }));
  const draws = drawMedians(repetitions, mulberry32(1));
  assert.equal(draws.length, RESAMPLES);
  assert(draws.every((each) => [1, 3, 4, 5].includes(each)), "an odd number of values has one of them as its median");
});
