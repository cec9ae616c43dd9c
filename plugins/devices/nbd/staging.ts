/**
 * Bytes that came from a socket and were not looked at yet, at an address that the kernel can be given.
 *
 * @module
 */

import { addressOf } from "../../../core/libc.ts";
import type { PlaceList } from "../../../core/socket.ts";

/** A buffer that is filled at its end and emptied from its start. */
export class Staging {
  /** All of it. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** Where what is there begins, in {@link bytes}. */
  start = 0;
  /** Where it ends. */
  end = 0;
  readonly #address: number;

  /** An empty buffer. */
  constructor(byteLength: number) {
    this.bytes = new Uint8Array(new SharedArrayBuffer(byteLength));
    this.#address = addressOf(this.bytes);
  }

  /** How many bytes are there. */
  get byteLength(): number {
    return this.end - this.start;
  }

  /** Appends the place behind what is there to a list, to receive at most `most` bytes. On the hot path. */
  addFreeTo(list: PlaceList, most: number): void {
    if (this.start === this.end) {
      this.clear();
    } else if (this.bytes.length - this.end < most) {
      this.bytes.copyWithin(0, this.start, this.end);
      this.end -= this.start;
      this.start = 0;
    }
    const free = this.bytes.length - this.end;
    list.add(this.#address + this.end, most < free ? most : free);
  }

  /** Appends the place of what is there to a list, to be sent. */
  addFilledTo(list: PlaceList): void {
    list.add(this.#address + this.start, this.byteLength);
  }

  /** Appends bytes, for which there must be room. */
  append(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.end);
    this.end += bytes.length;
  }

  /** What is there. */
  view(): Uint8Array<SharedArrayBuffer> {
    return this.bytes.subarray(this.start, this.end);
  }

  /** The 32 bits at `at` in {@link bytes}, the highest first, signed. On the hot path. */
  word(at: number): number {
    const { bytes } = this;
    return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }

  /** The 16 bits at `at`. */
  half(at: number): number {
    return (this.bytes[at] << 8) | this.bytes[at + 1];
  }

  /** Forgets what is there. */
  clear(): void {
    this.start = 0;
    this.end = 0;
  }
}
