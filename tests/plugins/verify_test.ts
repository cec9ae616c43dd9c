import assert from "node:assert/strict";
import fc from "fast-check";
import { Operation } from "../../core/blkif.ts";
import { WorkloadError } from "../../core/errors.ts";
import verify from "../../plugins/workloads/verify.ts";
import { corruptions, FaultyQueue } from "../helpers/faulty_queue.ts";
import { type Recorded, type RecordedRun, RecordingQueue, runRecorded } from "../helpers/recording_queue.ts";

const { Read, Write, Flush, Discard, WriteZeroes, WriteFua } = Operation;
/** 16 blocks. */
const small = { size: "64KiB" };

/** The share of the operations between the first writes of all blocks and what comes at the end. */
function sharesOf(given: object, run: RecordedRun = {}): Record<number, number> {
  const turns = 20_000;
  const { recorded } = runRecorded(verify, { ...small, ...given }, { turns, ...run }).queue;
  const shares: Record<number, number> = {};
  for (const { operation } of recorded.slice(16, turns - 100)) shares[operation] = (shares[operation] ?? 0) + 1;
  for (const operation in shares) shares[operation] /= turns - 116;
  return shares;
}

/** Runs the outside checker on a disk. */
async function checkOutside(
  disk: Uint8Array,
  sizeBytes: number,
  blockBytes: number,
): Promise<{ code: number; output: string; errors: string }> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, disk);
    const script = new URL("../tools/check_stamps.ts", import.meta.url).pathname;
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", `--allow-read=${path}`, script, path, String(sizeBytes), String(blockBytes)],
    }).output();
    const [output, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return { code, output, errors };
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("verify writes every block first, and flushes and reads every block at the end", () => {
  const { queue, counters } = runRecorded(verify, { ...small, zeroesShare: 0 }, { turns: 0 });
  const operations = queue.recorded.map(({ operation }) => operation);
  assert.deepEqual(operations, [...Array(16).fill(Write), Flush, ...Array(16).fill(Read)]);
  const blocks = Array.from({ length: 16 }, (_, block) => block * 4096);
  assert.deepEqual(queue.recorded.map(({ offset }) => offset), [...blocks, 0, ...blocks]);
  assert.deepEqual(counters, {
    ...{ sectorsWritten: 128, sectorsVerified: 128, generationSum: 128 },
    ...{ operationsSubmitted: 32, operationsCompleted: 32, operationsFailed: 0 },
  });
});

Deno.test("verify's operations have the shares that were asked for", () => {
  const near = (found: Record<number, number>, expected: Record<number, number>): void => {
    assert.deepEqual(Object.keys(found).sort(), Object.keys(expected).sort());
    for (const operation in expected) {
      assert(Math.abs(found[operation] - expected[operation]) < 0.02, JSON.stringify(found));
    }
  };
  near(sharesOf({}), { [Read]: 0.3, [WriteFua]: 0.05, [WriteZeroes]: 0.05, [Write]: 0.6 });
  near(sharesOf({ readShare: 0, fuaShare: 0.5, zeroesShare: 0, discardShare: 0.5 }), {
    [WriteFua]: 0.5,
    [Discard]: 0.5,
  });
  near(sharesOf({ discardShare: 0.2 }, { info: { canDiscard: false } }), {
    [Read]: 0.3,
    [WriteFua]: 0.05,
    [WriteZeroes]: 0.05,
    [Write]: 0.6,
  });
});

Deno.test("verify never has two operations on one block at once, and reaches every block", () => {
  class Watching extends RecordingQueue {
    override submit(...[slot, operation, offset, length]: Parameters<RecordingQueue["submit"]>): void {
      const same = ({ operation, ...other }: Recorded): boolean => operation !== Flush && other.offset === offset;
      assert(!this.pending.some(same), `two operations at ${offset}`);
      super.submit(slot, operation, offset, length);
    }
  }
  const queue = new Watching({ depth: 16, maxTransferBytes: 4096 });
  runRecorded(verify, { ...small, queueDepth: 16, discardShare: 0.1 }, { queue, turns: 3000 });
  assert.equal(new Set(queue.recorded.slice(100, 2000).map(({ offset }) => offset)).size, 16);
});

Deno.test("verify's threads keep to parts of the range that are apart and together cover it", () => {
  const shapes = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 36, max: 100 }));
  fc.assert(
    fc.property(shapes, ([threads, blocks]) => {
      const given = { threads, size: `${blocks * 512}B`, blockSize: "512B" };
      const ownerOf = new Map<number, number>();
      for (let thread = 0; thread < threads; thread++) {
        for (const { operation, offset } of runRecorded(verify, given, { thread, turns: 300 }).queue.recorded) {
          if (operation === Flush) continue;
          assert.equal(ownerOf.get(offset) ?? thread, thread);
          ownerOf.set(offset, thread);
        }
      }
      assert.deepEqual([...ownerOf.keys()].sort((a, b) => a - b), Array.from({ length: blocks }, (_, i) => i * 512));
    }),
    { numRuns: 30 },
  );
});

Deno.test("verify writes to a device that cannot flush or discard, and takes what a discard leaves for nothing", () => {
  const given = { ...small, discardShare: 0.3 };
  class Ignoring extends RecordingQueue {
    override perform(recorded: Recorded, buffer: Uint8Array): void {
      if (recorded.operation === Discard) this.disk.fill(0x77, recorded.offset, recorded.offset + recorded.length);
      else super.perform(recorded, buffer);
    }
  }
  const { counters, queue } = runRecorded(verify, given, { queue: new Ignoring({ depth: 4, maxTransferBytes: 4096 }) });
  assert(queue.recorded.some(({ operation }) => operation === Discard));
  assert(counters.sectorsVerified >= 128);
  runRecorded(verify, given, { info: { canFlush: false, canDiscard: false } });
});

const noZeroes = { ...small, zeroesShare: 0 };
for (const [what, corruption] of Object.entries(corruptions)) {
  Deno.test(`verify notices a device that ${what}`, () => {
    for (const blockSize of ["4KiB", "1KiB"]) {
      // Writes after each block's first, so that there is something old.
      for (const nth of [65, 70, 100, 150]) {
        const queue = new FaultyQueue({ depth: 4, maxTransferBytes: 4096 }, corruption, nth);
        assert.throws(() => runRecorded(verify, { ...noZeroes, blockSize }, { queue, turns: 500 }), (error) => {
          return error instanceof WorkloadError && error.message.startsWith("Sector ");
        });
      }
    }
  });
}

Deno.test("verify tells the kinds of mistakes apart", () => {
  const messageFor = (what: string, nth: number): string => {
    const queue = new FaultyQueue({ depth: 4, maxTransferBytes: 4096 }, corruptions[what], nth);
    try {
      runRecorded(verify, noZeroes, { queue });
    } catch (thrown) {
      return (thrown as Error).message;
    }
    return "nothing";
  };
  const from = "Sector \\d+ was not read as it was written ";
  const stamp = "sector \\d+, generation \\d+, seed 42, thread 0";
  for (
    const [what, nth, message] of [
      ["drops a write", 40, `^${from}\\(stale generation\\): found ${stamp}; expected ${stamp}$`],
      ["drops a write", 3, `^${from}\\(no stamp\\): found zeroes; expected ${stamp}$`],
      ["tears a write after half of its bytes", 40, `^${from}\\(stale generation\\): .*; torn: 4 of the 8 sectors`],
      ["tears a write in the middle of its last sector", 40, `^${from}\\(wrong checksum\\): .*torn: 7 of the 8`],
      ["swaps the first and the last sector of a write", 40, `^${from}\\(wrong sector\\)`],
      ["flips one bit of a write", 40, `^${from}\\(wrong checksum\\): found ${stamp} with checksum`],
      ["flips one bit of a read", 40, `^${from}\\(no stamp\\): found no stamp but 0x`],
      ["returns what was there before a write", 40, `^${from}\\(stale generation\\)`],
      ["reads nothing", 40, `^${from}\\(no stamp\\): found no stamp but 0xa5a5a5a5`],
    ] as const
  ) {
    assert.match(messageFor(what, nth), new RegExp(message), what);
  }
});

Deno.test("verify notices zeroes that were not written, whether the block was a stamp's or something else", () => {
  class Ignoring extends RecordingQueue {
    override perform(recorded: Recorded, buffer: Uint8Array): void {
      if (recorded.operation !== WriteZeroes) super.perform(recorded, buffer);
    }
  }
  const queue = new Ignoring({ depth: 4, maxTransferBytes: 4096 });
  const given = { ...small, zeroesShare: 0.5, readShare: 0.4 };
  assert.throws(() => runRecorded(verify, given, { queue }), /\(stale generation\): .*; expected zeroes/);
});

Deno.test("verify notices the stamps of another writer", () => {
  const disk = new Uint8Array(4 << 20);
  runRecorded(verify, noZeroes, { seed: 7, disk });
  class Dropping extends RecordingQueue {
    override perform(recorded: Recorded, buffer: Uint8Array): void {
      if (recorded.operation === Read) super.perform(recorded, buffer);
    }
  }
  const queue = new Dropping({ depth: 4, maxTransferBytes: 4096, disk });
  assert.throws(
    () => runRecorded(verify, noZeroes, { queue, turns: 0 }),
    /\(wrong writer\).* seed 7, .*expected .* seed 42,/,
  );
});

Deno.test("verify refuses what the device cannot have, with what it can", () => {
  for (
    const [given, info, message] of [
      [{ size: "8MiB" }, { sizeBytes: 4 << 20 }, /^size is 8MiB; the device has 4MiB$/],
      [{ size: "64KiB", threads: 4, queueDepth: 5 }, {}, /^queueDepth is 5; .*up to 4,/],
      [{ blockSize: "512B" }, { sectorSize: 4096 }, /multiple of 4096/],
      [{}, { readOnly: true }, /read-only/],
    ] as const
  ) {
    assert.throws(() => runRecorded(verify, given, { info }), (error) => {
      return error instanceof WorkloadError && message.test(error.message);
    }, `${message}`);
  }
});

Deno.test("verify refuses options that make no sense", () => {
  for (
    const given of [{ readShare: 1.1 }, { readShare: 0.9, fuaShare: 0.2 }, { discardShare: -1 }, { blockSize: "700B" }]
  ) {
    assert.equal(verify.options.safeParse(given).success, false, JSON.stringify(given));
  }
  assert(verify.options.safeParse({ readShare: 0.6, fuaShare: 0.1, zeroesShare: 0.2, discardShare: 0.1 }).success);
});

Deno.test("the outside checker finds what verify says that it has left, of several threads", async () => {
  for (const blockBytes of [4096, 512]) {
    const given = { threads: 3, size: "1MiB", blockSize: `${blockBytes}B`, zeroesShare: 0.2, discardShare: 0.1 };
    const disk = new Uint8Array(4 << 20);
    let generationSum = 0;
    for (let thread = 0; thread < 3; thread++) {
      generationSum += runRecorded(verify, given, { thread, disk, turns: 3000 }).counters.generationSum;
    }
    const { code, output, errors } = await checkOutside(disk, 1 << 20, blockBytes);
    const { zeroed, stamped, ...found } = JSON.parse(output || errors);
    assert.deepEqual(found, { sectors: 2048, bad: 0, generationSum });
    assert(zeroed > 0 && stamped > 0 && zeroed + stamped === 2048, output);
    assert.equal(code, 0);
  }
});

Deno.test("the outside checker finds what was corrupted", async () => {
  const { queue: { disk } } = runRecorded(verify, { size: "1MiB", zeroesShare: 0 }, { turns: 0 });
  disk[1000] ^= 1; // In the fill of sector 1.
  disk.copyWithin(8192, 4096, 8192); // Eight sectors at a wrong place.
  disk.fill(0, 12288 + 7 * 512, 16384); // A block of stamps and one sector of zeroes.
  const { code, output } = await checkOutside(disk, 1 << 20, 4096);
  assert.deepEqual(JSON.parse(output), { sectors: 2048, stamped: 2038, zeroed: 0, bad: 10, generationSum: 2038 });
  assert.equal(code, 1);
});

Deno.test("the outside checker says what it cannot look at", async () => {
  assert.equal((await checkOutside(new Uint8Array(512), 1024, 512)).code, 2);
  assert.match((await checkOutside(new Uint8Array(512), 1024, 512)).errors, /ends before byte 1024/);
  assert.match((await checkOutside(new Uint8Array(512), 513, 512)).errors, /^usage: /);
});
