// The device sata by the kernel's reads and writes, on disks that QEMU emulates. Runs in the guest.
import assert from "node:assert/strict";
import { Operation, Status } from "../../../core/blkif.ts";
import { DeviceError } from "../../../core/errors.ts";
import { openMedium } from "../../../core/plugin.ts";
import sata from "../../../plugins/devices/sata.ts";
import { closeDisk, openDisk } from "../../../plugins/devices/sata/disk.ts";
import { openDevice, type OpenedDevice as QueuedDevice } from "../../conformance/device.ts";
import { fillPattern } from "../../helpers/devices.ts";
import { mediumContext } from "../../helpers/medium_context.ts";
import { OpenedDevice } from "../../helpers/opened_device.ts";
import { testUnless } from "../../helpers/test_unless.ts";
import { BAD_READ_LBA, BAD_WRITE_LBA, DISKS, hostStats, isPresent, pathOf, plug, refusalOf, unplug } from "./bench.ts";

const { Read, Write, WriteFua, Flush, Discard } = Operation;
const ENGINES = ["sync", "io-uring"] as const;
const MIB = 1 << 20;

function medium(path: string, given: Record<string, unknown>) {
  const options = sata.options.parse({ path, destructive: true, ...given });
  const opened = openMedium(sata, options, mediumContext({ allowDestructive: [path], force: true }));
  const close = (): void => sata.closeMedium?.(opened as never);
  return { options, opened, close };
}

/** What `make` makes; the medium is closed if it cannot. */
function made<Device>(close: () => void, make: () => Device): Device {
  try {
    return make();
  } catch (thrown) {
    close();
    throw thrown;
  }
}

/** The device on a disk, one request at a time. */
function single(path: string, given: Record<string, unknown>): OpenedDevice {
  const { options, opened, close } = medium(path, given);
  return made(close, () => new OpenedDevice(sata.create(options, opened as never, mediumContext()), close));
}

/** The device on a disk, with a queue of 8. */
function queued(path: string, given: Record<string, unknown>): QueuedDevice & Disposable {
  const { options, opened, close } = medium(path, given);
  const device = made(close, () => openDevice(sata as never, options, opened));
  return Object.assign(device, {
    [Symbol.dispose]() {
      device.gate.close();
      close();
    },
  });
}

for (const engine of ENGINES) {
  testUnless(
    refusalOf(DISKS.plain),
    `by ${engine}, what is written is read again, and a flush reaches the disk`,
    async () => {
      using device = single(pathOf(DISKS.plain), { engine });
      const before = await hostStats(DISKS.plain);
      fillPattern(device.memory.bytes.subarray(0, 65536), 1);
      const written = device.memory.bytes.slice(0, 65536);
      assert.equal(device.run(Write, 3 * MIB, [0, 65536]), Status.Okay, device.reports[0]);
      assert.equal(device.runDataless(Flush), Status.Okay);
      const after = await hostStats(DISKS.plain);
      assert.equal(after.writeBytes - before.writeBytes, 65536);
      assert(after.flushOperations > before.flushOperations, "QEMU has seen no flush");
      device.memory.bytes.fill(0);
      assert.equal(device.run(Read, 3 * MIB, [65536, 131072]), Status.Okay);
      assert.deepEqual(device.memory.bytes.slice(65536, 131072), written);
    },
  );

  testUnless(
    refusalOf(DISKS.plain),
    `by ${engine}, a durable write is not over before the disk has flushed`,
    async () => {
      using device = single(pathOf(DISKS.plain), { engine });
      const before = await hostStats(DISKS.plain);
      assert.equal(device.run(WriteFua, 4 * MIB, [0, 4096]), Status.Okay, device.reports[0]);
      assert((await hostStats(DISKS.plain)).flushOperations > before.flushOperations);
    },
  );

  testUnless(refusalOf(DISKS.plain), `by ${engine}, a discard is a TRIM: the disk's space is given back`, async () => {
    using device = single(pathOf(DISKS.plain), { engine });
    assert(device.info.canDiscard);
    device.memory.bytes.fill(0x5a);
    for (let at = 8 * MIB; at < 10 * MIB; at += 131072) assert.equal(device.run(Write, at, [0, 131072]), Status.Okay);
    assert.equal(device.runDataless(Flush), Status.Okay);
    const before = await hostStats(DISKS.plain);
    assert.equal(device.runDataless(Discard, 8 * MIB, MIB), Status.Okay, device.reports[0]);
    const after = await hostStats(DISKS.plain);
    assert(after.unmapOperations > before.unmapOperations, "QEMU has seen no TRIM");
    assert(after.allocatedBytes <= before.allocatedBytes - MIB / 2, "the image is as large as before");
    assert.equal(device.run(Read, 9 * MIB - 4096, [0, 8192]), Status.Okay);
    assert(device.memory.bytes.subarray(0, 4096).every((byte) => byte === 0));
    assert(device.memory.bytes.subarray(4096, 8192).every((byte) => byte === 0x5a));
  });

  testUnless(
    refusalOf(DISKS.bad),
    `by ${engine}, a bad sector fails the requests that have it, and no neighbour`,
    async () => {
      for (const [operation, lba, word] of [[Read, BAD_READ_LBA, "read"], [Write, BAD_WRITE_LBA, "write"]] as const) {
        using device = queued(pathOf(DISKS.bad), { engine });
        const { queue, take, reports } = device;
        for (let slot = 0; slot < 8; slot++) queue.submit(slot, operation, (lba - 4 * 8 + slot * 8) * 512, 4096);
        const failed: number[] = [];
        for (let done = 0; done < 8; done++) {
          const slot = await take();
          if (queue.status(slot) !== Status.Okay) failed.push(slot);
        }
        assert.deepEqual(failed, [4]);
        assert.equal(reports.length, 1);
        assert.match(
          reports[0],
          new RegExp(`Cannot ${word} 4096 bytes at byte ${lba * 512} of the disk .*E(IO|NODATA)`),
        );
        // The sectors of the failed request, one by one.
        queue.submit(0, operation, (lba + 1) * 512, 512);
        assert.equal(queue.status(await take()), Status.Okay);
      }
    },
  );

  testUnless(refusalOf(DISKS.large), `by ${engine}, a disk of 3 TiB is right to its last sector`, () => {
    using device = single(pathOf(DISKS.large), { engine });
    const { sizeBytes } = device.info;
    assert.equal(sizeBytes, 3 * 2 ** 40);
    const places = [0, 2 ** 41 - 512, 2 ** 41, sizeBytes - 512];
    for (const [index, place] of places.entries()) {
      device.memory.bytes.fill(index + 1, 0, 512);
      assert.equal(device.run(Write, place, [0, 512]), Status.Okay, device.reports[0]);
    }
    for (const [index, place] of places.entries()) {
      assert.equal(device.run(Read, place, [0, 512]), Status.Okay);
      assert(device.memory.bytes.subarray(0, 512).every((byte) => byte === index + 1), `at byte ${place}`);
    }
    assert.equal(device.run(Read, sizeBytes, [0, 512]), Status.Error);
  });

  testUnless(
    refusalOf(DISKS.sectors4kn),
    `by ${engine}, 4Kn: whole sectors only, pieces of them through a buffer`,
    () => {
      using device = single(pathOf(DISKS.sectors4kn), { engine });
      assert.equal(device.info.sectorSize, 4096);
      assert.equal(device.run(Write, 512, [0, 4096]), Status.Error);
      assert.deepEqual(device.reports, [], "the gate refuses it, not the disk");
      const { bytes } = device.memory;
      fillPattern(bytes.subarray(0, 8192), 4);
      const data = [...bytes.slice(512, 1536), ...bytes.slice(4096, 7168)];
      assert.equal(device.run(Write, 40960, [512, 1536], [4096, 7168]), Status.Okay, device.reports[0]);
      bytes.fill(0);
      assert.equal(device.run(Read, 40960, [8192, 12288]), Status.Okay);
      assert.deepEqual([...bytes.slice(8192, 12288)], data);
      assert.deepEqual(device.counters(), { bouncedRequests: 1 });
    },
  );

  for (const disk of [DISKS.unplug, DISKS.unplugScsi]) {
    testUnless(
      refusalOf(disk),
      `by ${engine}, ${disk.serial} pulled out fails what is in flight; the rest lives on`,
      async () => {
        const path = pathOf(disk);
        {
          using device = queued(isPresent(disk) ? path : await plug(disk), { engine, destructive: false });
          const { queue, reports } = device;
          for (let slot = 0; slot < 8; slot++) queue.submit(slot, Read, slot * 4096, 4096);
          let isGone = false;
          const gone = unplug(disk).finally(() => isGone = true);
          let readsAfter = 0;
          for (let failures = 0; failures < 8;) {
            const slot = queue.poll();
            if (slot >= 0) {
              if (queue.status(slot) === Status.Okay) queue.submit(slot, Read, slot * 4096, 4096);
              else failures++;
              if (isGone) assert(++readsAfter < 100, "a disk that is gone is still read");
            }
            await new Promise((resolve) => setImmediate(resolve));
          }
          await gone;
          assert(!isPresent(disk));
          assert.match(
            reports[0],
            /^Cannot read 4096 bytes at byte \d+ of the disk \/dev\/sd\w+: (E\w+ |it ends .* pulled out)/,
          );
          queue.submit(0, Read, 0, 4096);
          while (queue.poll() < 0);
          assert.equal(queue.status(0), Status.Error);
        }
        assert.equal(await plug(disk), path, "the tests that follow look for it there");
      },
    );
  }
}

testUnless(refusalOf(DISKS.sectors512e), "512e: sectors of 512 bytes on physical ones of 4096", () => {
  const disk = openDisk(pathOf(DISKS.sectors512e), false);
  closeDisk(disk);
  assert.deepEqual([disk.sectorSize, disk.physicalSectorSize, disk.sizeBytes], [512, 4096, 64 * MIB]);
});

testUnless(
  refusalOf(DISKS.partitioned),
  "a disk with partitions is not written to, a partition is one and says so",
  () => {
    const path = pathOf(DISKS.partitioned);
    const refusal = (destroyed: string): string => {
      const options = sata.options.parse({ path: destroyed, destructive: true });
      try {
        openMedium(sata, options, mediumContext({ allowDestructive: [destroyed] }));
      } catch (thrown) {
        if (thrown instanceof DeviceError) return thrown.message;
      }
      return "it was opened";
    };
    assert.match(refusal(path), /holds a dos partition table.*--force/);
    assert.match(refusal(`${path}1`), /holds an ext4 file system labelled "iddr".*--force/);
    const notes: string[] = [];
    const options = sata.options.parse({ path: `${path}1` });
    const opened = openMedium(sata, options, { ...mediumContext(), note: (text) => void notes.push(text) });
    sata.closeMedium?.(opened as never);
    assert(notes.includes(`${path}1 is a partition of ${path}`), notes.join());
  },
);

testUnless(
  refusalOf(DISKS.unplug),
  "a disk that is pulled out in mid-run fails its cell, and the run ends",
  async () => {
    const path = pathOf(DISKS.unplug);
    const folder = Deno.makeTempDirSync();
    try {
      const file = `${folder}/unplug.yaml`;
      Deno.writeTextFileSync(
        file,
        `apiVersion: iddr/v1
kind: Scenario
name: unplug
device: { use: sata, with: { path: ${path} } }
policy: { use: adaptive-spin }
workload: { use: sysbench-fileio, with: { mode: rndrd, queueDepth: 4 } }
run: { warmup: 100ms, duration: 10min, repetitions: 1 }
`,
      );
      const before = await hostStats(DISKS.unplug);
      const run = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--allow-all",
          "--cached-only",
          "--no-check",
          "cli/main.ts",
          file,
          "--no-progress",
          "--no-report",
          "--out",
          folder,
        ],
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const output = run.output();
      while ((await hostStats(DISKS.unplug)).readOperations < before.readOperations + 100);
      await unplug(DISKS.unplug);
      const { code, stdout } = await output;
      const said = new TextDecoder().decode(stdout);
      assert.equal(code, 1, said);
      assert.match(
        said,
        new RegExp(`failed: .*Cannot read \\d+ bytes at byte \\d+ of the disk ${path}: (E\\w+ |it ends .* pulled out)`),
      );
    } finally {
      Deno.removeSync(folder, { recursive: true });
      await plug(DISKS.unplug);
    }
  },
);
