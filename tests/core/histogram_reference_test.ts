// The histogram of latencies beside HdrHistogram's, which is what the field takes for right.
import assert from "node:assert/strict";
import fc from "fast-check";
import * as hdr from "hdr-histogram-js";
import { LatencyHistogram } from "../../core/measure/histogram.ts";

/** Beside its own error of 1/128, a bucket's half, there is that of three digits. */
const ERROR = 1 / 128 + 1e-3;
/** An hour: the longest value of which both know. */
const LONGEST_NS = 3600e9;

const latencies = fc.array(
  fc.oneof(
    fc.integer({ min: 0, max: 200 }),
    fc.integer({ min: 0, max: 1_000_000 }),
    fc.double({ min: 0, max: Math.log2(LONGEST_NS), noNaN: true }).map((power) => Math.floor(2 ** power)),
  ),
  { minLength: 1, maxLength: 3000, size: "max" },
);

Deno.test("a rank that is a whole number is not the next one's for a rounding error", () => {
  const histogram = new LatencyHistogram();
  for (let value = 0; value < 1000; value++) histogram.record(value < 999 ? 10 : 60);
  assert.equal(histogram.quantile(99.9 / 100), 10, `${99.9 / 100 * 1000} is 999`);
  assert.equal(histogram.quantile(1), 60);
});

Deno.test("quantiles are those of HdrHistogram, to the resolution of both", () => {
  fc.assert(
    fc.property(latencies, (values) => {
      const ours = new LatencyHistogram();
      const theirs = hdr.build({
        numberOfSignificantValueDigits: 3,
        highestTrackableValue: LONGEST_NS,
        bitBucketSize: 64,
      });
      for (const value of values) {
        ours.record(value);
        theirs.recordValue(value);
      }
      for (const percent of [0, 1, 10, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 100]) {
        const found = ours.quantile(percent / 100);
        const expected = theirs.getValueAtPercentile(percent);
        assert(Math.abs(found - expected) <= ERROR * expected + 1, `p${percent}: ${found}, and ${expected}`);
      }
      assert.equal(ours.count, theirs.totalCount);
      assert.equal(ours.max, Math.max(...values));
    }),
    { numRuns: 100 },
  );
});
