/**
 * A waiter whose sleep ends by descriptors, too: completions of an io_uring, sockets, deaths of processes.
 *
 * It sleeps in one `ppoll` on the descriptors of all sources and on the domain's eventfd. Peers ring that in place of the
 * word on which an {@link AtomicsWaiter} sleeps, but only while this thread says that it sleeps so: else ringing would
 * always cost a system call.
 *
 * @module
 */

import { type EventFd, POLLFD_WORDS, POLLIN, writeTimespec } from "./event_fd.ts";
import type { EventPage } from "./event_channel.ts";
import { type CLibrary, openCLibrary } from "./libc.ts";
import { LookingWaiter, type WaitSource } from "./waiter.ts";

const SYMBOLS = {
  sched_yield: { parameters: [], result: "i32" },
  ppoll: { parameters: ["buffer", "u32", "buffer", "pointer"], result: "i32" },
} as const;

/** A waiter for sources of which some have a descriptor. */
export class FdWaiter extends LookingWaiter {
  readonly #events: EventPage;
  readonly #doorbell: EventFd;
  readonly #library: CLibrary<typeof SYMBOLS>;
  #polled: Int32Array<ArrayBuffer>;
  readonly #timeout = new Int32Array(4);

  private constructor(
    events: EventPage,
    doorbell: EventFd,
    beat: () => void,
    library: CLibrary<typeof SYMBOLS>,
  ) {
    super(events, beat, () => void library.symbols.sched_yield());
    this.#events = events;
    this.#doorbell = doorbell;
    this.#library = library;
    this.#polled = Int32Array.of(doorbell.descriptor, POLLIN);
  }

  /**
   * A waiter without sources; null where libc may not be called.
   *
   * @param events the page of the domain
   * @param doorbell its eventfd, which the page's peers know
   * @param beat called now and then during a long wait, to show that the thread lives
   */
  static create(events: EventPage, doorbell: EventFd, beat: () => void): FdWaiter | null {
    const library = openCLibrary(SYMBOLS);
    return library && new FdWaiter(events, doorbell, beat, library);
  }

  /** Adds a source; its descriptor, if it has one, is watched. */
  override add(source: WaitSource): void {
    super.add(source);
    if (source.descriptor !== undefined) this.#polled = Int32Array.of(...this.#polled, source.descriptor, POLLIN);
  }

  /** Whether it has a descriptor. */
  protected override wakesBy(source: WaitSource): boolean {
    return source.descriptor !== undefined;
  }

  /** Sleeps on the eventfd and all descriptors. */
  protected override block(seen: number, timeoutMs: number): void {
    writeTimespec(this.#timeout, timeoutMs);
    // In this order: who rings after the look sees that the eventfd is to be rung.
    this.#events.sleepsOnDescriptor(true);
    if (this.#events.bell === seen) {
      this.#library.symbols.ppoll(this.#polled, this.#polled.length / POLLFD_WORDS, this.#timeout, null);
    }
    this.#events.sleepsOnDescriptor(false);
    if ((this.#polled[1] >>> 16) !== 0) this.#doorbell.drain();
    this.#polled[1] = POLLIN;
  }

  /** Lets go of libc. */
  override close(): void {
    this.#library.close();
  }
}
