/**
 * Event channels: how one domain tells another that there is work.
 *
 * Every domain has one event page: a doorbell word, on which its thread sleeps, and a pending and a mask word for each
 * port. Notifying sets the peer's pending word and rings its doorbell unless the port is masked or already pending.
 * The waiting itself is in `waiter.ts`.
 *
 * @module
 */

import type { EventFd } from "./event_fd.ts";
import { FRAME_SIZE, SharedMemory } from "./memory.ts";

/** Ports of an event page: the most links of one domain, and so the most threads of a workload. */
export const MAX_PORTS = 256;

const BELL = 0;
// The bell has a cache line of its own: the owner polls it while peers set pending words.
const PENDING = 16;
const MASKED = PENDING + MAX_PORTS;
/** Not 0 while the owner sleeps on descriptors, its eventfd among them. */
const ON_DESCRIPTOR = MASKED + MAX_PORTS;
/** When the bell was rung last: a double, nanoseconds of the ringers' clock. On a cache line of its own. */
const RUNG_AT = (ON_DESCRIPTOR + 16) / 2;

/** A word that nobody rings. */
const QUIET = new Int32Array(new SharedArrayBuffer(4));

/**
 * What an owner sleeps on: the bell itself, or a descriptor, which peers in other processes can ring too. Threads alone
 * are woken by a word (`Atomics.wait`), and by their own process alone.
 */
export type SleepsOn = "word" | "descriptor";

/** The words by which one domain is woken: one frame, which each peer can write. */
export class EventPage {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #times: Float64Array<SharedArrayBuffer>;
  readonly #eventFd: EventFd | null;
  readonly #sleepsOn: SleepsOn;
  readonly #clock: (() => number) | null;

  /**
   * A view of a page.
   *
   * @param memory a region of one frame
   * @param eventFd the owner's, to ring while it sleeps on descriptors; an owner that never does needs none
   * @param sleepsOn what the owner sleeps on when it sleeps by this view; on a descriptor only with an `eventFd`
   * @param clock by which rings are timed, in nanoseconds: the same for all who ring and for the owner. Null: they are not
   */
  constructor(
    memory: SharedMemory,
    eventFd: EventFd | null = null,
    sleepsOn: SleepsOn = "word",
    clock: (() => number) | null = null,
  ) {
    this.#words = memory.frameWords(0, 1);
    this.#times = new Float64Array(this.#words.buffer, this.#words.byteOffset, this.#words.length / 2);
    this.#eventFd = eventFd;
    this.#sleepsOn = sleepsOn;
    this.#clock = clock;
  }

  /** Counts every ring; it only ever changes. */
  get bell(): number {
    return Atomics.load(this.#words, BELL);
  }

  /** Rings the bell: wakes the owner, whatever it waits for. */
  wake(): void {
    if (this.#clock !== null) this.#times[RUNG_AT] = this.#clock();
    Atomics.add(this.#words, BELL, 1);
    Atomics.notify(this.#words, BELL);
    if (this.#eventFd !== null && this.isOnDescriptor) this.#eventFd.ring();
  }

  /** How long ago the bell was rung last, in nanoseconds, by the word of whoever rang; NaN where rings are not timed. */
  sinceRungNs(): number {
    return this.#clock === null ? NaN : this.#clock() - this.#times[RUNG_AT];
  }

  /** Whether the owner sleeps on descriptors. */
  get isOnDescriptor(): boolean {
    return Atomics.load(this.#words, ON_DESCRIPTOR) !== 0;
  }

  /** The owner's word whether it sleeps on descriptors. To say it and then to look at the bell misses no ring. */
  sleepsOnDescriptor(does: boolean): void {
    Atomics.store(this.#words, ON_DESCRIPTOR, does ? 1 : 0);
  }

  /**
   * Sleeps until the bell differs from `seen`, at most `timeoutMs`. Returns at once if it does already, so a ring
   * between looking and sleeping is never lost.
   */
  sleep(seen: number, timeoutMs: number): void {
    if (this.#sleepsOn === "word") {
      Atomics.wait(this.#words, BELL, seen, timeoutMs);
      return;
    }
    // In this order: who rings after the look sees that the eventfd is to be rung.
    this.sleepsOnDescriptor(true);
    if (this.bell === seen) this.#eventFd?.sleep(timeoutMs);
    this.sleepsOnDescriptor(false);
  }

  /** As {@link sleep}, while the thread's event loop goes on. */
  async sleepServingEvents(seen: number, timeoutMs: number): Promise<void> {
    if (this.#sleepsOn === "word") {
      await Atomics.waitAsync(this.#words, BELL, seen, timeoutMs).value;
      return;
    }
    this.sleepsOnDescriptor(true);
    if (this.bell === seen) await this.#eventFd?.sleepServingEvents(timeoutMs);
    this.sleepsOnDescriptor(false);
  }

  /** Sleeps for `timeoutMs`, whoever rings. */
  rest(timeoutMs: number): void {
    Atomics.wait(QUIET, 0, 0, timeoutMs);
  }

  /** As {@link rest}, while the thread's event loop goes on. */
  async restServingEvents(timeoutMs: number): Promise<void> {
    await Atomics.waitAsync(QUIET, 0, 0, timeoutMs).value;
  }

  /** Sets a port's pending word and rings, unless it was pending or is masked. */
  raise(port: number): void {
    const wasPending = Atomics.exchange(this.#words, PENDING + port, 1);
    if (wasPending === 0 && Atomics.load(this.#words, MASKED + port) === 0) this.wake();
  }

  /** Clears a port's pending word. */
  clear(port: number): void {
    Atomics.store(this.#words, PENDING + port, 0);
  }

  /** Forgets all that is pending or masked: for another owner. The bell goes on as it was. */
  reset(): void {
    for (let word = PENDING; word < MASKED + MAX_PORTS; word++) Atomics.store(this.#words, word, 0);
    this.sleepsOnDescriptor(false);
  }

  /** Keeps a port from ringing; events still become pending. */
  mask(port: number): void {
    Atomics.store(this.#words, MASKED + port, 1);
  }

  /** Lets a port ring again, and rings if an event came while it was masked. */
  unmask(port: number): void {
    Atomics.store(this.#words, MASKED + port, 0);
    if (Atomics.load(this.#words, PENDING + port) !== 0) this.wake();
  }
}

/** One domain's end of a channel between two ports. */
export class EventChannel {
  readonly #local: EventPage;
  readonly #localPort: number;
  readonly #remote: EventPage;
  readonly #remotePort: number;

  /** Binds `localPort` of this domain's page to `remotePort` of the peer's. */
  constructor(local: EventPage, localPort: number, remote: EventPage, remotePort: number) {
    for (const port of [localPort, remotePort]) {
      if (!(port >= 0 && port < MAX_PORTS)) {
        throw new RangeError(`Cannot bind port ${port}: allowed are 0 to ${MAX_PORTS - 1}`);
      }
    }
    this.#local = local;
    this.#localPort = localPort;
    this.#remote = remote;
    this.#remotePort = remotePort;
  }

  /** Tells the peer that there is work. */
  notify(): void {
    this.#remote.raise(this.#remotePort);
  }

  /** Wakes the peer, pending or not: for a change of state, which is no event of the ring and is looked for by its own. */
  wakePeer(): void {
    this.#remote.wake();
  }

  /** Begins anew with another peer: nothing is pending here, and nothing masked. */
  reset(): void {
    this.#local.clear(this.#localPort);
    this.#local.unmask(this.#localPort);
  }

  /** Forgets what was pending here. Do it before looking for work, or an event that comes in between is lost. */
  clear(): void {
    this.#local.clear(this.#localPort);
  }
}

/** What an end of a link needs of its channel. */
export type ChannelEnd = Pick<EventChannel, "notify" | "wakePeer" | "reset" | "clear">;

/** A new event page's memory. */
export function allocateEventPage(): SharedMemory {
  return SharedMemory.allocate(EVENT_PAGE_BYTES / FRAME_SIZE);
}

const EVENT_PAGE_BYTES = FRAME_SIZE;
