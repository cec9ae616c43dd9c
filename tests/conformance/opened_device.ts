/**
 * A device as a driver domain has it: on a medium, behind the gate, with a waiter; and a queue to use it by.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { type FilterUse, stackFilters } from "../../core/filter.ts";
import { allocateEventPage, EventPage } from "../../core/event_channel.ts";
import { OperationMeter } from "../../core/measure/meter.ts";
import { MonolithicQueue } from "../../core/monolithic_queue.ts";
import type { NotificationPolicy } from "../../core/notification.ts";
import { type DevicePlugin, makeDevice } from "../../core/plugin.ts";
import { AtomicsWaiter } from "../../core/waiter.ts";
import { mediumContext } from "../helpers/medium_context.ts";
import { withMedia } from "./opened_media.ts";

/** Slots of the queue. */
const DEPTH = 8;
/** Bytes in each slot's buffer. */
const SLOT_BYTES = 64 * 1024;

/** Sleeps at once: an untouched plan. */
const interrupt: NotificationPolicy = { plan() {} };

/** A device that can be used. */
export interface OpenedDevice {
  /** Its queue. */
  readonly queue: MonolithicQueue;
  /** The gate before it. */
  readonly gate: DeviceGate;
  /** What the gate has reported: the messages of all that the device threw. */
  readonly reports: string[];
  /** What it works on. */
  readonly medium: unknown;
  /** Its options, after the schema. */
  readonly options: unknown;
  /** Takes the next slot whose operation is over, of those in flight. */
  take(): Promise<number>;
  /** Runs one operation in slot 0, with nothing else in flight, and tells its status. */
  run(operation: Operation, offsetBytes: number, byteLength: number): Promise<number>;
  /** Reads the whole device. */
  content(): Promise<Uint8Array>;
}

/**
 * Makes the device of a medium, with filters before it.
 *
 * @throws what a plugin throws, or a `DeviceError` for a device that cannot be
 */
export function openDevice(
  plugin: DevicePlugin,
  options: unknown,
  medium: unknown,
  filters: readonly FilterUse[] = [],
): OpenedDevice {
  const reports: string[] = [];
  const events = new EventPage(allocateEventPage());
  const waiter = new AtomicsWaiter(events, () => {});
  const device = stackFilters(makeDevice(plugin, options, medium, mediumContext()), filters, mediumContext());
  const gate = new DeviceGate(device, (message) => reports.push(message));
  gate.listen(() => events.wake());
  const queue = new MonolithicQueue({
    gate,
    slots: { count: DEPTH, bytes: SLOT_BYTES },
    waiter,
    policy: interrupt,
    meter: new OperationMeter(DEPTH),
    stopRequested: () => false,
  });

  /** A device of promises needs its events served, which `queue.wait` does not do. */
  async function take(): Promise<number> {
    if (!gate.eventDriven) return queue.wait();
    assert(queue.inFlight > 0, "nothing is in flight");
    // A wait for a doorbell alone does not keep Deno's event loop running.
    const running = setInterval(() => {}, 1000);
    try {
      for (;;) {
        const slot = queue.poll();
        if (slot >= 0) return slot;
        await waiter.waitServingEvents(interrupt);
      }
    } finally {
      clearInterval(running);
    }
  }
  async function run(operation: Operation, offsetBytes: number, byteLength: number): Promise<number> {
    queue.submit(0, operation, offsetBytes, byteLength);
    assert.equal(await take(), 0);
    return queue.status(0);
  }
  async function content(): Promise<Uint8Array> {
    const { sizeBytes } = queue.info;
    const bytes = new Uint8Array(sizeBytes);
    for (let offset = 0; offset < sizeBytes; offset += SLOT_BYTES) {
      const length = Math.min(SLOT_BYTES, sizeBytes - offset);
      assert.equal(await run(Operation.Read, offset, length), Status.Okay, reports.join());
      bytes.set(queue.buffer(0).subarray(0, length), offset);
    }
    return bytes;
  }
  return { queue, gate, reports, medium, options, take, run, content };
}

/** Options of a device, or what makes them, given a folder that is removed after the test; they may be disposable. */
export type DeviceOptions = Readonly<Record<string, unknown>> | ((directory: string) => unknown | Promise<unknown>);

/** Opens a medium in a folder of its own and its device, and closes and removes both after `body`. */
export async function withDevice(
  plugin: DevicePlugin,
  given: DeviceOptions,
  body: (device: OpenedDevice, directory: string) => void | Promise<void>,
  filters: (directory: string) => Promise<readonly FilterUse[]> = () => Promise.resolve([]),
): Promise<void> {
  await withMedia(plugin, given, async (media) => {
    // A medium reaches its driver by a message; the copy must do.
    const before = await filters(media.directory);
    const device = openDevice(plugin, media.options, structuredClone(media.first.medium), before);
    try {
      await body(device, media.directory);
    } finally {
      device.gate.close();
    }
  });
}
