/**
 * What one connection has received and not yet looked at.
 *
 * Data of writes does not come this way: once the head of a write is known, the rest is received straight into a slot.
 *
 * @module
 */

import { FRAME_SIZE, SharedMemory } from "../../../core/memory.ts";
import type { PlaceList } from "../../../core/socket.ts";

const FRAMES = 4;

/** Bytes in the order in which they came. */
export class InputBuffer {
  /** All bytes; those from {@link start} up to {@link end} are there. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** The same, for numbers: big-endian unless told otherwise. */
  readonly view: DataView<SharedArrayBuffer>;
  /** The first byte that was not looked at. */
  start = 0;
  /** Behind the last byte. */
  end = 0;
  readonly #memory = SharedMemory.allocate(FRAMES);

  /** An empty buffer. */
  constructor() {
    this.bytes = this.#memory.bytes;
    this.view = new DataView(this.#memory.buffer, 0, this.#memory.buffer.byteLength);
  }

  /** How many bytes are there. */
  get length(): number {
    return this.end - this.start;
  }

  /** How many bytes it holds. */
  get capacity(): number {
    return this.bytes.length;
  }

  /** Forgets everything. */
  clear(): void {
    this.start = 0;
    this.end = 0;
  }

  /** Moves what is there to the start, when the end is near. */
  compact(): void {
    if (this.start === this.end) this.clear();
    if (this.end + FRAME_SIZE <= this.capacity) return;
    this.bytes.copyWithin(0, this.start, this.end);
    this.end -= this.start;
    this.start = 0;
  }

  /** Appends the place for up to `most` more bytes to a list. Call {@link compact} before. */
  offerPlace(list: PlaceList, most: number): void {
    list.add(this.#memory.address + this.end, Math.min(most, this.capacity - this.end));
  }
}
