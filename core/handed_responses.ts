/**
 * Responses that another thread takes off the ring and hands over (`completion: thread`), as the thread sees them that
 * submits.
 *
 * @module
 */

import { CompletionArea, CompletionState } from "./completion_area.ts";
import { ConnectionError, DomainError } from "./errors.ts";
import type { EventPage } from "./event_channel.ts";
import type { LinkOptions } from "./link.ts";
import type { CompletionEnd, LinkEnd } from "./link_end.ts";
import { ResponseTaker } from "./response_taker.ts";
import { idOf, type ResponseSource } from "./response_source.ts";
import type { Ring } from "./ring.ts";
import { ShadowTable } from "./shadow_table.ts";

/** How long the other thread may keep the lock: it takes what is there and no more, but may have lost its core. */
const LOCK_TIMEOUT_MS = 30_000;

/** The queue of completions, and the ring behind it. */
export class HandedResponses implements ResponseSource {
  /** What is in flight. */
  readonly shadow: ShadowTable;
  answered = 0;
  readonly #area: CompletionArea;
  readonly #ring: Ring;
  readonly #taker: ResponseTaker;
  /** The other thread's event page. */
  readonly #responder: EventPage;
  readonly #events: EventPage;
  /** Whether this thread takes responses off the ring, too, where the other one does not. */
  readonly #takesToo: boolean;
  #paused = true;

  /** Nothing is there yet. `words` are the ring's frames. */
  constructor(end: LinkEnd, { memory, events }: CompletionEnd, options: LinkOptions, ring: Ring, words: Int32Array) {
    this.#area = new CompletionArea(memory, options);
    this.shadow = ShadowTable.create(ring.entryCount, options.slots.count, this.#area.shadow);
    this.#taker = new ResponseTaker(this.#area, ring, words, this.shadow);
    this.#responder = events;
    this.#events = end.events;
    this.#takesToo = options.channel.submitSpinNs > 0;
    this.#ring = ring;
    this.reset();
  }

  see(): number {
    let count = this.#queued();
    if (count > 0) return count;
    if (this.#paused) {
      // The other thread takes nothing any more, but may have the lock for a look: what is there must not be missed.
      this.#lock();
      this.#taker.takeLocked(CompletionState.Idle);
      count = this.#queued();
    } else if (this.#takesToo) {
      this.#taker.take(CompletionState.Running);
      count = this.#queued();
    }
    if (count > 0 || this.#area.state !== CompletionState.Broken) return count;
    // What was answered before it broke counts, and was put into the queue before it was said that it broke.
    count = this.#queued();
    if (count === 0) throw new ConnectionError(this.#area.reason);
    return count;
  }

  take(): number {
    const response = this.#area.read(this.answered);
    this.answered = (this.answered + 1) | 0;
    this.shadow.release(idOf(response));
    return response;
  }

  peek(): boolean {
    const area = this.#area;
    if (area.peekQueued() !== this.answered) return true;
    const state = area.peekState();
    if (state === CompletionState.Running) return this.#takesToo && this.#taker.peek();
    return state === CompletionState.Broken;
  }

  ready(): boolean {
    // What is in the ring and not in the queue is the other thread's, which wakes this one.
    return this.#queued() > 0 || this.#area.state === CompletionState.Broken;
  }

  anyLeft(): boolean {
    // The ring first: what the other thread takes is in the queue before it is gone from the ring.
    return this.#taker.ready() || this.ready();
  }

  arm(): void {
    this.#area.fallAsleep();
  }

  disarm(): void {
    this.#area.awake();
  }

  begin(): void {
    this.#paused = false;
    this.#area.state = CompletionState.Running;
    this.#responder.wake();
  }

  pause(): void {
    if (this.#paused) return;
    const area = this.#area;
    this.#lock();
    if (area.state === CompletionState.Running) area.state = CompletionState.Idle;
    area.unlock();
    this.#paused = true;
  }

  reset(): void {
    const area = this.#area;
    this.answered = area.queued;
    area.consumed = this.#ring.consumed;
    area.answered = this.shadow.requests;
    area.state = CompletionState.Idle;
  }

  end(): void {
    this.#area.state = CompletionState.Ended;
    this.#responder.wake();
  }

  /** Waits for the lock. Not on the hot path. */
  #lock(): void {
    const deadline = performance.now() + LOCK_TIMEOUT_MS;
    while (!this.#area.tryLock()) {
      if (performance.now() > deadline) throw new DomainError("The response thread does not let go of the ring");
      this.#events.rest(1);
    }
  }

  #queued(): number {
    return (this.#area.queued - this.answered) >>> 0;
  }
}
