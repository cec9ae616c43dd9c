import assert from "node:assert/strict";
import fc from "fast-check";
import { estimate } from "../../core/runner/summary.ts";

const values = (minLength: number, maxLength: number) => {
  return fc.array(fc.double({ min: 1, max: 1e9, noNaN: true }), { minLength, maxLength });
};

Deno.test("up to five values are summed up by their median and their range", () => {
  assert.deepEqual(estimate([3, 1, 2]), { median: 2, low: 1, high: 3, interval: "minmax" });
  fc.assert(fc.property(values(1, 5), (samples) => {
    const { median, low, high, interval } = estimate(samples);
    assert.equal(interval, "minmax");
    assert.ok(low <= median && median <= high);
    assert.ok(samples.includes(low) && samples.includes(high));
  }));
});

Deno.test("from six values on there is a 95 % interval around the median, within the range, and always the same", () => {
  fc.assert(
    fc.property(values(6, 12), (samples) => {
      const { median, low, high, interval } = estimate(samples);
      assert.equal(interval, "bootstrap95");
      assert.ok(Math.min(...samples) <= low && low <= median && median <= high && high <= Math.max(...samples));
      assert.deepEqual(estimate(samples), estimate(samples));
    }),
    { numRuns: 20 },
  );
});

Deno.test("the interval covers the true median about as often as it says", () => {
  let state = 1;
  const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  let covered = 0;
  const trials = 200;
  for (let trial = 0; trial < trials; trial++) {
    const { low, high } = estimate(Array.from({ length: 15 }, random));
    if (low <= 0.5 && 0.5 <= high) covered++;
  }
  assert.ok(covered / trials > 0.88 && covered / trials <= 1, `${covered} of ${trials}`);
});
