/**
 * A device behind its gate, and one request at a time, in whatever pieces of memory a test wants it.
 *
 * @module
 */

import type { Operation } from "../../core/blkif.ts";
import { type BlockDevice, BlockRequest, type DeviceInfo } from "../../core/block_device.ts";
import type { Counters } from "../../core/counters.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { SharedMemory } from "../../core/memory.ts";
import type { DevicePlugin } from "../../core/plugin.ts";
import { mediumContext } from "./medium_context.ts";

const FRAMES = 64;

export class OpenedDevice {
  readonly info: DeviceInfo;
  readonly memory = SharedMemory.allocate(FRAMES);
  /** What the device threw. */
  readonly reports: string[] = [];
  /** What the device has counted. */
  readonly counters: () => Counters;
  readonly #gate: DeviceGate;
  readonly #closeMedium: () => void;
  readonly #request = new BlockRequest({ completed() {} }, 0, this.memory, FRAMES);

  constructor(device: BlockDevice, closeMedium: () => void = () => {}) {
    this.#closeMedium = closeMedium;
    this.counters = () => device.counters?.() ?? {};
    this.#gate = new DeviceGate(device, (message) => this.reports.push(message));
    this.info = this.#gate.info;
  }

  /** Runs an operation whose data lies in the pieces `[start, end)` of the memory, and tells its status. */
  run(operation: Operation, offsetBytes: number, ...pieces: (readonly [start: number, end: number])[]): number {
    const byteLength = pieces.reduce((sum, [start, end]) => sum + end - start, 0);
    this.#request.extentCount = 0;
    for (const [start, end] of pieces) this.#request.addExtent(start, end);
    return this.#submit(operation, offsetBytes, byteLength);
  }

  /** Runs an operation without data, and tells its status. */
  runDataless(operation: Operation, offsetBytes = 0, byteLength = 0): number {
    this.#request.extentCount = 0;
    return this.#submit(operation, offsetBytes, byteLength);
  }

  #submit(operation: Operation, offsetBytes: number, byteLength: number): number {
    const request = this.#request;
    request.operation = operation;
    request.offsetBytes = offsetBytes;
    request.byteLength = byteLength;
    this.#gate.submit(request);
    while (this.#gate.inFlight > 0) this.#gate.reap();
    return request.status;
  }

  [Symbol.dispose](): void {
    this.#gate.close();
    this.#closeMedium();
  }
}

/** A device on its medium, as the hypervisor and the driver domain make them. */
export function openPlugin(plugin: DevicePlugin, given: unknown, scratchDirectory: string | null = null): OpenedDevice {
  const options = plugin.options.parse(given);
  const medium = plugin.openMedium(options, mediumContext({ scratchDirectory }));
  const close = (): void => plugin.closeMedium?.(medium);
  try {
    return new OpenedDevice(plugin.create(options, structuredClone(medium), mediumContext()), close);
  } catch (thrown) {
    close();
    throw thrown;
  }
}
