import assert from "node:assert/strict";
import fc from "fast-check";
import { LatencyHistogram } from "../../core/measure/histogram.ts";
import { Operation, Status } from "../../core/blkif.ts";
import { WorkloadError } from "../../core/errors.ts";
import openLoop from "../../plugins/workloads/open_loop.ts";
import fileio from "../../plugins/workloads/sysbench_fileio.ts";
import { RecordingQueue, runRecorded } from "../helpers/recording_queue.ts";
import { TimedQueue, type TimedQueueOptions } from "../helpers/timed_queue.ts";

/** One nanosecond, in milliseconds: what sums of times may differ by. */
const ROUNDING_MS = 1e-6;

interface Loop extends Partial<TimedQueueOptions> {
  readonly given?: Record<string, unknown>;
  readonly runMs?: number;
  readonly seed?: number;
}

/** Runs it on a device whose times are known. */
function runTimed({ given = {}, runMs = 1000, seed = 42, serviceMs = () => 0.1, ...timed }: Loop) {
  const parsed = openLoop.options.parse(given);
  const queue = new TimedQueue({ depth: parsed.queueDepth, serviceMs, ...timed });
  const counters = openLoop.create(parsed).run(queue.context(runMs, { seed })) as Record<string, number>;
  return { queue, counters, operations: queue.operations };
}

const loops = fc.record({
  given: fc.record({
    rate: fc.double({ min: 10, max: 20_000, noNaN: true }),
    rateProcess: fc.constantFrom("constant", "poisson", "bursty"),
    queueDepth: fc.integer({ min: 1, max: 40 }),
    on: fc.constantFrom("1ms", "30ms"),
    off: fc.constantFrom("0ns", "3ms", "50ms"),
  }),
  seed: fc.integer(),
  services: fc.array(fc.double({ min: 0, max: 3, noNaN: true }), { minLength: 1, maxLength: 50 }),
});

Deno.test("every latency is that of a queue at a server, whatever the queue depth: from due time to completion", () => {
  fc.assert(
    fc.property(loops, ({ given, seed, services }) => {
      const serviceMs = (index: number): number => services[index % services.length];
      const { operations } = runTimed({ given, seed, serviceMs, runMs: 200 });
      let doneMs = 0;
      for (const [index, { dueMs, takenMs }] of operations.entries()) {
        // Lindley's recursion: an arrival is served when it has come and the one before is done.
        doneMs = Math.max(doneMs, dueMs) + serviceMs(index);
        assert(Math.abs(takenMs - doneMs) < ROUNDING_MS, `operation ${index}: ${takenMs}, not ${doneMs}`);
      }
    }),
    { numRuns: 60 },
  );
});

Deno.test("every arrival that comes due is submitted once and in order, or is counted as unsubmitted at the end", () => {
  fc.assert(
    fc.property(loops, fc.integer({ min: 1, max: 300 }), ({ given, seed, services }, runMs) => {
      const serviceMs = (index: number): number => services[index % services.length];
      const { queue, counters, operations } = runTimed({ given, seed, serviceMs, runMs });
      // A device that is never busy sees all that come; of these a slower one sees the first.
      const all = runTimed({ given, seed, serviceMs: () => 0, runMs: runMs + 10 }).operations.map(({ dueMs }) => dueMs);
      const dues = operations.map(({ dueMs }) => dueMs);
      assert.deepEqual(dues, all.slice(0, dues.length));
      const { offered, submitted, completed, unsubmitted } = counters;
      assert.deepEqual([submitted, completed], [operations.length, operations.length]);
      assert.equal(offered, submitted + unsubmitted);
      assert.equal(queue.inFlight, 0);
      // It ends when the operation is over for which it waited last, and at the latest with the longest service.
      const due = (endMs: number): number => all.filter((dueMs) => dueMs <= queue.startMs + endMs).length;
      assert(offered >= due(runMs - ROUNDING_MS) && offered <= due(runMs + Math.max(...services) + ROUNDING_MS));
    }),
    { numRuns: 60 },
  );
});

Deno.test("a thread that is exact is never late, also where arrivals wait for a slot", () => {
  for (const queueDepth of [1, 5]) {
    const { operations } = runTimed({ given: { rate: 20_000, queueDepth }, runMs: 50 });
    assert(operations.some(({ dueMs, submittedMs }) => submittedMs - dueMs > 1), "arrivals wait");
    for (const { lateNs } of operations) assert(lateNs >= 0 && lateNs < 2, `${lateNs} ns`);
  }
});

Deno.test("a thread that oversleeps is late by that, and the operation's latency has it, too", () => {
  const given = { rate: 100, rateProcess: "constant" };
  const { operations } = runTimed({ given, oversleepMs: 0.25, serviceMs: () => 1 });
  assert.equal(operations.length, 99);
  for (const { lateNs, dueMs, takenMs } of operations) {
    assert(Math.abs(lateNs - 250_000) < 2, `${lateNs} ns`);
    assert(Math.abs(takenMs - dueMs - 1.25) < ROUNDING_MS);
  }
});

Deno.test("arrivalSpin takes the place of the end of a sleep: a thread that oversleeps by less is on time", () => {
  const given = { rate: 100, rateProcess: "constant", arrivalSpin: "300us" };
  const { operations, queue } = runTimed({ given, oversleepMs: 0.25, readingMs: 0.001 });
  assert(operations.length > 90);
  for (const { lateNs } of operations) assert(lateNs < 10_000, `${lateNs} ns`);
  assert(queue.pauses <= operations.length + 1, "it sleeps once between two arrivals");
});

Deno.test("it never waits beyond the next arrival, nor sleeps while something is in flight", () => {
  const { operations, queue } = runTimed({
    given: { rate: 1000, rateProcess: "constant" },
    serviceMs: () => 7,
    runMs: 20,
  });
  assert.equal(queue.pauses, 1, "it sleeps before the first alone");
  for (const { dueMs, submittedMs } of operations) assert(submittedMs - dueMs < ROUNDING_MS);
});

/** The percentiles of what a workload's operations took, in milliseconds. */
function percentiles(latenciesMs: readonly number[]): { p50: number; p99: number; max: number } {
  const histogram = new LatencyHistogram();
  for (const latency of latenciesMs) histogram.record(latency * 1e6);
  const at = (fraction: number): number => histogram.quantile(fraction) / 1e6;
  return { p50: at(0.5), p99: at(0.99), max: histogram.max / 1e6 };
}

Deno.test("a stall shows in the percentiles of an open loop, and hides in those of a closed one", () => {
  // Once in a second of work, the device takes 100 ms in place of 0.1 ms.
  const serviceMs = (index: number): number => index === 500 ? 100 : 0.1;
  const open = runTimed({ given: { rate: 1000, rateProcess: "constant" }, serviceMs, runMs: 2000 });
  const opened = percentiles(open.operations.map(({ dueMs, takenMs }) => takenMs - dueMs));

  const given = fileio.options.parse({ mode: "rndrd", files: 1 });
  const queue = new TimedQueue({ depth: 1, serviceMs });
  fileio.create(given).run(queue.context(2000));
  const closed = percentiles(queue.operations.map(({ submittedMs, takenMs }) => takenMs - submittedMs));

  assert(queue.operations.length > 10_000, "the closed loop asks as often as it can");
  assert(closed.p99 < 0.11 && closed.max >= 99.9, `closed: p99 ${closed.p99} ms, longest ${closed.max} ms`);
  // 111 of 2000 arrivals came due before the device had caught up again; the first percent of them waited for over 80 ms.
  assert(opened.p50 < 0.11 && opened.p99 > 75 && opened.max >= 99.9, `open: p99 ${opened.p99} ms`);
});

Deno.test("a rate that the device cannot serve ends in time, with what was left over and a note", () => {
  const given = { rate: 50_000, rateProcess: "constant", queueDepth: 8 };
  const { queue, counters, operations } = runTimed({ given });
  // 10 000 a second are served, and those in flight at the end.
  assert(counters.submitted >= 10_000 && counters.submitted <= 10_010, `${counters.submitted}`);
  assert(counters.unsubmitted >= 39_990 && counters.unsubmitted <= 40_010, `${counters.unsubmitted}`);
  assert(queue.nowMs <= queue.startMs + 1001, "what is in flight is waited for, and no more");
  const { dueMs, takenMs } = operations[operations.length - 1];
  assert(takenMs - dueMs > 790, "latencies are those of the whole queue");
  assert.equal(queue.notes.length, 1);
  assert.match(queue.notes[0], /^50000 arrivals a second were too many at the end: more waited than the 8 /);
  assert.deepEqual(runTimed({ given: { rate: 5000 } }).queue.notes, []);
});

Deno.test("the operations have the shares, sizes and places that were asked for", () => {
  const given = { readPercentage: 30, blockSize: "8KiB", totalSize: "1MiB", rate: 1e6 };
  const { recorded } = runRecorded(openLoop, given, { turns: 20_000 }).queue;
  const reads = recorded.filter(({ operation }) => operation === Operation.Read).length;
  assert(recorded.every(({ operation }) => operation === Operation.Read || operation === Operation.Write));
  assert(Math.abs(reads / recorded.length - 0.3) < 0.03, `${reads} of ${recorded.length}`);
  assert(recorded.every(({ offset, length }) => length === 8192 && offset % 8192 === 0 && offset + length <= 1 << 20));
  assert.equal(new Set(recorded.map(({ offset }) => offset)).size, 128, "all blocks");
});

Deno.test("open-loop refuses what the device cannot have, with what it can", () => {
  const refused = (given: unknown, message: RegExp, info = {}): void => {
    const { queueDepth, blockSize } = openLoop.options.parse(given);
    const queue = new RecordingQueue({ depth: queueDepth, maxTransferBytes: blockSize, info });
    assert.throws(() => runRecorded(openLoop, given, { queue }), (thrown) => {
      return thrown instanceof WorkloadError && message.test(thrown.message);
    });
  };
  refused({ totalSize: "8MiB" }, /totalSize is 8MiB; allowed is from a block \(4KiB\) to the device's 4MiB/);
  refused({ totalSize: "512B" }, /totalSize is 512B; allowed is from a block/);
  refused({ blockSize: "8MiB" }, /blockSize is 8MiB/);
  refused({ readPercentage: 99 }, /readPercentage 99 writes; the device is read-only/, { readOnly: true });
});

Deno.test("open-loop refuses options that make no sense", () => {
  for (
    const [given, message] of [
      [{ rate: 0 }, /rate/],
      [{ rate: 1e8 }, /rate/],
      [{ readPercentage: 101 }, /readPercentage/],
      [{ on: "0ns" }, /must be above 0ns/],
      [{ rateProcess: "linear" }, /rateProcess/],
      [{ blockSize: "1000B" }, /must be a multiple of 512B/],
    ] as const
  ) {
    assert.match(openLoop.options.safeParse(given).error?.message ?? "accepted", message);
  }
});

Deno.test("an operation that fails while the last are waited for fails the workload", () => {
  const queue = new RecordingQueue({ depth: 32, maxTransferBytes: 4096 });
  queue.statusOf = () => Status.Error;
  assert.throws(() => runRecorded(openLoop, { rate: 1e6 }, { queue, turns: 20 }), WorkloadError);
});
