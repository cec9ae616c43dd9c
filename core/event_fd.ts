/**
 * A doorbell that the kernel knows: an eventfd, for a thread that waits for descriptors, or whose peers are in other
 * processes, and so cannot sleep on a word.
 *
 * @module
 */

import { type CLibrary, openCLibrary } from "./libc.ts";

const SYMBOLS = {
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  ppoll: { parameters: ["buffer", "u32", "buffer", "pointer"], result: "i32" },
} as const;
const SERVING = {
  ppoll: { parameters: ["buffer", "u32", "buffer", "pointer"], result: "i32", nonblocking: true },
} as const;

/** `EFD_CLOEXEC | EFD_NONBLOCK` of Linux's `eventfd.h`. */
const CLOEXEC_NONBLOCK = 0o2000000 | 0o4000;
const COUNTER_BYTES = 8;
/** Words of `struct pollfd` of POSIX: the descriptor, then what is wanted and what there is in 16 bits each. */
export const POLLFD_WORDS = 2;
/** Readable. */
export const POLLIN = 1;
const MS_PER_S = 1000;
const NS_PER_MS = 1e6;

/** Writes a time into a `struct timespec`: seconds and nanoseconds, of 64 bits each, the lower half first. */
export function writeTimespec(timespec: Int32Array, timeMs: number): void {
  const seconds = Math.floor(timeMs / MS_PER_S);
  timespec[0] = seconds;
  timespec[2] = (timeMs - seconds * MS_PER_S) * NS_PER_MS;
}

/** One thread's way to one eventfd. The descriptor is the process's, and may be handed to its other threads. */
export class EventFd {
  /** The file descriptor: readable once it was rung, until {@link drain}. */
  readonly descriptor: number;
  readonly #library: CLibrary<typeof SYMBOLS>;
  readonly #one = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);
  readonly #counter = new Uint8Array(COUNTER_BYTES);
  readonly #polled: Int32Array<ArrayBuffer>;
  readonly #timeout = new Int32Array(4);
  #serving: CLibrary<typeof SERVING> | null = null;
  #closed = false;

  private constructor(descriptor: number, library: CLibrary<typeof SYMBOLS>) {
    this.descriptor = descriptor;
    this.#library = library;
    this.#polled = Int32Array.of(descriptor, POLLIN);
  }

  /** A new eventfd; null where libc may not be called, or the process has no descriptors left. */
  static create(): EventFd | null {
    const library = openCLibrary(SYMBOLS);
    if (library === null) return null;
    const descriptor = library.symbols.eventfd(0, CLOEXEC_NONBLOCK);
    if (descriptor >= 0) return new EventFd(descriptor, library);
    library.close();
    return null;
  }

  /** The eventfd that another thread made; null where libc may not be called. */
  static attach(descriptor: number): EventFd | null {
    const library = openCLibrary(SYMBOLS);
    return library && new EventFd(descriptor, library);
  }

  /** Makes it readable, unless it was closed. */
  ring(): void {
    if (this.#closed) return;
    this.#library.symbols.write(this.descriptor, this.#one, COUNTER_BYTES);
  }

  /** Makes it unreadable, until the next ring. */
  drain(): void {
    this.#library.symbols.read(this.descriptor, this.#counter, COUNTER_BYTES);
  }

  /** Sleeps until it is readable, at most `timeoutMs`, and drains it. */
  sleep(timeoutMs: number): void {
    writeTimespec(this.#timeout, timeoutMs);
    if (this.#library.symbols.ppoll(this.#polled, 1, this.#timeout, null) > 0) this.drain();
  }

  /** Opens what {@link sleepServingEvents} needs, for a thread that may not open it later. */
  prepareServing(): void {
    this.#serving ??= openCLibrary(SERVING);
  }

  /** As {@link sleep}, while the thread's event loop goes on. */
  async sleepServingEvents(timeoutMs: number): Promise<void> {
    this.prepareServing();
    writeTimespec(this.#timeout, timeoutMs);
    const count = await this.#serving?.symbols.ppoll(this.#polled, 1, this.#timeout, null);
    if (count !== undefined && count > 0) this.drain();
  }

  /** Closes it, for all threads. */
  close(): void {
    this.#library.symbols.close(this.descriptor);
    this.detach();
  }

  /** Lets go of libc; the descriptor stays open, for threads that may still ring it. */
  detach(): void {
    this.#closed = true;
    this.#library.close();
    this.#serving?.close();
  }
}
