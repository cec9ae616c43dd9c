import assert from "node:assert/strict";
import fc from "fast-check";
import { Operation } from "../../core/blkif.ts";
import { WorkloadError } from "../../core/errors.ts";
import fileio from "../../plugins/workloads/sysbench_fileio.ts";
import { type RecordedRun, RecordingQueue, runRecorded } from "../helpers/recording_queue.ts";

const { Read, Write, Flush } = Operation;
const MiB = 1 << 20;

/** What it asked for, as operations and blocks of 16 KiB. */
function operationsOf(given: unknown, run: RecordedRun = {}): { operation: number; block: number }[] {
  const { recorded } = runRecorded(fileio, given, run).queue;
  return recorded.map(({ operation, offset }) => ({ operation, block: offset / 16384 }));
}

function isTransfer({ operation }: { operation: number }): boolean {
  return operation !== Flush;
}

/** The blocks in the order of submission. */
function blocksOf(given: unknown, run: RecordedRun = {}): number[] {
  return operationsOf(given, run).filter(isTransfer).map(({ block }) => block);
}

/** A letter for each operation. */
function letters(given: unknown, run: RecordedRun = {}): string {
  return operationsOf(given, run).map(({ operation }) => ({ [Read]: "R", [Write]: "W", [Flush]: "F" })[operation]).join(
    "",
  );
}

Deno.test("sysbench-fileio has sysbench's defaults", () => {
  assert.deepEqual(fileio.options.parse({}), {
    mode: "rndrw",
    blockSize: 16384,
    threads: 1,
    queueDepth: 1,
    files: 128,
    rwRatio: 1.5,
    fsyncFreq: 100,
    fsyncAll: false,
    fsyncEnd: true,
    randType: "uniform",
    paretoH: 0.2,
    zipfianExp: 0.8,
  });
});

Deno.test("sysbench-fileio reads in the modes …rd, writes in the modes …wr, and nothing else but flushes", () => {
  for (const mode of ["seqrd", "rndrd"]) assert.match(letters({ mode }), /^R+$/);
  for (const mode of ["seqwr", "seqrewr", "rndwr"]) assert.match(letters({ mode }), /^(W+F)+$/);
});

Deno.test("sysbench-fileio reads in rndrw while (reads + 1) / (writes + 1) is below the ratio, and else writes", () => {
  for (const rwRatio of [9, 1.5, 1, 0.25]) {
    const found = letters({ rwRatio, fsyncFreq: 0 }, { turns: 1000 });
    let reads = 0;
    let writes = 0;
    for (const letter of found.slice(0, 1000)) {
      assert.equal(letter, (reads + 1) / (writes + 1) < rwRatio ? "R" : "W");
      if (letter === "R") reads++;
      else writes++;
    }
    assert(Math.abs(reads / writes - rwRatio) < 0.05, `${reads} / ${writes} at ${rwRatio}`);
  }
});

Deno.test("sysbench-fileio goes through all files block by block in sequential modes, and begins anew", () => {
  const given = { mode: "seqrd", totalSize: "1MiB", files: 8 };
  assert.deepEqual(blocksOf(given, { turns: 149 }), Array.from({ length: 150 }, (_, i) => i % 64));
});

Deno.test("sysbench-fileio's files are whole blocks one after another: what is left of the device is not touched", () => {
  // 10 files in 1 MiB = 64 blocks: 6 blocks each.
  assert.equal(Math.max(...blocksOf({ mode: "seqrd", totalSize: "1MiB", files: 10 })), 59);
  assert.equal(Math.max(...blocksOf({ mode: "rndrd", totalSize: "1MiB", files: 10 }, { turns: 2000 })), 59);
});

Deno.test("sysbench-fileio's threads share a sequence: each takes every threads-th block of it", () => {
  for (const [threads, blocks] of [[2, 64], [3, 64], [5, 4], [8, 2]]) {
    const given = { mode: "seqwr", totalSize: `${blocks * 16}KiB`, files: 1, threads, fsyncFreq: 0 };
    const turns = 3 * blocks;
    const taken = Array.from({ length: threads }, (_, thread) => blocksOf(given, { thread, turns }));
    const merged = Array.from({ length: turns * threads }, (_, i) => taken[i % threads][Math.floor(i / threads)]);
    assert.deepEqual(merged, merged.map((_, i) => i % blocks));
  }
});

Deno.test("sysbench-fileio takes 2GiB of a larger device, all of a smaller one, and what it is told to", () => {
  const highest = (given: unknown, sizeBytes: number): number => {
    const queue = new RecordingQueue({ info: { sizeBytes }, disk: new Uint8Array(0) });
    queue.perform = () => {};
    const { recorded } = runRecorded(fileio, given, { queue, turns: 100_000 }).queue;
    return Math.max(...recorded.map(({ offset }) => offset)) / MiB;
  };
  const near = (found: number, limit: number): void => assert(found < limit && found > 0.99 * limit, `${found}`);
  near(highest({ mode: "rndrd" }, 8192 * MiB), 2048);
  near(highest({ mode: "rndrd" }, 512 * MiB), 512);
  near(highest({ mode: "rndrd", totalSize: "4GiB" }, 8192 * MiB), 4096);
});

Deno.test("sysbench-fileio flushes after every fsyncFreq operations, if something was written since", () => {
  assert.match(letters({ mode: "rndwr", fsyncFreq: 7 }), /^(W{7}F)*W{0,7}F$/);
  assert.match(letters({ mode: "rndrw", fsyncFreq: 20 }), /^([RW]{20}F)*[RW]*F$/);
  assert.match(letters({ mode: "rndwr" }, { turns: 1000 }), /^(W{100}F){9}W+F$/);
  assert.match(letters({ mode: "rndwr", fsyncFreq: 0 }), /^W+F$/);
  assert.match(letters({ mode: "rndwr", fsyncFreq: 0, fsyncEnd: false }), /^W+$/);
  // Reads alone leave nothing to flush.
  assert.match(letters({ rwRatio: 10, fsyncFreq: 2 }), /^(R{9,10}WF)+R*$/);
});

Deno.test("sysbench-fileio flushes after each write with fsyncAll, and after no read", () => {
  const found = letters({ fsyncAll: true });
  assert.match(found, /^(R|WF)+$/);
  assert.match(found, /R.*W/);
});

Deno.test("sysbench-fileio flushes in the slot that has become free, while the others stay in flight", () => {
  const { queue } = runRecorded(fileio, { mode: "rndwr", queueDepth: 8, fsyncFreq: 10 }, { turns: 300 });
  assert(queue.depths.slice(0, 300).every((depth) => depth === 8));
  assert(queue.recorded.filter(({ operation }) => operation === Flush).length > 20);
});

Deno.test("sysbench-fileio flushes at the end only what was written since the last flush, and when all is over", () => {
  for (const queueDepth of [1, 4]) {
    const { queue } = runRecorded(fileio, { mode: "rndwr", queueDepth }, { turns: 50 });
    assert.equal(queue.recorded.at(-1)?.operation, Flush);
    assert.equal(queue.recorded.filter(({ operation }) => operation === Flush).length, 1);
    assert.deepEqual(queue.depths.slice(-2), [0, 1]); // It was the only one in flight.
  }
  assert.match(letters({ mode: "rndwr", fsyncFreq: 0, fsyncEnd: true }, { turns: 0 }), /^WF$/);
});

Deno.test("sysbench-fileio keeps exactly its queue depth in flight until it is told to stop", () => {
  for (const queueDepth of [1, 2, 17, 64]) {
    const { depths } = runRecorded(fileio, { queueDepth, fsyncEnd: false }, { turns: 300 }).queue;
    assert(depths.slice(0, 300).every((depth) => depth === queueDepth));
    // After that each wait finds one less, down to none.
    assert.deepEqual(depths.slice(301), Array.from({ length: queueDepth }, (_, i) => queueDepth - 1 - i));
  }
});

Deno.test("sysbench-fileio's offsets are multiples of its block size within the device, whatever both are", () => {
  const sizes = fc.tuple(fc.integer({ min: 1, max: 88 }), fc.integer({ min: 88, max: 5000 }));
  const how = fc.record({
    mode: fc.constantFrom("seqwr", "seqrd", "rndrd", "rndwr", "rndrw"),
    randType: fc.constantFrom("uniform", "gaussian", "pareto", "zipfian"),
  });
  fc.assert(fc.property(sizes, how, fc.integer(), ([blockSectors, deviceSectors], given, seed) => {
    const options = { ...given, blockSize: `${blockSectors * 512}B`, queueDepth: 4, files: 1 };
    const { queue } = runRecorded(fileio, options, { info: { sizeBytes: deviceSectors * 512 }, seed, turns: 50 });
    for (const { offset, length } of queue.recorded.filter(isTransfer)) {
      assert.equal(length, blockSectors * 512);
      assert.equal(offset % length, 0);
      assert(offset + length <= deviceSectors * 512);
    }
  }));
});

Deno.test("sysbench-fileio's blocks are as its distribution says", () => {
  const share = (randType: string, from: number, to: number): number => {
    const blocks = blocksOf({ mode: "rndrd", randType, files: 1 }, { turns: 20_000 });
    return blocks.filter((block) => block >= from && block < to).length / blocks.length;
  };
  const near = (found: number, expected: number): void => assert(Math.abs(found - expected) < 0.02, `${found}`);
  // 256 blocks.
  near(share("uniform", 0, 64), 0.25);
  near(share("gaussian", 128 - 21, 128 + 21), 0.68);
  near(share("pareto", 0, 51), 0.8);
  const zipf = Array.from({ length: 256 }, (_, k) => (k + 1) ** -0.8);
  const sum = (weights: number[]): number => weights.reduce((total, weight) => total + weight);
  near(share("zipfian", 0, 10), sum(zipf.slice(0, 10)) / sum(zipf));
});

Deno.test("sysbench-fileio reads and writes the same places: the direction does not depend on the offset", () => {
  const transfers = operationsOf({ rwRatio: 1, files: 1 }, { turns: 40_000 }).filter(isTransfer);
  for (const half of [0, 1]) {
    const there = transfers.filter(({ block }) => Math.floor(block / 128) === half);
    const share = there.filter(({ operation }) => operation === Read).length / there.length;
    assert(Math.abs(share - 0.5) < 0.02, `${share} reads in half ${half}`);
  }
});

Deno.test("sysbench-fileio refuses what the device cannot have, with what it can", () => {
  for (
    const [given, info, message] of [
      [{ totalSize: "4GiB" }, { sizeBytes: 256 * MiB }, /^totalSize is 4GiB; the device has 256MiB$/],
      [{}, { sizeBytes: MiB }, /^files is 128, .*16KiB; in 1MiB there can be up to 64 files$/],
      [{ totalSize: "8KiB" }, { sizeBytes: MiB }, /in 8KiB there is not one block$/],
      [{ blockSize: "16KiB" }, { sizeBytes: 8192 }, /^blockSize is 16KiB; .* multiple of 512 bytes up to 8KiB$/],
      [{ blockSize: "1KiB" }, { sectorSize: 4096 }, /^blockSize is 1KiB; .* multiple of 4096 bytes/],
      [{ mode: "seqwr" }, { readOnly: true }, /^mode seqwr writes; the device is read-only$/],
    ] as const
  ) {
    const queue = new RecordingQueue({ info });
    assert.throws(() => runRecorded(fileio, given, { queue }), (error) => {
      return error instanceof WorkloadError && message.test(error.message);
    }, `${message}`);
    assert.equal(queue.recorded.length, 0);
  }
});

Deno.test("sysbench-fileio reads a read-only device, and blocks of a MiB", () => {
  assert.match(letters({ mode: "rndrd" }, { info: { readOnly: true } }), /^R+$/);
  const { recorded } = runRecorded(fileio, { blockSize: "1MiB", files: 2, queueDepth: 2 }).queue;
  assert(recorded.filter(isTransfer).every(({ length }) => length === MiB));
});

Deno.test("sysbench-fileio refuses options that make no sense", () => {
  for (
    const given of [
      { mode: "seqrw" },
      { queueDepth: 0 },
      { queueDepth: 513 },
      { queueDepth: 1.5 },
      { threads: 0 },
      { files: 0 },
      { fsyncFreq: -1 },
      { rwRatio: 0 },
      { rwRatio: -1 },
      { readWriteRatio: 1.5 },
      { paretoH: 0 },
      { paretoH: 1 },
      { zipfianExp: -0.1 },
      { blockSize: "16K" },
      { blockSize: "1000B" },
      { blockSize: "0B" },
    ]
  ) {
    assert.equal(fileio.options.safeParse(given).success, false, JSON.stringify(given));
  }
});
