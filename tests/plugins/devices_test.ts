import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { DeviceError } from "../../core/errors.ts";
import { type DevicePlugin, loadPlugin } from "../../core/plugin.ts";
import loopFile from "../../plugins/devices/loop_file.ts";
import nullDevice from "../../plugins/devices/null.ts";
import ramdisk from "../../plugins/devices/ramdisk.ts";
import { builtins } from "../../plugins/mod.ts";
import { fillPattern } from "../helpers/devices.ts";
import { mediumContext } from "../helpers/medium_context.ts";
import { type DeviceExpectation, testDevice, withDevice } from "../conformance/device.ts";
import { notForProcesses } from "../conformance/opened_media.ts";

const expectations: Readonly<Record<string, DeviceExpectation>> = {
  "null": { options: { size: "128KiB" }, keepsNothing: "it touches no data" },
  "ramdisk": { options: { size: "128KiB" } },
  "loop-file": { options: { size: "128KiB" }, readOnlyOptions: { size: "128KiB", readOnly: true } },
};

Deno.test("every built-in device is held to something, and can be used without options unless it needs a disk or a server", async () => {
  // sata_test.ts and nbd_servers_test.ts hold these to the same, with disks and with servers.
  const { sata, nbd, ...others } = builtins.device;
  for (const url of [sata, nbd]) assert(!(await loadPlugin("device", url)).options.safeParse({}).success);
  assert.deepEqual(Object.keys(expectations).sort(), Object.keys(others).sort());
  for (const [name, url] of Object.entries(others)) {
    assert((await loadPlugin("device", url)).options.safeParse({}).success, name);
  }
});

for (const [name, expectation] of Object.entries(expectations)) testDevice(name, builtins.device[name], expectation);

for (const engine of ["sync", "io-uring"]) {
  for (const direct of [false, true]) {
    testDevice("loop-file", builtins.device["loop-file"], {
      variant: `${engine}, ${direct ? "past" : "through"} the page cache`,
      options: { size: "128KiB", engine, direct },
      readOnlyOptions: { size: "128KiB", engine, direct, readOnly: true },
    });
  }
}

const { Read, Write, Flush } = Operation;

for (const [name, plugin] of Object.entries({ ramdisk, "loop-file": loopFile })) {
  Deno.test(`${name}: a new medium reads as zeroes`, async () => {
    await withDevice(plugin as unknown as DevicePlugin, { size: "1MiB" }, async ({ content }) => {
      assert((await content()).every((byte) => byte === 0));
    });
  });
}

/** A folder with a file of `sizeBytes` in it, for the time of `body`. */
async function withFile(
  sizeBytes: number,
  body: (path: string, content: Uint8Array, folder: string) => void | Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/disk.img`;
    const content = new Uint8Array(sizeBytes);
    fillPattern(content, 4);
    await Deno.writeFile(path, content);
    await body(path, content, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("what of a medium cannot be handed to a driver in a process is named, with its place", () => {
  const made = new SharedArrayBuffer(8);
  const said = (medium: unknown) => notForProcesses(medium, new Set([made]));
  assert.equal(said({ path: "/x", descriptor: 3, sizes: [1, 2], memory: { made }, readOnly: true, none: null }), null);
  assert.match(said({ disk: { memory: new SharedArrayBuffer(8) } }) ?? "", /^it\.disk\.memory is memory .*allocate/);
  assert.equal(said({ sizes: [1, NaN] }), "it.sizes.1 is NaN");
  assert.equal(said(new Uint8Array(made)), "it is Uint8Array");
  assert.equal(said({ open: new Map() }), "it.open is Map");
  assert.equal(said({ size: 1n }), "it.size is bigint");
  assert.equal(said({ later: undefined }), "it.later is undefined");
});

Deno.test("null leaves the buffer of a read and of a write alone", async () => {
  await withDevice(nullDevice, { size: "1MiB" }, async ({ queue, run }) => {
    for (const operation of [Read, Write]) {
      queue.buffer(0).fill(0x5a);
      assert.equal(await run(operation, 0, 4096), Status.Okay);
      assert(queue.buffer(0).every((byte) => byte === 0x5a));
    }
  });
});

Deno.test("a ramdisk larger than memory can be is refused with its size in the message", () => {
  const options = ramdisk.options.parse({ size: "8000TiB" });
  assert.throws(() => ramdisk.openMedium(options, mediumContext()), (error) => {
    return error instanceof DeviceError && error.message.includes("8000TiB");
  });
});

Deno.test("a loop file given by its path has the file's bytes and size", async () => {
  await withFile(64 * 512, async (path, content) => {
    await withDevice(loopFile as unknown as DevicePlugin, { path }, async ({ queue, run }) => {
      assert.equal(queue.info.sizeBytes, 64 * 512);
      assert.equal(await run(Read, 5 * 512, 8 * 512), Status.Okay);
      assert.deepEqual(new Uint8Array(queue.buffer(0).slice(0, 8 * 512)), content.slice(5 * 512, 13 * 512));
    });
  });
});

Deno.test("what is written to a loop file is in the file, at its place, and the rest is as it was", async () => {
  await withFile(64 * 512, async (path, content) => {
    await withDevice(loopFile as unknown as DevicePlugin, { path }, async ({ queue, run }) => {
      fillPattern(queue.buffer(0), 77);
      content.set(queue.buffer(0).subarray(0, 1536), 1024);
      assert.equal(await run(Write, 1024, 1536), Status.Okay);
      assert.equal(await run(Flush, 0, 0), Status.Okay);
      assert.deepEqual(await Deno.readFile(path), content);
    });
  });
});

Deno.test("a loop file without a path is made in the scratch folder, written in full", async () => {
  await withDevice(loopFile, { size: "3MiB" }, async (_device, scratch) => {
    const entries = [...Deno.readDirSync(scratch)];
    assert.equal(entries.length, 1);
    const { size, blocks } = await Deno.stat(`${scratch}/${entries[0].name}`);
    assert.equal(size, 3 << 20);
    assert(blocks === null || blocks * 512 >= size, "a file of holes would be read without touching the disk");
  });
});

/** Opens the medium of a loop file that cannot be. */
function openLoopFile(given: Record<string, unknown>, scratchDirectory: string | null = null): void {
  loopFile.closeMedium?.(loopFile.openMedium(loopFile.options.parse(given), mediumContext({ scratchDirectory })));
}

Deno.test("a loop file that is not there is refused with its path in the message, and not made", async () => {
  await withFile(512, (path) => {
    const missing = `${path}.missing`;
    assert.throws(() => openLoopFile({ path: missing }), (error) => {
      return error instanceof DeviceError && error.message.includes(missing);
    });
    assert.throws(() => Deno.statSync(missing), Deno.errors.NotFound);
  });
});

Deno.test("a scratch folder that is not there is refused with the file's path in the message", () => {
  assert.throws(() => openLoopFile({ size: "1MiB" }, "/nonexistent/folder"), (error) => {
    return error instanceof DeviceError && error.message.includes("/nonexistent/folder");
  });
});

Deno.test("a read-only loop file can be read and not be written", async () => {
  await withFile(64 * 512, async (path, content) => {
    await Deno.chmod(path, 0o444);
    await withDevice(loopFile as unknown as DevicePlugin, { path, readOnly: true }, async ({ queue, run, reports }) => {
      assert.equal(queue.info.readOnly, true);
      assert.equal(await run(Read, 0, 512), Status.Okay);
      assert.equal(await run(Write, 0, 512), Status.Error);
      assert.equal(await run(Flush, 0, 0), Status.Okay);
      assert.deepEqual(reports, []);
      assert.deepEqual(await Deno.readFile(path), content);
    });
  });
});

Deno.test("a file that does not end with a sector is a disk up to its last whole one", async () => {
  await withFile(3 * 512 + 100, async (path, content) => {
    await withDevice(loopFile as unknown as DevicePlugin, { path }, async ({ queue, run }) => {
      assert.equal(queue.info.sizeBytes, 3 * 512);
      assert.equal(await run(Write, 3 * 512, 512), Status.Error);
      assert.deepEqual(await Deno.readFile(path), content);
    });
  });
});

Deno.test("a file that shrinks under its driver fails the reads past its end, and those alone", async () => {
  await withFile(8 * 512, async (path) => {
    await withDevice(loopFile as unknown as DevicePlugin, { path }, async ({ run, reports }) => {
      await Deno.truncate(path, 4 * 512);
      assert.equal(await run(Read, 3 * 512, 1024), Status.Error);
      assert.equal(reports.length, 1);
      assert.equal(await run(Read, 3 * 512, 512), Status.Okay);
    });
  });
});

Deno.test("what may block for longer than a domain may be silent says for how long; what does not says nothing", async () => {
  const blocking = { "null": 0, "ramdisk": 0, "loop-file": 30e9 };
  for (const [name, expected] of Object.entries(blocking)) {
    const plugin = await loadPlugin("device", builtins.device[name]);
    for (const given of name === "loop-file" ? [{ engine: "sync" }, { engine: "io-uring" }] : [{}]) {
      await withDevice(plugin, { size: "64KiB", ...given }, ({ gate }) => {
        assert.equal(gate.operationTimeoutNs, expected, name);
      });
    }
  }
});
