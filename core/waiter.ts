/**
 * How one thread waits for all its sources at once.
 *
 * A thread never waits on one ring alone: it would miss the others, and the word that tells it to stop. So it has one
 * {@link Waiter}, with every source that can give it work. If the policy wants it, the thread first sleeps for a time
 * whatever happens (hybrid polling); then a wait goes through four steps, in this order, and ends early if the doorbell
 * rings:
 *
 * 1. spin: look at all sources, for as long as the policy says; perhaps go on looking, with the core offered to other
 *    threads between looks;
 * 2. arm: ask every source's peer for a notification;
 * 3. look again: what was published before the peer saw the request raises no notification;
 * 4. sleep on the one doorbell, for a bounded time.
 *
 * What keeps peers from ringing a thread to death is in `flood_guard.ts`.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { Counterpart } from "./counterpart.ts";
import type { EventPage } from "./event_channel.ts";
import { FloodGuard } from "./flood_guard.ts";
import { endLooks, type NotificationPolicy, resetPlan, type WaitOutcome, type WaitPlan } from "./notification.ts";
import type { WaitSource } from "./wait_source.ts";

export type { WaitSource };

/** What a waiter counts. Times in nanoseconds. */
export interface WaitCounters {
  /** Waits that ended while spinning. */
  spinHits: number;
  /** Spins that ended without work. */
  spinMisses: number;
  /** Times asleep. */
  sleeps: number;
  /** Time spinning, or looking with the core offered to others. */
  spunNs: number;
  /** Time in which others had the core meanwhile, as far as it was noticed. */
  lostNs: number;
  /** Time asleep. */
  sleptNs: number;
}

/** Waits for the sources of one thread. */
export interface Waiter {
  /** What has been counted since the thread started. */
  readonly counters: WaitCounters;
  /** Adds a source. */
  add(source: WaitSource): void;
  /**
   * Returns when a source has work, when the doorbell rang for another reason, or when the time is up: look at
   * everything after it.
   */
  wait(policy: NotificationPolicy): void;
  /**
   * As {@link wait}, for a thread that has events to serve: it gives way to them at every look, and sleeps so that they
   * are served. Slower by about 1 µs a look.
   */
  waitServingEvents(policy: NotificationPolicy): Promise<void>;
  /** Looks for work for about `spinNs` nanoseconds, and no longer; a ring of the doorbell ends it. */
  spin(spinNs: number): void;
}

/**
 * No sleep lasts longer, whatever happens: a thread shows that it lives, and a lost notification costs no more. Nor does a
 * wait that never sleeps: its thread has to see whether to go on.
 */
export const MAX_SLEEP_MS = 100;

/**
 * Time of the looks between two readings of the clock and the doorbell: of loads 128, which take about 5 µs where the loop
 * pauses, as it does after the first of them.
 */
const NS_PER_CHECK = 1024;
/** What a look costs that is a load. */
const NS_PER_LOAD = 8;
/** A check that takes so much longer than its looks was interrupted: somebody else had the core. */
const LOST_IN_SPIN_NS = 50_000;
/** Offering the core takes less where nobody takes it. */
const LOST_IN_YIELD_NS = 2500;
const NS_PER_MS = 1e6;

/** What all waiters have in common: everything but the sleep. */
export abstract class LookingWaiter implements Waiter {
  readonly counters: WaitCounters = { spinHits: 0, spinMisses: 0, sleeps: 0, spunNs: 0, lostNs: 0, sleptNs: 0 };
  readonly #events: EventPage;
  readonly #beat: () => void;
  readonly #offerCore: (() => void) | null;
  /** The policies at the other ends of the thread's rings. */
  readonly counterparts: Counterpart[] = [];
  readonly #sources: WaitSource[] = [];
  readonly #plan: WaitPlan = { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: Infinity };
  readonly #outcome: WaitOutcome = { spinHit: false, spunNs: 0, lostNs: 0, sleptNs: 0, wakeNs: 0, found: false };
  /** The bell as it was when the last wait ended. A ring since then ends the next wait, so none is overlooked. */
  #bellSeen: number;
  readonly #flood: FloodGuard;
  /** What a look at all sources costs before the loop pauses. */
  #nsPerLook = NS_PER_LOAD;
  /** Looks between two readings of the clock. */
  #looksPerCheck = NS_PER_CHECK / NS_PER_LOAD;
  /** What a look costs after the loop begins to pause, learnt from looks that were timed. */
  #nsPerPausedLook = 40;
  /** Whether the wait's plan has an end of looking, after which to sleep. */
  #mayBlock = true;

  /**
   * A waiter without sources.
   *
   * @param events the page on whose doorbell the thread sleeps
   * @param beat called now and then during a long wait, to show that the thread lives
   * @param offerCore lets other threads run on this one's core, if any want to; null where that is impossible
   */
  constructor(events: EventPage, beat: () => void, offerCore: (() => void) | null) {
    this.#events = events;
    this.#beat = beat;
    this.#offerCore = offerCore;
    this.#bellSeen = events.bell;
    this.#flood = new FloodGuard(events);
  }

  /** Sleeps until the bell is another than `seen`, or for `timeoutMs`. */
  protected block(seen: number, timeoutMs: number): void {
    this.#events.sleep(seen, timeoutMs);
  }

  /** Whether the sleep ends when this source has work, though nobody rings. */
  protected wakesBy(_source: WaitSource): boolean {
    return false;
  }

  /** Lets go of what it sleeps by. */
  close(): void {}

  /** How many entries were taken from all sources so far, modulo 2³². */
  get taken(): number {
    const sources = this.#sources;
    let taken = 0;
    for (let i = 0; i < sources.length; i++) taken += sources[i].taken ?? 0;
    return taken >>> 0;
  }

  add(source: WaitSource): void {
    this.#sources.push(source);
    if (source.counterpart !== undefined) this.counterparts.push(source.counterpart);
    this.#nsPerLook = NS_PER_LOAD;
    for (const { peekNs = 0 } of this.#sources) this.#nsPerLook += peekNs;
    this.#looksPerCheck = Math.max(1, Math.floor(NS_PER_CHECK / this.#nsPerLook));
    this.#nsPerPausedLook = this.#nsPerLook + 32;
  }

  wait(policy: NotificationPolicy): void {
    const plan = this.#plan;
    this.#begin(policy);
    if (this.#flood.flooded) this.#flood.rest();
    if (plan.preSleepNs > 0) this.#nap(plan.preSleepNs);
    if (plan.spinNs + plan.yieldNs > 0) this.#lookFor(plan.spinNs, plan.yieldNs, this.#bellSeen);
    if (!this.#outcome.spinHit) {
      if (this.#maySleep(plan.armDistance, true)) this.#sleep(plan.blockNs);
      this.#wake();
    }
    policy.waited?.(this.#outcome);
  }

  async waitServingEvents(policy: NotificationPolicy): Promise<void> {
    const plan = this.#plan;
    this.#begin(policy);
    if (this.#flood.flooded) await this.#flood.restServingEvents();
    if (plan.preSleepNs > 0) await this.#sleepServingEvents(plan.preSleepNs);
    if (plan.spinNs + plan.yieldNs > 0) await this.#spinServingEvents(plan.spinNs + plan.yieldNs);
    if (!this.#outcome.spinHit) {
      if (this.#maySleep(plan.armDistance, false)) await this.#sleepServingEvents(plan.blockNs);
      else await giveWay(); // A peer that keeps the bell ringing must not keep the events waiting.
      this.#wake();
    }
    policy.waited?.(this.#outcome);
  }

  #begin(policy: NotificationPolicy): void {
    const plan = this.#plan;
    resetPlan(plan);
    policy.plan(plan);
    const endless = plan.spinNs + plan.yieldNs === Infinity;
    if (endless) endLooks(plan, MAX_SLEEP_MS * NS_PER_MS);
    // A sleep of no length would leave the ring armed, and have a peer ring for nothing.
    this.#mayBlock = !endless && plan.blockNs > 0;
    this.#outcome.spinHit = false;
    this.#outcome.spunNs = 0;
    this.#outcome.lostNs = 0;
    this.#outcome.sleptNs = 0;
    this.#outcome.wakeNs = 0;
    this.#outcome.found = false;
  }

  /**
   * Arms all sources and looks again: whether nothing is there, and who brings something will ring.
   *
   * @param byDescriptor whether the sleep also ends by descriptors; one that serves events does not
   */
  #maySleep(armDistance: number, byDescriptor: boolean): boolean {
    // A bell that rang meanwhile may be for something else than a ring: the caller sees to that first.
    return this.#mayBlock && this.#events.bell === this.#bellSeen && this.#arm(armDistance, byDescriptor) &&
      !this.#anyReady();
  }

  #wake(): void {
    const sources = this.#sources;
    for (let i = 0; i < sources.length; i++) sources[i].disarm?.();
    const { bell } = this.#events;
    const rung = bell !== this.#bellSeen;
    if (rung) this.#outcome.wakeNs = this.#wokenAfterNs();
    this.#outcome.found = this.#peekAny();
    if (rung && !this.#outcome.found) this.#flood.idleRing();
    else this.#flood.calm();
    this.#bellSeen = bell;
    this.#beat();
  }

  /** How long ago the ring was that ended the sleep; 0 if there was none: what had rung before it kept the thread awake. */
  #wokenAfterNs(): number {
    const sinceRungNs = this.#events.sinceRungNs();
    // A peer may have written anything, NaN too.
    return sinceRungNs > 0 && sinceRungNs < this.#outcome.sleptNs ? sinceRungNs : 0;
  }

  #peekAny(): boolean {
    const sources = this.#sources;
    for (let i = 0; i < sources.length; i++) {
      if (sources[i].peek()) return true;
    }
    return false;
  }

  #anyReady(): boolean {
    const sources = this.#sources;
    for (let i = 0; i < sources.length; i++) {
      if (sources[i].ready()) return true;
    }
    return false;
  }

  #arm(distance: number, byDescriptor: boolean): boolean {
    let canSleep = true;
    const sources = this.#sources;
    for (let i = 0; i < sources.length; i++) {
      canSleep = (sources[i].arm(distance) || (byDescriptor && this.wakesBy(sources[i]))) && canSleep;
    }
    return canSleep;
  }

  spin(spinNs: number): void {
    // Not a ring from before: only a wait sees to what it was for, and until then it would end every spin.
    this.#lookFor(spinNs, 0, this.#events.bell);
  }

  /** Looks until there is work, the time is up or the bell is another than `bell`. */
  #lookFor(spinNs: number, yieldNs: number, bell: number): void {
    let found: boolean;
    if (this.#offerCore === null) found = this.#spin(spinNs + yieldNs, bell);
    else {found = (spinNs > 0 && this.#spin(spinNs, bell)) ||
        (yieldNs > 0 && this.#yield(this.#offerCore, yieldNs, bell));}
    this.#countSpin(found);
  }

  #countSpin(found: boolean): void {
    this.#outcome.spinHit = found;
    this.#outcome.found = found;
    if (found) {
      this.counters.spinHits++;
      this.#flood.calm();
    } else {
      this.counters.spinMisses++;
    }
  }

  /**
   * Looks without a pause, later with short ones. The clock is read only when a wait is not short. Returns whether there
   * is work.
   */
  #spin(spinNs: number, bell: number): boolean {
    const looks = this.#looksPerCheck;
    // The first looks are for the fastest answer, and none of them is timed before it comes.
    for (let i = 0; i < looks; i++) {
      if (this.#peekAny()) {
        this.#looked(i * this.#nsPerLook, 0);
        return true;
      }
    }
    let elapsedNs = looks * this.#nsPerLook;
    let lostNs = 0;
    let checkedAt = performance.now();
    while (elapsedNs < spinNs && this.#events.bell === bell) {
      for (let i = 0; i < looks; i++) {
        if (this.#peekAny()) {
          this.#looked(elapsedNs + i * this.#nsPerPausedLook - lostNs, lostNs);
          return true;
        }
        Atomics.pause(); // After a while, be kind to the core's other thread.
      }
      const now = performance.now();
      const sinceNs = (now - checkedAt) * NS_PER_MS;
      // The cheapest looks are the true ones; during dearer ones the core was taken away.
      this.#nsPerPausedLook = Math.min(sinceNs / looks, this.#nsPerPausedLook * 1.01);
      if (sinceNs > LOST_IN_SPIN_NS) lostNs += sinceNs - looks * this.#nsPerPausedLook;
      elapsedNs += sinceNs;
      checkedAt = now;
      this.#beat();
    }
    this.#looked(elapsedNs - lostNs, lostNs);
    return false;
  }

  /** Looks, and offers the core to others between looks. Returns whether there is work. */
  #yield(offerCore: () => void, yieldNs: number, bell: number): boolean {
    const startedAt = performance.now();
    let before = startedAt;
    let lostNs = 0;
    let found = false;
    do {
      offerCore();
      const now = performance.now();
      const awayNs = (now - before) * NS_PER_MS;
      if (awayNs > LOST_IN_YIELD_NS) lostNs += awayNs;
      before = now;
      found = this.#peekAny();
      this.#beat();
    } while (!found && (before - startedAt) * NS_PER_MS < yieldNs && this.#events.bell === bell);
    // Where all of it was lost, the difference of sums can be a rounding error below 0.
    this.#looked(Math.max(0, (before - startedAt) * NS_PER_MS - lostNs), lostNs);
    return found;
  }

  async #spinServingEvents(spinNs: number): Promise<void> {
    const startedAt = performance.now();
    for (;;) {
      const elapsedNs = (performance.now() - startedAt) * NS_PER_MS;
      const found = this.#peekAny();
      if (found || elapsedNs >= spinNs || this.#events.bell !== this.#bellSeen) {
        this.#looked(elapsedNs, 0);
        this.#countSpin(found);
        return;
      }
      await giveWay();
      this.#beat();
    }
  }

  /** Counts time that went by with looking, and time in which others had the core. */
  #looked(spunNs: number, lostNs: number): void {
    this.#outcome.spunNs += spunNs;
    this.#outcome.lostNs += lostNs;
    this.counters.spunNs += spunNs;
    this.counters.lostNs += lostNs;
  }

  /** The sleep that comes first, on the bell alone: a device's descriptor would end it as soon as there is work. */
  #nap(forNs: number): void {
    const startedAt = performance.now();
    this.#events.sleep(this.#bellSeen, boundedMs(forNs));
    this.#endSleep(startedAt);
  }

  #sleep(forNs: number): void {
    const startedAt = performance.now();
    this.block(this.#bellSeen, boundedMs(forNs));
    this.#endSleep(startedAt);
  }

  async #sleepServingEvents(forNs: number): Promise<void> {
    const startedAt = performance.now();
    await this.#events.sleepServingEvents(this.#bellSeen, boundedMs(forNs));
    this.#endSleep(startedAt);
  }

  #endSleep(startedAt: number): void {
    const sleptNs = (performance.now() - startedAt) * NS_PER_MS;
    this.#outcome.sleptNs += sleptNs;
    this.counters.sleptNs += sleptNs;
    this.counters.sleeps++;
  }
}

/** A waiter that needs nothing but shared words: it sleeps in `Atomics.wait` on the domain's event page. */
export class AtomicsWaiter extends LookingWaiter {
  /** A waiter without sources; see {@link LookingWaiter}. */
  constructor(events: EventPage, beat: () => void, offerCore: (() => void) | null = null) {
    super(events, beat, offerCore);
  }
}

function boundedMs(ns: number): number {
  return ns < MAX_SLEEP_MS * NS_PER_MS ? ns / NS_PER_MS : MAX_SLEEP_MS;
}

/** Lets the event loop run once. */
export function giveWay(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
