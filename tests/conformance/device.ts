/**
 * What holds for every device: synchronous, completing later, or of promises; writable or read-only.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { type DevicePlugin, loadPlugin } from "../../core/plugin.ts";
import type { FilterUse } from "../../core/filter.ts";
import { fillPattern } from "../helpers/devices.ts";
import { assertSameBytes, diskSteps, runDiskSteps } from "./disk_model.ts";
import { type DeviceOptions, openDevice, type OpenedDevice, withDevice } from "./opened_device.ts";
import { notForProcesses, type OpenedMedia, type Opening, withMedia } from "./opened_media.ts";
import { testDefinition } from "./definition.ts";
import { fc } from "./properties.ts";

const { Read, Write, Flush, Discard, WriteZeroes, WriteFua } = Operation;

export { type DeviceOptions, openDevice, type OpenedDevice, withDevice };

/** What a device is held to. */
export interface DeviceExpectation {
  /** Options by which it is small, or what makes them in a folder that is removed afterwards. */
  readonly options: DeviceOptions;
  /** The size that these options give it, in bytes, at least 32 KiB; 128 KiB when absent. */
  readonly sizeBytes?: number;
  /** Options by which the same device refuses writes, if there are such. */
  readonly readOnlyOptions?: DeviceOptions;
  /** What tells these options from the device's others, for the names of the tests. */
  readonly variant?: string;
  /** Why what is written need not be what is read, if so. */
  readonly keepsNothing?: string;
  /** Why its drivers can live in workers alone, if so. */
  readonly workersOnly?: string;
  /** What requests pass before it: made anew for each test, in a folder that is removed afterwards. */
  readonly filters?: (directory: string) => Promise<readonly FilterUse[]>;
}

/**
 * Registers the tests for one device.
 *
 * @param name what its plugin is called
 * @param url its module
 */
export function testDevice(name: string, url: string, expectation: DeviceExpectation): void {
  const { options, sizeBytes = 128 * 1024, readOnlyOptions, keepsNothing, workersOnly, variant } = expectation;
  const { filters = () => Promise.resolve([]) } = expectation;
  const title = variant === undefined ? name : `${name} (${variant})`;
  const load = (): Promise<DevicePlugin> => loadPlugin("device", url);
  type Body = (device: OpenedDevice) => void | Promise<void>;
  const test = (what: string, body: Body): void => {
    Deno.test(`${title}: ${what}`, async () => await withDevice(await load(), options, body, filters));
  };
  const testKeeper = (what: string, body: Body): void => {
    if (keepsNothing === undefined) test(what, body);
    else Deno.test.ignore(`${title}: ${what} (not held to it: ${keepsNothing})`, () => {});
  };

  if (variant === undefined) testDefinition(name, url, load);

  test("it has the size that was asked for", ({ queue }) => {
    assert.equal(queue.info.sizeBytes, sizeBytes);
  });

  test("its first and its last sector can be read and written, the one after it cannot", async (device) => {
    const { sectorSize } = device.queue.info;
    for (const operation of [Read, Write, WriteFua]) {
      assert.equal(await device.run(operation, 0, sectorSize), Status.Okay);
      assert.equal(await device.run(operation, sizeBytes - sectorSize, sectorSize), Status.Okay);
      assert.equal(await device.run(operation, sizeBytes, sectorSize), Status.Error);
      assert.equal(await device.run(operation, sizeBytes - sectorSize, 2 * sectorSize), Status.Error);
    }
    assert.deepEqual(device.reports, []);
  });

  test("it flushes and discards if it says so, and else answers that it does not", async (device) => {
    const { canFlush, canDiscard, sectorSize } = device.queue.info;
    assert.equal(await device.run(Flush, 0, 0), canFlush ? Status.Okay : Status.NotSupported);
    const all = sizeBytes - sectorSize;
    assert.equal(await device.run(Discard, sectorSize, all), canDiscard ? Status.Okay : Status.NotSupported);
    assert.deepEqual(device.reports, []);
  });

  testKeeper("what is written is read, in any order and with many operations in flight", async (device) => {
    const disk = await device.content();
    const { info, maxTransferBytes } = device.queue;
    await fc.assert(
      fc.asyncProperty(diskSteps(info, maxTransferBytes), (steps) => runDiskSteps(device, disk, steps)),
      { numRuns: 20, endOnFailure: true },
    );
    assertSameBytes(await device.content(), disk, "the whole disk");
    assert.deepEqual(device.reports, []);
  });

  testKeeper("write-zeroes and discard make their bytes zero, and change no others", async (device) => {
    const { info } = device.queue;
    for (const operation of info.canDiscard ? [WriteZeroes, Discard] : [WriteZeroes]) {
      const disk = await fillDisk(device, operation);
      const [start, length] = [info.sectorSize, 5 * info.sectorSize];
      assert.equal(await device.run(operation, start, length), Status.Okay);
      assertSameBytes(await device.content(), disk.fill(0, start, start + length), "the disk");
      assert.equal(await device.run(operation, 0, sizeBytes), Status.Okay);
      assertSameBytes(await device.content(), disk.fill(0), "the disk, all of it made zero at once");
    }
  });

  testKeeper("a durable write is written", async (device) => {
    const { sectorSize } = device.queue.info;
    const disk = await fillDisk(device, 1);
    fillPattern(device.queue.buffer(0), 2);
    disk.set(device.queue.buffer(0).subarray(0, 3 * sectorSize), 2 * sectorSize);
    assert.equal(await device.run(WriteFua, 2 * sectorSize, 3 * sectorSize), Status.Okay);
    assertSameBytes(await device.content(), disk, "the disk");
  });

  testKeeper("nothing acknowledged is lost with its driver, flushed or not: a successor reads it", async () => {
    const plugin = await load();
    await withMedia(plugin, options, async (media) => {
      using dead = await driverOn(media.first, plugin, media, filters);
      const { canDiscard, sectorSize } = dead.queue.info;
      const disk = await fillDisk(dead, 3);
      const unflushed = canDiscard ? [WriteZeroes, Discard, WriteFua] : [WriteZeroes, WriteFua];
      for (const [index, operation] of unflushed.entries()) {
        const [start, length] = [(5 * index + 1) * sectorSize, 2 * sectorSize];
        const data = dead.queue.buffer(0).subarray(0, length).fill(operation === WriteFua ? 0xa5 : 0);
        disk.set(data, start);
        assert.equal(await dead.run(operation, start, length), Status.Okay);
      }
      // It is not closed by now: a driver that dies closes nothing.
      using successor = await driverOn(media.second, plugin, media, filters);
      assertSameBytes(await successor.content(), disk, "the disk");
    });
  });

  Deno.test(`${title}: a successor works when the driver before it and its medium are closed`, async () => {
    const plugin = await load();
    await withMedia(plugin, options, async (media) => {
      {
        using driver = await driverOn(media.first, plugin, media, filters);
        assert.equal(await driver.run(Write, 0, driver.queue.info.sectorSize), Status.Okay);
      }
      if (media.second !== media.first) media.first.close();
      using successor = await driverOn(media.second, plugin, media, filters);
      for (const operation of [Read, Write, WriteFua, Read]) {
        const status = await successor.run(operation, 0, successor.queue.info.sectorSize);
        assert.equal(status, Status.Okay, successor.reports.join());
      }
    });
  });

  if (workersOnly === undefined) {
    Deno.test(`${title}: its medium can be handed to a driver in a process`, async () => {
      await withMedia(await load(), options, ({ first, second, memory }) => {
        for (const { medium } of [first, second]) {
          const found = notForProcesses(medium, memory);
          assert(found === null, `${found}. Where that must be, give testDevice the reason as workersOnly`);
        }
      });
    });
  } else {
    Deno.test.ignore(`${title}: its medium can be handed to a driver in a process (not so: ${workersOnly})`, () => {});
  }

  if (readOnlyOptions !== undefined) {
    Deno.test(`${title}: read-only, it refuses all that changes it, and is read as before`, async () => {
      await withDevice(await load(), readOnlyOptions, async (device) => {
        const { info } = device.queue;
        assert.equal(info.readOnly, true);
        const before = await device.content();
        for (const operation of [Write, WriteFua, WriteZeroes, Discard]) {
          device.queue.buffer(0).fill(0xa5);
          assert.notEqual(await device.run(operation, 0, info.sectorSize), Status.Okay, `operation ${operation}`);
        }
        assertSameBytes(await device.content(), before, "the disk");
      }, filters);
    });
  }
}

/** A device on one of a medium's openings, closed at the end. */
async function driverOn(
  { medium }: Opening,
  plugin: DevicePlugin,
  { options, directory }: OpenedMedia,
  filters: NonNullable<DeviceExpectation["filters"]>,
): Promise<OpenedDevice & Disposable> {
  const device = openDevice(plugin, options, structuredClone(medium), await filters(directory));
  return { ...device, [Symbol.dispose]: () => device.gate.close() };
}

/** Writes a pattern all over a device, and returns it. */
async function fillDisk({ queue, run }: OpenedDevice, seed: number): Promise<Uint8Array> {
  const { sizeBytes } = queue.info;
  const disk = new Uint8Array(sizeBytes);
  fillPattern(disk, seed);
  for (let offset = 0; offset < sizeBytes; offset += queue.maxTransferBytes) {
    const piece = disk.subarray(offset, offset + queue.maxTransferBytes);
    queue.buffer(0).set(piece);
    assert.equal(await run(Write, offset, piece.length), Status.Okay);
  }
  return disk;
}
