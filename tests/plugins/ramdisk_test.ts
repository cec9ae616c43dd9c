import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import nullDevice from "../../plugins/devices/null.ts";
import ramdisk from "../../plugins/devices/ramdisk.ts";
import { fillPattern } from "../helpers/devices.ts";
import { testUnless } from "../helpers/test_unless.ts";
import { openPlugin } from "../helpers/opened_device.ts";

const { Read, Write, Flush, Discard, WriteZeroes, WriteFua } = Operation;

/** Writes a different pattern at every place, then finds each again. */
function keepsWhatIsAt(places: readonly number[], size: string): void {
  using device = openPlugin(ramdisk, { size });
  places.forEach((place, index) => {
    fillPattern(device.memory.bytes.subarray(0, 8192), index);
    assert.equal(device.run(Write, place, [0, 8192]), Status.Okay);
  });
  places.forEach((place, index) => {
    const expected = new Uint8Array(8192);
    fillPattern(expected, index);
    assert.equal(device.run(Read, place, [8192, 16384]), Status.Okay);
    assert.deepEqual(new Uint8Array(device.memory.bytes.slice(8192, 16384)), expected, `at ${place}`);
  });
  const last = places[places.length - 1];
  assert.equal(device.runDataless(WriteZeroes, last + 512, 512), Status.Okay);
  assert.equal(device.run(Read, last, [0, 8192]), Status.Okay);
  const expected = new Uint8Array(8192);
  fillPattern(expected, places.length - 1);
  assert.deepEqual(new Uint8Array(device.memory.bytes.slice(0, 8192)), expected.fill(0, 512, 1024));
  assert.deepEqual(device.reports, []);
}

Deno.test("a ramdisk keeps what is written anywhere from its first byte to its last", () => {
  const size = 64 * 2 ** 20;
  keepsWhatIsAt([0, 8192, size / 2 - 4096, size - 8192], "64MiB");
});

const available = Deno.systemMemoryInfo().available;
const tooSmall = available < 6 * 2 ** 30
  ? `${Math.floor(available / 2 ** 20)} MiB of memory are available, not 6 GiB`
  : null;

testUnless(tooSmall, "a ramdisk of more than 4 GiB keeps what is written beyond 2 and 4 GiB", () => {
  const size = 2 ** 32 + 2 ** 20;
  keepsWhatIsAt([0, 2 ** 20 - 8192, 2 ** 31 - 4096, 2 ** 32 - 4096, 2 ** 32 + 4096, size - 8192], "4097MiB");
});

Deno.test("a ramdisk makes zeroes by itself, flushes and forgets", () => {
  using device = openPlugin(ramdisk, { size: "64KiB" });
  const { canFlush, canDiscard, canWriteZeroes } = device.info;
  assert.deepEqual({ canFlush, canDiscard, canWriteZeroes }, {
    canFlush: true,
    canDiscard: true,
    canWriteZeroes: true,
  });
  device.memory.bytes.fill(7);
  for (const operation of [WriteZeroes, Discard]) {
    assert.equal(device.run(WriteFua, 0, [0, 65536]), Status.Okay);
    assert.equal(device.runDataless(Flush), Status.Okay);
    assert.equal(device.runDataless(operation, 512, 1024), Status.Okay);
    device.run(Read, 0, [65536, 131072]);
    const found = new Uint8Array(device.memory.bytes.slice(65536, 131072));
    assert.deepEqual(found, new Uint8Array(65536).fill(7).fill(0, 512, 1536));
  }
});

Deno.test("null does every operation itself, in one request", () => {
  using device = openPlugin(nullDevice, { size: "64KiB" });
  const { canFlush, canDiscard, canWriteZeroes, canFua } = device.info;
  assert.deepEqual([canFlush, canDiscard, canWriteZeroes, canFua], [true, true, true, true]);
  for (const operation of [Flush, Discard, WriteZeroes]) {
    assert.equal(device.runDataless(operation, 0, operation === Flush ? 0 : 4096), Status.Okay);
  }
  assert.equal(device.run(WriteFua, 0, [0, 4096]), Status.Okay);
});
