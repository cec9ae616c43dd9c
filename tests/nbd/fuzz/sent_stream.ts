/**
 * What a client has sent, and when: the model takes it from the front as the server would.
 *
 * @module
 */

import { ReceiveBuffer } from "../receive_buffer.ts";

/** Bytes with the tick of the session's clock at which they were sent. */
export class SentStream extends ReceiveBuffer {
  #taken = 0;
  #total = 0;
  readonly #chunks: { readonly end: number; readonly tick: number }[] = [];

  /** Adds bytes that are about to be sent. */
  send(bytes: Uint8Array, tick: number): void {
    this.append(bytes);
    this.#total += bytes.length;
    this.#chunks.push({ end: this.#total, tick });
  }

  /** When the byte was sent that lies so far from the front. */
  tickAt(at: number): number {
    const position = this.#taken + at;
    while (this.#chunks.length > 1 && this.#chunks[0].end <= this.#taken) this.#chunks.shift();
    return this.#chunks.find(({ end }) => position < end)?.tick ?? Infinity;
  }

  override skip(length: number): void {
    super.skip(length);
    this.#taken += length;
  }
}
