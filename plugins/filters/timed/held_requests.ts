/**
 * What a filter has that holds requests for a time: which of them the device below has, which wait, and what wakes the
 * thread for the first of these.
 *
 * @module
 */

import type { BlockDevice, BlockRequest } from "../../../core/block_device.ts";
import { type Alarm, alarmFor } from "./alarm.ts";
import { DueQueue } from "./due_queue.ts";

/** What a look at the clock costs, in nanoseconds. */
const CLOCK_NS = 80;

/**
 * Requests between a filter and the device below it. That device is asked only for what it has: `poll` and `arm` while it
 * has requests, and `idle` while it has none, though the filter holds some.
 */
export class HeldRequests {
  /** Those that wait for their times. */
  readonly waiting: DueQueue = new DueQueue();
  /** The clock when it was last read, in milliseconds: a time that was over then is over. */
  lastMs = 0;
  readonly #next: BlockDevice;
  readonly #alarm: Alarm;
  #below = 0;

  /** None, before a device. */
  constructor(next: BlockDevice) {
    this.#next = next;
    this.#alarm = alarmFor(next);
  }

  /**
   * The members of a filter's device that follow from holding requests: all but `submit` and `poll`.
   *
   * @param counters of the filter
   */
  members(
    counters: BlockDevice["counters"],
  ): Pick<BlockDevice, "descriptor" | "pollNs" | "listen" | "arm" | "idle" | "counters" | "close"> {
    const alarm = this.#alarm;
    return {
      descriptor: alarm.descriptor,
      pollNs: (this.#next.pollNs ?? 0) + CLOCK_NS,
      listen: alarm.listen?.bind(alarm),
      arm: () => this.#arm(),
      idle: () => this.#idle(),
      close: () => alarm.close(),
      counters,
    };
  }

  /** Hands a request to the device below. Whether it is done. On the hot path. */
  submit(request: BlockRequest): boolean {
    this.#below++;
    let done = true;
    try {
      done = this.#next.submit(request);
    } finally {
      if (done) this.#below--;
    }
    return done;
  }

  /** A request that the device below has since completed, or null. On the hot path. */
  poll(): BlockRequest | null {
    if (this.#below === 0) return null;
    const request = this.#next.poll?.() ?? null;
    if (request !== null) this.#below--;
    return request;
  }

  /** Reads the clock: milliseconds of `performance.now`. On the hot path. */
  now(): number {
    return this.lastMs = performance.now();
  }

  /** The first request whose time has come, or null. On the hot path: reads the clock only where it must. */
  due(): BlockRequest | null {
    const { waiting } = this;
    if (waiting.size === 0 || (waiting.dueMs > this.lastMs && waiting.dueMs > this.now())) return null;
    return waiting.pop();
  }

  #arm(): void {
    if (this.waiting.size > 0) this.#alarm.set(this.waiting.dueMs - performance.now());
    else this.#alarm.clear();
    if (this.#below > 0) this.#next.arm?.();
    else this.#next.idle?.();
  }

  #idle(): void {
    this.#alarm.clear();
    this.#next.idle?.();
  }
}
