/**
 * What holds for every device.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { Operation, Status } from "../../core/blkif.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { OperationMeter } from "../../core/measure/meter.ts";
import { MonolithicQueue } from "../../core/monolithic_queue.ts";
import { type DevicePlugin, loadPlugin } from "../../core/plugin.ts";
import { AtomicsWaiter } from "../../core/waiter.ts";
import { allocateEventPage, EventPage } from "../../core/event_channel.ts";
import { fillPattern } from "../helpers/devices.ts";
import { interrupt } from "../helpers/link.ts";
import { queueCommands, runQueueModel } from "../helpers/queue_model.ts";

const SIZE = 256 * 512;
const { Read, Write, Flush, Discard } = Operation;

/** What a device is held to. */
export interface DeviceExpectation {
  /** Options by which the device has 128 KiB. */
  readonly options: unknown;
  /** Why what is written need not be what is read, if so. */
  readonly keepsNothing?: string;
}

/** A device on a new medium, behind a gate and a queue. */
export interface OpenedDevice {
  readonly queue: MonolithicQueue;
  readonly gate: DeviceGate;
  readonly reports: string[];
  readonly medium: unknown;
  /** Runs one operation in slot 0 and tells its status. */
  run(operation: Operation, offsetBytes: number, byteLength: number): number;
}

/** Makes the device of a medium. */
export function openDevice(plugin: DevicePlugin, options: unknown, medium: unknown): OpenedDevice {
  const reports: string[] = [];
  const gate = new DeviceGate(plugin.create(options, medium), (message) => reports.push(message));
  const queue = new MonolithicQueue({
    gate,
    depth: 8,
    waiter: new AtomicsWaiter(new EventPage(allocateEventPage()), () => {}),
    policy: interrupt,
    meter: new OperationMeter(8),
    stopRequested: () => false,
  });
  const run = (operation: Operation, offsetBytes: number, byteLength: number): number => {
    queue.submit(0, operation, offsetBytes, byteLength);
    assert.equal(queue.wait(), 0);
    return queue.status(0);
  };
  return { queue, gate, reports, medium, run };
}

/** Opens a medium in a scratch folder and its device, and closes and removes both after `body`. */
export async function withDevice(
  plugin: DevicePlugin,
  given: unknown,
  body: (device: OpenedDevice, scratchDirectory: string) => void | Promise<void>,
): Promise<void> {
  const scratchDirectory = await Deno.makeTempDir();
  let device: OpenedDevice | undefined;
  try {
    const options = plugin.options.parse(given);
    const medium = plugin.openMedium(options, { scratchDirectory });
    // A medium reaches its driver by a message; the copy must do.
    device = openDevice(plugin, options, structuredClone(medium));
    await body(device, scratchDirectory);
  } finally {
    device?.gate.close();
    await Deno.remove(scratchDirectory, { recursive: true });
  }
}

/** Registers the tests for one device. */
export function testDevice(name: string, url: string, { options, keepsNothing }: DeviceExpectation): void {
  const load = (): Promise<DevicePlugin> => loadPlugin("device", url);
  const test = (what: string, body: (device: OpenedDevice, scratch: string) => void | Promise<void>): void => {
    Deno.test(`${name}: ${what}`, async () => withDevice(await load(), options, body));
  };
  const testKeeper: typeof test = (what, body) => {
    if (keepsNothing === undefined) test(what, body);
    else Deno.test.ignore(`${name}: ${what} (not held to it: ${keepsNothing})`, () => {});
  };

  Deno.test(`${name}: its defaults are a valid choice, and unknown options are refused`, async () => {
    const plugin = await load();
    assert.equal(plugin.options.safeParse({}).success, true);
    assert.match(plugin.options.safeParse({ nosuch: 1 }).error?.message ?? "accepted", /nosuch/);
    assert.equal(plugin.options.safeParse({ size: 4096 }).success, false, "a size without a unit");
  });

  Deno.test(`${name}: it is called what the table of built-ins calls it, and says what it is`, async () => {
    const plugin = await load();
    assert.equal(plugin.name, name);
    assert.match(plugin.description, /^[A-Z].*\.$/);
  });

  Deno.test(`${name}: importing it needs no permission and does nothing`, async () => {
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const args = ["run", "--quiet", "--no-prompt", "--no-lock", "--config", config, url];
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    assert(success, new TextDecoder().decode(stderr));
    assert.deepEqual([stdout.length, stderr.length], [0, 0]);
  });

  test("it has the size that was asked for", ({ queue }) => {
    assert.equal(queue.info.sizeBytes, SIZE);
  });

  test("its first and its last sector can be read and written, the one after it cannot", ({ run, reports }) => {
    for (const operation of [Read, Write]) {
      assert.equal(run(operation, 0, 512), Status.Okay);
      assert.equal(run(operation, SIZE - 512, 512), Status.Okay);
      assert.equal(run(operation, SIZE, 512), Status.Error);
      assert.equal(run(operation, SIZE - 512, 1024), Status.Error);
    }
    assert.deepEqual(reports, []);
  });

  test("it flushes and discards if it says so, and else answers that it does not", ({ queue, run, reports }) => {
    const { canFlush, canDiscard } = queue.info;
    assert.equal(run(Flush, 0, 0), canFlush ? Status.Okay : Status.NotSupported);
    assert.equal(run(Discard, 512, SIZE - 512), canDiscard ? Status.Okay : Status.NotSupported);
    assert.deepEqual(reports, []);
  });

  testKeeper("a new medium reads as zeroes", ({ queue, run }) => {
    for (let offset = 0; offset < SIZE; offset += 32768) {
      queue.buffer(0).fill(0xee);
      assert.equal(run(Read, offset, 32768), Status.Okay);
      assert(queue.buffer(0).subarray(0, 32768).every((byte) => byte === 0));
    }
  });

  testKeeper("what is written is read, in any order and at any queue depth", async () => {
    await withDevice(await load(), options, ({ queue }) => {
      let disk: Uint8Array = new Uint8Array(SIZE);
      const { canDiscard } = queue.info;
      fc.assert(
        fc.property(queueCommands(SIZE / 512, 88, canDiscard), (commands) => {
          disk = runQueueModel(queue, disk, commands);
        }),
        { numRuns: 20, endOnFailure: true },
      );
    });
  });

  testKeeper("a discard forgets its bytes and no others", ({ queue, run }) => {
    if (!queue.info.canDiscard) return;
    fillPattern(queue.buffer(0), 1);
    const before = queue.buffer(0).slice(0, 4096);
    run(Write, 0, 4096);
    run(Discard, 1024, 512);
    run(Read, 0, 4096);
    const expected = before.fill(0, 1024, 1536);
    assert(Buffer.from(queue.buffer(0)).subarray(0, 4096).equals(expected));
  });

  testKeeper("what was written outlives the driver: another on the same medium reads it", async () => {
    const plugin = await load();
    await withDevice(plugin, options, ({ queue, run, medium }) => {
      fillPattern(queue.buffer(0), 7);
      const written = queue.buffer(0).slice(0, 8192);
      run(Write, 4096, 8192);
      const successor = openDevice(plugin, plugin.options.parse(options), medium);
      try {
        assert.equal(successor.run(Read, 4096, 8192), Status.Okay);
        assert(Buffer.from(successor.queue.buffer(0)).subarray(0, 8192).equals(written));
      } finally {
        successor.gate.close();
      }
    });
  });
}
