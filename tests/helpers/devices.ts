/**
 * Devices for tests: one that is done at once, one that completes later and in another order, one that is broken.
 *
 * @module
 */

import type { BlockDevice, BlockRequest, DeviceInfo, SynchronousDevice } from "../../core/block_device.ts";
import { synchronous } from "../../core/block_device.ts";

/** An ordinary device's info, with what the test changes. */
export function deviceInfo(changes: Partial<DeviceInfo> = {}): DeviceInfo {
  return { sizeBytes: 1 << 20, sectorSize: 512, readOnly: false, canFlush: true, canDiscard: true, ...changes };
}

/** A device in memory, and what was done to it. */
export class MemoryDevice implements SynchronousDevice {
  readonly info: DeviceInfo;
  readonly disk: Uint8Array;
  readonly calls: string[] = [];

  constructor(changes: Partial<DeviceInfo> = {}) {
    this.info = deviceInfo(changes);
    this.disk = new Uint8Array(this.info.sizeBytes);
  }

  read(offsetBytes: number, into: Uint8Array): void {
    this.calls.push(`read ${offsetBytes} ${into.length}`);
    into.set(this.disk.subarray(offsetBytes, offsetBytes + into.length));
  }

  write(offsetBytes: number, from: Uint8Array): void {
    this.calls.push(`write ${offsetBytes} ${from.length}`);
    this.disk.set(from, offsetBytes);
  }

  flush(): void {
    this.calls.push("flush");
  }

  discard(offsetBytes: number, byteLength: number): void {
    this.calls.push(`discard ${offsetBytes} ${byteLength}`);
    this.disk.fill(0, offsetBytes, offsetBytes + byteLength);
  }

  close(): void {
    this.calls.push("close");
  }
}

/** A device in memory that knows write-zeroes itself. */
export class ZeroingDevice extends MemoryDevice {
  writeZeroes(offsetBytes: number, byteLength: number): void {
    this.calls.push(`write-zeroes ${offsetBytes} ${byteLength}`);
    this.disk.fill(0, offsetBytes, offsetBytes + byteLength);
  }
}

/** Keeps every request and does it only when it is polled, in an order that `pick` chooses. */
export class LaterDevice implements BlockDevice {
  readonly info: DeviceInfo;
  readonly held: BlockRequest[] = [];
  readonly #inner: BlockDevice;
  readonly #pick: (count: number) => number;

  /** @param pick which of `count` held requests is next to be done; −1 for none yet */
  constructor(device: SynchronousDevice, pick: (count: number) => number) {
    this.#inner = synchronous(device);
    this.info = this.#inner.info;
    this.#pick = pick;
  }

  submit(request: BlockRequest): boolean {
    this.held.push(request);
    return false;
  }

  poll(): BlockRequest | null {
    const index = this.held.length === 0 ? -1 : this.#pick(this.held.length);
    if (index < 0) return null;
    const [request] = this.held.splice(index, 1);
    this.#inner.submit(request);
    return request;
  }
}

/** Fills memory with bytes that depend on their place and on `seed`, so that misplaced data shows. */
export function fillPattern(bytes: Uint8Array, seed: number): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 31 + (i >> 9) * 7 + seed * 101 + 1) & 0xff;
}
