/**
 * Responses that the thread takes off the ring which also submits (`completion: inline`).
 *
 * @module
 */

import { entryWord } from "./blkif.ts";
import { type LinkEnd, preloadEntries } from "./link_end.ts";
import { checkedResponse, idOf, type ResponseSource, tooManyResponses } from "./response_source.ts";
import type { Ring } from "./ring.ts";
import type { ShadowTable } from "./shadow_table.ts";

/** The responses of one ring, whose only consumer this is. */
export class RingResponses implements ResponseSource {
  readonly #end: LinkEnd;
  readonly #ring: Ring;
  readonly #words: Int32Array;
  readonly #shadow: ShadowTable;
  /** See {@link preloadEntries}. */
  #preloaded = 0;

  /**
   * Nothing is there yet.
   *
   * @param words the ring's frames
   * @param shadow what was asked
   */
  constructor(end: LinkEnd, ring: Ring, words: Int32Array, shadow: ShadowTable) {
    this.#end = end;
    this.#ring = ring;
    this.#words = words;
    this.#shadow = shadow;
  }

  get answered(): number {
    return this.#ring.consumed;
  }

  see(): number {
    const seen = this.#ring.available();
    if (seen === 0) return 0;
    const asked = this.#shadow.idsInUse;
    if (seen > asked) throw tooManyResponses(seen, asked);
    if (seen > 1) this.#preloaded = preloadEntries(this.#ring, this.#words, seen, false);
    return seen;
  }

  take(): number {
    const ring = this.#ring;
    const at = entryWord(ring.entryOf(ring.consumed));
    const response = checkedResponse(this.#words, at, this.#shadow);
    ring.consume();
    this.#shadow.release(idOf(response));
    return response;
  }

  peek(): boolean {
    return this.#ring.peek();
  }

  ready(): boolean {
    return this.#ring.available() > 0;
  }

  anyLeft(): boolean {
    return this.#ring.peek();
  }

  arm(distance: number): void {
    this.#end.channel.clear();
    // Never more than are to come.
    this.#ring.arm(Math.max(1, Math.min(distance, this.#shadow.idsInUse)));
  }

  disarm(): void {
    this.#ring.disarm();
  }

  begin(): void {}

  pause(): void {}

  reset(): void {}

  end(): void {}
}
