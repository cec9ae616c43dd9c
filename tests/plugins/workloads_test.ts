import assert from "node:assert/strict";
import fc from "fast-check";
import { Operation } from "../../core/blkif.ts";
import { WorkloadError } from "../../core/errors.ts";
import fileio from "../../plugins/workloads/sysbench_fileio.ts";
import { builtins } from "../../plugins/mod.ts";
import { RecordingQueue, runRecorded, testWorkload } from "../conformance/workload.ts";

/** Options to try beside the defaults; a workload that is not here is tried with its defaults alone. */
const examples: Readonly<Record<string, readonly unknown[]>> = {
  "sysbench-fileio": [
    { mode: "rndrd", blockSize: "512B", queueDepth: 64 },
    { mode: "rndwr", blockSize: "44KiB", queueDepth: 3 },
  ],
};
for (const [name, url] of Object.entries(builtins.workload)) testWorkload(name, url, examples[name] ?? []);

/** The share of reads among so many operations. */
function readShare(given: unknown, turns = 20_000): number {
  const { recorded } = runRecorded(fileio, given, { turns });
  return recorded.filter(({ operation }) => operation === Operation.Read).length / recorded.length;
}

Deno.test("sysbench-fileio reads in rndrd and writes in rndwr, and does nothing else", () => {
  assert.equal(readShare({ mode: "rndrd" }), 1);
  const { recorded } = runRecorded(fileio, { mode: "rndwr" });
  assert(recorded.every(({ operation }) => operation === Operation.Write));
});

Deno.test("sysbench-fileio reads as often for each write in rndrw as it was told to", () => {
  for (const [readWriteRatio, share] of [[1.5, 0.6], [1, 0.5], [9, 0.9], [0.25, 0.2]]) {
    const found = readShare({ mode: "rndrw", readWriteRatio });
    assert(Math.abs(found - share) < 0.02, `${found} at a ratio of ${readWriteRatio}`);
  }
});

Deno.test("sysbench-fileio keeps exactly its queue depth in flight until it is told to stop", () => {
  for (const queueDepth of [1, 2, 17, 64]) {
    const { depths } = runRecorded(fileio, { queueDepth }, { turns: 300 });
    assert(depths.slice(0, 300).every((depth) => depth === queueDepth));
    // After that each wait finds one less, down to none.
    assert.deepEqual(depths.slice(301), Array.from({ length: queueDepth }, (_, i) => queueDepth - 1 - i));
  }
});

Deno.test("sysbench-fileio's offsets are multiples of its block size within the device, whatever both are", () => {
  const sizes = fc.tuple(fc.integer({ min: 1, max: 88 }), fc.integer({ min: 88, max: 5000 }));
  fc.assert(fc.property(sizes, fc.integer(), ([blockSectors, deviceSectors], seed) => {
    const queue = new RecordingQueue(deviceSectors * 512);
    runRecorded(fileio, { blockSize: `${blockSectors * 512}B`, queueDepth: 4 }, { queue, seed, turns: 50 });
    for (const { offset, length } of queue.recorded) {
      assert.equal(length, blockSectors * 512);
      assert.equal(offset % length, 0);
      assert(offset + length <= deviceSectors * 512);
    }
  }));
});

Deno.test("sysbench-fileio reaches every block about equally often", () => {
  const blocks = 64;
  const counts = new Uint32Array(blocks);
  const { recorded } = runRecorded(fileio, {}, { turns: 64_000 });
  for (const { offset } of recorded) counts[offset / 16384]++;
  // 1000 expected, standard deviation 32.
  assert(counts.every((count) => count > 800 && count < 1200), `from ${Math.min(...counts)} to ${Math.max(...counts)}`);
});

Deno.test("sysbench-fileio reads and writes the same places: the direction does not depend on the offset", () => {
  const { recorded } = runRecorded(fileio, { readWriteRatio: 1 }, { turns: 40_000 });
  for (const half of [0, 1]) {
    const there = recorded.filter(({ offset }) => Math.floor(offset / (1 << 19)) === half);
    const share = there.filter(({ operation }) => operation === Operation.Read).length / there.length;
    assert(Math.abs(share - 0.5) < 0.02, `${share} reads in half ${half}`);
  }
});

Deno.test("sysbench-fileio refuses a block size that does not fit, with what fits in the message", () => {
  for (
    const [blockSize, sizeBytes, fits] of [
      ["48KiB", 1 << 20, "44KiB"],
      ["16KiB", 8192, "8KiB"],
      ["1000B", 1 << 20, "512"],
      ["0B", 1 << 20, "512"],
    ] as const
  ) {
    const queue = new RecordingQueue(sizeBytes);
    assert.throws(() => runRecorded(fileio, { blockSize }, { queue }), (error) => {
      return error instanceof WorkloadError && error.message.includes(fits);
    }, blockSize);
    assert.equal(queue.recorded.length, 0);
  }
});

Deno.test("sysbench-fileio refuses options that make no sense", () => {
  for (
    const given of [
      { mode: "seqrd" },
      { queueDepth: 0 },
      { queueDepth: 513 },
      { queueDepth: 1.5 },
      { readWriteRatio: 0 },
      { readWriteRatio: -1 },
      { blockSize: "16K" },
    ]
  ) {
    assert.equal(fileio.options.safeParse(given).success, false, JSON.stringify(given));
  }
});
