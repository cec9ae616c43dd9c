// The medium of loop-file: what the hypervisor opens, drivers inherit, and successors are given.
import assert from "node:assert/strict";
import fs from "node:fs";
import { Operation, Status } from "../../core/blkif.ts";
import { messageOf } from "../../core/errors.ts";
import loopFile from "../../plugins/devices/loop_file.ts";
import type { LoopMedium } from "../../plugins/devices/loop_file/medium.ts";
import { allocateFile, thinFileSystem, thinFileSystemRefusal } from "../helpers/full_disk.ts";
import { driverInProcess } from "../helpers/driver_process.ts";
import { mediumContext } from "../helpers/medium_context.ts";
import { OpenedDevice } from "../helpers/opened_device.ts";
import { testUnless } from "../helpers/test_unless.ts";

const { Read, Write, Flush } = Operation;
const SIZE = 1 << 20;

/** A medium that is opened and, as before its first driver begins, opened again. */
function twoOpenings(given: Record<string, unknown>): Disposable & {
  readonly options: ReturnType<typeof loopFile.options.parse>;
  readonly first: LoopMedium;
  readonly again: LoopMedium;
  readonly inherited: readonly number[];
} {
  const options = loopFile.options.parse(given);
  const inherited: number[] = [];
  const context = mediumContext({ inherit: (descriptor) => inherited.push(descriptor) });
  const first = loopFile.openMedium(options, context);
  const again = loopFile.openAgain?.(first, options, context) as LoopMedium;
  return {
    ...{ options, first, again, inherited },
    [Symbol.dispose]() {
      for (const medium of [first, again]) loopFile.closeMedium?.(medium);
    },
  };
}

function deviceOn(medium: LoopMedium, options: ReturnType<typeof loopFile.options.parse>): OpenedDevice {
  return new OpenedDevice(loopFile.create(options, structuredClone(medium), mediumContext()));
}

function imageFile(): Disposable & { readonly path: string } {
  const path = Deno.makeTempFileSync();
  Deno.writeFileSync(path, new Uint8Array(SIZE).fill(1));
  return { path, [Symbol.dispose]: () => Deno.removeSync(path) };
}

/** The file that a descriptor stands for, and how it was opened. */
function describe(descriptor: number): { readonly path: string; readonly flags: number } {
  const [, flags] = /flags:\s*(\d+)/.exec(Deno.readTextFileSync(`/proc/self/fdinfo/${descriptor}`)) ?? [];
  return { path: Deno.readLinkSync(`/proc/self/fd/${descriptor}`), flags: parseInt(flags, 8) };
}

Deno.test("both openings are of the file, as they were asked for, inherited by drivers and closed at every exec", () => {
  using file = imageFile();
  const { O_RDWR, O_ACCMODE, O_CLOEXEC } = { O_ACCMODE: 3, O_CLOEXEC: 0o2000000, ...fs.constants };
  for (const readOnly of [false, true]) {
    using media = twoOpenings({ path: file.path, readOnly });
    const descriptors = [media.first, media.again].map(({ descriptor }) => descriptor as number);
    assert.deepEqual(media.inherited, descriptors);
    assert.notEqual(descriptors[0], descriptors[1]);
    for (const { path, flags } of descriptors.map(describe)) {
      assert.equal(path, file.path);
      assert.equal(flags & O_ACCMODE, readOnly ? 0 : O_RDWR);
      assert.equal(flags & O_CLOEXEC, O_CLOEXEC);
    }
  }
});

Deno.test("a driver opens nothing: it drives a file that has no name any more", () => {
  const { path } = imageFile();
  using media = twoOpenings({ path });
  Deno.removeSync(path);
  using device = deviceOn(media.first, media.options);
  assert.equal(device.info.canDiscard, true);
  device.memory.bytes.fill(7, 0, 512);
  assert.equal(device.run(Write, 512, [0, 512]), Status.Okay);
  using successor = deviceOn(media.again, media.options);
  assert.equal(successor.run(Read, 512, [0, 512]), Status.Okay);
  assert(successor.memory.bytes.subarray(0, 512).every((byte) => byte === 7));
});

/** Why a file cannot be driven so here, with holes and all, or null. */
function refusalOf(given: Record<string, unknown>): string | null {
  using file = imageFile();
  try {
    using media = twoOpenings({ path: file.path, ...given });
    using device = deviceOn(media.first, media.options);
    return device.info.canDiscard ? null : "the temporary folder's file system has no holes";
  } catch (thrown) {
    return messageOf(thrown);
  }
}

for (const given of [{ engine: "sync" }, { engine: "io-uring" }, { direct: true }, { direct: true, engine: "sync" }]) {
  const how = JSON.stringify(given);
  testUnless(
    refusalOf(given),
    `a driver in a process that may do nothing else drives what it inherits: ${how}`,
    async () => {
      using file = imageFile();
      const options = { path: file.path, ...given };
      using media = twoOpenings(options);
      for (const medium of [media.first, media.again]) {
        const outcome = await driverInProcess("loop_file", options, medium, media.inherited);
        assert(typeof outcome !== "string", String(outcome));
        assert.deepEqual(outcome.statuses, [Status.Okay, Status.Okay, Status.Okay, Status.Okay]);
        assert.deepEqual([outcome.same, outcome.reports, outcome.info.sizeBytes], [true, [], SIZE]);
        const content = Deno.readFileSync(file.path);
        assert.deepEqual(content, new Uint8Array(SIZE).fill(1).fill(0, 4096, 8192), "written, then discarded");
      }
      const without = await driverInProcess("loop_file", options, media.first, []);
      assert(typeof without === "string" || !without.statuses.includes(Status.Okay), "it opens nothing by itself");
    },
  );
}

Deno.test("a medium is opened again by what it is, even if its path leads to another file by now", () => {
  using file = imageFile();
  const context = mediumContext();
  const options = loopFile.options.parse({ path: file.path });
  const first = loopFile.openMedium(options, context);
  using moved = { path: `${file.path}.moved`, [Symbol.dispose]: () => Deno.removeSync(`${file.path}.moved`) };
  Deno.renameSync(file.path, moved.path);
  Deno.writeFileSync(file.path, new Uint8Array(SIZE).fill(9));
  const again = loopFile.openAgain?.(first, options, context) as LoopMedium;
  try {
    assert.equal(describe(again.descriptor as number).path, moved.path);
  } finally {
    for (const medium of [first, again]) loopFile.closeMedium?.(medium);
  }
});

Deno.test("closing one opening leaves the other, and both leave no descriptor behind", () => {
  using file = imageFile();
  const options = loopFile.options.parse({ path: file.path });
  const before = openDescriptorsOf(file.path);
  const first = loopFile.openMedium(options, mediumContext());
  const again = loopFile.openAgain?.(first, options, mediumContext()) as LoopMedium;
  loopFile.closeMedium?.(first);
  {
    using device = deviceOn(again, options);
    assert.equal(device.run(Read, 0, [0, 4096]), Status.Okay);
  }
  loopFile.closeMedium?.(again);
  assert.deepEqual([before, openDescriptorsOf(file.path)], [0, 0]);
});

function openDescriptorsOf(path: string): number {
  return [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`) === path;
    } catch {
      return false; // The one by which the folder is read.
    }
  }).length;
}

Deno.test("without a descriptor the driver opens the path, and reads and writes by Deno alone", () => {
  using file = imageFile();
  using media = twoOpenings({ path: file.path });
  using device = deviceOn({ ...media.first, descriptor: null }, media.options);
  device.memory.bytes.fill(7, 0, 4096);
  assert.equal(device.run(Write, 4096, [0, 512], [512, 4096]), Status.Okay);
  assert.equal(device.runDataless(Flush), Status.Okay);
  assert.equal(device.run(Read, 4096 - 512, [8192, 8192 + 4096]), Status.Okay);
  const found = device.memory.bytes.slice(8192, 8192 + 4096);
  assert.deepEqual(found, new Uint8Array(4096).fill(1, 0, 512).fill(7, 512));
  assert.deepEqual(Deno.readFileSync(file.path).subarray(4096, 8192), new Uint8Array(4096).fill(7));
  assert.deepEqual(loopFile.openAgain?.({ ...media.first, descriptor: null }, media.options, mediumContext()), {
    ...media.first,
    descriptor: null,
  });
});

for (const engine of ["sync", "io-uring"] as const) {
  testUnless(
    thinFileSystemRefusal(),
    `a write-back that failed is told once to each opening: the successor's flush fails too (${engine})`,
    () => {
      using disk = thinFileSystem();
      const path = `${disk.folder}/disk.img`;
      allocateFile(path, SIZE);
      using media = twoOpenings({ path, engine });
      using device = deviceOn(media.first, media.options);
      using successor = deviceOn(media.again, media.options);
      assert.equal(device.runDataless(Flush), Status.Okay);

      disk.fillDisk();
      device.memory.bytes.fill(7);
      assert.equal(device.run(Write, 65536, [0, 65536]), Status.Okay, "the page cache takes it");
      assert.equal(device.runDataless(Flush), Status.Error);
      assert.match(device.reports[0], /Cannot flush the loop file .*disk\.img: ENOSPC/);
      disk.freeDisk();

      assert.equal(device.runDataless(Flush), Status.Okay, "it was told, and what it lost is lost");
      {
        using late = twoOpenings({ path, engine });
        using opened = deviceOn(late.first, late.options);
        assert.equal(opened.runDataless(Flush), Status.Okay, "who opens the file now never learns of it");
      }
      assert.equal(successor.runDataless(Flush), Status.Error, "who had opened it before does");
      assert.match(successor.reports[0], /ENOSPC/);
      assert.equal(successor.runDataless(Flush), Status.Okay, "and once");
      assert.equal(device.run(Write, 65536, [0, 65536]), Status.Okay);
      assert.equal(device.runDataless(Flush), Status.Okay, "the disk has room again");
    },
  );
}
