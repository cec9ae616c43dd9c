/**
 * A ring between two threads that does nothing but answer: what a policy decides is done here by a real waiter.
 *
 * @module
 */

import { ENTRY_BYTES, entryWord } from "../../core/blkif.ts";
import type { PluginUse } from "../../core/domain/plan.ts";
import { allocateEventPage, EventChannel, EventPage } from "../../core/event_channel.ts";
import { SharedMemory } from "../../core/memory.ts";
import type { NotificationPolicy } from "../../core/notification.ts";
import { initialiseRing, Ring, ringEntryCount } from "../../core/ring.ts";
import { AtomicsWaiter, type WaitSource } from "../../core/waiter.ts";

/** What the thread that answers is handed. */
export interface EchoJob {
  /** The ring's region. */
  readonly ring: SharedArrayBuffer;
  /** Its own event page. */
  readonly events: SharedArrayBuffer;
  /** The asking thread's. */
  readonly peerEvents: SharedArrayBuffer;
  /** Its policy. */
  readonly policy: PluginUse;
  /** How many requests come. */
  readonly count: number;
}

/** Entries of the ring. */
const ENTRY_COUNT = ringEntryCount(0, ENTRY_BYTES);

/** A policy that never finds its work must fail its test, not hang it. */
const LIMIT_MS = 60_000;

/** One end of the ring, with a waiter of its own. */
export class EchoEnd {
  /** The end. */
  readonly ring: Ring;
  /** Waits for it. */
  readonly waiter: AtomicsWaiter;
  readonly #words: Int32Array;
  readonly #channel: EventChannel;

  /** One end, in the thread that uses it. */
  constructor(side: "front" | "back", ring: SharedArrayBuffer, events: SharedArrayBuffer, peer: SharedArrayBuffer) {
    this.#words = SharedMemory.attach(ring).words;
    this.ring = Ring[side](this.#words, ENTRY_COUNT);
    const page = new EventPage(SharedMemory.attach(events));
    this.#channel = new EventChannel(page, 0, new EventPage(SharedMemory.attach(peer)), 0);
    const deadline = performance.now() + LIMIT_MS;
    this.waiter = new AtomicsWaiter(page, () => {
      if (performance.now() > deadline) throw new Error(`No end of the round trips within ${LIMIT_MS / 1000} s`);
    });
    const source: WaitSource = {
      peek: () => this.ring.peek(),
      ready: () => this.ring.available() > 0,
      arm: () => {
        this.#channel.clear();
        this.ring.arm(1); // One request is in flight: a larger distance would never be reached.
        return true;
      },
    };
    this.waiter.add(source);
  }

  /** Publishes one number. */
  send(value: number): void {
    this.#words[entryWord(this.ring.entryOf(this.ring.produced))] = value;
    this.ring.produce();
    if (this.ring.push()) this.#channel.notify();
  }

  /** The next number that has come. */
  receive(): number {
    const value = this.#words[entryWord(this.ring.entryOf(this.ring.consumed))];
    this.ring.consume();
    return value;
  }
}

/**
 * Sends requests, one at a time, to a thread that answers each with its number and one more; both wait by a policy.
 *
 * @param policy the asking side's
 * @param peerPolicy the answering side's
 * @param serving whether the asking thread serves its events meanwhile
 * @returns how many requests got the answer that is theirs
 */
export async function roundTrips(
  policy: NotificationPolicy,
  peerPolicy: PluginUse,
  count: number,
  serving: boolean,
): Promise<number> {
  const ring = SharedMemory.allocate(1);
  initialiseRing(ring.words);
  const [events, peerEvents] = [allocateEventPage(), allocateEventPage()];
  const worker = new Worker(import.meta.resolve("./echo_worker.ts"), { type: "module" });
  const failure = Promise.withResolvers<never>();
  const ready = Promise.withResolvers<void>();
  worker.onmessage = () => ready.resolve();
  worker.onerror = (event) => {
    event.preventDefault();
    failure.reject(new Error(event.message));
  };
  try {
    const job: EchoJob = {
      ring: ring.buffer,
      events: peerEvents.buffer,
      peerEvents: events.buffer,
      policy: peerPolicy,
      count,
    };
    worker.postMessage(job);
    await Promise.race([ready.promise, failure.promise]);
    const end = new EchoEnd("front", ring.buffer, events.buffer, peerEvents.buffer);
    let answered = 0;
    for (let request = 0; request < count; request++) {
      end.send(request);
      while (end.ring.available() === 0) {
        if (serving) await end.waiter.waitServingEvents(policy);
        else end.waiter.wait(policy);
      }
      if (end.receive() === request + 1) answered++;
    }
    return answered;
  } finally {
    worker.terminate();
  }
}
