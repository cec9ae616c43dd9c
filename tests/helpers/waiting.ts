/**
 * What a waiter works with, made so that a test sees every step: an event page that notes its sleeps, and a source that
 * notes when it is asked.
 *
 * @module
 */

import type { NotificationPolicy, WaitOutcome, WaitPlan } from "../../core/notification.ts";
import { allocateEventPage, EventPage } from "../../core/event_channel.ts";
import type { SharedMemory } from "../../core/memory.ts";
import type { WaitSource } from "../../core/waiter.ts";

/** Notes sleeps instead of sleeping. */
export class RecordingEventPage extends EventPage {
  readonly log: string[];
  readonly memory: SharedMemory;
  /** Of each sleep: its limit, and whether the bell had already rung, so that a real one would return at once. */
  readonly slept: { readonly timeoutMs: number; readonly rung: boolean }[] = [];

  constructor(log: string[] = []) {
    const memory = allocateEventPage();
    super(memory);
    this.memory = memory;
    this.log = log;
  }

  override sleep(seen: number, timeoutMs: number): void {
    this.log.push("sleep");
    this.slept.push({ timeoutMs, rung: this.bell !== seen });
  }

  override rest(): void {
    this.log.push("rest");
  }

  override restServingEvents(): Promise<void> {
    this.rest();
    return Promise.resolve();
  }

  override sleepServingEvents(seen: number, timeoutMs: number): Promise<void> {
    this.sleep(seen, timeoutMs);
    return Promise.resolve();
  }
}

/** As if peers rang without a pause: no two looks at the bell see the same. */
export class FloodedEventPage extends RecordingEventPage {
  #rings = 0;
  /** Whether the flood goes on. */
  flooded = true;

  override get bell(): number {
    if (this.flooded) this.#rings++;
    return this.#rings;
  }
}

/** How long a sleep lasts that nobody ends. */
const PATIENCE_MS = 20_000;

/** Sleeps until somebody rings, whatever the limit, and counts the sleeps that nobody ended. */
export class PatientEventPage extends EventPage {
  /** Sleeps that nobody ended. */
  unended = 0;
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(memory: SharedMemory) {
    super(memory);
    this.#words = memory.frameWords(0, 1);
  }

  override sleep(seen: number): void {
    if (Atomics.wait(this.#words, 0, seen, PATIENCE_MS) === "timed-out") this.unended++;
  }
}

/** A source that does what the test sets, and notes what it is asked. */
export class TestSource implements WaitSource {
  readonly log: string[];
  readonly name: string;
  readonly distances: number[] = [];
  onPeek: () => boolean = () => false;
  onReady: () => boolean = () => false;
  canArm = true;

  constructor(log: string[] = [], name = "") {
    this.log = log;
    this.name = name;
  }

  peek(): boolean {
    return this.onPeek();
  }

  ready(): boolean {
    this.log.push(`${this.name}ready`);
    return this.onReady();
  }

  arm(distance: number): boolean {
    this.log.push(`${this.name}arm`);
    this.distances.push(distance);
    return this.canArm;
  }

  disarm(): void {
    this.log.push(`${this.name}disarm`);
  }
}

/** A policy whose plan has these members, and which keeps what it is told. */
export function policy(plan: Partial<WaitPlan> = {}): NotificationPolicy & { outcomes: WaitOutcome[] } {
  const outcomes: WaitOutcome[] = [];
  return {
    outcomes,
    plan: (into) => void Object.assign(into, plan),
    waited: (outcome) => void outcomes.push({ ...outcome }),
  };
}

/** Peeks that find nothing until the n-th. */
export function peeksUntil(n: number): () => boolean {
  let peeks = 0;
  return () => ++peeks >= n;
}
