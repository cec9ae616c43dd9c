import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { DeviceError } from "../../core/errors.ts";
import { cLibraryNeed } from "../../core/libc.ts";
import { driverNeeds } from "../../core/permissions.ts";
import type { DevicePlugin, PermissionNeeds } from "../../core/plugin.ts";
import loopFile from "../../plugins/devices/loop_file.ts";
import { fillPattern } from "../helpers/devices.ts";
import { mount, mountRefusal } from "../helpers/mount.ts";
import { testUnless } from "../helpers/test_unless.ts";
import { openPlugin } from "../helpers/opened_device.ts";
import { permissionsInProcess, pluginInProcess } from "../helpers/plugin_process.ts";

const { Read, Write, Flush, WriteFua } = Operation;

/** A folder for the time of a test. */
function temporaryFolder(): Disposable & { readonly path: string } {
  const path = Deno.makeTempDirSync();
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** That `body` throws a DeviceError whose message has all of these words. */
function refuses(body: () => unknown, ...words: string[]): void {
  assert.throws(body, (error) => {
    assert(error instanceof DeviceError, String(error));
    for (const word of words) assert(error.message.includes(word), `no ${word} in: ${error.message}`);
    return true;
  });
}

Deno.test("a file that is not there is made on request, with its size, of zeroes, and is kept", () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/new.img`;
  {
    using device = openPlugin(loopFile, { path, size: "1MiB", create: true });
    assert.equal(device.info.sizeBytes, 1 << 20);
    device.memory.bytes.fill(9);
    assert.equal(device.run(Read, (1 << 20) - 4096, [0, 4096]), Status.Okay);
    assert(device.memory.bytes.subarray(0, 4096).every((byte) => byte === 0));
    device.memory.bytes.fill(8);
    assert.equal(device.run(WriteFua, 512, [0, 512]), Status.Okay);
    assert.deepEqual(device.reports, []);
  }
  assert.equal(Deno.readFileSync(path)[512], 8);
  // The second time it is there and is used as it is.
  using again = openPlugin(loopFile, { path, size: "1MiB", create: true });
  again.run(Read, 512, [0, 512]);
  assert.equal(again.memory.bytes[0], 8);
});

Deno.test("a made file is written in full, or one hole if that is asked for", () => {
  using folder = temporaryFolder();
  for (const [preallocation, atLeast, atMost] of [["full", 1 << 20, Infinity], ["off", 0, 64 << 10]] as const) {
    const path = `${folder.path}/${preallocation}.img`;
    using _device = openPlugin(loopFile, { path, size: "1MiB", create: true, preallocation });
    const { size, blocks } = Deno.statSync(path);
    assert.equal(size, 1 << 20);
    const allocated = (blocks as number) * 512;
    assert(allocated >= atLeast && allocated <= atMost, `${allocated} bytes on disk`);
  }
});

Deno.test("a file that is there must have the size that was asked for: else both sizes are named and it is untouched", () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/disk.img`;
  Deno.writeFileSync(path, new Uint8Array(64 << 10).fill(3));
  for (const create of [true, false]) {
    refuses(() => openPlugin(loopFile, { path, size: "1MiB", create }), path, "64KiB", "1MiB");
  }
  assert(Deno.readFileSync(path).every((byte) => byte === 3));
  using device = openPlugin(loopFile, { path, create: true });
  assert.equal(device.info.sizeBytes, 64 << 10);
});

Deno.test("two loop files without a path share a scratch folder and no byte", () => {
  using folder = temporaryFolder();
  using first = openPlugin(loopFile, { size: "64KiB" }, folder.path);
  using second = openPlugin(loopFile, { size: "64KiB" }, folder.path);
  first.memory.bytes.fill(1);
  assert.equal(first.run(Write, 0, [0, 4096]), Status.Okay);
  assert.equal(second.run(Read, 0, [0, 4096]), Status.Okay);
  assert(second.memory.bytes.subarray(0, 4096).every((byte) => byte === 0));
});

Deno.test("data is found by its place beyond 4 GiB", () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/large.img`;
  using device = openPlugin(loopFile, { path, size: "5GiB", create: true, preallocation: "off" });
  const places = [0, 2 ** 31 - 512, 2 ** 32 - 512, 2 ** 32 + 512, 5 * 2 ** 30 - 1024];
  places.forEach((place, index) => {
    fillPattern(device.memory.bytes.subarray(0, 1024), index);
    assert.equal(device.run(Write, place, [0, 1024]), Status.Okay);
  });
  places.forEach((place, index) => {
    const expected = new Uint8Array(1024);
    fillPattern(expected, index);
    assert.equal(device.run(Read, place, [4096, 5120]), Status.Okay);
    assert.deepEqual(new Uint8Array(device.memory.bytes.slice(4096, 5120)), expected);
  });
  assert.equal(Deno.statSync(path).size, 5 * 2 ** 30);
});

Deno.test("a disk with sectors of 4 KiB refuses what is not aligned to them, and ends with its last whole one", () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/disk.img`;
  Deno.writeFileSync(path, new Uint8Array(4 * 4096 + 512));
  using device = openPlugin(loopFile, { path, sectorSize: "4KiB" });
  assert.deepEqual([device.info.sectorSize, device.info.sizeBytes], [4096, 4 * 4096]);
  assert.equal(device.run(Write, 512, [0, 4096]), Status.Error);
  assert.equal(device.run(Write, 4096, [0, 512]), Status.Error);
  assert.equal(device.run(Write, 4096, [0, 4096]), Status.Okay);
});

Deno.test("what is no regular file, or too small, is refused by name and cause", () => {
  using folder = temporaryFolder();
  refuses(() => openPlugin(loopFile, { path: folder.path }), folder.path, "no regular file");
  refuses(() => openPlugin(loopFile, { path: "/dev/null" }), "/dev/null", "no regular file");
  const path = `${folder.path}/small.img`;
  Deno.writeFileSync(path, new Uint8Array(511));
  refuses(() => openPlugin(loopFile, { path }), path, "511", "512");
  refuses(() => openPlugin(loopFile, { path: `${folder.path}/none.img` }), "none.img", "ENOENT");
  refuses(() => openPlugin(loopFile, { path: `${folder.path}/none/x.img`, create: true }), "none/x.img", "ENOENT");
  assert.deepEqual([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["small.img"]);
});

Deno.test("a read past the end of a file that shrank says where the file ends", () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/disk.img`;
  Deno.writeFileSync(path, new Uint8Array(8192));
  using device = openPlugin(loopFile, { path });
  Deno.truncateSync(path, 1024);
  assert.equal(device.run(Read, 512, [0, 4096]), Status.Error);
  assert.equal(device.reports.length, 1);
  assert.match(device.reports[0], /4096 bytes at byte 512 .*disk\.img: it ends at byte 1024/);
  assert.equal(Deno.statSync(path).size, 1024);
});

Deno.test("options that make no sense together are refused", () => {
  const { options } = loopFile;
  assert.match(options.safeParse({ create: true }).error?.message ?? "accepted", /needs a path/);
  assert.match(options.safeParse({ sectorSize: "1KiB" }).error?.message ?? "accepted", /512B or 4KiB/);
});

Deno.test("a loop file asks for its path, and for libc where that is to be had; its driver then for libc alone", () => {
  const ffi = [cLibraryNeed()];
  const calls = (ioUring: boolean) => ({ ffi, system: { ioUring } });
  const needs = (given: unknown) => loopFile.permissions?.(loopFile.options.parse(given));
  assert.deepEqual(needs({}), { scratch: true, ...calls(false) });
  assert.deepEqual(needs({ path: "/x", direct: true }), { read: ["/x"], write: ["/x"], ...calls(true) });
  assert.deepEqual(needs({ path: "/x", readOnly: true }), { read: ["/x"], write: [], ...calls(false) });
  assert.deepEqual(needs({ path: "/x", readOnly: true, create: true }), {
    ...{ read: ["/x"], write: ["/x"] },
    ...calls(false),
  });
  for (const [given, ioUring] of [[{}, false], [{ path: "/x" }, false], [{ engine: "io-uring" }, true]] as const) {
    const driver = driverNeeds(loopFile as unknown as DevicePlugin, loopFile.options.parse(given));
    assert.deepEqual(driver, calls(ioUring));
  }
});

Deno.test("without --allow-ffi a loop file asks for its path alone, unless its engine takes libc; so does its driver", async () => {
  const asked = async (given: unknown): Promise<unknown> =>
    JSON.parse(await permissionsInProcess("loop_file", given, []));
  for (const [given, needs] of [[{}, { scratch: true }], [{ path: "/x" }, { read: ["/x"], write: ["/x"] }]] as const) {
    assert.deepEqual(await asked(given), [needs, needs]);
  }
  const { ffi } = (await asked({ engine: "io-uring" }) as PermissionNeeds[])[0];
  assert.equal(ffi?.length, 1);
});

Deno.test("a missing permission is refused with the file and the flag that grants it", async () => {
  using folder = temporaryFolder();
  const path = `${folder.path}/disk.img`;
  Deno.writeFileSync(path, new Uint8Array(4096));
  const open = (...flags: string[]) => pluginInProcess("loop_file", { path }, flags);
  for (
    const [answer, flag] of [[await open(), "--allow-read"], [await open(`--allow-read=${path}`), "--allow-write"]]
  ) {
    assert.match(answer, /^DeviceError/);
    assert(answer.includes(path) && answer.includes(flag), answer);
  }
  assert.match(await open(`--allow-read=${path}`, `--allow-write=${path}`), /"sizeBytes":4096/);
});

testUnless(
  mountRefusal,
  "a file that the disk has no room for is not made, and what there was of it is removed",
  () => {
    using disk = mount("tmpfs", "size=1m");
    const path = `${disk.folder}/disk.img`;
    refuses(() => openPlugin(loopFile, { path, size: "4MiB", create: true }), path, "4MiB", "No space left");
    assert.deepEqual([...Deno.readDirSync(disk.folder)], []);
  },
);

testUnless(mountRefusal, "a write that the disk has no room for fails with that cause, and the disk goes on", () => {
  using disk = mount("tmpfs", "size=1m");
  const path = `${disk.folder}/disk.img`;
  using device = openPlugin(loopFile, { path, size: "4MiB", create: true, preallocation: "off" });
  const statuses: number[] = [];
  for (let offset = 0; offset < 2 << 20; offset += 256 << 10) statuses.push(device.run(Write, offset, [0, 256 << 10]));
  assert.equal(statuses[0], Status.Okay);
  assert.equal(statuses.at(-1), Status.Error);
  assert(device.reports[0].includes(path) && /no space left/i.test(device.reports[0]), device.reports[0]);
  assert.equal(device.run(Write, 0, [0, 4096]), Status.Okay);
  assert.equal(device.runDataless(Flush), Status.Okay);
});

testUnless(mountRefusal, "a file on a read-only file system can be read, and is refused for writing", () => {
  using disk = mount("tmpfs", "size=1m");
  const path = `${disk.folder}/disk.img`;
  Deno.writeFileSync(path, new Uint8Array(4096));
  const remounted = new Deno.Command("mount", { args: ["-o", "remount,ro", disk.folder] }).outputSync();
  assert(remounted.success);
  refuses(() => openPlugin(loopFile, { path }), path, "to read and write", "EROFS");
  using device = openPlugin(loopFile, { path, readOnly: true });
  assert.equal(device.run(Read, 0, [0, 4096]), Status.Okay);
});
