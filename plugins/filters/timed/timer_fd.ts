/**
 * A timer of the kernel's that is a descriptor (Linux, timerfd_create(2)): a thread that sleeps on descriptors wakes by it
 * to within some microseconds, where other sleeps are rounded up by 50 µs (`PR_SET_TIMERSLACK`) or to a millisecond.
 *
 * @module
 */

import { DeviceError } from "../../../core/errors.ts";
import { type CLibrary, describeErrno, openCLibrary } from "../../../core/libc.ts";

const SYMBOLS = {
  timerfd_create: { parameters: ["i32", "i32"], result: "i32" },
  timerfd_settime: { parameters: ["i32", "i32", "buffer", "pointer"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

const CLOCK_MONOTONIC = 1;
/** `TFD_CLOEXEC | TFD_NONBLOCK` of Linux's `timerfd.h`. */
const CLOEXEC_NONBLOCK = 0o2000000 | 0o4000;
const NS_PER_MS = 1e6;
const NS_PER_S = 1e9;
/** Where the first expiry stands in `struct itimerspec`, in 32-bit words: seconds and nanoseconds of 64 bits each. */
const VALUE_SECONDS = 4;
const VALUE_NANOSECONDS = 6;

/** One timer, for one thread. */
export class TimerFd {
  /** Readable from the time for which it was set, until it is set or cleared. */
  readonly descriptor: number;
  readonly #library: CLibrary<typeof SYMBOLS>;
  /** `struct itimerspec`, of which the interval stays 0: the timer expires once. */
  readonly #times = new Int32Array(8);
  #isSet = false;

  private constructor(library: CLibrary<typeof SYMBOLS>) {
    this.#library = library;
    this.descriptor = library.symbols.timerfd_create(CLOCK_MONOTONIC, CLOEXEC_NONBLOCK);
    if (this.descriptor >= 0) return;
    const why = describeErrno(library.errno());
    library.close();
    throw new DeviceError(`Cannot make a timer: ${why}`);
  }

  /**
   * A timer that is not set; null where libc may not be called.
   *
   * @throws {DeviceError} when the process has no descriptors left
   */
  static create(): TimerFd | null {
    const library = openCLibrary(SYMBOLS);
    return library && new TimerFd(library);
  }

  /** Sets it to expire in so many milliseconds, with fractions. What is over already expires at once. */
  set(inMs: number): void {
    // A value of 0 would clear it.
    const ns = Math.max(1, Math.ceil(inMs * NS_PER_MS));
    const seconds = Math.floor(ns / NS_PER_S);
    this.#times[VALUE_SECONDS] = seconds;
    this.#times[VALUE_NANOSECONDS] = ns - seconds * NS_PER_S;
    this.#isSet = true;
    this.#settime();
  }

  /** It does not expire, and is not readable. */
  clear(): void {
    if (!this.#isSet) return;
    this.#isSet = false;
    this.#times.fill(0);
    this.#settime();
  }

  /** Closes it. */
  close(): void {
    this.#library.symbols.close(this.descriptor);
    this.#library.close();
  }

  #settime(): void {
    this.#library.symbols.timerfd_settime(this.descriptor, 0, this.#times, null);
  }
}
