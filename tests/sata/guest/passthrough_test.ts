/**
 * Pass-through on a disk that the kernel drives. What is on the disk is lost. `IDDR_SATA_DISK` names it.
 */

import assert from "node:assert/strict";
import fs from "node:fs";
import { Operation, Status } from "../../../core/blkif.ts";
import { BlockRequest } from "../../../core/block_device.ts";
import { messageOf } from "../../../core/errors.ts";
import { SharedMemory } from "../../../core/memory.ts";
import { inspectDisk, listDisks } from "../../../plugins/devices/sata/list.ts";
import { type PassthroughDevice, passthroughDevice } from "../../../plugins/devices/sata/passthrough.ts";
import { assertSameBytes } from "../../conformance/disk_model.ts";
import { fillPattern } from "../../helpers/devices.ts";
import { OpenedDevice } from "../../helpers/opened_device.ts";
import { testUnless } from "../../helpers/test_unless.ts";

const { Read, Write, WriteFua, Flush, Discard } = Operation;
const PATH = Deno.env.get("IDDR_SATA_DISK") ?? "";
/** A disk with a sector that cannot be read. */
const BAD_PATH = Deno.env.get("IDDR_SATA_BAD") ?? "";
const BAD_LBA = Number(Deno.env.get("IDDR_SATA_BAD_LBA"));
const refusal = PATH === "" ? "IDDR_SATA_DISK does not name a disk that may be overwritten" : null;
/** Where the tests write: past what partition tables and file systems begin with. */
const START = 8 << 20;
const FRAME = 4096;

/** A disk by pass-through, closed after the test. */
function openDisk(path = PATH): Disposable & { readonly device: PassthroughDevice; readonly opened: OpenedDevice } {
  const descriptor = fs.openSync(path, "r+");
  try {
    const device = passthroughDevice({ descriptor, path, readOnly: false });
    const opened = new OpenedDevice(device);
    return {
      device,
      opened,
      [Symbol.dispose]() {
        opened[Symbol.dispose]();
        fs.closeSync(descriptor);
      },
    };
  } catch (thrown) {
    fs.closeSync(descriptor);
    throw thrown;
  }
}

/** Bytes as anybody reads them: through the page cache, which is empty as nobody else has the disk open. */
function throughPageCache(offsetBytes: number, byteLength: number): Uint8Array {
  const file = fs.openSync(PATH, "r");
  try {
    const bytes = new Uint8Array(byteLength);
    assert.equal(fs.readSync(file, bytes, 0, byteLength, offsetBytes), byteLength);
    return bytes;
  } finally {
    fs.closeSync(file);
  }
}

function pattern(byteLength: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(byteLength);
  fillPattern(bytes, seed);
  return bytes;
}

testUnless(refusal, "the disk's facts agree with what the kernel knows of it", () => {
  const { identity, openedBytes } = inspectDisk(PATH);
  assert.match(identity.model, /\S/);
  assert.match(identity.serial, /\S/);
  assert.match(identity.firmware, /\S/);
  assert.equal(identity.sizeBytes, openedBytes);
  const queue = `/sys/block/${PATH.replace("/dev/", "")}/queue`;
  const kernel = (file: string): number => Number(Deno.readTextFileSync(`${queue}/${file}`));
  assert.equal(identity.logicalSectorSize, kernel("logical_block_size"));
  assert.equal(identity.physicalSectorSize, kernel("physical_block_size"));
  assert.equal(identity.rotationRate === 0, kernel("rotational") === 0);
  assert.equal(identity.trim !== null, kernel("discard_max_bytes") > 0);
  const cache = Deno.readTextFileSync(`${queue}/write_cache`).trim();
  assert.equal(identity.writeCache === "enabled", cache === "write back");
  console.log(`${PATH}: ${JSON.stringify(identity)}`);
});

testUnless(refusal, "the disk is among those that are listed", () => {
  const found = listDisks().find(({ path }) => path === PATH);
  assert(found, `${PATH} is not listed`);
  assert.equal(found.problem, null);
  assert.equal(found.identity?.model, inspectDisk(PATH).identity.model);
  assert.equal(found.sizeBytes, found.identity?.sizeBytes);
});

for (const [name, operation] of [["a write", Write], ["a durable write", WriteFua]] as const) {
  testUnless(refusal, `${name} by pass-through is read back, by pass-through and through the page cache`, () => {
    const data = pattern(16 * FRAME, operation + 1);
    {
      using disk = openDisk();
      const { opened } = disk;
      opened.memory.bytes.set(data);
      assert.equal(opened.run(operation, START, [0, data.length]), Status.Okay, opened.reports.join());
      opened.memory.bytes.fill(0);
      assert.equal(opened.run(Read, START, [0, data.length]), Status.Okay, opened.reports.join());
      assertSameBytes(opened.memory.bytes.subarray(0, data.length), data, "by pass-through");
      assert.equal(disk.device.counters().bouncedRequests, 0);
    }
    assertSameBytes(throughPageCache(START, data.length), data, "through the page cache");
  });
}

testUnless(refusal, "data in scattered pieces of memory, aligned or not, keeps its order", () => {
  using disk = openDisk();
  const { opened, device } = disk;
  const { sectorSize } = opened.info;
  const scattered: [number, number][][] = [
    [[9 * FRAME, 10 * FRAME], [3 * FRAME, 5 * FRAME], [20 * FRAME, 21 * FRAME]],
    // Whole pieces are sectors; where each lies in memory is not a multiple of one.
    [[100, 100 + sectorSize], [5 * FRAME + 8, 5 * FRAME + 8 + 3 * sectorSize]],
  ];
  for (const [index, pieces] of scattered.entries()) {
    const data = pattern(pieces.reduce((sum, [start, end]) => sum + end - start, 0), 40 + index);
    let at = 0;
    for (const [start, end] of pieces) opened.memory.bytes.set(data.subarray(at, at += end - start), start);
    assert.equal(opened.run(Write, START, ...pieces), Status.Okay, opened.reports.join());
    opened.memory.bytes.fill(0);
    assert.equal(opened.run(Read, START, ...pieces), Status.Okay, opened.reports.join());
    const read = pieces.flatMap(([start, end]) => [...opened.memory.bytes.subarray(start, end)]);
    assertSameBytes(Uint8Array.from(read), data, `case ${index}`);
    assert.equal(device.counters().bouncedRequests, 2 * index, "two requests of the second kind");
  }
});

testUnless(refusal, "a request that is longer than a command is split, each part in its place", () => {
  const frames = 512; // 2 MiB
  const memory = SharedMemory.allocate(frames);
  const data = pattern(frames * FRAME, 8);
  memory.bytes.set(data);
  using disk = openDisk();
  const request = new BlockRequest({ completed() {} }, 0, memory, frames);
  request.offsetBytes = START;
  request.byteLength = data.length;
  // Backwards, so that no two pieces are adjacent in memory.
  for (let frame = frames - 1; frame >= 0; frame--) request.addExtent(frame * FRAME, (frame + 1) * FRAME);
  request.operation = Write;
  assert(disk.device.submit(request));
  memory.bytes.fill(0);
  request.operation = Read;
  assert(disk.device.submit(request));
  assertSameBytes(memory.bytes, data, "all parts");
});

testUnless(refusal, "the last sector can be written and read", () => {
  using disk = openDisk();
  const { opened } = disk;
  const { sectorSize, sizeBytes } = opened.info;
  const data = pattern(sectorSize, 12);
  opened.memory.bytes.set(data);
  assert.equal(opened.run(Write, sizeBytes - sectorSize, [0, sectorSize]), Status.Okay, opened.reports.join());
  opened.memory.bytes.fill(0);
  assert.equal(opened.run(Read, sizeBytes - sectorSize, [0, sectorSize]), Status.Okay, opened.reports.join());
  assertSameBytes(opened.memory.bytes.subarray(0, sectorSize), data, "the last sector");
});

testUnless(refusal, "it flushes", () => {
  using disk = openDisk();
  assert.equal(disk.opened.info.canFlush, true);
  assert.equal(disk.opened.runDataless(Flush), Status.Okay, disk.opened.reports.join());
});

testUnless(refusal, "trimmed sectors become zero, and their neighbours stay", () => {
  const length = 64 * FRAME;
  {
    using disk = openDisk();
    const { opened } = disk;
    opened.memory.bytes.set(pattern(length, 3));
    assert.equal(opened.run(Write, START, [0, length]), Status.Okay, opened.reports.join());
    assert.equal(opened.runDataless(Discard, START + 16 * FRAME, 32 * FRAME), Status.Okay, opened.reports.join());
  }
  const expected = pattern(length, 3).fill(0, 16 * FRAME, 48 * FRAME);
  assertSameBytes(throughPageCache(START, length), expected, "through the page cache");
});

testUnless(refusal, "a command that the disk refuses is an error with the command, the sectors and the cause", () => {
  using disk = openDisk();
  const { sizeBytes, sectorSize } = disk.device.info;
  const request = new BlockRequest({ completed() {} }, 0, disk.opened.memory, 1);
  request.operation = Read;
  request.offsetBytes = sizeBytes; // The gate would refuse it.
  request.byteLength = 8 * sectorSize;
  request.addExtent(0, 8 * sectorSize);
  const lba = sizeBytes / sectorSize;
  assert.throws(() => disk.device.submit(request), (thrown) => {
    assert.match(messageOf(thrown), new RegExp(`^READ DMA EXT of 8 sectors at LBA ${lba} failed on ${PATH}: `));
    assert.match(messageOf(thrown), /: (ABRT|IDNF) \(.*status [0-9A-F]{2}h, error [0-9A-F]{2}h/);
    return true;
  });
  // The disk is none the worse for it.
  request.offsetBytes = 0;
  assert(disk.device.submit(request));
});

testUnless(
  BAD_PATH === "" ? "IDDR_SATA_BAD does not name a disk with a bad sector" : null,
  "a sector that cannot be read fails its request, with the command, the sectors and the cause, and no other",
  () => {
    using disk = openDisk(BAD_PATH);
    const { opened } = disk;
    const { sectorSize } = opened.info;
    const bad = BAD_LBA * sectorSize;
    assert.equal(opened.run(Read, bad - 2 * sectorSize, [0, 8 * sectorSize]), Status.Error);
    assert.equal(opened.reports.length, 1);
    assert.match(
      opened.reports[0],
      new RegExp(`^READ DMA EXT of 8 sectors at LBA ${BAD_LBA - 2} failed on ${BAD_PATH}: `),
    );
    assert.match(opened.reports[0], /: (ABRT|UNC) \(/);
    assert.equal(opened.run(Read, bad - 8 * sectorSize, [0, 8 * sectorSize]), Status.Okay);
    assert.equal(opened.run(Read, bad + sectorSize, [0, 8 * sectorSize]), Status.Okay);
  },
);
