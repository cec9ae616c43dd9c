/**
 * What the two threads of an application share that has a thread for responses (`completion: thread`): who may consume the
 * ring's responses, how far that has come, what is in flight, and the queue of what was answered.
 *
 * | words | are written by |
 * |---|---|
 * | lock; responses consumed and answered; the queue; what broke the connection | who holds the lock |
 * | whether the thread that submits sleeps | that thread, and who takes it down to wake it |
 * | state | the thread that submits; who holds the lock, when the connection breaks |
 * | the shadow table's slots and requests | the thread that submits; who holds the lock says that a request was answered |
 *
 * No peer has this memory: what is read here needs no check.
 *
 * @module
 */

import type { LinkOptions } from "./link.ts";
import { linkLayout } from "./link.ts";
import { FRAME_SIZE, type SharedMemory } from "./memory.ts";
import { type ShadowMemory, shadowSlotWords } from "./shadow_table.ts";

/** Whether responses can be taken. */
export const CompletionState = {
  /** There is no connection, or another one is being made. */
  Idle: 0,
  /** There is a connection. */
  Running: 1,
  /** The backend broke the protocol. */
  Broken: 2,
  /** There will be no connection any more. */
  Ended: 3,
} as const;

// Words, each group on a cache line of its own: what one thread writes again and again, another polls.
const LOCK = 0;
/** How far the ring's responses were consumed. */
const CONSUMED = 16;
/** How many requests were answered, counted as {@link ShadowTable.requests} is. */
const ANSWERED = 17;
/** How many completions were put into the queue. */
const QUEUED = 32;
/** Whether the thread that submits is to be woken. */
const SLEEPS = 48;
const STATE = 64;
/** Bytes of the text that says how the backend broke the protocol. */
const REASON_LENGTH = 65;
const REASON = 80;
const MAX_REASON_BYTES = 256;
const QUEUE = REASON + MAX_REASON_BYTES / 4;

const FREE = 0;
const HELD = 1;

/** The shared memory of an application's two threads, for one link. */
export class CompletionArea {
  /** What is in flight. */
  readonly shadow: ShadowMemory;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #reason: Uint8Array<SharedArrayBuffer>;
  readonly #entries: number;

  /** A view of memory of {@link completionFrames} frames, all zero at first. */
  constructor(memory: SharedMemory, options: LinkOptions) {
    const entries = linkLayout(options).entryCount;
    const words = memory.frameWords(0, memory.frameCount);
    const slotOfId = QUEUE + entries;
    const sequences = slotOfId + entries;
    this.#entries = entries;
    this.#words = words;
    this.#reason = new Uint8Array(memory.buffer, REASON * 4, MAX_REASON_BYTES);
    this.shadow = {
      slotOfId: words.subarray(slotOfId, sequences),
      sequences: words.subarray(sequences, sequences + entries + 1),
      slots: words.subarray(firstSlotWord(entries), firstSlotWord(entries) + shadowSlotWords(options.slots.count)),
    };
  }

  /**
   * Becomes the one that consumes responses, if nobody is. Never waits: who holds the lock sees to what is there, or looks
   * again before it sleeps.
   */
  tryLock(): boolean {
    const words = this.#words;
    // The load keeps the line shared while another thread holds the lock.
    return Atomics.load(words, LOCK) === FREE && Atomics.compareExchange(words, LOCK, FREE, HELD) === FREE;
  }

  /** Whether nobody consumes responses, by a plain load. */
  get seemsFree(): boolean {
    return this.#words[LOCK] === FREE;
  }

  /** Lets others consume responses. What was written before is visible to who gets the lock next. */
  unlock(): void {
    Atomics.store(this.#words, LOCK, FREE);
  }

  /** One of {@link CompletionState}'s values. */
  get state(): number {
    return Atomics.load(this.#words, STATE);
  }

  set state(state: number) {
    Atomics.store(this.#words, STATE, state);
  }

  /** The same by a plain load. */
  peekState(): number {
    return this.#words[STATE];
  }

  /** How far the ring's responses were consumed. Only who holds the lock may rely on it, and write it. */
  get consumed(): number {
    return Atomics.load(this.#words, CONSUMED);
  }

  set consumed(index: number) {
    Atomics.store(this.#words, CONSUMED, index);
  }

  /** The same by a plain load. */
  peekConsumed(): number {
    return this.#words[CONSUMED];
  }

  /** How many requests were answered, modulo 2³². For who holds the lock. */
  get answered(): number {
    return this.#words[ANSWERED];
  }

  set answered(count: number) {
    this.#words[ANSWERED] = count;
  }

  /**
   * Puts a completion into the queue, where {@link publish} shows it. For who holds the lock. There is always room: an id is
   * in it once at most, and there are as many entries as ids.
   *
   * @param index how many were put into it before
   */
  write(index: number, completion: number): void {
    this.#words[QUEUE + (index & (this.#entries - 1))] = completion;
  }

  /** Shows the completions up to an index to the thread that submits. For who holds the lock. */
  publish(index: number): void {
    Atomics.store(this.#words, QUEUED, index);
  }

  /** How many completions were put into the queue, modulo 2³². */
  get queued(): number {
    return Atomics.load(this.#words, QUEUED);
  }

  /** The same by a plain load. */
  peekQueued(): number {
    return this.#words[QUEUED];
  }

  /** The completion at an index of the queue. */
  read(index: number): number {
    return this.#words[QUEUE + (index & (this.#entries - 1))];
  }

  /** The thread that submits is about to sleep: it looks at the queue once more after this. */
  fallAsleep(): void {
    Atomics.store(this.#words, SLEEPS, 1);
  }

  /** The thread that submits is awake. */
  awake(): void {
    Atomics.store(this.#words, SLEEPS, 0);
  }

  /** Whether the thread that submits is to be woken: said once for each time that it falls asleep. */
  mustWake(): boolean {
    return Atomics.load(this.#words, SLEEPS) === 1 && Atomics.compareExchange(this.#words, SLEEPS, 1, 0) === 1;
  }

  /** The backend broke the protocol. For who holds the lock. */
  break(why: string): void {
    const text = new TextEncoder().encode(why).subarray(0, MAX_REASON_BYTES);
    this.#reason.set(text);
    this.#words[REASON_LENGTH] = text.length;
    this.state = CompletionState.Broken;
  }

  /** How the backend broke the protocol. */
  get reason(): string {
    // A copy, as shared memory cannot be decoded.
    return new TextDecoder().decode(this.#reason.slice(0, this.#words[REASON_LENGTH]));
  }
}

/** Frames that a link's {@link CompletionArea} takes. */
export function completionFrames(options: LinkOptions): number {
  const words = firstSlotWord(linkLayout(options).entryCount) + shadowSlotWords(options.slots.count);
  return Math.ceil((words * 4) / FRAME_SIZE);
}

/** The word at which the shadow table's slots begin: behind those of the requests, at a cache line. */
function firstSlotWord(entries: number): number {
  return Math.ceil((QUEUE + 3 * entries + 1) / 16) * 16;
}
