/**
 * A bounce buffer: aligned memory for requests whose own memory direct I/O does not accept.
 *
 * @module
 */

import { carriesData } from "../../../core/blkif.ts";
import type { BlockRequest } from "../../../core/block_device.ts";
import { FRAME_SIZE, SharedMemory } from "../../../core/memory.ts";

/** Memory for one request at a time, which grows to the longest of them. Regions begin on a page boundary. */
export class BounceBuffer {
  #memory = SharedMemory.allocate(1);

  /** Where it begins, for a system call; see {@link SharedMemory.address}. Valid until the next {@link reserve}. */
  get address(): number {
    return this.#memory.address;
  }

  /** `byteLength` bytes of it. */
  reserve(byteLength: number): Uint8Array<SharedArrayBuffer> {
    if (this.#memory.bytes.length < byteLength) {
      this.#memory = SharedMemory.allocate(Math.ceil(byteLength / FRAME_SIZE));
    }
    return this.#memory.view(0, byteLength);
  }

  /** Takes a write's data. */
  gather(request: BlockRequest): Uint8Array<SharedArrayBuffer> {
    const whole = this.reserve(request.byteLength);
    let at = 0;
    for (let i = 0; i < request.extentCount; i++) {
      const extent = request.extent(i);
      whole.set(extent, at);
      at += extent.length;
    }
    return whole;
  }

  /** Gives a read its data. */
  scatter(request: BlockRequest): void {
    const whole = this.reserve(request.byteLength);
    let at = 0;
    for (let i = 0; i < request.extentCount; i++) {
      const extent = request.extent(i);
      extent.set(whole.subarray(at, at + extent.length));
      at += extent.length;
    }
  }
}

/**
 * Whether a request's memory is aligned: each piece by itself, as each is a segment of its own to the disk. On the hot
 * path.
 *
 * @param unit a power of two, in bytes
 */
export function isAligned(request: BlockRequest, unit: number): boolean {
  if (!carriesData(request.operation)) return true;
  let bits = 0;
  for (let i = 0; i < request.extentCount; i++) {
    // Doubles to 32 bits keeps the low ones, which are what counts.
    bits |= request.extentStart(i) | request.extentEnd(i);
  }
  return (bits & (unit - 1)) === 0;
}
