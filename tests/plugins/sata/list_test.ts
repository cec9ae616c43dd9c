import assert from "node:assert/strict";
import { DeviceError } from "../../../core/errors.ts";
import type { OpenDisk } from "../../../plugins/devices/sata/disk.ts";
import { LibcFiles } from "../../../plugins/devices/sata/libc_files.ts";
import { inspectDisk, type InspectOptions, listDisks } from "../../../plugins/devices/sata/list.ts";
import { AtaDiskModel, MODEL_DESCRIPTOR } from "../../helpers/ata_disk_model.ts";
import { withFiles } from "../../helpers/run_deno.ts";

/** Small files and folders by libc, let go of after the test. */
function openLibc(): LibcFiles & Disposable {
  const files = new LibcFiles();
  return Object.assign(files, { [Symbol.dispose]: () => files.close() });
}

/** Disks that are all one simulated disk, but for those that cannot be opened. */
function simulated(blockFolder: string, cannotOpen: readonly string[] = []): InspectOptions & { open: string[] } {
  const opened: string[] = [];
  return {
    blockFolder,
    control: new AtaDiskModel(),
    openDisk(path) {
      if (cannotOpen.includes(path)) throw new DeviceError(`Cannot open ${path}`);
      opened.push(path);
      return { path, descriptor: MODEL_DESCRIPTOR, sizeBytes: 4096, partitionOf: null } as OpenDisk;
    },
    closeDisk: ({ path }) => void opened.splice(opened.indexOf(path), 1),
    open: opened,
  };
}

Deno.test("a folder's names are all listed, also when they are more than one call returns", async () => {
  const names = Array.from({ length: 300 }, (_, index) => `${index}-${"x".repeat(200)}`);
  await withFiles(Object.fromEntries(names.map((name) => [name, ""])), (folder) => {
    using files = openLibc();
    assert.deepEqual(files.list(folder).sort(), names.sort());
    return Promise.resolve();
  });
});

Deno.test("a small file is read without the white space around it; what cannot be read is an error with its path", async () => {
  await withFiles({ "model": "QEMU HARDDISK   \n" }, (folder) => {
    using files = openLibc();
    assert.equal(files.readText(`${folder}/model`), "QEMU HARDDISK");
    const failing = (body: () => unknown, path: string, cause: string): void => {
      assert.throws(body, (error) => {
        return error instanceof DeviceError && error.message.includes(path) && error.message.includes(cause);
      });
    };
    failing(() => files.readText(`${folder}/none`), `${folder}/none`, "ENOENT");
    failing(() => files.readText(folder), folder, "EISDIR");
    failing(() => files.list(`${folder}/model`), `${folder}/model`, "ENOTDIR");
    return Promise.resolve();
  });
});

Deno.test("disks are listed in the order in which the kernel names them, and nothing else is", async () => {
  const names = ["sdb", "sdaa", "sda", "sr0", "nvme0n1", "loop0", "sd1", "vda"];
  const block = Object.fromEntries(names.map((name) => [`${name}/size`, "8\n"]));
  await withFiles(block, (folder) => {
    const options = simulated(folder);
    const disks = listDisks(options);
    assert.deepEqual(disks.map(({ path }) => path), ["/dev/sda", "/dev/sdb", "/dev/sdaa"]);
    for (const { identity, sizeBytes, problem } of disks) {
      assert.deepEqual([identity?.model, identity?.sizeBytes, sizeBytes, problem], ["SIMULATED", 131072, 4096, null]);
    }
    assert.deepEqual(options.open, [], "left open");
    return Promise.resolve();
  });
});

Deno.test("a disk that cannot be asked is listed with what the kernel knows of it and the reason", async () => {
  const block = { "sda/size": "16", "sda/device/model": "Locked disk  ", "sdb/size": "8", "sdc/other": "" };
  await withFiles(block, (folder) => {
    const options = simulated(folder, ["/dev/sda"]);
    const [locked, open, unknown] = listDisks(options);
    assert.deepEqual(locked, {
      path: "/dev/sda",
      kernelModel: "Locked disk",
      sizeBytes: 8192,
      identity: null,
      problem: "Cannot open /dev/sda",
    });
    assert.equal(open.problem, null);
    assert.deepEqual([unknown.kernelModel, unknown.sizeBytes], [null, null]);
    return Promise.resolve();
  });
});

Deno.test("a disk that does not answer is closed again, and the reason is told", async () => {
  const control = new AtaDiskModel();
  control.intercept = () => ({ errno: -1 });
  await withFiles({ "sda/size": "16" }, (folder) => {
    const options = { ...simulated(folder), control };
    const [disk] = listDisks(options);
    assert.match(disk.problem ?? "", /EPERM/);
    assert.throws(() => inspectDisk("/dev/sda", options), /EPERM/);
    assert.deepEqual(options.open, []);
    return Promise.resolve();
  });
});

Deno.test("no disks, no list; no folder, an error that names it", async () => {
  await withFiles({ "loop0/size": "0" }, (folder) => {
    assert.deepEqual(listDisks(simulated(folder)), []);
    assert.throws(() => listDisks(simulated(`${folder}/none`)), /Cannot open .*\/none: ENOENT/);
    return Promise.resolve();
  });
});
