/**
 * The thread of an application that takes its responses (`completion: thread`): the thesis's read-response thread. It waits
 * on the ring by the frontend's policy and hands completions to the thread that submits, which sleeps until there are some.
 *
 * The two consume one ring by a try-lock; `tests/model/response_thread.pml` has the rules, and all their states searched.
 *
 * @module
 */

import { CompletionArea, CompletionState } from "./completion_area.ts";
import { type Counterpart, RingCounterpart } from "./counterpart.ts";
import type { LinkOptions } from "./link.ts";
import { linkLayout } from "./link.ts";
import type { CompletionEnd, LinkEnd } from "./link_end.ts";
import type { NotificationPolicy } from "./notification.ts";
import { ResponseTaker } from "./response_taker.ts";
import { Ring } from "./ring.ts";
import { ShadowTable } from "./shadow_table.ts";
import type { Waiter, WaitSource } from "./waiter.ts";
import { BACKEND_SLEEP_WORD, FRONTEND_SLEEP_WORD, peekBackendState } from "./xenbus.ts";

/** What a response thread is made of. */
export interface ResponseThreadOptions {
  /** Its side of the link: with its own event page, and that of the thread that submits in `completion`. */
  readonly end: LinkEnd;
  /** How the link is laid out and used. */
  readonly link: LinkOptions;
  /** How the thread waits. */
  readonly waiter: Waiter;
  /** What decides about each wait. */
  readonly policy: NotificationPolicy;
}

/** Takes the responses of one link. */
export class ResponseThread implements WaitSource {
  /** How often the thread that submits was woken. */
  wakes = 0;
  readonly #end: LinkEnd;
  readonly #completion: CompletionEnd;
  readonly #waiter: Waiter;
  /** See {@link WaitSource.counterpart}. */
  readonly counterpart: Counterpart;
  readonly #policy: NotificationPolicy;
  readonly #area: CompletionArea;
  readonly #ring: Ring;
  readonly #taker: ResponseTaker;
  readonly #control: Int32Array;
  readonly #sleepFlags: boolean;
  /** How far was consumed when this thread looked last. */
  #consumed = 0;
  /** The backend's state when it was last looked at. */
  #backendState = 0;

  /**
   * Takes nothing before the thread that submits is connected.
   *
   * @param completion what both threads share
   */
  constructor({ end, link, waiter, policy }: ResponseThreadOptions, completion: CompletionEnd) {
    const layout = linkLayout(link);
    const words = end.memory.frameWords(layout.ringFrame, layout.ringFrameCount);
    this.#end = end;
    this.#completion = completion;
    this.#waiter = waiter;
    this.#policy = policy;
    this.#control = end.memory.frameWords(layout.controlFrame, 1);
    this.#area = new CompletionArea(completion.memory, link);
    this.#ring = Ring.front(words, layout.entryCount);
    this.counterpart = RingCounterpart.ofFront(words);
    this.#sleepFlags = link.channel.suppression === "sleep-flag";
    if (this.#sleepFlags) this.#ring.useSleepFlags(this.#control, FRONTEND_SLEEP_WORD, BACKEND_SLEEP_WORD);
    const shadow = ShadowTable.attach(layout.entryCount, link.slots.count, this.#area.shadow);
    this.#taker = new ResponseTaker(this.#area, this.#ring, words, shadow);
    waiter.add(this);
    // A ring from before the waiter was made is none for it.
    this.noticeState();
  }

  /** Whether the thread that submits has closed the connection for good. */
  get ended(): boolean {
    return this.#area.state === CompletionState.Ended;
  }

  /** Responses that it took and handed over. */
  get handedOver(): number {
    return this.#taker.taken;
  }

  /** Responses that were taken off the ring so far, by this thread or by the one that submits. */
  get taken(): number {
    return this.#area.peekConsumed();
  }

  /** Hands over what was answered. Returns whether there was something. On the hot path. */
  service(): boolean {
    const found = this.#taker.take(CompletionState.Running);
    this.#consumed = this.#area.consumed;
    if (!found) return false;
    if (this.#area.mustWake()) this.#wake();
    return true;
  }

  /** Waits once. Then look at everything: responses, commands. */
  wait(): void {
    this.#waiter.wait(this.#policy);
    this.noticeState();
  }

  /**
   * Wakes the thread that submits if the backend's state has changed: that is its business, and the backend rings this
   * thread alone. To be looked at after every wait.
   */
  noticeState(): void {
    const state = peekBackendState(this.#control);
    if (state === this.#backendState) return;
    this.#backendState = state;
    this.#completion.events.wake();
  }

  /** Whether a response seems to be there, or to have been: what the other thread took meanwhile was no idle ring. */
  peek(): boolean {
    const area = this.#area;
    return area.peekState() === CompletionState.Running &&
      (area.peekConsumed() !== this.#consumed || this.#taker.peek());
  }

  /** Whether a response is there. */
  ready(): boolean {
    return this.#area.state === CompletionState.Running && this.#taker.ready();
  }

  /** Asks to be notified of responses; with sleep flags whatever the other thread consumes meanwhile. */
  arm(distance: number): boolean {
    this.#end.channel.clear();
    // Who begins the connection wakes this thread.
    if (this.#area.state !== CompletionState.Running) return true;
    if (!this.#sleepFlags) return this.#taker.armEvent(distance);
    this.#ring.arm(1);
    return true;
  }

  /** See {@link Ring.disarm}. */
  disarm(): void {
    this.#ring.disarm();
  }

  #wake(): void {
    this.wakes++;
    this.#completion.events.wake();
  }
}
