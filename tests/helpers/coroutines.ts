/**
 * Two sides of a link on one thread, each with a real waiter, that run in turns: a side that sleeps goes on only when
 * its bell has rung. If both sleep while something is in flight, a notification was lost.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { BlockDevice } from "../../core/block_device.ts";
import { allocateEventPage, EventPage } from "../../core/event_channel.ts";
import type { Operation } from "../../core/blkif.ts";
import type { Frontend } from "../../core/frontend.ts";
import type { LinkOptions } from "../../core/link.ts";
import type { NotificationPolicy } from "../../core/notification.ts";
import { AtomicsWaiter, type WaitSource } from "../../core/waiter.ts";
import type { CompletionEnd, LinkEnd } from "../../core/link_end.ts";
import { ResponseThread } from "../../core/response_thread.ts";
import { connectEnds, type LinkedPair, linkEnds } from "./link.ts";
import type { ModelQueue } from "./queue_model.ts";

/** An event page on which a sleep is a promise that only a ring settles. */
class TurnEventPage extends EventPage {
  /** Goes on with the side that sleeps; null while it is awake. */
  #resume: (() => void) | null = null;
  /** Called when the side falls asleep. */
  onSleep = (): void => {};

  constructor() {
    super(allocateEventPage());
  }

  get asleep(): boolean {
    return this.#resume !== null;
  }

  override wake(): void {
    super.wake();
    this.#resume?.();
    this.#resume = null;
  }

  override sleepServingEvents(seen: number): Promise<void> {
    if (this.bell !== seen) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#resume = resolve;
    this.onSleep();
    return promise;
  }
}

/** A source that never has work, and lets something happen between the steps of a wait. */
class Interruption implements WaitSource {
  readonly #happen: () => void;

  constructor(happen: () => void) {
    this.#happen = happen;
  }

  peek(): boolean {
    return false;
  }

  ready(): boolean {
    this.#happen();
    return false;
  }

  arm(): boolean {
    this.#happen();
    return true;
  }
}

export interface TurnOptions {
  readonly link: LinkOptions;
  readonly device: BlockDevice;
  /** How many responses the frontend wants to be woken by. */
  readonly armDistance: number;
  /** Whether the other side works now, between two steps of a wait. */
  readonly interrupted: () => boolean;
  /** Where the ring's free-running indices begin. */
  readonly startIndex: number;
}

/** The frontend of two sides that run in turns. */
export class Turns implements ModelQueue {
  readonly pair: LinkedPair<AtomicsWaiter>;
  readonly frontend: Frontend;
  /** Slots that were polled while the backend waited. */
  readonly #polled: number[] = [];
  readonly #policy: NotificationPolicy;
  readonly #front = new TurnEventPage();
  readonly #back = new TurnEventPage();
  readonly #responses = new TurnEventPage();
  #closed = false;
  /** What the backend's side threw. */
  #failed: unknown;

  constructor({ link, device, armDistance, interrupted, startIndex }: TurnOptions) {
    this.#policy = { plan: (plan) => void (plan.armDistance = armDistance) };
    const frontWaiter = new AtomicsWaiter(this.#front, () => {});
    const serve = new Interruption(() => {
      if (!this.#back.asleep && interrupted()) this.pair.serve();
    });
    frontWaiter.add(serve);
    const ends = linkEnds(link, this.#front, this.#back, this.#responses);
    // A response thread works in turns, too.
    this.pair = connectEnds({ ...ends, responder: null }, device, frontWaiter, startIndex);
    this.frontend = this.pair.frontend;
    if (ends.responder !== null) {
      this.#takeResponses(ends.responder, link, interrupted).catch((thrown) => this.#fail(thrown));
    }
    frontWaiter.add(serve);
    const pages = ends.responder === null ? [this.#front, this.#back] : [this.#front, this.#back, this.#responses];
    for (const page of pages) {
      page.onSleep = () => {
        const lost = pages.every(({ asleep }) => asleep) && this.frontend.inFlight > 0;
        assert(!lost, `all sides sleep with ${this.frontend.inFlight} operations in flight`);
      };
    }
    this.#serve(interrupted).catch((thrown) => this.#fail(thrown));
  }

  get depth(): number {
    return this.frontend.depth;
  }

  get maxTransferBytes(): number {
    return this.frontend.maxTransferBytes;
  }

  /** Operations that were submitted and not yet taken. */
  get inFlight(): number {
    return this.frontend.inFlight + this.#polled.length;
  }

  buffer(slot: number): Uint8Array<SharedArrayBuffer> {
    return this.frontend.buffer(slot);
  }

  status(slot: number): number {
    return this.frontend.status(slot);
  }

  submit(slot: number, operation: Operation, offsetBytes: number, byteLength: number): void {
    this.frontend.submit(slot, operation, offsetBytes, byteLength);
  }

  /** Takes a completion, if one is there. */
  poll(): number {
    return this.#polled.shift() ?? this.frontend.poll();
  }

  /** Takes a completion, and sleeps until there is one; −1 when nothing is in flight. */
  async wait(): Promise<number> {
    for (;;) {
      const slot = this.poll();
      if (slot >= 0 || this.frontend.inFlight === 0) return slot;
      await this.pair.waiter.waitServingEvents(this.#policy);
      if (this.#failed !== undefined) throw this.#failed;
    }
  }

  /** Lets the backend's side run for a while. */
  async giveWay(): Promise<void> {
    for (let i = 0; i < 5; i++) await null;
  }

  /** Ends the backend's side. */
  close(): void {
    this.#closed = true;
    this.#back.wake();
    this.#responses.wake();
  }

  #fail(thrown: unknown): void {
    this.#failed = thrown;
    this.#front.wake();
  }

  /** The thread that takes responses. Between two steps of its waits the frontend may look, and the backend work. */
  async #takeResponses(end: LinkEnd, link: LinkOptions, interrupted: () => boolean): Promise<void> {
    const waiter = new AtomicsWaiter(this.#responses, () => {});
    const others = new Interruption(() => {
      if (!this.#front.asleep && interrupted()) this.#pollOnce();
      if (!this.#back.asleep && interrupted()) this.pair.serve();
    });
    waiter.add(others);
    const policy = this.#policy;
    const thread = new ResponseThread({ end, link, waiter, policy }, end.completion as CompletionEnd);
    waiter.add(others);
    while (!this.#closed) {
      if (thread.service()) {
        await null;
        continue;
      }
      await waiter.waitServingEvents(policy);
      thread.noticeState();
    }
  }

  #pollOnce(): void {
    const slot = this.frontend.poll();
    if (slot >= 0) this.#polled.push(slot);
  }

  async #serve(interrupted: () => boolean): Promise<void> {
    const { backend, gate } = this.pair;
    const waiter = new AtomicsWaiter(this.#back, () => {});
    const poll = new Interruption(() => {
      if (!this.#front.asleep && interrupted()) this.#pollOnce();
    });
    for (const source of [poll, backend, ...(gate.asynchronous ? [gate] : []), poll]) waiter.add(source);
    while (!this.#closed) {
      const worked = [backend.service(), gate.reap()].includes(true);
      if (worked) await null;
      else await waiter.waitServingEvents({ plan() {} });
    }
  }
}
