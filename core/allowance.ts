/**
 * How much of a ring's requests a driver may take at once.
 *
 * @module
 */

import { Operation } from "./blkif.ts";
import type { BlockRequest } from "./block_device.ts";

/**
 * What a request costs besides its bytes, as so many bytes: what it takes to look at it and to answer it, which is all
 * that a flush costs. On a ramdisk both take about as long as to copy so much.
 */
export const REQUEST_COST = 4096;

/**
 * How much may be taken, counted down as requests are taken. A request's length is known only when it was taken, so
 * the last one may take more than was left: what is below 0 is owed. Infinity is no bound.
 */
export class Allowance {
  /** Requests. */
  requests: number = Infinity;
  /** Bytes that are read and written; those that are discarded are not among them. */
  bytes: number = Infinity;
  /** Bytes of all operations, and {@link REQUEST_COST} for each. */
  cost: number = Infinity;
  readonly #maxBytes: number;

  /**
   * An allowance without bounds.
   *
   * @param maxBytes what a request counts at most, whatever length it claims: the device's size
   */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether anything is left. */
  get left(): boolean {
    return this.requests > 0 && this.bytes > 0 && this.cost > 0;
  }

  /** The most requests for which it can be enough. */
  get most(): number {
    return Math.min(Math.ceil(this.requests), Math.ceil(this.cost / REQUEST_COST));
  }

  /** Counts a request that was taken. Whether another may be. On the hot path. */
  take(request: BlockRequest): boolean {
    const bytes = Math.min(request.byteLength, this.#maxBytes);
    this.requests--;
    if (request.operation !== Operation.Discard) this.bytes -= bytes;
    this.cost -= bytes + REQUEST_COST;
    return this.left;
  }
}
