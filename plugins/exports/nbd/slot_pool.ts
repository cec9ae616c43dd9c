/**
 * The slots of the queue, shared by all connections: who may take one, and where its memory is.
 *
 * @module
 */

import type { BlockQueue } from "../../../core/block_queue.ts";
import { addressOf } from "../../../core/libc.ts";

/** While fewer slots than this share are free, only who has less than a fair share of them may take one. */
const RESERVED_SHARE = 1 / 4;

/** Hands out slots, the one that was used last first: its memory is still in the cache. */
export class SlotPool {
  /** Where the buffer of each slot begins in this process. */
  readonly addresses: Float64Array;
  /** Bytes in each buffer. */
  readonly slotBytes: number;
  readonly #queue: BlockQueue;
  readonly #free: Int32Array;
  readonly #depth: number;
  #freeCount: number;

  /** A pool of all slots of a queue, none of which is in use. */
  constructor(queue: BlockQueue) {
    this.#queue = queue;
    this.#depth = queue.depth;
    this.slotBytes = queue.maxTransferBytes;
    this.#free = Int32Array.from({ length: queue.depth }, (_, index) => queue.depth - 1 - index);
    this.#freeCount = queue.depth;
    this.addresses = Float64Array.from({ length: queue.depth }, (_, slot) => addressOf(queue.buffer(slot)));
  }

  /** The memory of a slot. */
  buffer(slot: number): Uint8Array<SharedArrayBuffer> {
    return this.#queue.buffer(slot);
  }

  /** How many are free. */
  get freeCount(): number {
    return this.#freeCount;
  }

  /**
   * A free slot, or −1 when there is none, or none for somebody who has so many. On the hot path.
   *
   * @param held how many slots it has
   * @param sharers how many it shares with, itself included
   */
  take(held: number, sharers: number): number {
    if (this.#freeCount === 0) return -1;
    if (sharers > 1 && this.#freeCount <= this.#depth * RESERVED_SHARE && held * sharers >= this.#depth && held > 0) {
      return -1;
    }
    return this.#free[--this.#freeCount];
  }

  /** Takes a slot back. On the hot path. */
  release(slot: number): void {
    this.#free[this.#freeCount++] = slot;
  }
}
