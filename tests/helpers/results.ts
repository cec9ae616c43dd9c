/**
 * Results as they could have been measured, for tests of what is made of them.
 *
 * @module
 */

import { type CellResult, type Result, RESULT_SCHEMA, type Sample, type Windows } from "../../core/runner/result.ts";
import { summarise } from "../../core/runner/summary.ts";

const BLOCK_BYTES = 4096;

/** A sample of one second in which each piece of the window did so many operations. */
export function sampleOf(repetition: number, operations: readonly number[], changes: Partial<Sample> = {}): Sample {
  const pieceNs = 1e9 / operations.length;
  const iops = operations.reduce((total, each) => total + each, 0);
  const side = { sent: 1, suppressed: 1 };
  const waits = { spinHits: 1, spinMisses: 0, sleeps: 0, spunNs: 1, lostNs: 0, sleptNs: 0 };
  const times = {
    durationNs: operations.map(() => pieceNs),
    cpuNs: operations.map(() => pieceNs / 2),
    ...{ spunNs: operations.map(() => 0), lostNs: operations.map(() => 0), sleptNs: operations.map(() => 0) },
  };
  const windows: Windows = {
    durationNs: times.durationNs,
    operations,
    bytes: operations.map((each) => each * BLOCK_BYTES),
    ...{ application: times, driver: times },
  };
  return {
    ...{ repetition, durationNs: 1e9, operations: iops, bytes: iops * BLOCK_BYTES },
    ...{ iops, bytesPerSecond: iops * BLOCK_BYTES, timedOperations: 1, errors: 0, flushes: 0 },
    latencyNs: { min: 1, mean: 2, p50: 1e9 / iops, p95: 4, p99: 2e9 / iops, p999: 3e9 / iops, max: 7 },
    cpuCores: { application: 0.5, driver: 0.5 },
    contextSwitches: { application: { voluntary: 1, involuntary: 1 }, driver: { voluntary: 1, involuntary: 1 } },
    ...{ clients: [], counters: {}, restarts: [], peakMemoryBytes: null, latenessNs: null, neighbours: null },
    cpus: { application: [0], driver: [1] },
    confinedTo: { application: [0], driver: [1] },
    notifications: { frontend: side, backend: side },
    waits: { frontend: waits, backend: waits },
    ...{ windows: operations.length < 2 ? null : windows, latencyHistogram: { ns: [2], counts: [1] } },
    ...{ stealNs: 0, othersNs: 0, redone: [], disturbed: null },
    ...changes,
  };
}

/** A cell of a policy, whose repetitions did so many operations a second. */
export function cellOf(policy: string, iops: readonly number[], changes: Partial<CellResult> = {}): CellResult {
  const samples = iops.map((each, repetition) => sampleOf(repetition, [each]));
  return {
    ...{ id: `id-${policy}`, labels: { policy, device: "ramdisk", workload: "load", placement: "isolated" } },
    ...{ status: "ok", notes: [], samples, summary: summarise(samples) },
    ...changes,
  };
}

/** A result of some cells. */
export function resultOf(cells: readonly CellResult[], changes: Partial<Result> = {}): Result {
  return {
    schema: RESULT_SCHEMA,
    scenario: { name: "test", description: "" },
    startedAt: "2026-01-02T03:04:05.678Z",
    interrupted: false,
    machine: { cpuModel: "a processor", cores: 2, kernel: "6.1", deno: "2.9.6", v8: "15.0" },
    figures: {},
    ...{ cells, expectations: [] },
    ...changes,
  };
}
