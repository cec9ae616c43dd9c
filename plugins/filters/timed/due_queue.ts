/**
 * Requests that wait for their times: a binary heap in typed arrays. Of those that are due at the same time, the one that
 * came first goes first.
 *
 * @module
 */

import type { BlockRequest } from "../../../core/block_device.ts";

const FIRST_CAPACITY = 64;

/** Requests, each with the time at which it is due. It allocates only when more wait than ever before. */
export class DueQueue {
  /** How many wait. */
  size = 0;
  #dueMs = new Float64Array(FIRST_CAPACITY);
  #order = new Float64Array(FIRST_CAPACITY);
  readonly #requests: (BlockRequest | null)[] = new Array(FIRST_CAPACITY).fill(null);
  #pushed = 0;

  /** When the first is due, in milliseconds of `performance.now`; Infinity where none waits. */
  get dueMs(): number {
    return this.size === 0 ? Infinity : this.#dueMs[0];
  }

  /** Adds a request. On the hot path: logarithmic in how many wait. */
  push(request: BlockRequest, dueMs: number): void {
    if (this.size === this.#dueMs.length) this.#grow();
    const order = this.#pushed++;
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      // The new one is the last of all: between equals, the parent stays.
      if (this.#dueMs[parent] <= dueMs) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#put(at, request, dueMs, order);
  }

  /** Takes the first out; null where none waits. On the hot path: logarithmic in how many wait. */
  pop(): BlockRequest | null {
    if (this.size === 0) return null;
    const first = this.#requests[0];
    const last = --this.size;
    const request = this.#requests[last] as BlockRequest;
    const dueMs = this.#dueMs[last];
    const order = this.#order[last];
    this.#requests[last] = null;
    if (last === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= last) break;
      if (child + 1 < last && this.#isBefore(child + 1, this.#dueMs[child], this.#order[child])) child++;
      if (!this.#isBefore(child, dueMs, order)) break;
      this.#move(child, at);
      at = child;
    }
    this.#put(at, request, dueMs, order);
    return first;
  }

  #isBefore(at: number, dueMs: number, order: number): boolean {
    const mine = this.#dueMs[at];
    return mine < dueMs || (mine === dueMs && this.#order[at] < order);
  }

  #move(from: number, to: number): void {
    this.#dueMs[to] = this.#dueMs[from];
    this.#order[to] = this.#order[from];
    this.#requests[to] = this.#requests[from];
  }

  #put(at: number, request: BlockRequest, dueMs: number, order: number): void {
    this.#dueMs[at] = dueMs;
    this.#order[at] = order;
    this.#requests[at] = request;
  }

  #grow(): void {
    const grown = (from: Float64Array): Float64Array<ArrayBuffer> => {
      const to = new Float64Array(2 * from.length);
      to.set(from);
      return to;
    };
    this.#dueMs = grown(this.#dueMs);
    this.#order = grown(this.#order);
    while (this.#requests.length < this.#dueMs.length) this.#requests.push(null);
  }
}
