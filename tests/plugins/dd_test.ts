import assert from "node:assert/strict";
import { Operation } from "../../core/blkif.ts";
import { WorkloadError } from "../../core/errors.ts";
import dd from "../../plugins/workloads/dd.ts";
import { corruptions, FaultyQueue } from "../helpers/faulty_queue.ts";
import { runRecorded } from "../helpers/recording_queue.ts";

const { Read, Write, Flush } = Operation;
const small = { bs: "4KiB", count: 16, readAhead: "12KiB" };

Deno.test("dd writes its blocks in order, flushes, and reads them in order", () => {
  const { queue, counters } = runRecorded(dd, small, { turns: 0 });
  const blocks = Array.from({ length: 16 }, (_, block) => block * 4096);
  assert.deepEqual(queue.recorded.map(({ operation }) => operation), [
    ...blocks.map(() => Write),
    Flush,
    ...blocks.map(() => Read),
  ]);
  assert.deepEqual(queue.recorded.map(({ offset }) => offset), [...blocks, 0, ...blocks]);
  assert.deepEqual(counters, { blocksWritten: 16, blocksCompared: 16 });
});

Deno.test("dd completes a pass that it has begun, and each pass has other data", () => {
  const { queue, counters } = runRecorded(dd, small, { turns: 50 });
  assert.deepEqual(counters, { blocksWritten: 32, blocksCompared: 32 });
  const data = queue.recorded.filter(({ operation }) => operation === Write).map((write) => write.data);
  assert.equal(new Set(data).size, 32);
});

Deno.test("dd keeps readAhead bytes in flight ahead of the block that it waits for", () => {
  for (const [readAhead, depth] of [["0B", 1], ["512B", 2], ["4KiB", 2], ["12KiB", 4], ["13KiB", 5]] as const) {
    const given = { ...small, readAhead };
    const { depths } = runRecorded(dd, given, { turns: 0 }).queue;
    assert.equal(dd.needs(dd.options.parse(given)).queueDepth, depth);
    assert.equal(depths[0], depth);
    assert.equal(Math.max(...depths), depth);
  }
});

Deno.test("dd takes as many blocks as the device has, but not more than 64MiB", () => {
  for (
    const [bs, sizeBytes, blocks] of [["64KiB", 4 << 20, 64], ["48KiB", 1 << 20, 21], ["1MiB", 96 << 20, 64]] as const
  ) {
    const { counters } = runRecorded(dd, { bs }, { turns: 0, info: { sizeBytes } });
    assert.deepEqual(counters, { blocksWritten: blocks, blocksCompared: blocks });
  }
});

Deno.test("dd refuses what does not fit the device, with what does", () => {
  for (
    const [given, info, message] of [
      [{ bs: "4KiB", count: 257 }, { sizeBytes: 1 << 20 }, /count is 257; the device has 256 blocks of 4KiB/],
      [{ bs: "2MiB" }, { sizeBytes: 1 << 20 }, /bs is 2MiB.*up to 1MiB/],
      [{ bs: "512B" }, { sectorSize: 4096 }, /bs is 512B.*multiple of 4096/],
      [{}, { readOnly: true }, /read-only/],
    ] as const
  ) {
    assert.throws(() => runRecorded(dd, given, { info }), (error) => {
      return error instanceof WorkloadError && message.test(error.message);
    }, `${message}`);
  }
});

Deno.test("dd refuses options that make no sense", () => {
  for (const given of [{ bs: "0B" }, { bs: "1000B" }, { count: 0 }, { bs: "512B", readAhead: "256KiB" }]) {
    assert.equal(dd.options.safeParse(given).success, false, JSON.stringify(given));
  }
  assert.equal(dd.options.safeParse({ bs: "512B", readAhead: "255KiB" }).success, true);
});

for (const [what, corruption] of Object.entries(corruptions)) {
  Deno.test(`dd notices a device that ${what}`, () => {
    // The 20th write is in the second pass, so that there is something old.
    for (const nth of [20, 17, 32]) {
      const queue = new FaultyQueue({ depth: 4, maxTransferBytes: 4096 }, corruption, nth);
      assert.throws(() => runRecorded(dd, small, { queue, turns: 50 }), (error) => {
        if (!(error instanceof WorkloadError)) return false;
        const [, offset, found, expected] = error.message.match(/byte (\d+) of .* is (0x..), expected (0x..)/) ?? [];
        const block = Math.floor(Number(offset) / 4096) * 4096;
        assert(block === queue.victim || what === "writes to another place", `${error.message}; ${queue.victim}`);
        return found !== expected;
      });
    }
  });
}

Deno.test("dd names the first wrong byte, what it is and what it should be", () => {
  const flip = {
    write: (disk: Uint8Array, offset: number, data: Uint8Array) => {
      disk.set(data, offset);
      disk[offset + 1027] ^= 0x80;
      disk[offset + 1029] ^= 0x80;
    },
  };
  const queue = new FaultyQueue({ depth: 4, maxTransferBytes: 4096 }, flip, 5);
  assert.throws(() => runRecorded(dd, small, { queue }), (error) => {
    const at = queue.victim + 1027;
    const hexadecimal = (byte: number): string => `0x${byte.toString(16).padStart(2, "0")}`;
    assert.equal(
      (error as Error).message,
      `Read other data than was written in pass 1: byte ${at} of the device is ${hexadecimal(queue.disk[at])}, ` +
        `expected ${hexadecimal(queue.disk[at] ^ 0x80)}`,
    );
    return true;
  });
});
