/**
 * Takes responses off a ring that has two consumers, and puts what they end into the queue of completions. Of the two
 * threads only who holds the lock does so, and nobody waits for the lock.
 *
 * @module
 */

import { entryWord } from "./blkif.ts";
import type { CompletionArea } from "./completion_area.ts";
import { ConnectionError } from "./errors.ts";
import { checkedResponse, idOf, tooManyResponses } from "./response_source.ts";
import type { Ring } from "./ring.ts";
import type { ShadowTable } from "./shadow_table.ts";

/** One of a ring's consumers. Each has its own view of the ring; how far was consumed is in the area. */
export class ResponseTaker {
  /** Responses that this one took. */
  taken = 0;
  readonly #area: CompletionArea;
  readonly #ring: Ring;
  readonly #words: Int32Array;
  readonly #shadow: ShadowTable;

  /**
   * A consumer.
   *
   * @param ring this thread's own view of it
   * @param words the ring's frames
   * @param shadow what was asked, or this thread's view of it
   */
  constructor(area: CompletionArea, ring: Ring, words: Int32Array, shadow: ShadowTable) {
    this.#area = area;
    this.#ring = ring;
    this.#words = words;
    this.#shadow = shadow;
  }

  /**
   * Takes all responses that are there, unless the other thread does. On the hot path.
   *
   * @param state the state in which they may be taken
   * @returns whether there is something new in the area: completions, or that the connection broke
   */
  take(state: number): boolean {
    return this.#area.tryLock() && this.takeLocked(state);
  }

  /** As {@link take}, for who has the lock; lets go of it. */
  takeLocked(state: number): boolean {
    const area = this.#area;
    const found = area.state === state && this.#takeAll();
    area.unlock();
    return found;
  }

  /** Whether a response seems to be there, and nobody takes it. */
  peek(): boolean {
    const ring = this.#ring;
    ring.consumed = this.#area.peekConsumed();
    return ring.peek() && this.#area.seemsFree;
  }

  /** Whether a response is there. */
  ready(): boolean {
    const ring = this.#ring;
    ring.consumed = this.#area.consumed;
    return ring.available() > 0;
  }

  /**
   * Asks for a notification by event index. That depends on how far was consumed, so only who holds the lock can, and looks
   * again before it lets go: what is there by then raises no notification, and the other thread could take it before a look
   * without the lock.
   *
   * @returns false when the other thread has the lock, or responses are there: then do not sleep
   */
  armEvent(distance: number): boolean {
    const area = this.#area;
    if (!area.tryLock()) return false;
    const ring = this.#ring;
    ring.consumed = area.consumed;
    ring.arm(Math.max(1, Math.min(distance, this.#asked())));
    const nothing = ring.available() === 0;
    area.unlock();
    return nothing;
  }

  /** Requests that were issued and not answered. */
  #asked(): number {
    return (this.#shadow.requests - this.#area.answered) >>> 0;
  }

  /** Takes all that is there. The lock must be held. */
  #takeAll(): boolean {
    const area = this.#area;
    const ring = this.#ring;
    ring.consumed = area.consumed;
    const available = ring.available();
    if (available === 0) return false;
    const before = area.queued;
    let count = 0;
    try {
      const asked = this.#asked();
      if (available > asked) throw tooManyResponses(available, asked);
      while (count < available) {
        const response = checkedResponse(this.#words, entryWord(ring.entryOf(ring.consumed)), this.#shadow);
        ring.consume();
        this.#shadow.answer(idOf(response));
        area.write((before + count++) | 0, response);
      }
    } catch (thrown) {
      if (!(thrown instanceof ConnectionError)) throw thrown;
      this.#publish(before, count);
      // After the completions: who sees that it broke has seen them.
      area.break(thrown.message);
      return true;
    }
    this.#publish(before, count);
    return true;
  }

  #publish(before: number, count: number): void {
    const area = this.#area;
    this.taken += count;
    area.answered = (area.answered + count) | 0;
    // In this order: what is not in the ring any more is in the queue.
    area.publish((before + count) | 0);
    area.consumed = this.#ring.consumed;
  }
}
