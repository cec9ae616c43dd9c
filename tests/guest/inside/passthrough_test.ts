// Pass-through on disks that QEMU emulates. Runs in the guest.
import assert from "node:assert/strict";
import fs from "node:fs";
import { Operation, Status } from "../../../core/blkif.ts";
import { BlockRequest } from "../../../core/block_device.ts";
import { messageOf } from "../../../core/errors.ts";
import { SharedMemory } from "../../../core/memory.ts";
import { inspectDisk, listDisks } from "../../../plugins/devices/sata/list.ts";
import { type PassthroughDevice, passthroughDevice } from "../../../plugins/devices/sata/passthrough.ts";
import { assertSameBytes } from "../../conformance/disk_model.ts";
import { OpenedDevice } from "../../helpers/opened_device.ts";
import { testUnless } from "../../helpers/test_unless.ts";
import { BAD_READ_LBA, BAD_WRITE_LBA, DISKS, hostStats, pathOf, plug, refusalOf, unplug } from "./bench.ts";

const { Read, Write, WriteFua, Flush, Discard } = Operation;
const refusal = refusalOf(DISKS.plain);
const PATH = refusal === null ? pathOf(DISKS.plain) : "";
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
function throughPageCache(offsetBytes: number, byteLength: number, path = PATH): Uint8Array {
  const file = fs.openSync(path, "r");
  try {
    const bytes = new Uint8Array(byteLength);
    assert.equal(fs.readSync(file, bytes, 0, byteLength, offsetBytes), byteLength);
    return bytes;
  } finally {
    fs.closeSync(file);
  }
}

/** Random bytes: what a test wrote before, perhaps with another driver, is not taken for what it writes now. */
function randomBytes(byteLength: number): Uint8Array {
  const bytes = new Uint8Array(byteLength);
  for (let at = 0; at < byteLength; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
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
    const data = randomBytes(16 * FRAME);
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
    const data = randomBytes(pieces.reduce((sum, [start, end]) => sum + end - start, 0));
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
  const data = randomBytes(frames * FRAME);
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

for (const [name, disk] of [["the", DISKS.plain], ["a large disk's", DISKS.large]] as const) {
  testUnless(refusalOf(disk), `${name} last sector is written and read, and no other with an address like it`, () => {
    const path = pathOf(disk);
    const { sizeBytes, logicalSectorSize } = inspectDisk(path).identity;
    const last = sizeBytes / logicalSectorSize - 1;
    if (disk === DISKS.large) assert(last > 2 ** 32, `the disk has only ${last + 1} sectors`);
    // Where an address would lead that lost its upper bytes.
    const others = [last % 2 ** 32, last % 2 ** 28, last % 2 ** 24].filter((lba) => lba !== last);
    const read = (lba: number): Uint8Array => throughPageCache(lba * logicalSectorSize, logicalSectorSize, path);
    const before = others.map(read);
    const data = randomBytes(logicalSectorSize);
    {
      using disk = openDisk(path);
      const { opened } = disk;
      opened.memory.bytes.set(data);
      const run = (operation: Operation): number =>
        opened.run(operation, last * logicalSectorSize, [0, logicalSectorSize]);
      assert.equal(run(Write), Status.Okay, opened.reports.join());
      opened.memory.bytes.fill(0);
      assert.equal(run(Read), Status.Okay, opened.reports.join());
      assertSameBytes(opened.memory.bytes.subarray(0, logicalSectorSize), data, "by pass-through");
    }
    assertSameBytes(read(last), data, "through the page cache");
    for (const [index, lba] of others.entries()) assertSameBytes(read(lba), before[index], `LBA ${lba}`);
  });
}

testUnless(refusal, "a flush reaches the disk", async () => {
  using disk = openDisk();
  const { opened } = disk;
  assert.equal(opened.info.canFlush, true);
  // Without a write in between QEMU has nothing to flush.
  assert.equal(opened.run(Write, START, [0, FRAME]), Status.Okay, opened.reports.join());
  const before = await hostStats(DISKS.plain);
  assert.equal(opened.runDataless(Flush), Status.Okay, opened.reports.join());
  const after = await hostStats(DISKS.plain);
  assert(after.flushOperations > before.flushOperations, "QEMU has seen no flush");
});

testUnless(
  refusal,
  "trimmed sectors become zero and are given back to the host, and their neighbours stay",
  async () => {
    const length = 64 * FRAME;
    const data = randomBytes(length);
    {
      using disk = openDisk();
      const { opened } = disk;
      opened.memory.bytes.set(data);
      assert.equal(opened.run(Write, START, [0, length]), Status.Okay, opened.reports.join());
      const before = await hostStats(DISKS.plain);
      assert.equal(opened.runDataless(Discard, START + 16 * FRAME, 32 * FRAME), Status.Okay, opened.reports.join());
      const after = await hostStats(DISKS.plain);
      assert.equal(after.unmapBytes - before.unmapBytes, 32 * FRAME);
    }
    assertSameBytes(throughPageCache(START, length), data.fill(0, 16 * FRAME, 48 * FRAME), "through the page cache");
  },
);

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
  refusalOf(DISKS.bad),
  "a sector that cannot be read or written fails its request, with command, sectors and cause, and no other",
  () => {
    const path = pathOf(DISKS.bad);
    using disk = openDisk(path);
    const { opened } = disk;
    const { sectorSize } = opened.info;
    const cases = [[Read, "READ", BAD_READ_LBA], [Write, "WRITE", BAD_WRITE_LBA]] as const;
    for (const [operation, verb, lba] of cases) {
      opened.reports.length = 0;
      const bad = lba * sectorSize;
      assert.equal(opened.run(operation, bad - 2 * sectorSize, [0, 8 * sectorSize]), Status.Error);
      assert.equal(opened.reports.length, 1);
      const [report] = opened.reports;
      assert(report.startsWith(`${verb} DMA EXT of 8 sectors at LBA ${lba - 2} failed on ${path}: `), report);
      assert.match(report, /: (ABRT|UNC) \(/);
      assert.equal(opened.run(operation, bad - 8 * sectorSize, [0, 8 * sectorSize]), Status.Okay);
      assert.equal(opened.run(operation, bad + sectorSize, [0, 8 * sectorSize]), Status.Okay);
    }
  },
);

testUnless(
  refusalOf(DISKS.unplug),
  "a disk that is pulled out fails what comes next, and says that it is gone",
  async () => {
    {
      using disk = openDisk(pathOf(DISKS.unplug));
      const { opened } = disk;
      assert.equal(opened.run(Read, 0, [0, FRAME]), Status.Okay, opened.reports.join());
      await unplug(DISKS.unplug);
      assert.equal(opened.run(Read, 0, [0, FRAME]), Status.Error);
      assert.equal(opened.runDataless(Flush), Status.Error);
      assert.match(opened.reports[0], /^READ DMA EXT of 8 sectors at LBA 0 failed .*gone/);
      assert.match(opened.reports[1], /^FLUSH CACHE EXT failed .*gone/);
    }
    using again = openDisk(await plug(DISKS.unplug));
    assert.equal(again.opened.run(Read, 0, [0, FRAME]), Status.Okay, again.opened.reports.join());
  },
);

testUnless(refusalOf(DISKS.partitioned), "a partition is refused, as ATA commands would reach the whole disk", () => {
  const whole = pathOf(DISKS.partitioned);
  assert.throws(() => openDisk(`${whole}1`), /cannot be used by pass-through: .*A partition cannot/);
  const { identity, partitionOf, openedBytes } = inspectDisk(`${whole}1`);
  assert.equal(partitionOf, whole);
  assert(openedBytes < identity.sizeBytes);
});

testUnless(refusalOf(DISKS.sectors4kn), "a SCSI disk is refused and listed as no ATA disk", () => {
  const path = pathOf(DISKS.sectors4kn);
  assert.throws(() => openDisk(path), /is no ATA disk, or its adapter does not pass ATA commands on/);
  const listed = listDisks().find((disk) => disk.path === path);
  assert.equal(listed?.identity, null);
  assert.match(listed?.problem ?? "", /is no ATA disk/);
});

testUnless(refusalOf(DISKS.sectors512e), "an SSD with physical sectors of 4 KiB says so", () => {
  const { identity } = inspectDisk(pathOf(DISKS.sectors512e));
  const { logicalSectorSize, physicalSectorSize, rotationRate } = identity;
  assert.deepEqual([logicalSectorSize, physicalSectorSize, rotationRate], [512, 4096, 0]);
});
