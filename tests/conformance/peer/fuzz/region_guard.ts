/**
 * Sees that a frontend writes to nothing in the region, and to none of the workload's buffers, but what it may.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { BlockQueue } from "../../../../core/block_queue.ts";
import type { LinkLayout } from "../../../../core/link.ts";
import { SLEEP_WORDS } from "../control_words.ts";
import { ENTRY_WORDS, entryAt, RingWord } from "../wire.ts";
import type { Arena } from "./arena.ts";
import { differenceBetween } from "./difference.ts";
import type { Asked, FrontendModel } from "./frontend_model.ts";

const FRAME_BYTES = 4096;
const FRAME_WORDS = FRAME_BYTES / 4;
const READ = 0;
/** Operations whose data goes to the device. */
const WRITES = [1, 17];

/** Compares the region with a copy, in which it does what the frontend may do. */
export class RegionGuard {
  readonly #region: Int32Array;
  readonly #copy: Int32Array;
  readonly #layout: LinkLayout;
  readonly #model: FrontendModel;
  readonly #queue: BlockQueue;
  /** What must be in each slot's buffer, where the frontend copies. */
  readonly #buffers: readonly Uint8Array[];
  #published = 0;
  /** The high words of the ids that were in use: their frames of segments must not change while they are. */
  #inUse: ReadonlyMap<number, number> = new Map();

  /** A guard of a frontend that has connected. */
  constructor({ ends, copy }: Arena, layout: LinkLayout, model: FrontendModel, queue: BlockQueue) {
    this.#region = ends.memory.words;
    this.#copy = copy;
    this.#layout = layout;
    this.#model = model;
    this.#queue = queue;
    const copies = ends.options.channel.transfer === "copy";
    this.#buffers = Array.from({ length: copies ? queue.depth : 0 }, (_, slot) => queue.buffer(slot).slice());
  }

  /** The frontend goes on: from here, only it writes. */
  begin(): void {
    this.#copy.set(this.#region);
    this.#published = this.#model.published;
    this.#inUse = new Map([...this.#model.requests].map(([id, { idHigh }]) => [id, idHigh]));
  }

  /** The workload fills a slot's buffer with a byte. */
  fill(slot: number, byte: number): void {
    this.#queue.buffer(slot).fill(byte);
    if (this.#buffers.length > 0) this.#buffers[slot].fill(byte);
    else this.#frames(this.#copy, slot).fill(byte);
  }

  /** The workload submits an operation: with copies, a write's data goes to the granted frames. */
  submitted(slot: number, { operation, byteLength }: Asked): void {
    if (this.#buffers.length === 0 || !WRITES.includes(operation)) return;
    this.#frames(this.#copy, slot).set(this.#buffers[slot].subarray(0, byteLength));
  }

  /** An operation is over: with copies, what was read comes from the granted frames. */
  finished(slot: number, { operation, byteLength }: Asked, status: number): void {
    if (this.#buffers.length === 0 || operation !== READ || status !== 0) return;
    this.#buffers[slot].set(this.#frames(this.#region, slot).subarray(0, byteLength));
  }

  /** All else is as it was. */
  check(): void {
    this.#allow();
    const [found, expected] = [this.#region, this.#copy].map(({ buffer }) => new Uint8Array(buffer));
    if (Buffer.compare(found, expected) !== 0) {
      assert.fail(differenceBetween(this.#region, this.#copy, this.#layout));
    }
    for (const [slot, buffer] of this.#buffers.entries()) {
      assert(Buffer.compare(this.#queue.buffer(slot), buffer) === 0, `the buffer of slot ${slot} has changed`);
    }
  }

  /** Lets the copy have what the frontend may write: free entries, its indices, flags, segments of free ids. */
  #allow(): void {
    const { ringFrame, entryCount, segmentFrame, segmentFrameCount } = this.#layout;
    const ring = ringFrame * FRAME_WORDS;
    const free = (this.#model.consumed + entryCount - this.#published) | 0;
    for (let i = 0; i < free; i++) this.#take(ring + entryAt(this.#published + i, entryCount), ENTRY_WORDS);
    this.#take(ring + RingWord.RequestProducer, 1);
    this.#take(ring + RingWord.ResponseEvent, 1);
    for (const word of Object.values(SLEEP_WORDS)) this.#take(word, 1);
    for (let id = 0; id < segmentFrameCount; id++) {
      const request = this.#model.requests.get(id);
      const same = request !== undefined && request.idHigh === this.#inUse.get(id);
      if (!same) this.#take((segmentFrame + id) * FRAME_WORDS, FRAME_WORDS);
    }
  }

  #take(word: number, count: number): void {
    for (let i = word; i < word + count; i++) this.#copy[i] = this.#region[i];
  }

  #frames({ buffer }: Int32Array, slot: number): Uint8Array {
    const { dataFrame, slotFrameCount } = this.#layout;
    return new Uint8Array(buffer, (dataFrame + slot * slotFrameCount) * FRAME_BYTES, slotFrameCount * FRAME_BYTES);
  }
}
