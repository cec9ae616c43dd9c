/**
 * Bytes that have come, and those who take them from the front.
 *
 * @module
 */

/** A queue of bytes. */
export class ReceiveBuffer {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  #start = 0;
  #end = 0;

  /** How many bytes wait. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Adds a copy at the end. */
  append(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#bytes.length) this.#makeRoom(bytes.length);
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** A copy of the first bytes, which are gone then. */
  take(length: number): Uint8Array<ArrayBuffer> {
    const taken = this.peek(0, length);
    this.skip(length);
    return taken;
  }

  /** Drops the first bytes. */
  skip(length: number): void {
    if (length > this.length) throw new RangeError(`${length} of ${this.length} bytes`);
    this.#start += length;
    if (this.#start === this.#end) this.#start = this.#end = 0;
  }

  /** A copy of bytes that stay. */
  peek(at: number, length: number): Uint8Array<ArrayBuffer> {
    if (at + length > this.length) throw new RangeError(`bytes ${at} to ${at + length} of ${this.length}`);
    return this.#bytes.slice(this.#start + at, this.#start + at + length);
  }

  u16(at: number): number {
    return this.#view.getUint16(this.#start + at);
  }

  u32(at: number): number {
    return this.#view.getUint32(this.#start + at);
  }

  u64(at: number): bigint {
    return this.#view.getBigUint64(this.#start + at);
  }

  #makeRoom(length: number): void {
    const waiting = this.length;
    const needed = waiting + length;
    const bytes = needed > this.#bytes.length ? new Uint8Array(Math.max(needed, 2 * this.#bytes.length)) : this.#bytes;
    if (bytes === this.#bytes) bytes.copyWithin(0, this.#start, this.#end);
    else bytes.set(this.#bytes.subarray(this.#start, this.#end));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    this.#start = 0;
    this.#end = waiting;
  }
}
