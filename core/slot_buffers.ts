/**
 * The memory of a frontend's slots: the granted frames themselves, or memory of the application's own, with which they are
 * copied to and fro (`transfer: copy`).
 *
 * @module
 */

import { carriesData, Operation } from "./blkif.ts";
import type { LinkLayout } from "./link.ts";
import { FRAME_SIZE, SharedMemory } from "./memory.ts";

/** The buffers of all slots. */
export class SlotBuffers {
  /** Whether data is copied. */
  readonly copies: boolean;
  readonly #memory: SharedMemory;
  /** What the workload reads and writes in each slot. */
  readonly #buffers: Uint8Array<SharedArrayBuffer>[] = [];
  /** The granted frames of each slot. */
  readonly #granted: Uint8Array<SharedArrayBuffer>[] = [];
  /** The memory that the workload reads and writes in each slot, where that is not the granted frames. */
  readonly #copied: SharedMemory[] = [];
  /** Bytes of each slot's operation, where they are copied. */
  readonly #lengths: Float64Array;

  /**
   * Buffers in a link's region.
   *
   * @param slotCount how many
   * @param copies whether the workload's buffers are memory of their own
   */
  constructor(memory: SharedMemory, { dataFrame, slotFrameCount }: LinkLayout, slotCount: number, copies: boolean) {
    this.copies = copies;
    this.#memory = memory;
    this.#lengths = new Float64Array(slotCount);
    for (let slot = 0; slot < slotCount; slot++) {
      const start = (dataFrame + slot * slotFrameCount) * FRAME_SIZE;
      const frames = new Uint8Array(memory.buffer, start, slotFrameCount * FRAME_SIZE);
      this.#granted.push(frames);
      if (copies) this.#copied.push(SharedMemory.allocate(slotFrameCount));
      this.#buffers.push(copies ? this.#copied[slot].bytes : frames);
    }
  }

  /** What the workload reads and writes in a slot. */
  of(slot: number): Uint8Array<SharedArrayBuffer> {
    return this.#buffers[slot];
  }

  /** Copies what a slot's operation writes to the granted frames. On the hot path; only where data is copied. */
  copyOut(slot: number, operation: number, byteLength: number): void {
    this.#lengths[slot] = byteLength;
    if (carriesData(operation) && operation !== Operation.Read) {
      this.#granted[slot].set(this.#copied[slot].view(0, byteLength));
    }
  }

  /** Copies what a slot's operation has read from the granted frames. As {@link copyOut}. */
  copyIn(slot: number, operation: number): void {
    if (operation !== Operation.Read) return;
    const start = this.#granted[slot].byteOffset;
    this.#buffers[slot].set(this.#memory.view(start, start + this.#lengths[slot]));
  }
}
