import assert from "node:assert/strict";
import fc from "fast-check";
import { ATA_COMMANDS, encodeCommand } from "../../../plugins/devices/sata/ata_command.ts";
import { encodeTrimBlock, MAX_RANGE_SECTORS, MAX_TRIM_SECTORS } from "../../../plugins/devices/sata/ata_trim.ts";

const MAX_LBA = 2 ** 48 - 1;

function encoded(name: keyof typeof ATA_COMMANDS, lba = 0, count = 0, sectorSize = 512): number[] {
  const cdb = new Uint8Array(16).fill(0xee); // What an earlier command left there.
  encodeCommand(cdb, ATA_COMMANDS[name], lba, count, sectorSize);
  return [...cdb];
}

// By hand from the layout in SAT-4: operation code, protocol and EXTEND, transfer flags, FEATURES (15:8, 7:0), COUNT (15:8,
// 7:0), LBA (31:24, 7:0, 39:32, 15:8, 47:40, 23:16), DEVICE, COMMAND, CONTROL.
const COMMANDS: readonly (readonly [string, number[], number[]])[] = [
  [
    "IDENTIFY DEVICE is PIO data-in of one block with 28-bit fields",
    encoded("identifyDevice", 0, 1),
    [0x85, 4 << 1, 0x0e, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xec, 0],
  ],
  [
    "READ DMA EXT has each byte of LBA and COUNT in its place",
    encoded("readDmaExt", 0x060504030201, 0x0807),
    [0x85, 6 << 1 | 1, 0x0e, 0, 0, 0x08, 0x07, 0x04, 0x01, 0x05, 0x02, 0x06, 0x03, 0x40, 0x25, 0],
  ],
  [
    "READ DMA EXT of larger sectors says that it counts logical ones",
    encoded("readDmaExt", 1, 1, 4096),
    [0x85, 6 << 1 | 1, 0x1e, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0x40, 0x25, 0],
  ],
  [
    "WRITE DMA EXT goes to the device, and 65536 sectors are written as 0",
    encoded("writeDmaExt", 0xff, 65536),
    [0x85, 6 << 1 | 1, 0x06, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0x40, 0x35, 0],
  ],
  [
    "WRITE DMA FUA EXT differs in its opcode",
    encoded("writeDmaFuaExt", 2, 3),
    [0x85, 6 << 1 | 1, 0x06, 0, 0, 0, 3, 0, 2, 0, 0, 0, 0, 0x40, 0x3d, 0],
  ],
  [
    "FLUSH CACHE EXT has no data",
    encoded("flushCacheExt"),
    [0x85, 3 << 1 | 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xea, 0],
  ],
  [
    "TRIM counts blocks of 512 bytes, whatever the sectors",
    encoded("trim", 0, 1, 4096),
    [0x85, 6 << 1 | 1, 0x06, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x06, 0],
  ],
];

for (const [name, found, expected] of COMMANDS) Deno.test(name, () => assert.deepEqual(found, expected));

Deno.test("every LBA of 48 bits and every count up to 65536 can be read out of the command again", () => {
  const sectors = fc.oneof(fc.maxSafeNat().map((value) => value % 2 ** 48), fc.constantFrom(0, MAX_LBA));
  fc.assert(fc.property(sectors, fc.integer({ min: 1, max: 65536 }), (lba, count) => {
    const cdb = encoded("readDmaExt", lba, count);
    const read = [8, 10, 12, 7, 9, 11].reduceRight((sum, at) => sum * 256n + BigInt(cdb[at]), 0n);
    assert.equal(read, BigInt(lba));
    assert.equal((cdb[5] << 8 | cdb[6]) || 65536, count);
  }));
});

/** The ranges of a block, as ACS-4 lays them out. */
function rangesOf(block: Uint16Array): { lba: number; count: number }[] {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  return Array.from({ length: 64 }, (_, index) => {
    const entry = view.getBigUint64(8 * index, true);
    return { lba: Number(entry & 0xffff_ffff_ffffn), count: Number(entry >> 48n) };
  });
}

Deno.test("a block of ranges names the sectors without gap or overlap, and is 0 behind them", () => {
  const counts = fc.oneof(
    fc.integer({ min: 1, max: 200_000 }),
    fc.integer({ min: 1, max: 2 * MAX_TRIM_SECTORS }),
    fc.constantFrom(1, MAX_RANGE_SECTORS, MAX_RANGE_SECTORS + 1, MAX_TRIM_SECTORS, MAX_TRIM_SECTORS + 1),
  );
  const firsts = fc.maxSafeNat().map((value) => value % (2 ** 48 - 2 * MAX_TRIM_SECTORS));
  fc.assert(fc.property(firsts, counts, (lba, count) => {
    const block = new Uint16Array(256).fill(0xffff); // What an earlier command left there.
    const named = encodeTrimBlock(block, lba, count);
    assert.equal(named, Math.min(count, 64 * 65535));
    let next = lba;
    let ended = false;
    for (const range of rangesOf(block)) {
      if (range.count === 0) {
        ended = true;
        assert.equal(range.lba, 0);
        continue;
      }
      assert(!ended, "a range behind an unused one");
      assert.equal(range.lba, next);
      next += range.count;
    }
    assert.equal(next, lba + named);
  }));
});
