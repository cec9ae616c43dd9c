/**
 * What ends a thread's sleep at a time, by whichever way the device below leaves open.
 *
 * | the device below | the thread sleeps | and is woken by |
 * |---|---|---|
 * | is synchronous, or has a descriptor | on descriptors | a timer of the kernel's, where libc may be called |
 * | completes by events | while events are served | a timer of the event loop's, up to a millisecond late |
 * | completes later and has neither | not at all: it looks on | |
 *
 * @module
 */

import type { BlockDevice } from "../../../core/block_device.ts";
import { Epoll, Ready } from "../../../core/epoll.ts";
import { TimerFd } from "./timer_fd.ts";

/** Wakes the thread that drives a device. */
export interface Alarm {
  /** By which it wakes: the filter's own, which stands for that of the device below, too. */
  readonly descriptor?: number;
  /** Takes what it calls to wake. Present where the device below has it. */
  listen?(wake: () => void): void;
  /** Is to wake the thread in so many milliseconds, in place of any time before. */
  set(inMs: number): void;
  /** Is to wake it no more. */
  clear(): void;
  /** Lets go of what it has. */
  close(): void;
}

/** The alarm of a filter before a device. */
export function alarmFor(next: BlockDevice): Alarm {
  if (next.listen !== undefined) return new EventAlarm(next);
  if (next.poll !== undefined && next.descriptor === undefined) return NO_ALARM;
  const timer = TimerFd.create();
  if (timer === null) return NO_ALARM;
  return next.descriptor === undefined ? timer : new JoinedAlarm(timer, next.descriptor);
}

/** Where there is none, the device has no descriptor either, and the thread looks on while it has requests. */
const NO_ALARM: Alarm = { set() {}, clear() {}, close() {} };

/** A timer beside the descriptor of the device below, both in one set. */
class JoinedAlarm implements Alarm {
  readonly descriptor: number;
  readonly #timer: TimerFd;
  readonly #both: Epoll;

  constructor(timer: TimerFd, descriptor: number) {
    this.#timer = timer;
    this.#both = new Epoll();
    this.#both.add(timer.descriptor, Ready.Read);
    this.#both.add(descriptor, Ready.Read);
    this.descriptor = this.#both.descriptor;
  }

  set(inMs: number): void {
    this.#timer.set(inMs);
  }

  clear(): void {
    this.#timer.clear();
  }

  close(): void {
    this.#both.close();
    this.#timer.close();
  }
}

/** A timer of the event loop's. */
class EventAlarm implements Alarm {
  readonly #next: BlockDevice;
  #wake = (): void => {};
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(next: BlockDevice) {
    this.#next = next;
  }

  listen(wake: () => void): void {
    this.#wake = wake;
    this.#next.listen?.(wake);
  }

  set(inMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#wake(), Math.max(0, Math.ceil(inMs)));
  }

  clear(): void {
    clearTimeout(this.#timer);
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
