// The device sata on block devices of the machine's own. What takes an ATA disk is in tests/guest.
import assert from "node:assert/strict";
import fs from "node:fs";
import { Operation, Status } from "../../core/blkif.ts";
import { DeviceError } from "../../core/errors.ts";
import { cLibraryNeed, openCLibrary } from "../../core/libc.ts";
import { driverNeeds } from "../../core/permissions.ts";
import { type CreateContext, type DevicePlugin, loadPlugin, openMedium } from "../../core/plugin.ts";
import { builtins } from "../../plugins/mod.ts";
import sata from "../../plugins/devices/sata.ts";
import { closeDisk, confirmPath, openDisk } from "../../plugins/devices/sata/disk.ts";
import { testDefinition } from "../conformance/definition.ts";
import { testDevice } from "../conformance/device.ts";
import { fillPattern } from "../helpers/devices.ts";
import { driverInProcess } from "../helpers/driver_process.ts";
import { type LoopDevice, loopDevice, loopDeviceRefusal } from "../helpers/loop_device.ts";
import { mediumContext } from "../helpers/medium_context.ts";
import { OpenedDevice } from "../helpers/opened_device.ts";
import { testUnless } from "../helpers/test_unless.ts";

const { Read, Write, WriteFua, Flush, Discard, WriteZeroes } = Operation;
const refusal = loopDeviceRefusal();
const MIB = 1 << 20;

const notes: string[] = [];
const context: CreateContext = { note: (text) => void notes.push(text), alive: () => {} };

/** The device on a disk that may be destroyed, and its notes. */
function opened({ path }: LoopDevice, given: Record<string, unknown> = {}): OpenedDevice {
  notes.length = 0;
  const options = sata.options.parse({ path, destructive: true, ...given });
  const medium = openMedium(sata, options, { ...mediumContext({ allowDestructive: [path] }), ...context });
  return new OpenedDevice(sata.create(options, medium as never, context), () => sata.closeMedium?.(medium as never));
}

/** What opening throws, in words. */
function refusalOf(path: string, given: Record<string, unknown> = {}, consent = {}): string {
  const options = sata.options.parse({ path, ...given });
  try {
    sata.closeMedium?.(openMedium(sata, options, mediumContext(consent)) as never);
  } catch (thrown) {
    assert(thrown instanceof DeviceError, String(thrown));
    return thrown.message;
  }
  return assert.fail("it was opened");
}

testDefinition("sata", builtins.device.sata, () => loadPlugin("device", builtins.device.sata));

if (refusal !== null) {
  testUnless(refusal, "sata: what every device is held to", () => {});
} else {
  for (const engine of ["sync", "io-uring"]) {
    for (const sectorSize of [512, 4096]) {
      const options = (destructive: boolean) => () => {
        const disk = loopDevice({ sizeBytes: 128 * 1024, sectorSize });
        return { path: disk.path, engine, destructive, [Symbol.dispose]: () => disk[Symbol.dispose]() };
      };
      testDevice("sata", builtins.device.sata, {
        variant: `${engine}, sectors of ${sectorSize} bytes`,
        options: options(true),
        readOnlyOptions: options(false),
      });
    }
  }
}

testUnless(refusal, "a disk is what the kernel says it is, and is seen to be a partition of nothing", () => {
  for (const sectorSize of [512, 4096]) {
    using disk = loopDevice({ sizeBytes: 3 * MIB, sectorSize });
    const found = openDisk(disk.path, true);
    closeDisk(found);
    const { sizeBytes, readOnly, canDiscard, partitionOf, physicalSectorSize } = found;
    assert.deepEqual([sizeBytes, found.sectorSize, readOnly, canDiscard, partitionOf], [
      3 * MIB,
      sectorSize,
      false,
      true,
      null,
    ]);
    assert(physicalSectorSize >= sectorSize);
  }
});

testUnless(
  refusal,
  "a disk is opened past the page cache, for no child process, and only as far as it is needed",
  () => {
    const { O_RDWR, O_DIRECT } = fs.constants;
    using disk = loopDevice({ sizeBytes: MIB });
    for (const writable of [false, true]) {
      const opened = openDisk(disk.path, writable);
      const told = /^flags:\s*([0-7]+)$/m.exec(Deno.readTextFileSync(`/proc/self/fdinfo/${opened.descriptor}`));
      closeDisk(opened);
      const flags = parseInt(told?.[1] ?? "", 8);
      assert.equal(flags & O_DIRECT, O_DIRECT);
      assert.equal(flags & 0o2000000, 0o2000000, "O_CLOEXEC");
      assert.equal(flags & 3, writable ? O_RDWR : 0);
    }
  },
);

for (const engine of ["sync", "io-uring"]) {
  testUnless(refusal, `by ${engine}, what is written is on the disk, at its place, and the rest is as it was`, () => {
    using disk = loopDevice({ sizeBytes: MIB });
    using device = opened(disk, { engine });
    const content = new Uint8Array(MIB);
    for (const [operation, offset, length] of [[Write, 512, 1024], [WriteFua, MIB - 8192, 8192]] as const) {
      fillPattern(device.memory.bytes.subarray(0, length), offset);
      content.set(device.memory.bytes.subarray(0, length), offset);
      assert.equal(device.run(operation, offset, [0, length]), Status.Okay, device.reports[0]);
    }
    assert.equal(device.runDataless(Flush), Status.Okay);
    assert.deepEqual(Deno.readFileSync(disk.image), content);
  });

  testUnless(refusal, `by ${engine}, discard gives blocks back, and write-zeroes makes zeroes`, () => {
    using disk = loopDevice({ sizeBytes: MIB });
    using device = opened(disk, { engine });
    device.memory.bytes.fill(0xff, 0, 128 * 1024);
    for (const offset of [0, 128 * 1024]) assert.equal(device.run(Write, offset, [0, 128 * 1024]), Status.Okay);
    assert.equal(device.runDataless(Flush), Status.Okay);
    const blocksOf = (): number => Deno.statSync(disk.image).blocks ?? 0;
    const before = blocksOf();
    assert.equal(device.runDataless(Discard, 0, 64 * 1024), Status.Okay);
    assert(blocksOf() <= before - 128, `${blocksOf()} of ${before} blocks`);
    assert.equal(device.runDataless(WriteZeroes, 128 * 1024 + 512, 1024), Status.Okay);
    assert.deepEqual(device.reports, []);
    const found = Deno.readFileSync(disk.image);
    const isZero = (at: number): boolean => found[at] === 0;
    assert(isZero(0) && isZero(64 * 1024 - 1) && !isZero(64 * 1024));
    assert(!isZero(128 * 1024 + 511) && isZero(128 * 1024 + 512) && isZero(128 * 1024 + 1535));
    assert(!isZero(128 * 1024 + 1536));
  });

  testUnless(refusal, `by ${engine}, a disk of 3 TiB is right to its last sector, and ends there`, () => {
    const sizeBytes = 3 * 2 ** 40;
    using disk = loopDevice({ sizeBytes });
    using device = opened(disk, { engine });
    assert.equal(device.info.sizeBytes, sizeBytes);
    for (const offset of [2 ** 41 - 512, 2 ** 41, sizeBytes - 512]) {
      device.memory.bytes.fill(1 + offset / 512 % 251, 0, 512);
      assert.equal(device.run(Write, offset, [0, 512]), Status.Okay, device.reports[0]);
      device.memory.bytes.fill(0, 0, 512);
      assert.equal(device.run(Read, offset, [0, 512]), Status.Okay);
      assert(device.memory.bytes.subarray(0, 512).every((byte) => byte === 1 + offset / 512 % 251));
    }
    assert.equal(device.runDataless(Flush), Status.Okay);
    using image = Deno.openSync(disk.image);
    const last = new Uint8Array(513);
    image.seekSync(sizeBytes - 512, Deno.SeekMode.Start);
    assert.equal(image.readSync(last), 512);
    assert.equal(last[0], 1 + (sizeBytes - 512) / 512 % 251);
    assert.equal(device.run(Write, sizeBytes, [0, 512]), Status.Error);
  });

  testUnless(refusal, `by ${engine}, on 4Kn, pieces of frames are copied through a buffer, and counted`, () => {
    using disk = loopDevice({ sizeBytes: MIB, sectorSize: 4096 });
    using device = opened(disk, { engine });
    assert.equal(device.run(Write, 512, [0, 4096]), Status.Error, "not aligned to the logical sector");
    assert.equal(device.run(Write, 0, [0, 512]), Status.Error);
    fillPattern(device.memory.bytes.subarray(0, 16384), 3);
    assert.equal(device.run(Write, 4096, [0, 4096], [8192, 12288]), Status.Okay);
    assert.deepEqual(device.counters(), { bouncedRequests: 0 });
    assert.equal(device.run(Write, 16384, [512, 1024], [4096, 4096 + 3584]), Status.Okay, device.reports[0]);
    assert.deepEqual(device.counters(), { bouncedRequests: 1 });
    const { bytes } = device.memory;
    const written = [bytes.slice(0, 4096), bytes.slice(8192, 12288), bytes.slice(512, 1024), bytes.slice(4096, 7680)];
    bytes.fill(0);
    assert.equal(device.run(Read, 16384, [1024, 1024 + 4096]), Status.Okay, device.reports[0]);
    assert.deepEqual(device.counters(), { bouncedRequests: 2 });
    assert.deepEqual([...bytes.slice(1024, 1024 + 4096)], [...written[2], ...written[3]]);
    assert.equal(device.run(Read, 4096, [0, 8192]), Status.Okay);
    assert.deepEqual([...bytes.slice(0, 8192)], [...written[0], ...written[1]]);
  });
}

testUnless(refusal, "without destructive: true a disk is read-only, says so, and may be in use elsewhere", () => {
  using disk = loopDevice({ sizeBytes: MIB });
  using first = opened(disk, { destructive: false });
  assert.deepEqual(notes, [`${disk.path} is read-only here: to write to it takes destructive: true`]);
  using second = opened(disk);
  for (const operation of [Write, WriteFua]) assert.equal(first.run(operation, 0, [0, 512]), Status.Error);
  assert.equal(first.runDataless(Flush), Status.Okay);
  second.memory.bytes.fill(9, 0, 512);
  assert.equal(second.run(Write, 0, [0, 512]), Status.Okay);
  assert.equal(first.run(Read, 0, [0, 512]), Status.Okay);
  assert.equal(first.memory.bytes[511], 9);
  assert.deepEqual(first.reports, []);
});

testUnless(refusal, "a disk that somebody else writes to is refused, and can be had after that", () => {
  using disk = loopDevice({ sizeBytes: MIB });
  const consent = { allowDestructive: [disk.path] };
  {
    using _ = opened(disk);
    assert.match(refusalOf(disk.path, { destructive: true }, consent), /loop\d+ to write to it: EBUSY .* mount/);
  }
  using again = opened(disk);
  assert.equal(again.run(Read, 0, [0, 512]), Status.Okay);
});

testUnless(
  refusal,
  "what is on a disk is not destroyed without consent, and what holds something not without force",
  () => {
    using disk = loopDevice({ sizeBytes: 16 * MIB });
    const { path } = disk;
    assert.match(refusalOf(path, { destructive: true }), /would destroy what is on \/dev\/loop/);
    const made = new Deno.Command("mkfs.ext4", { args: ["-q", "-L", "mine", path] }).outputSync();
    assert(made.success);
    const consent = { allowDestructive: [path] };
    assert.match(refusalOf(path, { destructive: true }, consent), /holds an ext4 file system labelled "mine".*--force/);
    const options = sata.options.parse({ path, destructive: true });
    // Refused, it left nothing open; forced, it is opened.
    sata.closeMedium?.(openMedium(sata, options, mediumContext({ ...consent, force: true })) as never);
  },
);

testUnless(refusal, "a path that leads to another disk than the one that is open is noticed", () => {
  using disk = loopDevice({ sizeBytes: MIB });
  using other = loopDevice({ sizeBytes: MIB });
  const link = Deno.makeTempFileSync();
  Deno.removeSync(link);
  Deno.symlinkSync(disk.path, link);
  const opened = openDisk(link, true);
  try {
    confirmPath(opened);
    Deno.removeSync(link);
    Deno.symlinkSync(other.path, link);
    assert.throws(() => confirmPath(opened), /leads to another disk/);
  } finally {
    closeDisk(opened);
    Deno.removeSync(link);
  }
});

testUnless(refusal, "a disk that is itself read-only is refused for writing, with that reason, and can be read", () => {
  using disk = loopDevice({ sizeBytes: MIB, readOnly: true });
  const consent = { allowDestructive: [disk.path] };
  assert.match(refusalOf(disk.path, { destructive: true }, consent), /write.*read-only/);
  using device = opened(disk, { destructive: false });
  assert.equal(device.run(Read, 0, [0, 4096]), Status.Okay);
});

testUnless(refusal, "whoever may not open a disk is told who may", () => {
  using disk = loopDevice({ sizeBytes: MIB });
  // As a system call of its own it holds for this thread alone, and not for the other threads of Deno.
  const number = Deno.build.arch === "x86_64" ? 117 : 147;
  const libc = openCLibrary({ syscall: { parameters: ["i32", "i32", "i32", "i32"], result: "i32" } });
  assert(libc !== null);
  const become = (user: number): void => assert.equal(libc.symbols.syscall(number, -1, user, -1), 0);
  let said: string;
  become(65534);
  try {
    said = refusalOf(disk.path);
  } finally {
    become(0);
    libc.close();
  }
  assert.match(said, /EACCES .* root may, and who is in the group disk/);
});

Deno.test("what is no disk is refused with its path and what it is not", () => {
  assert.match(refusalOf("/dev/iddr-none"), /\/dev\/iddr-none to read it: ENOENT .*sata list/);
  for (const path of ["/dev/null", "/", Deno.execPath()]) {
    assert.match(refusalOf(path), new RegExp(`${path} as a disk: it is no block device.*loop-file`));
  }
});

Deno.test("options that contradict each other are refused", () => {
  const { success, error } = sata.options.safeParse({ path: "/dev/sda", passthrough: true, engine: "io-uring" });
  assert(!success && /auto or sync/.test(error.message));
  assert(!sata.options.safeParse({}).success);
});

Deno.test("a disk asks for libc alone, and for blkid only if it is written to", () => {
  const needs = (given: unknown) => sata.permissions?.(sata.options.parse(given));
  assert.deepEqual(needs({ path: "/dev/sda" })?.run, []);
  assert.match(needs({ path: "/dev/sda", destructive: true })?.run?.[0] ?? "", /blkid$/);
  assert.equal(needs({ path: "/dev/sda" })?.ffi?.length, 1);
  assert.equal(needs({ path: "/dev/sda" })?.read, undefined);
  for (const destructive of [false, true]) {
    const options = sata.options.parse({ path: "/dev/sda", destructive });
    assert.deepEqual(driverNeeds(sata as unknown as DevicePlugin, options), {
      ffi: [cLibraryNeed()],
      system: { ioUring: true, capabilities: [] },
    });
  }
});

for (const engine of ["sync", "io-uring"]) {
  testUnless(
    refusal,
    `a driver in a process that may do nothing else drives the disk that it inherits: ${engine}`,
    async () => {
      using disk = loopDevice({ sizeBytes: MIB });
      const given = { path: disk.path, destructive: true, engine };
      const options = sata.options.parse(given);
      const inherited: number[] = [];
      const inherit = (descriptor: number): void => void inherited.push(descriptor);
      const medium = openMedium(sata, options, mediumContext({ allowDestructive: [disk.path], inherit }));
      try {
        const outcome = await driverInProcess("sata", given, medium, inherited);
        assert(typeof outcome !== "string", String(outcome));
        assert.deepEqual(outcome.statuses, [Status.Okay, Status.Okay, Status.Okay, Status.Okay]);
        assert.deepEqual([outcome.same, outcome.reports, outcome.info.sizeBytes], [true, [], MIB]);
      } finally {
        sata.closeMedium?.(medium as never);
      }
    },
  );
}

testUnless(refusal, "a disk may keep its driver longer than a domain may be silent, and says for how long", () => {
  using disk = loopDevice({ sizeBytes: MIB });
  for (const engine of ["sync", "io-uring"]) {
    const options = sata.options.parse({ path: disk.path, engine });
    const medium = openMedium(sata, options, mediumContext());
    const device = sata.create(options, medium as never, context);
    assert.equal(device.operationTimeoutNs, 120e9);
    device.close?.();
    sata.closeMedium?.(medium as never);
  }
});
