/**
 * A doorbell that the kernel knows: an eventfd, for a thread that waits for descriptors and cannot sleep on a word.
 *
 * @module
 */

import { type CLibrary, openCLibrary } from "./libc.ts";

const SYMBOLS = {
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

/** `EFD_CLOEXEC | EFD_NONBLOCK` of Linux's `eventfd.h`. */
const CLOEXEC_NONBLOCK = 0o2000000 | 0o4000;
const COUNTER_BYTES = 8;

/** One thread's way to one eventfd. The descriptor is the process's, and may be handed to its other threads. */
export class EventFd {
  /** The file descriptor: readable once it was rung, until {@link drain}. */
  readonly descriptor: number;
  readonly #library: CLibrary<typeof SYMBOLS>;
  readonly #one = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);
  readonly #counter = new Uint8Array(COUNTER_BYTES);
  #closed = false;

  private constructor(descriptor: number, library: CLibrary<typeof SYMBOLS>) {
    this.descriptor = descriptor;
    this.#library = library;
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

  /** Closes it, for all threads. */
  close(): void {
    this.#library.symbols.close(this.descriptor);
    this.detach();
  }

  /** Lets go of libc; the descriptor stays open, for threads that may still ring it. */
  detach(): void {
    this.#closed = true;
    this.#library.close();
  }
}
