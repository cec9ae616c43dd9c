// From what the domains of a machine measured to one sample.
import assert from "node:assert/strict";
import fc from "fast-check";
import type { DomainSample, OperationSample } from "../../core/domain/report.ts";
import type { DomainResult } from "../../core/hypervisor.ts";
import { LatencyHistogram } from "../../core/measure/histogram.ts";
import type { Sample } from "../../core/runner/result.ts";
import { toSample } from "../../core/runner/sample.ts";

const DRIVER: DomainSample = {
  durationNs: 1e9,
  cpuNs: 5e8,
  contextSwitches: { voluntary: 3, involuntary: 4 },
  cpus: [1],
  confinedTo: [1],
  heapGrowthBytes: 0,
  notifications: { sent: 5, suppressed: 6 },
  waits: { spinHits: 1, spinMisses: 2, sleeps: 3, spunNs: 4, lostNs: 6, sleptNs: 5 },
  operations: null,
};

function operations(latencies: readonly number[], changes: Partial<OperationSample> = {}): OperationSample {
  const histogram = new LatencyHistogram();
  for (const each of latencies) histogram.record(each);
  return { operations: 100, bytes: 409_600, errors: 1, flushes: 2, latencies: histogram.recorded(), ...changes };
}

function application(latencies: readonly number[], changes: Partial<DomainSample> = {}): DomainSample {
  return { ...DRIVER, cpus: [0], confinedTo: [0, 2], operations: operations(latencies), ...changes };
}

function sampleOf(repetition: number, domains: Record<string, DomainResult>): Sample {
  return toSample(repetition, { domains, counters: {}, peakMemoryBytes: 5e6 });
}

function result(sample: DomainSample, counters: Record<string, number> = {}): DomainResult {
  return { sample, counters, restarts: [] };
}

Deno.test("threads are summed up, the driver apart", () => {
  const sample = sampleOf(3, {
    "application-0": result(application([10]), { verified: 7, corrupt: 0 }),
    "application-1": result(application([20], { cpus: [2], durationNs: 2e9 }), { verified: 5, other: 1 }),
    "driver": result(DRIVER),
  });
  assert.equal(sample.repetition, 3);
  assert.equal(sample.peakMemoryBytes, 5e6);
  assert.equal(sample.durationNs, 2e9, "the longest window");
  assert.deepEqual([sample.operations, sample.bytes, sample.errors, sample.flushes], [200, 819_200, 2, 4]);
  assert.equal(sample.iops, 100 + 50, "each thread by its own clock");
  assert.equal(sample.bytesPerSecond, 409_600 * 1.5);
  assert.equal(sample.timedOperations, 2);
  assert.deepEqual(sample.counters, { verified: 12, corrupt: 0, other: 1 });
  assert.deepEqual(sample.cpuCores, { application: 0.75, driver: 0.5 });
  assert.deepEqual(sample.contextSwitches.application, { voluntary: 6, involuntary: 8 });
  assert.deepEqual(sample.contextSwitches.driver, { voluntary: 3, involuntary: 4 });
  assert.deepEqual(sample.cpus, { application: [0, 2], driver: [1] });
  assert.deepEqual(sample.confinedTo, { application: [0, 2], driver: [1] });
  assert.deepEqual(sample.notifications, {
    frontend: { sent: 10, suppressed: 12 },
    backend: { sent: 5, suppressed: 6 },
  });
  assert.deepEqual(sample.waits.frontend, {
    spinHits: 2,
    spinMisses: 4,
    sleeps: 6,
    spunNs: 8,
    lostNs: 12,
    sleptNs: 10,
  });
});

Deno.test("what one thread could not measure is null, never a sum of the others", () => {
  const nothing = {
    cpuNs: null,
    contextSwitches: null,
    cpus: null,
    confinedTo: null,
    notifications: null,
    waits: null,
  };
  const sample = sampleOf(0, {
    "application-0": result(application([10])),
    "application-1": result(application([20], nothing)),
    "driver": result(DRIVER),
  });
  for (const key of ["cpuCores", "contextSwitches", "cpus", "confinedTo"] as const) {
    assert.equal(sample[key].application, null, key);
    assert.notEqual(sample[key].driver, null, key);
  }
  for (const key of ["notifications", "waits"] as const) {
    assert.equal(sample[key].frontend, null, key);
    assert.notEqual(sample[key].backend, null, key);
  }
  assert.equal(sample.operations, 200);
});

Deno.test("a monolithic machine has no driver", () => {
  const sample = sampleOf(0, { application: result(application([1])) });
  for (const key of ["cpuCores", "contextSwitches", "cpus", "confinedTo"] as const) {
    assert.equal(sample[key].driver, null);
  }
  for (const key of ["notifications", "waits"] as const) assert.equal(sample[key].backend, null);
});

Deno.test("without a timed operation there are no latencies", () => {
  const { latencyNs, timedOperations } = sampleOf(0, { application: result(application([])) });
  assert.deepEqual([latencyNs, timedOperations], [null, 0]);
});

Deno.test("merged latencies are those of one histogram of all threads", () => {
  const values = fc.array(fc.integer({ min: 1, max: 1e9 }), { minLength: 1, maxLength: 200 });
  fc.assert(fc.property(fc.array(values, { minLength: 1, maxLength: 4 }), (threads) => {
    const merged = sampleOf(
      0,
      Object.fromEntries(threads.map((each, index) => [`application-${index}`, result(application(each))])),
    );
    const whole = new LatencyHistogram();
    for (const each of threads.flat()) whole.record(each);
    assert.deepEqual(merged.latencyNs, {
      min: whole.min,
      mean: Math.round(whole.mean),
      p50: Math.round(whole.quantile(0.5)),
      p95: Math.round(whole.quantile(0.95)),
      p99: Math.round(whole.quantile(0.99)),
      p999: Math.round(whole.quantile(0.999)),
      max: whole.max,
    });
    assert.equal(merged.timedOperations, threads.flat().length);
  }));
});
