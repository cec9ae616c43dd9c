import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { openCLibrary } from "../../core/libc.ts";
import { cLibraryPath } from "../../core/measure/thread.ts";
import loopFile from "../../plugins/devices/loop_file.ts";
import { HolePuncher } from "../../plugins/devices/loop_file/holes.ts";
import { OpenFile } from "../../plugins/devices/loop_file/open_file.ts";
import { mount, mountRefusal } from "../helpers/mount.ts";
import { testUnless } from "../helpers/test_unless.ts";
import { openPlugin } from "../helpers/opened_device.ts";
import { pluginInProcess } from "../helpers/plugin_process.ts";

const { Read, Discard, WriteZeroes } = Operation;
const SIZE = 1 << 20;

/** A file of ones, written to its disk, for the time of a test. */
function fileOfOnes(sizeBytes = SIZE): Disposable & { readonly path: string; allocated(): number } {
  const path = Deno.makeTempFileSync();
  using file = Deno.openSync(path, { write: true });
  file.writeSync(new Uint8Array(sizeBytes).fill(1));
  file.syncSync();
  return {
    path,
    allocated: () => (Deno.statSync(path).blocks as number) * 512,
    [Symbol.dispose]: () => Deno.removeSync(path),
  };
}

function punchRefusal(): string | null {
  if (cLibraryPath() === null) return "there is no glibc where it is looked for";
  using file = fileOfOnes();
  using device = openPlugin(loopFile, { path: file.path });
  return device.info.canDiscard ? null : "the temporary folder's file system has no holes";
}
const refusal = punchRefusal();

for (const [name, operation] of [["a discard", Discard], ["a write of zeroes", WriteZeroes]] as const) {
  testUnless(refusal, `${name} gives blocks back, reads as zeroes and touches no other byte`, () => {
    using file = fileOfOnes();
    using device = openPlugin(loopFile, { path: file.path });
    assert.equal(device.info.canWriteZeroes, true);
    const before = file.allocated();
    // Neither end lies on a block.
    const [start, end] = [4096 + 512, 3 * 65536 - 512];
    assert.equal(device.runDataless(operation, start, end - start), Status.Okay);
    assert(file.allocated() <= before - 2 * 65536, `${before} bytes on disk, then ${file.allocated()}`);
    assert.deepEqual(Deno.readFileSync(file.path), new Uint8Array(SIZE).fill(1).fill(0, start, end));
    assert.equal(device.run(Read, 65536, [0, 4096]), Status.Okay);
    assert(device.memory.bytes.subarray(0, 4096).every((byte) => byte === 0));
    assert.deepEqual(device.reports, []);
  });
}

testUnless(refusal, "trying whether holes can be punched changes nothing, up to the last byte of the file", () => {
  using file = fileOfOnes(SIZE + 100);
  const before = file.allocated();
  using device = openPlugin(loopFile, { path: file.path });
  assert.equal(device.info.canDiscard, true);
  assert.equal(file.allocated(), before);
  assert.deepEqual(Deno.readFileSync(file.path), new Uint8Array(SIZE + 100).fill(1));
});

testUnless(refusal, "the last sector can be discarded, and the file keeps its size", () => {
  using file = fileOfOnes();
  using device = openPlugin(loopFile, { path: file.path });
  assert.equal(device.runDataless(Discard, SIZE - 512, 512), Status.Okay);
  assert.deepEqual(Deno.readFileSync(file.path), new Uint8Array(SIZE).fill(1).fill(0, SIZE - 512));
});

testUnless(
  refusal,
  "a hole that cannot be punched is an error with the file, the place and the system's name for it",
  () => {
    using file = fileOfOnes();
    const open = new OpenFile(file.path, { readOnly: false, direct: false });
    const holes = HolePuncher.open(open);
    try {
      assert.throws(() => holes?.punch(512, 0), (error: Error) => {
        return error.message.includes(file.path) && /byte 512 .*EINVAL/.test(error.message);
      });
    } finally {
      holes?.close();
      open.close();
    }
  },
);

Deno.test("a loop file cannot discard where it is read-only or told not to; zeroes are then written", () => {
  using file = fileOfOnes();
  for (const given of [{ readOnly: true }, { discard: "off" }]) {
    using device = openPlugin(loopFile, { path: file.path, ...given });
    assert.deepEqual([device.info.canDiscard, device.info.canWriteZeroes], [false, false]);
    assert.equal(device.runDataless(Discard, 0, 4096), Status.NotSupported);
  }
  using device = openPlugin(loopFile, { path: file.path, discard: "off" });
  assert.equal(device.runDataless(WriteZeroes, 512, SIZE - 1024), Status.Okay);
  assert.deepEqual(Deno.readFileSync(file.path), new Uint8Array(SIZE).fill(1).fill(0, 512, SIZE - 512));
});

Deno.test("without --allow-ffi a loop file cannot discard; with it for libc alone it can", async () => {
  using file = fileOfOnes();
  const flags = [`--allow-read=${file.path}`, `--allow-write=${file.path}`];
  assert.match(await pluginInProcess("loop_file", { path: file.path }, flags), /"canDiscard":false/);
  if (refusal !== null) return;
  const allowed = [...flags, `--allow-ffi=${cLibraryPath()}`];
  assert.match(await pluginInProcess("loop_file", { path: file.path }, allowed), /"canDiscard":true/);
});

testUnless(mountRefusal, "a file system without holes is found out, and the device says that it cannot discard", () => {
  using disk = mount("ramfs");
  const path = `${disk.folder}/disk.img`;
  Deno.writeFileSync(path, new Uint8Array(SIZE).fill(1));
  using device = openPlugin(loopFile, { path });
  assert.deepEqual([device.info.canDiscard, device.info.canWriteZeroes], [false, false]);
  assert.equal(device.runDataless(WriteZeroes, 0, 4096), Status.Okay);
  assert.deepEqual(Deno.readFileSync(path), new Uint8Array(SIZE).fill(1).fill(0, 0, 4096));
});

Deno.test("a library is not opened for a symbol that it does not have", () => {
  assert.equal(openCLibrary({ iddr_no_such_function: { parameters: [], result: "void" } }), null);
});
