import assert from "node:assert/strict";
import { OperationMeter } from "../../core/measure/meter.ts";
import { MAX_PIECES, PieceRecorder } from "../../core/measure/pieces.ts";
import { threadCpuClock, threadUsage } from "../../core/measure/thread.ts";

// The C library is opened once and stays open: here, so that it is no leak of the first test that measures.
threadUsage();
const threadCpuNs = threadCpuClock() ?? (() => NaN);

const noWaits = () => ({ spinHits: 0, spinMisses: 0, sleeps: 0, spunNs: 0, lostNs: 0, sleptNs: 0 });

Deno.test("a window has at most so many pieces, and a number that comes again or late begins none", () => {
  const recorder = new PieceRecorder(noWaits(), null);
  recorder.cut(1);
  assert.equal(recorder.recorded(), null, "the window has not begun");
  recorder.begin();
  for (let piece = 1; piece < MAX_PIECES; piece++) {
    for (const number of [piece, piece, piece - 1]) recorder.cut(number);
  }
  recorder.cut(MAX_PIECES);
  for (const number of [MAX_PIECES, MAX_PIECES + 1]) recorder.cut(number);
  const pieces = recorder.recorded();
  assert.deepEqual(pieces?.upTo, Array.from({ length: MAX_PIECES }, (_, index) => index + 1));
  for (const column of Object.values(pieces ?? {})) assert.equal(column.length, MAX_PIECES);
});

Deno.test("a window that begins anew forgets the pieces before", () => {
  const meter = new OperationMeter(1);
  const recorder = new PieceRecorder(noWaits(), meter);
  for (const count of [5, 2]) {
    recorder.begin();
    for (let i = 0; i < count; i++) {
      meter.submitted(0, 512);
      meter.completed(0, 0);
    }
    recorder.cut(1);
    recorder.cut(MAX_PIECES);
  }
  assert.deepEqual(recorder.recorded()?.operations, [2, 0]);
});

Deno.test("the CPU time of a piece is the kernel's for the thread", () => {
  const recorder = new PieceRecorder(noWaits(), null);
  const before = threadUsage().cpuNs;
  recorder.begin();
  const from = threadCpuNs();
  while (threadCpuNs() - from < 5e6);
  recorder.cut(1);
  recorder.cut(MAX_PIECES);
  const after = threadUsage().cpuNs;
  const [worked, rest] = recorder.recorded()?.cpuNs ?? [];
  assert(typeof worked === "number" && typeof rest === "number" && before !== null && after !== null);
  assert(worked >= 5e6, `${worked}`);
  assert(
    worked + rest <= after - before + 1e3,
    "no more than what the thread used around it, to the microsecond of getrusage",
  );
});
