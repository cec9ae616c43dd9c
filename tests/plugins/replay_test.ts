// That `replay` does what the trace says, when it says so, and refuses what does not fit.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Operation, Status } from "../../core/blkif.ts";
import { WorkloadError } from "../../core/errors.ts";
import { loadPlugin } from "../../core/plugin.ts";
import { builtins } from "../../plugins/mod.ts";
import { encodeHeader, RECORD_BYTES, RecordBuffer, Trace } from "../../plugins/trace/format.ts";
import { deviceInfo } from "../helpers/devices.ts";
import { RecordingQueue, runRecorded } from "../helpers/recording_queue.ts";

const replay = await loadPlugin("workload", builtins.workload.replay);
const FIXTURE = fileURLToPath(new URL("./fixtures/version-1.trace", import.meta.url));
const { Read, Write } = Operation;

interface Row {
  readonly timeNs?: number;
  readonly operation?: number;
  readonly offsetBytes?: number;
  readonly byteLength?: number;
}

/** A trace with these requests, for the time of `body`. */
function withTrace(rows: readonly Row[], body: (file: string) => void): void {
  const file = Deno.makeTempFileSync();
  try {
    const buffer = new RecordBuffer(rows.length);
    for (const { timeNs = 0, operation = Read, offsetBytes = 0, byteLength = 512 } of rows) {
      buffer.add(timeNs, 1000, operation, offsetBytes, byteLength, Status.Okay);
    }
    const bytes = new Uint8Array((rows.length + 1) * RECORD_BYTES);
    bytes.set(encodeHeader(deviceInfo(), 0));
    bytes.set(buffer.bytes, RECORD_BYTES);
    Deno.writeFileSync(file, bytes);
    body(file);
  } finally {
    Deno.removeSync(file);
  }
}

Deno.test("it does the requests of the trace in the order in which they were submitted, again and again", () => {
  const trace = new Trace(Deno.readFileSync(FIXTURE));
  assert.equal(trace.length, 300);
  const expected = trace.inOrder().map((
    { operation, offsetBytes, byteLength },
  ) => [operation, offsetBytes, byteLength]);
  assert.notDeepEqual(trace.record(0), trace.inOrder()[0], "in the file they stand in another order");
  const { queue, counters } = runRecorded(replay, { file: FIXTURE }, { turns: 750 });
  const found = queue.recorded.map(({ operation, offset, length }) => [operation, offset, length]);
  assert.deepEqual(found.slice(0, 300), expected);
  assert.deepEqual(found.slice(300, 600), expected);
  assert.equal(counters.replayPasses, 2);
  assert.equal(counters.replayedRequests, found.length);
  assert.deepEqual([counters.replaySkipped, counters.replayedLate], [0, 0]);
});

Deno.test("as fast as it goes, as many requests are in flight as there are slots", () => {
  const { queue } = runRecorded(replay, { file: FIXTURE, queueDepth: 7 });
  assert.equal(Math.max(...queue.depths), 7);
});

/** When each request was submitted, in ms since before the replay began. */
function submissionTimes(given: Record<string, unknown>, count: number): number[] {
  const times: number[] = [];
  const queue = new RecordingQueue({ depth: 4, maxTransferBytes: 1 << 17 });
  const submit = queue.submit.bind(queue);
  const enough = new Error("enough");
  queue.submit = (slot, operation, offset, length) => {
    times.push(queue.now());
    if (times.length === count) throw enough;
    submit(slot, operation, offset, length);
  };
  const start = queue.now();
  assert.throws(() => runRecorded(replay, { queueDepth: 4, ...given }, { queue, turns: Infinity }), enough);
  return times.map((each) => each - start);
}

Deno.test("at the recorded times no request is before its own, and twice as fast none before half of it", () => {
  const timesMs = [0, 10, 10, 30, 60];
  withTrace(timesMs.map((ms) => ({ timeNs: 5e6 + ms * 1e6 })), (file) => {
    for (const [speed, factor] of [["1x", 1], ["2x", 2], ["0.5x", 0.5]] as const) {
      const found = submissionTimes({ file, speed }, timesMs.length);
      for (const [index, ms] of timesMs.entries()) {
        assert(found[index] >= ms / factor, `${speed}: request ${index} after ${found[index]} ms`);
      }
    }
  });
});

Deno.test("at the recorded times latencies run from when a request was due, though no slot was free then", () => {
  const rows = [
    ...[0, 10, 10, 10].map((ms) => ({ timeNs: ms * 1e6 })),
    { timeNs: 10e6, operation: Operation.Flush, byteLength: 0 },
    { timeNs: 40e6 },
  ];
  withTrace(rows, (file) => {
    const queue = new RecordingQueue({ depth: 2, maxTransferBytes: 1 << 17 });
    const dues: { dueMs: number; lateNs: number; nowMs: number }[] = [];
    const wait = queue.wait.bind(queue);
    queue.wait = () => {
      queue.pause(5e6);
      return wait();
    };
    const start = queue.now();
    const due = (_: number, dueMs: number, lateNs: number): void =>
      void dues.push({ dueMs, lateNs, nowMs: queue.now() });
    const { counters } = runRecorded(replay, { file, speed: "1x", queueDepth: 2 }, { queue, due, turns: 1e6 });
    const first = dues.slice(0, 5);
    for (const [at, ms] of [0, 10, 10, 10, 40].entries()) {
      assert(Math.abs(first[at].dueMs - start - ms) < 0.1, `request ${at} was due after ${first[at].dueMs - start} ms`);
      assert(first[at].nowMs >= first[at].dueMs);
      assert(first[at].lateNs < 1e5, "it waits for a slot, and not for the workload");
    }
    assert(first[3].nowMs - first[3].dueMs > 4, "the fourth had no slot");
    assert(counters.replayedLate > 0);
  });
  withTrace(rows, (file) => {
    const due = (): void => assert.fail("as fast as it goes, nothing is due at a time");
    runRecorded(replay, { file, queueDepth: 2 }, { due, turns: 100 });
  });
});

Deno.test("what the device does not know is left out, and a trace of nothing else does nothing", () => {
  const info = { canFlush: false, canDiscard: false };
  const rows = [{ operation: Operation.Flush, byteLength: 0 }, { operation: Operation.Discard }];
  withTrace(rows, (file) => {
    const { queue, counters } = runRecorded(replay, { file }, { info, turns: 100 });
    assert.equal(queue.recorded.length, 0);
    assert(counters.replaySkipped > 50);
  });
});

Deno.test("a trace that does not fit the device is refused with the request and what is allowed", () => {
  const refused: [Row, Record<string, unknown>, Record<string, unknown>, RegExp][] = [
    [{ offsetBytes: 4 << 20 }, {}, {}, /request 1 .*ends at byte 4198400; the device has 4MiB/],
    [{ offsetBytes: 512 }, {}, { sectorSize: 4096 }, /request 1 .*4096 bytes at 512; allowed are sectors of 4096/],
    [{ byteLength: 8192 }, { maxTransfer: "4KiB" }, {}, /request 1 .*8192 bytes long; maxTransfer is 4KiB/],
    [{ operation: Write }, {}, { readOnly: true }, /request 1 .*read-only/],
    [{ operation: 9 }, {}, {}, /request 1 .*operation 9/],
    [{ offsetBytes: -512 }, {}, {}, /request 1 .*-512/],
    [{ byteLength: NaN }, {}, {}, /request 1 .*NaN/],
  ];
  for (const [row, given, info, said] of refused) {
    const good = { byteLength: 4096 };
    withTrace([{ ...good, timeNs: 0 }, { ...good, ...row, timeNs: 1 }], (file) => {
      assert.throws(() => runRecorded(replay, { file, ...given }, { info }), (error) => {
        return error instanceof WorkloadError && error.message.includes(file) && said.test(error.message);
      }, `${said}`);
    });
  }
});

Deno.test("a file that is no trace, is not there or has no requests is refused with its path", () => {
  const source = fileURLToPath(import.meta.url);
  for (const [file, said] of [[source, /no trace/], ["/nonexistent/x.trace", /nonexistent/]] as const) {
    assert.throws(() => runRecorded(replay, { file }), (error) => {
      return error instanceof WorkloadError && error.message.includes(file) && said.test(error.message);
    });
  }
  withTrace([], (file) => assert.throws(() => runRecorded(replay, { file }), /has no requests/));
});

Deno.test("a speed is max or a factor above 0", () => {
  for (const speed of ["max", "1x", "0.25x", "10x"]) {
    assert(replay.options.safeParse({ file: "x", speed }).success, speed);
  }
  for (const speed of ["0x", "x", "-1x", "1", "fast"]) {
    assert.equal(replay.options.safeParse({ file: "x", speed }).success, false, speed);
  }
});
