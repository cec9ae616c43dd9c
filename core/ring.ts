/**
 * The shared ring: one producer and one consumer of requests, and the same of responses, in shared frames.
 *
 * The layout is byte for byte that of Xen's `public/io/ring.h`: a 64-byte header with four 32-bit words
 * (`req_prod`, `req_event`, `rsp_prod`, `rsp_event`), then a power of two of entries. A producer index says how far one
 * side has written; an event index says at which of the other side's entries it wants to be notified. A response takes
 * the entry of a request that was consumed. Indices run freely through 2³² and are compared by difference, so that a full and an empty
 * ring never look alike.
 *
 * A notification that nobody waits for is suppressed, by one of two rules ({@link Ring.push}, {@link Ring.arm}). With an
 * *event index*, Xen's own, the consumer says at which index it wants to be notified. With a *sleep flag*, that of
 * isolated drivers after the thesis, each consumer has a word that says SLEEPING or RUNNING, and is notified when it
 * sleeps.
 *
 * The ring knows indices and nothing else: what an entry says is `blkif.ts`, how a side waits is `waiter.ts`.
 *
 * @module
 */

import { FRAME_SIZE } from "./memory.ts";

/** Bytes before the first entry. */
export const RING_HEADER_BYTES = 64;

/** Largest ring order: 2⁴ = 16 frames. */
export const MAX_RING_ORDER = 4;

const REQ_PROD = 0;
const REQ_EVENT = 1;
const RSP_PROD = 2;
const RSP_EVENT = 3;

/** A consumer that is awake. */
const RUNNING = 0;
/** A consumer that wants to be notified. */
const SLEEPING = 1;

/** Entries that fit in `2^order` frames, rounded down to a power of two (`__RING_SIZE`). */
export function ringEntryCount(order: number, entryBytes: number): number {
  const fitting = Math.floor(((FRAME_SIZE << order) - RING_HEADER_BYTES) / entryBytes);
  return 1 << (31 - Math.clz32(fitting));
}

/** Writes the header of an empty ring: both producers 0, both events 1 (`SHARED_RING_INIT`). */
export function initialiseRing(words: Int32Array): void {
  words.fill(0, 0, RING_HEADER_BYTES / 4);
  Atomics.store(words, REQ_EVENT, 1);
  Atomics.store(words, RSP_EVENT, 1);
}

/**
 * Whether moving a producer index from `from` to `to` passes the point at which its consumer asked to be notified
 * (`RING_PUSH_…_AND_CHECK_NOTIFY`).
 */
export function crossesEvent(event: number, from: number, to: number): boolean {
  return ((to - event) >>> 0) < ((to - from) >>> 0);
}

/**
 * One end of a ring. The front end produces requests and consumes responses, the back end the reverse; apart from that
 * they are the same, and so is the code.
 *
 * An end is used by one thread. Its own indices are private to it, and an index that the peer wrote is only ever
 * reported as a count, which the caller must check before it trusts it.
 */
export class Ring {
  /** Slots in the ring, a power of two. */
  readonly entryCount: number;
  /** Index of the next entry that this end writes. Entries before it are invisible to the peer until {@link push}. */
  produced = 0;
  /** Index of the next entry that this end reads. */
  consumed = 0;

  readonly #words: Int32Array;
  readonly #mask: number;
  /** Index up to which the peer can see this end's entries. */
  #published = 0;
  readonly #ownProducer: number;
  readonly #ownEvent: number;
  readonly #peerProducer: number;
  readonly #peerEvent: number;
  /** The words of the sleep flags; null with event indices. */
  #flags: Int32Array | null = null;
  #ownFlag = 0;
  #peerFlag = 0;

  private constructor(words: Int32Array, entryCount: number, front: boolean) {
    this.#words = words;
    this.entryCount = entryCount;
    this.#mask = entryCount - 1;
    this.#ownProducer = front ? REQ_PROD : RSP_PROD;
    this.#peerEvent = front ? REQ_EVENT : RSP_EVENT;
    this.#peerProducer = front ? RSP_PROD : REQ_PROD;
    this.#ownEvent = front ? RSP_EVENT : REQ_EVENT;
  }

  /** The end that asks: produces requests, consumes responses. */
  static front(words: Int32Array, entryCount: number): Ring {
    return new Ring(words, entryCount, true);
  }

  /** The end that answers: produces responses, consumes requests. */
  static back(words: Int32Array, entryCount: number): Ring {
    return new Ring(words, entryCount, false);
  }

  /**
   * From now on, suppresses notifications by sleep flags. Both ends must agree, before the first push.
   *
   * @param words where the two flags are
   * @param ownFlag index of this end's flag
   * @param peerFlag index of the peer's
   */
  useSleepFlags(words: Int32Array, ownFlag: number, peerFlag: number): void {
    this.#flags = words;
    this.#ownFlag = ownFlag;
    this.#peerFlag = peerFlag;
    this.disarm();
  }

  /** Begins anew: nothing was produced or consumed, and notifications are suppressed by event indices. */
  reset(): void {
    this.produced = 0;
    this.consumed = 0;
    this.#published = 0;
    this.#flags = null;
  }

  /** Which entry a free-running index names. */
  entryOf(index: number): number {
    return index & this.#mask;
  }

  /**
   * Whether the peer seems to have published something, by a plain load: a twentieth of the cost of an atomic one, but
   * it orders nothing and may be late. Only a hint for a loop that looks again and again; {@link available} decides.
   */
  peek(): boolean {
    return this.#words[this.#peerProducer] !== this.consumed;
  }

  /** Entries that the peer published and this end has not consumed. More than {@link entryCount} is a broken peer. */
  available(): number {
    return (Atomics.load(this.#words, this.#peerProducer) - this.consumed) >>> 0;
  }

  /** Moves past one entry that this end has written. */
  produce(): void {
    this.produced = (this.produced + 1) | 0;
  }

  /** Moves past one entry that this end has read. */
  consume(): void {
    this.consumed = (this.consumed + 1) | 0;
  }

  /** Whether entries were produced and not yet pushed. */
  get unpushed(): boolean {
    return this.produced !== this.#published;
  }

  /**
   * Publishes what was produced. Call it only when {@link unpushed}.
   *
   * @returns whether the peer asked to be notified of it
   */
  push(): boolean {
    const from = this.#published;
    const to = this.produced;
    this.#published = to;
    // All accesses are sequentially consistent: the entries are visible before the index, and the index before the
    // event or the flag is read. With the consumer's order (arm, then look again) one of the two always sees the other.
    // (An exchange is a store that V8 compiles in line; `Atomics.store` is a call.)
    Atomics.exchange(this.#words, this.#ownProducer, to);
    if (this.#flags === null) return crossesEvent(Atomics.load(this.#words, this.#peerEvent), from, to);
    // Who takes the flag down has to notify, so that a sleeper is woken once.
    return Atomics.load(this.#flags, this.#peerFlag) === SLEEPING &&
      Atomics.compareExchange(this.#flags, this.#peerFlag, SLEEPING, RUNNING) === SLEEPING;
  }

  /**
   * Asks the peer for a notification once `distance` more entries have been published; with sleep flags, at the next
   * push, whatever the distance. Look at {@link available} again afterwards and only then sleep: what was published
   * before the request arrived raises no notification. (Both together are `RING_FINAL_CHECK_FOR_…`.)
   *
   * @param distance at least 1, and no more than are to come: else the notification never does
   */
  arm(distance: number): void {
    if (this.#flags === null) Atomics.store(this.#words, this.#ownEvent, (this.consumed + distance) | 0);
    else Atomics.store(this.#flags, this.#ownFlag, SLEEPING);
  }

  /** Takes the request back, as this end is awake. An event index needs no such thing: it was passed or will be. */
  disarm(): void {
    if (this.#flags !== null) Atomics.store(this.#flags, this.#ownFlag, RUNNING);
  }
}
