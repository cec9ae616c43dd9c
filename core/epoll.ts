/**
 * A set of descriptors of which the kernel says which are ready (Linux, epoll(7)), itself a descriptor to wait for.
 *
 * @module
 */

import { DeviceError } from "./errors.ts";
import { type CLibrary, cLibraryNeed, describeErrno, openCLibrary } from "./libc.ts";

const SYMBOLS = {
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

const CLOEXEC = 0o2000000;
const ADD = 1;
const REMOVE = 2;
const MODIFY = 3;

/** What can be watched for, and what is reported: `EPOLLIN` and its kin. */
export const Ready = {
  /** There is something to read, or to accept; or the peer has gone. */
  Read: 1,
  /** There is room to write. */
  Write: 4,
  /** Something went wrong; reported always. */
  Error: 8,
  /** The connection is over in both directions; reported always. */
  HangUp: 16,
} as const;

/** `struct epoll_event`: 32 bits of events, 64 bits of the user's; packed on x86-64, and nowhere else. */
const EVENT_WORDS = Deno.build.arch === "x86_64" ? 3 : 4;
const DATA_WORD = Deno.build.arch === "x86_64" ? 1 : 2;

/** One set, for one thread. */
export class Epoll {
  /** Readable when any descriptor of the set is ready. */
  readonly descriptor: number;
  readonly #library: CLibrary<typeof SYMBOLS>;
  readonly #symbols: CLibrary<typeof SYMBOLS>["symbols"];
  readonly #change = new Int32Array(EVENT_WORDS);
  readonly #events: Int32Array<ArrayBuffer>;
  readonly #capacity: number;

  /**
   * An empty set.
   *
   * @param capacity most descriptors that one {@link wait} reports
   * @throws {DeviceError} where libc may not be called, or the process has no descriptors left
   */
  constructor(capacity = 64) {
    const library = openCLibrary(SYMBOLS);
    if (library === null) throw new DeviceError(`epoll needs the C library: allow --allow-ffi=${cLibraryNeed()}`);
    this.#library = library;
    this.#symbols = library.symbols;
    this.#capacity = capacity;
    this.#events = new Int32Array(capacity * EVENT_WORDS);
    this.descriptor = library.symbols.epoll_create1(CLOEXEC);
    if (this.descriptor < 0) throw new DeviceError(`Cannot make an epoll set: ${describeErrno(library.errno())}`);
  }

  /**
   * Watches a descriptor, which is reported as often as asked while it is ready (level-triggered).
   *
   * @param events bits of {@link Ready}
   */
  add(descriptor: number, events: number): void {
    this.#control(ADD, descriptor, events);
  }

  /** Watches a descriptor of the set for something else. */
  modify(descriptor: number, events: number): void {
    this.#control(MODIFY, descriptor, events);
  }

  /** Takes a descriptor out; closing it does the same. */
  remove(descriptor: number): void {
    this.#control(REMOVE, descriptor, 0);
  }

  /**
   * Looks which are ready, and waits for the first if it may. How many; 0 if none. On the hot path.
   *
   * @param timeoutMs longest wait, in whole milliseconds
   */
  poll(timeoutMs = 0): number {
    return Math.max(0, this.#symbols.epoll_wait(this.descriptor, this.#events, this.#capacity, timeoutMs));
  }

  /** The descriptor of entry `index` of the last {@link poll}. */
  readyDescriptor(index: number): number {
    return this.#events[index * EVENT_WORDS + DATA_WORD];
  }

  /** The bits of {@link Ready} of entry `index`. */
  readyEvents(index: number): number {
    return this.#events[index * EVENT_WORDS];
  }

  /** Closes the set. */
  close(): void {
    this.#symbols.close(this.descriptor);
    this.#library.close();
  }

  #control(operation: number, descriptor: number, events: number): void {
    this.#change[0] = events;
    this.#change[DATA_WORD] = descriptor;
    if (this.#symbols.epoll_ctl(this.descriptor, operation, descriptor, this.#change) >= 0) return;
    throw new DeviceError(`Cannot watch descriptor ${descriptor}: ${describeErrno(this.#library.errno())}`);
  }
}
