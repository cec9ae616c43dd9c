import assert from "node:assert/strict";
import fc from "fast-check";
import { Operation, Status } from "../../../core/blkif.ts";
import { BlockRequest } from "../../../core/block_device.ts";
import { DeviceError } from "../../../core/errors.ts";
import { FRAME_SIZE, SharedMemory } from "../../../core/memory.ts";
import { type PassthroughDevice, passthroughDevice } from "../../../plugins/devices/sata/passthrough.ts";
import { assertSameBytes } from "../../conformance/disk_model.ts";
import { testDevice } from "../../conformance/device.ts";
import { AtaDiskModel, type AtaDiskOptions, MODEL_DESCRIPTOR } from "../../helpers/ata_disk_model.ts";
import { identifyBytes } from "../../helpers/ata_identify.ts";
import { fillPattern } from "../../helpers/devices.ts";
import { OpenedDevice } from "../../helpers/opened_device.ts";

const { Read, Write, WriteFua, Flush, Discard, WriteZeroes } = Operation;
const PATH = "/dev/model";
const [READ, WRITE, WRITE_FUA, FLUSH, TRIM] = [0x25, 0x35, 0x3d, 0xea, 0x06];

const plugin = import.meta.resolve("../../helpers/plugins/ata_model_disk.ts");
const VARIANTS = {
  "sectors of 512 bytes": {},
  "sectors of 4 KiB": { sectorSize: 4096 },
  "without FUA": { fua: false },
};
for (const [variant, options] of Object.entries(VARIANTS)) {
  testDevice("ata-model-disk", plugin, { variant, options, readOnlyOptions: { ...options, readOnly: true } });
}
// Two commands or more for most requests.
testDevice("ata-model-disk", plugin, { variant: "short commands", options: { maxSectors: 24 } });

interface Opened extends Disposable {
  readonly disk: AtaDiskModel;
  readonly device: PassthroughDevice;
  readonly opened: OpenedDevice;
}

/** The device on a simulated disk, after IDENTIFY DEVICE. */
function open(options: AtaDiskOptions = {}): Opened {
  const disk = new AtaDiskModel(options);
  const device = passthroughDevice({ descriptor: MODEL_DESCRIPTOR, path: PATH, readOnly: false, control: disk });
  const opened = new OpenedDevice(device);
  disk.commands.length = 0;
  return { disk, device, opened, [Symbol.dispose]: () => opened[Symbol.dispose]() };
}

function refusalOf(options: AtaDiskOptions, change: (disk: AtaDiskModel) => void = () => {}): string {
  const control = new AtaDiskModel(options);
  change(control);
  try {
    passthroughDevice({ descriptor: MODEL_DESCRIPTOR, path: PATH, readOnly: true, control });
  } catch (thrown) {
    assert(thrown instanceof DeviceError, String(thrown));
    assert(control.closed, "libc stays open");
    return thrown.message;
  }
  return assert.fail("it was accepted");
}

Deno.test("it is what IDENTIFY DEVICE says, and closes what it is controlled by", () => {
  for (const fua of [true, false]) {
    const { disk, device, opened } = open({ sectors: 64, sectorSize: 4096, fua });
    assert.deepEqual(device.info, {
      ...{ sizeBytes: 64 * 4096, sectorSize: 4096, readOnly: false },
      ...{ canFlush: true, canDiscard: true, canWriteZeroes: false, canFua: fua },
    });
    opened[Symbol.dispose]();
    assert(disk.closed);
  }
});

Deno.test("each operation is its own command, and data goes to and from the application's memory itself", () => {
  using all = open();
  const { disk, opened } = all;
  const base = opened.memory.address;
  for (const operation of [Read, Write, WriteFua]) {
    assert.equal(opened.run(operation, 1024, [FRAME_SIZE, FRAME_SIZE + 1024]), Status.Okay, opened.reports[0]);
  }
  opened.runDataless(Flush);
  opened.runDataless(Discard, 512, 1024);
  assert.deepEqual(disk.commands.map(({ opcode, lba, count }) => [opcode, lba, count]), [
    [READ, 2, 2],
    [WRITE, 2, 2],
    [WRITE_FUA, 2, 2],
    [FLUSH, 0, 0],
    [TRIM, 0, 1],
  ]);
  for (const { pieces } of disk.commands.slice(0, 3)) assert.deepEqual(pieces, [[base + FRAME_SIZE, 1024]]);
});

Deno.test("a durable write on a disk without FUA is a write and a flush", () => {
  using all = open({ fua: false });
  assert.equal(all.opened.run(WriteFua, 0, [0, 512]), Status.Okay);
  assert.deepEqual(all.disk.commands.map(({ opcode }) => opcode), [WRITE, FLUSH]);
});

Deno.test("write-zeroes is written, as no command of the disk is used for it", () => {
  using all = open();
  all.disk.bytes.fill(7);
  assert.equal(all.opened.runDataless(WriteZeroes, 1024, 2048), Status.Okay);
  assertSameBytes(all.disk.bytes, new Uint8Array(256 * 512).fill(7).fill(0, 1024, 3072), "the disk");
});

Deno.test("pieces of memory become one command; what is not aligned to sectors is counted", () => {
  using all = open({ sectorSize: 4096 });
  const { disk, device, opened } = all;
  const base = opened.memory.address;
  opened.run(Write, 0, [5 * FRAME_SIZE, 6 * FRAME_SIZE], [2 * FRAME_SIZE, 4 * FRAME_SIZE]);
  assert.equal(device.counters().bouncedRequests, 0);
  // Two sectors in pieces of which none is one.
  opened.run(Read, 4096, [512, 2560], [4096, 4096 + 5632], [32768, 32768 + 512]);
  assert.equal(device.counters().bouncedRequests, 1);
  assert.deepEqual(disk.commands.map(({ pieces }) => pieces), [
    [[base + 5 * FRAME_SIZE, 4096], [base + 2 * FRAME_SIZE, 8192]],
    [[base + 512, 2048], [base + 4096, 5632], [base + 32768, 512]],
  ]);
});

Deno.test("requests in random pieces of memory, aligned or not, hold to the disk whatever the kernel's limits", () => {
  const frames = 300;
  const memory = SharedMemory.allocate(frames);
  const piece = fc.record({ gap: fc.nat(3), units: fc.integer({ min: 1, max: 40 }), odd: fc.nat(1) });
  const cases = fc.record({
    sectorSize: fc.constantFrom(512, 4096),
    maxSectors: fc.constantFrom(8, 25, 256, 65535),
    sector: fc.nat(50),
    pieces: fc.array(piece, { minLength: 1, maxLength: 60 }),
    seed: fc.nat(1000),
  });
  fc.assert(
    fc.property(cases, ({ sectorSize, maxSectors, sector, pieces, seed }) => {
      using all = open({ sectors: 2048 * 512 / sectorSize, sectorSize, maxSectors });
      const request = new BlockRequest({ completed() {} }, 0, memory, pieces.length);
      let at = 0;
      for (const [index, { gap, units, odd }] of pieces.entries()) {
        at += gap * 512 + odd * 8;
        let length = units * 512;
        // The last one makes the whole a number of sectors.
        if (index === pieces.length - 1) {
          length += (sectorSize - (request.byteLength + length) % sectorSize) % sectorSize;
        }
        if (at + length > memory.bytes.length) return;
        request.addExtent(at, at + length);
        request.byteLength += length;
        at += length;
      }
      request.offsetBytes = sector * sectorSize;
      if (request.offsetBytes + request.byteLength > all.device.info.sizeBytes) return;
      const data = new Uint8Array(request.byteLength);
      fillPattern(data, seed);
      copyInto(request, data);
      request.operation = Write;
      all.device.submit(request);
      const disk = all.disk.bytes;
      assertSameBytes(disk.subarray(request.offsetBytes, request.offsetBytes + data.length), data, "the disk");
      assert(disk.subarray(0, request.offsetBytes).every((byte) => byte === 0), "what is before it");
      assert(disk.subarray(request.offsetBytes + data.length).every((byte) => byte === 0), "what is behind it");
      memory.bytes.fill(0xee);
      request.operation = Read;
      all.device.submit(request);
      const expected = new Uint8Array(memory.bytes.length).fill(0xee);
      copyInto(request, data, expected);
      assertSameBytes(memory.bytes, expected, "the memory");
      const shortest = Math.ceil(data.length / Math.max(sectorSize, maxSectors * 512));
      assert(all.disk.commands.length >= 2 * shortest);
    }),
    { numRuns: 60, endOnFailure: true },
  );
});

function copyInto(request: BlockRequest, data: Uint8Array, memory: Uint8Array = request.memory.bytes): void {
  for (let i = 0, at = 0; i < request.extentCount; i++) {
    const length = request.extentEnd(i) - request.extentStart(i);
    memory.set(data.subarray(at, at += length), request.extentStart(i));
  }
}

Deno.test("no command touches more pages than every driver takes, however scattered its memory is", () => {
  const memory = SharedMemory.allocate(400);
  using all = open({ sectors: 8192, maxSectors: 65535 });
  const request = new BlockRequest({ completed() {} }, 0, memory, 400);
  for (let frame = 399; frame >= 0; frame--) request.addExtent(frame * FRAME_SIZE, (frame + 1) * FRAME_SIZE);
  request.byteLength = 400 * FRAME_SIZE;
  request.operation = Write;
  all.device.submit(request);
  assert.deepEqual(all.disk.commands.map(({ pieces }) => pieces.length), [128, 128, 128, 16]);
  assert.deepEqual(all.disk.commands.map(({ lba }) => lba), [0, 1024, 2048, 3072]);
});

Deno.test("a bad sector fails its request alone, and the error names command, sectors, disk and cause", () => {
  using all = open();
  all.disk.badSectors.add(21);
  assert.equal(all.opened.run(Read, 16 * 512, [0, 4096]), Status.Error);
  assert.deepEqual(all.opened.reports, [
    "READ DMA EXT of 8 sectors at LBA 16 failed on /dev/model: UNC (uncorrectable data) at LBA 21, status 41h, error 40h; " +
    "medium error, unrecovered read error, auto-reallocation failed (3/11/04h)",
  ]);
  assert.equal(all.opened.run(Read, 8 * 512, [0, 4096]), Status.Okay);
  assert.equal(all.opened.run(Read, 22 * 512, [0, 4096]), Status.Okay);
  assert.equal(all.opened.run(Write, 16 * 512, [0, 4096]), Status.Okay);
});

Deno.test("the second command of a long request names its own sectors when it fails", () => {
  using all = open({ maxSectors: 16 });
  all.disk.badSectors.add(30);
  assert.equal(all.opened.run(Read, 0, [0, 32 * 512]), Status.Error);
  assert.match(all.opened.reports[0], /of 16 sectors at LBA 16 failed .* at LBA 30,/);
});

Deno.test("a disk that is gone fails every operation with its command, and the device goes on answering", () => {
  using all = open();
  const gone = [{ errno: -19 }, { hostStatus: 1 }];
  for (const answer of gone) {
    all.opened.reports.length = 0;
    all.disk.intercept = () => answer;
    for (const operation of [Read, Write, WriteFua]) assert.equal(all.opened.run(operation, 0, [0, 512]), Status.Error);
    assert.equal(all.opened.runDataless(Flush), Status.Error);
    assert.equal(all.opened.runDataless(Discard, 0, 512), Status.Error);
    const names = [
      "READ DMA EXT",
      "WRITE DMA EXT",
      "WRITE DMA FUA EXT",
      "FLUSH CACHE EXT",
      "DATA SET MANAGEMENT (TRIM)",
    ];
    for (const [index, name] of names.entries()) {
      assert(all.opened.reports[index].startsWith(name), all.opened.reports[index]);
      assert.match(all.opened.reports[index], /gone/);
    }
  }
  all.disk.intercept = () => null;
  assert.equal(all.opened.run(Read, 0, [0, 512]), Status.Okay);
});

Deno.test("a transfer of which a part is missing is an error, also when nothing else says so", () => {
  using all = open();
  all.disk.intercept = () => ({ residualBytes: 512 });
  assert.equal(all.opened.run(Read, 0, [0, 1024]), Status.Error);
  assert.match(all.opened.reports[0], /512 bytes were not transferred/);
});

Deno.test("sense data that only tells registers is no error", () => {
  using all = open();
  all.disk.intercept = () => ({
    sense: [0x72, 1, 0, 0x1d, 0, 0, 0, 14, 9, 12, 1, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0x40, 0x50],
  });
  assert.equal(all.opened.runDataless(Flush), Status.Okay, all.opened.reports[0]);
});

Deno.test("an earlier failure leaves nothing that a later success could be taken for a failure by", () => {
  using all = open();
  all.disk.intercept = () => ({ hostStatus: 7, driverStatus: 6, residualBytes: 512, sense: [0x70, 0, 4] });
  assert.equal(all.opened.run(Read, 0, [0, 512]), Status.Error);
  all.disk.intercept = () => null;
  assert.equal(all.opened.run(Read, 0, [0, 512]), Status.Okay);
});

Deno.test("a large trim takes several commands that name each sector once", () => {
  // 3 × 2 GiB, which no test disk has: the model would refuse it, so what it is sent is looked at.
  const sectors = 3 * 64 * 65535 + 5;
  using all = open({ openedBytes: sectors * 512, identify: identifyOf(sectors) });
  all.disk.intercept = (opcode) => opcode === TRIM ? {} : null;
  assert.equal(all.opened.runDataless(Discard, 0, sectors * 512), Status.Okay, all.opened.reports[0]);
  assert.equal(all.disk.commands.length, 4);
  let next = 0;
  for (const [lba, count] of all.disk.commands.flatMap(({ ranges }) => ranges)) {
    assert.equal(lba, next);
    next += count;
  }
  assert.equal(next, sectors);
});

function identifyOf(sectors: number, changes: Record<number, number> = {}): Uint8Array {
  const words = { 49: 3 << 8, 83: 1 << 14 | 1 << 13 | 1 << 10, 169: 1 };
  return identifyBytes({ ...words, 100: sectors % 65536, 101: Math.floor(sectors / 65536), ...changes });
}

Deno.test("a disk without TRIM or a cache to flush says so", () => {
  using all = open({ identify: identifyOf(256, { 83: 1 << 14 | 1 << 10, 169: 0 }) });
  assert.equal(all.opened.runDataless(Discard, 0, 512), Status.NotSupported);
  assert.equal(all.opened.runDataless(Flush), Status.NotSupported);
  assert.deepEqual(all.disk.commands, []);
});

Deno.test("what is no ATA disk, a part of one, or lacks what is needed is refused with its path and the reason", () => {
  const illegal = [0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0];
  const answering = (answer: { errno?: number; sense?: number[] }) => (disk: AtaDiskModel) => {
    disk.intercept = () => answer;
  };
  const cases: readonly (readonly [string, RegExp])[] = [
    [refusalOf({}, answering({ sense: illegal })), /is no ATA disk, or its adapter .* invalid command operation code/],
    [refusalOf({}, answering({ errno: -25 })), /is no ATA disk, .* ENOTTY/],
    [refusalOf({}, answering({ errno: -1 })), /^IDENTIFY DEVICE failed .* EPERM .* CAP_SYS_RAWIO/],
    [refusalOf({ openedBytes: 64 * 512 }), /it is 32KiB of a disk that has 128KiB. A partition cannot/],
    [refusalOf({ identify: new Uint8Array(512) }), /empty/],
    [refusalOf({ identify: identifyOf(256, { 49: 1 << 9 }) }), /it has no DMA/],
    [refusalOf({ identify: identifyOf(256, { 60: 256, 83: 1 << 14 }) }), /no commands with 48-bit addresses/],
    [refusalOf({ identify: identifyOf(256, { 128: 7 }) }), /locked by its ATA password/],
    [
      refusalOf({ openedBytes: 256 * 520, identify: identifyOf(256, { 106: 1 << 14 | 1 << 12, 117: 260 }) }),
      /its logical sectors have 520 bytes; a power of two/,
    ],
  ];
  for (const [found, reason] of cases) {
    assert.match(found, reason);
    assert(found.includes(PATH), found);
  }
});
