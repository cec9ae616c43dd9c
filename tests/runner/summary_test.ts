import assert from "node:assert/strict";
import fc from "fast-check";
import type { Sample } from "../../core/runner/result.ts";
import { estimate, summarise } from "../../core/runner/summary.ts";

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

/** What a summary reads of a sample. */
function sampleOf(iops: number, changes: Partial<Sample> = {}): Sample {
  const pushes = { sent: 1, suppressed: 1 };
  return {
    iops,
    bytesPerSecond: iops * 4096,
    latencyNs: { min: 1, mean: 2, p50: iops * 2, p95: 4, p99: iops * 3, p999: iops * 4, max: 7 },
    latenessNs: { min: 1, mean: 2, p50: 3, p95: 4, p99: 5, p999: 6, max: 7 },
    cpuCores: { application: 0.5, driver: 1.5 },
    notifications: { frontend: pushes, backend: pushes },
    errors: 1,
    clients: [1, 3].map((parts) => ({ device: "disk", iops: (iops * parts) / 4, bytesPerSecond: iops * parts })),
    counters: { verified: iops },
    restarts: [{ cause: "", pauseNs: null }],
    windows: null,
    ...changes,
  } as Sample;
}

Deno.test("a summary is the middle of what all repetitions measured, cores of both domains together", () => {
  const summary = summarise([10, 30, 20].map((iops) => sampleOf(iops)));
  const { errors, counters, steady: _, ...estimates } = summary;
  assert.deepEqual([errors, counters.verified?.median], [3, 20]);
  const medians = Object.fromEntries(Object.entries(estimates).map(([key, value]) => [key, value?.median]));
  assert.deepEqual(medians, {
    iops: 20,
    bytesPerSecond: 81_920,
    latencyP50Ns: 40,
    latencyP99Ns: 60,
    latencyP999Ns: 80,
    latenessP99Ns: 5,
    cpuCores: 2,
    iopsPerCpuCore: 10,
    fairness: 0.8,
    minClientIops: 5,
    maxClientIops: 15,
    restarts: 1,
  });
});

Deno.test("what one repetition could not measure is null in the summary, and so is everything of none", () => {
  const without = { latencyNs: null, cpuCores: { application: 1, driver: null } };
  const { iops, latencyP50Ns, cpuCores, iopsPerCpuCore } = summarise([sampleOf(10), sampleOf(20, without)]);
  assert.deepEqual([iops?.median, latencyP50Ns, cpuCores, iopsPerCpuCore], [15, null, null, null]);
  const { counters, ...estimates } = summarise([]);
  assert.deepEqual(counters, {});
  assert(Object.values(estimates).every((value) => value === null));
});

Deno.test("a monolithic machine's cores are those of its application; none used give no ratio", () => {
  const monolithic = (application: number): Partial<Sample> => {
    return { cpuCores: { application, driver: null }, notifications: { frontend: null, backend: null } };
  };
  assert.equal(summarise([sampleOf(10, monolithic(0.5))]).iopsPerCpuCore?.median, 20);
  assert.equal(summarise([sampleOf(10, monolithic(0))]).iopsPerCpuCore, null);
});
