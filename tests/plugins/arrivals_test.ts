import assert from "node:assert/strict";
import fc from "fast-check";
import { type Arrivals, bursty, constant, poisson } from "../../plugins/workloads/arrivals.ts";
import { Random } from "../../plugins/workloads/random.ts";

const COUNT = 100_000;
const NS_PER_S = 1e9;

function take(arrivals: Arrivals, count = COUNT): Float64Array {
  return Float64Array.from({ length: count }, arrivals);
}

function gapsOf(times: Float64Array): Float64Array {
  return times.map((time, index) => time - (index === 0 ? 0 : times[index - 1]));
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function variance(values: Float64Array): number {
  const middle = mean(values);
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / values.length;
}

/** The largest distance of the values' distribution from another (Kolmogorov and Smirnov), times the root of their number. */
function kolmogorovSmirnov(values: Float64Array, shareBelow: (value: number) => number): number {
  let distance = 0;
  values.toSorted().forEach((value, index) => {
    const share = shareBelow(value);
    distance = Math.max(distance, share - index / values.length, (index + 1) / values.length - share);
  });
  return distance * Math.sqrt(values.length);
}

/** Of a thousand samples that are as they should be, one is above. */
const KS_LIMIT = 1.95;

Deno.test("constant: the n-th of all threads' arrivals comes after n gaps, whichever thread has it", () => {
  fc.assert(
    fc.property(fc.double({ min: 0.1, max: 1e7, noNaN: true }), fc.integer({ min: 1, max: 9 }), (rate, threads) => {
      const streams = Array.from({ length: threads }, (_, thread) => constant(rate, thread, threads));
      for (let n = 1; n <= 50; n++) assert.equal(streams[(n - 1) % threads](), n * (NS_PER_S / rate));
    }),
  );
});

Deno.test("poisson: the gaps are exponentially distributed, with the mean and the variance of their rate", () => {
  for (const seed of [1, 42, 4711]) {
    for (const rate of [0.5, 1000, 2e6]) {
      const gapNs = NS_PER_S / rate;
      const gaps = gapsOf(take(poisson(new Random(seed), rate)));
      // The means of so many have a deviation of 0.3 % of a gap, the variances one of 0.9 %.
      assert(Math.abs(mean(gaps) / gapNs - 1) < 0.012, `mean ${mean(gaps)}`);
      assert(Math.abs(variance(gaps) / gapNs ** 2 - 1) < 0.035, `variance ${variance(gaps)}`);
      const statistic = kolmogorovSmirnov(gaps, (gap) => 1 - Math.exp(-gap / gapNs));
      assert(statistic < KS_LIMIT, `${statistic}`);
    }
  }
});

Deno.test("the test of distributions finds gaps that are not exponential", () => {
  const random = new Random(1);
  const uniform = Float64Array.from({ length: COUNT }, () => random.fraction() * 2);
  assert(kolmogorovSmirnov(uniform, (gap) => 1 - Math.exp(-gap)) > 10 * KS_LIMIT);
});

Deno.test("poisson: as many come in a time as a Poisson process has, and neighbouring gaps do not depend on each other", () => {
  const rate = 1000;
  const times = take(poisson(new Random(7), rate));
  // In pieces of 10 ms: 10 each on average, with a variance of 10.
  const pieces = new Float64Array(Math.floor(times[COUNT - 1] / 1e7));
  for (const time of times) if (time < pieces.length * 1e7) pieces[Math.floor(time / 1e7)]++;
  assert(Math.abs(mean(pieces) - 10) < 0.15, `${mean(pieces)}`);
  assert(Math.abs(variance(pieces) / mean(pieces) - 1) < 0.06, `${variance(pieces)}`);
  const gaps = gapsOf(times);
  const middle = mean(gaps);
  let product = 0;
  for (let i = 1; i < gaps.length; i++) product += (gaps[i] - middle) * (gaps[i - 1] - middle);
  assert(Math.abs(product / (gaps.length - 1) / variance(gaps)) < 0.015);
});

Deno.test("poisson: the streams of several threads, seeded side by side, are together one of the sum of their rates", () => {
  const streams = Array.from({ length: 4 }, (_, thread) => take(poisson(new Random(42 + thread), 250), COUNT / 4));
  const until = Math.min(...streams.map((times) => times[times.length - 1]));
  const merged = Float64Array.from(streams.flatMap((times) => [...times]).filter((time) => time < until)).sort();
  const statistic = kolmogorovSmirnov(gapsOf(merged), (gap) => 1 - Math.exp(-gap / 1e6));
  assert(statistic < KS_LIMIT, `${statistic}`);
});

Deno.test("bursty: nothing comes during a pause, and during the bursts it is a Poisson process of the given rate", () => {
  const [rate, on, off] = [20_000, 3e6, 7e6];
  const times = take(bursty(new Random(42), rate, on, off));
  const phases = times.map((time) => time % (on + off));
  assert(phases.every((phase) => phase < on + 1), "all come while it is on");
  // Without the pauses.
  const onTimes = times.map((time) => Math.floor(time / (on + off)) * on + time % (on + off));
  const statistic = kolmogorovSmirnov(gapsOf(onTimes), (gap) => 1 - Math.exp(-gap * rate / NS_PER_S));
  assert(statistic < KS_LIMIT, `${statistic}`);
  // Within a burst no moment is preferred.
  assert(kolmogorovSmirnov(phases, (phase) => Math.min(1, phase / on)) < KS_LIMIT);
  const overall = COUNT / (times[COUNT - 1] / NS_PER_S);
  assert(Math.abs(overall / (rate * on / (on + off)) - 1) < 0.02, `${overall} a second`);
});

Deno.test("bursty: without a pause it is a Poisson process", () => {
  const [withPauses, without] = [bursty(new Random(5), 1000, 1e6, 0), poisson(new Random(5), 1000)];
  for (let i = 0; i < 1000; i++) assert.equal(withPauses(), without());
});

Deno.test("arrivals are in order, and the same for the same seed alone", () => {
  const rate = fc.double({ min: 0.01, max: 1e7, noNaN: true });
  const time = fc.integer({ min: 1, max: 1e10 });
  fc.assert(fc.property(fc.integer(), rate, time, time, (seed, perSecond, on, off) => {
    for (
      const make of [
        (from: number) => poisson(new Random(from), perSecond),
        (from: number) => bursty(new Random(from), perSecond, on, off),
      ]
    ) {
      const times = take(make(seed), 100);
      assert.deepEqual(times, take(make(seed), 100));
      assert.notDeepEqual(times, take(make(seed + 1), 100));
      assert(times.every((each, index) => each >= (index === 0 ? 0 : times[index - 1]) && each < Infinity));
    }
  }));
});
