import assert from "node:assert/strict";
import fc from "fast-check";
import { LatencyHistogram, type RecordedLatencies } from "../../core/measure/histogram.ts";

function histogramOf(values: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

// Magnitudes are drawn evenly, so that all octaves are met; 2⁴⁶ is the documented limit.
const latency = fc.tuple(fc.integer({ min: 0, max: 45 }), fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }))
  .map(([octave, fraction]) => Math.floor(2 ** octave * (1 + fraction)));
const latencies = fc.array(latency, { minLength: 1, maxLength: 400, size: "max" });

Deno.test("every quantile is within 1/64 of the exact one", () => {
  fc.assert(fc.property(latencies, fc.double({ min: 0, max: 1, noNaN: true }), (values, fraction) => {
    const sorted = [...values].sort((a, b) => a - b);
    const exact = sorted[Math.max(1, Math.ceil(fraction * sorted.length)) - 1];
    const found = histogramOf(values).quantile(fraction);
    assert(Math.abs(found - exact) <= exact / 64, `quantile ${fraction}: ${found}, exactly ${exact}`);
  }));
});

Deno.test("fractions of a nanosecond, as the clock gives them, are no more than 1 ns off as well", () => {
  const fractional = fc.double({ min: 0, max: 2 ** 40, noNaN: true });
  fc.assert(fc.property(fractional, (value) => {
    const histogram = histogramOf([value / 2, value, value * 2]);
    assert(Math.abs(histogram.quantile(0.5) - value) <= value / 64 + 1);
  }));
});

Deno.test("count, minimum, maximum and mean are exact", () => {
  fc.assert(fc.property(latencies, (values) => {
    const histogram = histogramOf(values);
    assert.equal(histogram.count, values.length);
    assert.equal(histogram.min, Math.min(...values));
    assert.equal(histogram.max, Math.max(...values));
    assert.equal(histogram.mean, values.reduce((sum, value) => sum + value) / values.length);
  }));
});

Deno.test("quantiles do not decrease, and lie between the minimum and the maximum", () => {
  fc.assert(fc.property(latencies, (values) => {
    const histogram = histogramOf(values);
    let last = histogram.min;
    for (let percent = 0; percent <= 100; percent++) {
      const value = histogram.quantile(percent / 100);
      assert(value >= last && value <= histogram.max);
      last = value;
    }
  }));
});

Deno.test("values below 64 ns are exact", () => {
  for (let value = 0; value < 64; value++) {
    assert.equal(histogramOf([value, 0, 64]).quantile(0.5), value === 0 ? 0 : value);
  }
});

Deno.test("values around every power of two fall into neighbouring buckets, in order", () => {
  let last = -1;
  for (let octave = 6; octave < 46; octave++) {
    for (const value of [2 ** octave - 1, 2 ** octave]) {
      const bucket = histogramOf([value]).counts.indexOf(1);
      assert(bucket === last || bucket === last + 1 || value === 2 ** octave - 1, `${value}`);
      assert(bucket > last, `${value} is in bucket ${bucket}, the one before it in ${last}`);
      last = bucket;
    }
  }
});

Deno.test("values beyond the last bucket are counted and keep the maximum exact", () => {
  const histogram = histogramOf([1, 2 ** 50]);
  assert.equal(histogram.count, 2);
  assert.equal(histogram.counts.reduce((sum, count) => sum + count), 2);
  assert.equal(histogram.max, 2 ** 50);
});

Deno.test("an empty histogram says so", () => {
  const histogram = new LatencyHistogram();
  assert.deepEqual([histogram.count, histogram.min, histogram.max, histogram.mean], [0, Infinity, 0, NaN]);
});

Deno.test("a reset histogram is as a new one", () => {
  const histogram = histogramOf([5, 2 ** 20]);
  histogram.reset();
  assert.deepEqual([histogram.count, histogram.min, histogram.max, histogram.mean], [0, Infinity, 0, NaN]);
  histogram.record(7);
  assert.equal(histogram.quantile(1), 7);
});

/** As it arrives from another domain. */
function sent(histogram: LatencyHistogram): RecordedLatencies {
  return JSON.parse(JSON.stringify(histogram.recorded()));
}

Deno.test("what was recorded arrives, and adds up to the histogram of all values", () => {
  fc.assert(fc.property(fc.array(fc.oneof(latencies, fc.constant([])), { maxLength: 4 }), (parts) => {
    const whole = histogramOf(parts.flat());
    const sum = new LatencyHistogram();
    for (const part of parts) sum.add(sent(histogramOf(part)));
    assert.deepEqual(sum.counts, whole.counts);
    assert.deepEqual([sum.count, sum.min, sum.max], [whole.count, whole.min, whole.max]);
    assert(sum.count === 0 || Math.abs(sum.mean - whole.mean) <= whole.mean * 1e-12, "the order of a sum may show");
    for (const fraction of [0, 0.5, 0.99, 1]) assert.equal(sum.quantile(fraction), whole.quantile(fraction));
  }));
});

Deno.test("an empty histogram is sent as numbers, and adds nothing", () => {
  const empty = sent(new LatencyHistogram());
  assert.deepEqual(empty, { count: 0, sum: 0, min: 0, max: 0, buckets: [] });
  const histogram = histogramOf([5, 9]);
  histogram.add(empty);
  assert.deepEqual([histogram.count, histogram.min, histogram.max], [2, 5, 9]);
});
