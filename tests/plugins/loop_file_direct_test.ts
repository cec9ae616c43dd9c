import assert from "node:assert/strict";
import fs from "node:fs";
import fc from "fast-check";
import { Operation, Status } from "../../core/blkif.ts";
import { DeviceError, messageOf } from "../../core/errors.ts";
import { synchronous } from "../../core/block_device.ts";
import loopFile from "../../plugins/devices/loop_file.ts";
import { aligned } from "../../plugins/devices/disk_io/aligned.ts";
import { OpenFile } from "../../plugins/devices/loop_file/open_file.ts";
import type { Engine } from "../../plugins/devices/disk_io/engine.ts";
import { fillPattern, MemoryDevice } from "../helpers/devices.ts";
import { largeSectorsRefusal, mount, mountRefusal, mountWithLargeSectors } from "../helpers/mount.ts";
import { testUnless } from "../helpers/test_unless.ts";
import { openPlugin } from "../helpers/opened_device.ts";

const { Read, Write, Flush } = Operation;
const SIZE = 1 << 20;

/** A file of a pattern, and the pattern, for the time of a test. */
function patternFile(folder?: string): Disposable & { readonly path: string; readonly content: Uint8Array } {
  const path = Deno.makeTempFileSync({ dir: folder });
  const content = new Uint8Array(SIZE);
  fillPattern(content, 5);
  Deno.writeFileSync(path, content);
  return { path, content, [Symbol.dispose]: () => Deno.removeSync(path) };
}

function directRefusal(): string | null {
  using file = patternFile();
  try {
    openPlugin(loopFile, { path: file.path, direct: true })[Symbol.dispose]();
    return null;
  } catch (thrown) {
    return messageOf(thrown);
  }
}
const refusal = directRefusal();
const largeRefusal = largeSectorsRefusal();

testUnless(refusal, "a file that is opened for direct I/O has the kernel's flag for it, and no other has", () => {
  using file = patternFile();
  for (const direct of [true, false]) {
    const open = new OpenFile(file.path, { readOnly: true, direct });
    try {
      const [, flags] = /flags:\s*(\d+)/.exec(Deno.readTextFileSync(`/proc/self/fdinfo/${open.descriptor}`)) ?? [];
      assert.equal((parseInt(flags, 8) & fs.constants.O_DIRECT) !== 0, direct);
    } finally {
      open.close();
    }
  }
});

/**
 * Runs random reads and writes, in aligned and in odd pieces of memory, against a model; looks at the file from outside
 * at the end.
 */
function holdsToModel(path: string, content: Uint8Array, engine: Engine): void {
  using device = openPlugin(loopFile, { path, direct: true, engine });
  const { sectorSize } = device.info;
  const sectors = SIZE / sectorSize;
  const command = fc.record({
    write: fc.boolean(),
    sector: fc.nat(sectors - 16),
    count: fc.integer({ min: 1, max: 16 }),
    memorySector: fc.nat(100),
    // Where the data is cut into two pieces of memory, in units of 512 bytes; the gap is one such unit.
    cut: fc.nat(200),
    seed: fc.nat(1000),
  });
  fc.assert(
    fc.property(fc.array(command, { minLength: 5, maxLength: 20 }), (commands) => {
      for (const { write, sector, count, memorySector, cut, seed } of commands) {
        const [offset, length, start] = [sector * sectorSize, count * sectorSize, memorySector * 512];
        const middle = start + Math.min(cut * 512, length);
        const second = [middle + 512, start + length + 512] as const;
        const pieces = middle === start || middle === start + length ? [[start, start + length] as const] : [
          [start, middle] as const,
          second,
        ];
        const data = new Uint8Array(length);
        fillPattern(data, seed);
        let at = 0;
        for (const [from, to] of pieces) {
          device.memory.bytes.set(data.subarray(at, at + to - from), from);
          at += to - from;
        }
        assert.equal(device.run(write ? Write : Read, offset, ...pieces), Status.Okay, device.reports[0]);
        if (write) {
          content.set(data, offset);
          continue;
        }
        const found = pieces.flatMap(([from, to]) => [...device.memory.bytes.subarray(from, to)]);
        assert.deepEqual(Uint8Array.from(found), content.slice(offset, offset + length));
      }
    }),
    { numRuns: 25, endOnFailure: true },
  );
  assert.equal(device.runDataless(Flush), Status.Okay);
  assert.deepEqual(device.reports, []);
  assert.deepEqual(Deno.readFileSync(path), content);
}

for (const engine of ["sync", "io-uring"] as const) {
  testUnless(refusal, `what is written past the page cache is in the file and read again, by ${engine}`, () => {
    using file = patternFile();
    holdsToModel(file.path, file.content, engine);
  });
}

testUnless(
  largeRefusal,
  "on a disk with sectors of 4 KiB it says so, and pieces of frames are still read and written",
  () => {
    using disk = mountWithLargeSectors();
    using file = patternFile(disk.folder);
    {
      using device = openPlugin(loopFile, { path: file.path, direct: true });
      assert.equal(device.info.sectorSize, 4096);
      assert.equal(device.run(Read, 512, [0, 512]), Status.Error);
      assert.deepEqual(device.reports, []);
    }
    for (const engine of ["sync", "io-uring"] as const) holdsToModel(file.path, file.content, engine);
    assert.throws(() => openPlugin(loopFile, { path: file.path, direct: true, sectorSize: "512B" }), (error) => {
      return error instanceof DeviceError && /sectors of 512B.* accepts 4KiB/.test(error.message);
    });
  },
);

testUnless(
  largeRefusal,
  "a hole on such a disk passes for 512 bytes: the error says what to try, and that works",
  () => {
    using disk = mountWithLargeSectors();
    const path = `${disk.folder}/hole.img`;
    const given = { path, direct: true, create: true, size: "64KiB", preallocation: "off" };
    {
      using device = openPlugin(loopFile, given);
      assert.equal(device.run(Write, 512, [0, 512]), Status.Error);
      assert.match(device.reports[0], /hole\.img.*try sectorSize: 4KiB/);
    }
    using device = openPlugin(loopFile, { ...given, sectorSize: "4KiB" });
    assert.equal(device.run(Write, 4096, [0, 4096]), Status.Okay);
  },
);

testUnless(refusal, "larger sectors than the disk's can be asked for", () => {
  using file = patternFile();
  using device = openPlugin(loopFile, { path: file.path, direct: true, sectorSize: "4KiB" });
  assert.equal(device.info.sectorSize, 4096);
});

testUnless(refusal, "a file that shrinks under direct I/O fails the reads past its end", () => {
  using file = patternFile();
  using device = openPlugin(loopFile, { path: file.path, direct: true });
  Deno.truncateSync(file.path, 4096 + 100);
  assert.equal(device.run(Read, 4096, [0, 4096]), Status.Error);
  assert.match(device.reports[0], /ends at byte 4196/);
  assert.equal(device.run(Read, 0, [0, 4096]), Status.Okay);
});

testUnless(mountRefusal, "a file system without direct I/O is refused, with what to do", () => {
  using disk = mount("ramfs");
  using file = patternFile(disk.folder);
  assert.throws(() => openPlugin(loopFile, { path: file.path, direct: true }), (error) => {
    return error instanceof DeviceError && error.message.includes(file.path) && /direct: false/.test(error.message);
  });
});

Deno.test("aligned pieces go straight to the device, and a request with any other piece goes around it", () => {
  using file = patternFile();
  const open = new OpenFile(file.path, { readOnly: false, direct: false });
  const inner = new MemoryDevice({ sizeBytes: SIZE, sectorSize: 4096 });
  const counters = { bouncedRequests: 0 };
  const device = aligned(synchronous(inner), open, 4096, counters);
  using opened = openPlugin({ ...loopFile, create: () => device } as typeof loopFile, { path: file.path });
  try {
    opened.run(Read, 8192, [0, 4096], [12288, 20480]);
    assert.deepEqual(inner.calls, ["read 8192 4096", "read 12288 8192"]);
    // Two halves of a frame are a sector, but neither half is one.
    opened.run(Read, 8192, [0, 512], [4096, 4096 + 3584]);
    opened.run(Read, 8192, [512, 512 + 4096]);
    assert.equal(inner.calls.length, 2);
    assert.deepEqual(new Uint8Array(opened.memory.bytes.slice(512, 512 + 4096)), file.content.slice(8192, 12288));
    assert.equal(counters.bouncedRequests, 2);
    opened.runDataless(Flush);
    assert.deepEqual(inner.calls.slice(2), ["flush"]);
  } finally {
    open.close();
  }
});
