import assert from "node:assert/strict";
import fc from "fast-check";
import { checkStamp, describeSector, Fault, isZeroSector, writeStamp } from "../../plugins/workloads/stamp.ts";

const sectors = fc.maxSafeInteger().map(Math.abs);
const generations = fc.integer({ min: 1, max: 2 ** 32 - 1 });
const writers = fc.record({ seed: fc.maxSafeInteger(), thread: fc.nat(63) });

Deno.test("a stamp that was written is right, and is a stamp of nothing else", () => {
  fc.assert(fc.property(sectors, generations, writers, (sector, generation, writer) => {
    const words = new Int32Array(384).fill(-1);
    writeStamp(words, 128, sector, generation, writer);
    assert.equal(checkStamp(words, 128, sector, generation, writer), Fault.None);
    assert.equal(checkStamp(words, 128, sector + 1, generation, writer), Fault.WrongSector);
    assert.equal(checkStamp(words, 128, sector, generation + 1, writer), Fault.Stale);
    assert.equal(checkStamp(words, 128, sector, generation - 1, writer), Fault.Unwritten);
    assert.equal(checkStamp(words, 128, sector, generation, { ...writer, seed: writer.seed + 1 }), Fault.WrongWriter);
    assert.equal(checkStamp(words, 128, sector, generation, { ...writer, thread: 64 }), Fault.WrongWriter);
    assert(!isZeroSector(words, 128));
    assert(words.subarray(0, 128).every((word) => word === -1), "the sector before is untouched");
    assert(words.subarray(256).every((word) => word === -1), "the sector after is untouched");
  }));
});

Deno.test("every flipped bit of a sector is noticed", () => {
  const writer = { seed: 42, thread: 1 };
  const words = new Int32Array(128);
  writeStamp(words, 0, 77, 3, writer);
  for (let bit = 0; bit < 128 * 32; bit++) {
    words[bit >> 5] ^= 1 << (bit & 31);
    const fault = checkStamp(words, 0, 77, 3, writer);
    assert.equal(fault, bit < 64 ? Fault.NoStamp : Fault.Checksum, `bit ${bit}`);
    words[bit >> 5] ^= 1 << (bit & 31);
  }
});

Deno.test("a sector of two writes, or of two sectors, is noticed wherever it is torn", () => {
  const writer = { seed: 42, thread: 0 };
  const stampOf = (sector: number, generation: number): Int32Array => {
    const words = new Int32Array(128);
    writeStamp(words, 0, sector, generation, writer);
    return words;
  };
  const torn = new Int32Array(128);
  for (const other of [stampOf(77, 2), stampOf(78, 3), new Int32Array(128)]) {
    for (let end = 1; end < 128; end++) {
      torn.set(stampOf(77, 3));
      torn.set(other.subarray(end), end);
      assert.notEqual(checkStamp(torn, 0, 77, 3, writer), Fault.None, `new up to word ${end}`);
      torn.set(other);
      torn.set(stampOf(77, 3).subarray(end), end);
      if (torn.every((word, index) => word === stampOf(77, 3)[index])) continue; // What came before is the same in both.
      assert.notEqual(checkStamp(torn, 0, 77, 3, writer), Fault.None, `new from word ${end} on`);
    }
  }
});

Deno.test("bits that are flipped in several words are noticed", () => {
  const bits = fc.uniqueArray(fc.nat(128 * 32 - 1), { minLength: 2, maxLength: 8 });
  fc.assert(
    fc.property(bits, (flipped) => {
      const words = new Int32Array(128);
      writeStamp(words, 0, 5, 1, { seed: 1, thread: 0 });
      for (const bit of flipped) words[bit >> 5] ^= 1 << (bit & 31);
      assert.notEqual(checkStamp(words, 0, 5, 1, { seed: 1, thread: 0 }), Fault.None);
    }),
    { seed: 1, numRuns: 2000 },
  );
});

Deno.test("what a sector holds is described: zeroes, anything, a stamp, a stamp that is damaged", () => {
  const words = new Int32Array(128);
  assert.equal(describeSector(words, 0), "zeroes");
  words[0] = 0x1234;
  assert.equal(describeSector(words, 0), "no stamp but 0x00001234 0x00000000 …");
  writeStamp(words, 0, 2 ** 40 + 5, 2 ** 32 - 1, { seed: -1, thread: 2 });
  assert.equal(describeSector(words, 0), "sector 1099511627781, generation 4294967295, seed 4294967295, thread 2");
  words[100] ^= 1;
  assert.match(describeSector(words, 0), /thread 2 with checksum 0x[0-9a-f]{8} where 0x[0-9a-f]{8} is right$/);
});
