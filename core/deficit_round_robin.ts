/**
 * In what order a driver takes from the rings of one device: in turns, so that each that always has requests is given
 * the same, whatever their length and however many they are.
 *
 * This is deficit round robin (Shreedhar and Varghese, "Efficient Fair Queueing using Deficit Round Robin", SIGCOMM
 * 1995). A ring that is visited may take requests for a {@link QUANTUM} of cost. As a request's length is known only
 * when it was taken, the last one may cost more than was left; that is owed, and later visits pay for it. Who has no
 * more requests saves nothing up. So of two rings that never run out of requests none gets more than a quantum and the
 * longest request above the other, over any time.
 *
 * A device that completes requests later has a queue of its own, in which turns would mean nothing: all rings together
 * put in as much as a {@link WINDOW}, and then wait until something has come back.
 *
 * One ring alone is bounded by nothing.
 *
 * @module
 */

import { Allowance, REQUEST_COST } from "./allowance.ts";
import type { Backend } from "./backend.ts";
import type { Counterpart } from "./counterpart.ts";
import type { DeviceGate } from "./device_gate.ts";
import type { RateLimit } from "./rate_limit.ts";
import type { WaitSource } from "./waiter.ts";

/**
 * What a ring may take at a visit: 16 requests of 4 KiB, seven of 16 KiB. So many that publishing their answers together
 * costs little, and so few that a ring of 32 entries does not run out of requests however short they are: else it would
 * get less than a longer one.
 */
export const QUANTUM = 128 * 1024;

/** What all rings together may have at a device that completes later. Enough for two of the longest requests. */
export const WINDOW = 16 * QUANTUM;

/** Takes requests from a ring to the device. Whether there were any. */
export type TakeRequests = (backend: Backend, allowance: Allowance | null) => boolean;

/** One ring that is served in turns. */
export class ServedRing implements WaitSource {
  /** The driver's side of it. */
  readonly backend: Backend;
  /** The limits of its client, which other rings may share; null without. */
  readonly limit: RateLimit | null;
  /** What it may take at this visit; below 0 is owed. */
  balance = 0;
  /** Whether its client has used up its limits. */
  throttled = false;
  /** What it may take next. */
  readonly allowance: Allowance;
  readonly #turns: DeficitRoundRobin;

  /** A ring that has taken nothing yet. */
  constructor(backend: Backend, limit: RateLimit | null, sizeBytes: number, turns: DeficitRoundRobin) {
    this.backend = backend;
    this.limit = limit;
    this.allowance = new Allowance(sizeBytes);
    this.#turns = turns;
  }

  /** See {@link Backend.counterpart}. */
  get counterpart(): Counterpart {
    return this.backend.counterpart;
  }

  /** See {@link Backend.taken}. */
  get taken(): number {
    return this.backend.taken;
  }

  /** Whether there seem to be requests that may be taken. */
  peek(): boolean {
    return !this.#held && this.backend.peek();
  }

  /** Whether there are requests that may be taken. */
  ready(): boolean {
    return !this.#held && this.backend.ready();
  }

  /** Asks to be notified of requests, unless they would have to wait anyway. */
  arm(distance: number): boolean {
    return this.#held || this.backend.arm(distance);
  }

  /** See {@link Backend.disarm}. */
  disarm(): void {
    this.backend.disarm();
  }

  get #held(): boolean {
    return this.throttled || this.#turns.full;
  }
}

/** The rings of one device, served in turns. */
export class DeficitRoundRobin {
  /** Whether rings have requests that wait until the device has completed some. */
  full = false;
  /** When the first ring may be served whose client has used up its limits, as of the last turn; Infinity: none has. */
  dueMs: number = Infinity;
  readonly #gate: DeviceGate;
  readonly #take: TakeRequests;
  #rings: readonly ServedRing[] = [];
  /** The only ring, if it has no limits: nothing is counted then. */
  #alone: Backend | null = null;
  /** The ring that is visited, or will be next. */
  #at = 0;
  /** Whether that ring was given its quantum and has not used it yet. */
  #visiting = false;
  /** Whether a ring could take nothing for what it owes. */
  #owing = false;

  /** Turns without rings. */
  constructor(gate: DeviceGate, take: TakeRequests) {
    this.#gate = gate;
    this.#take = take;
  }

  /**
   * Adds a ring to the round. Its thread waits for what is returned, not for the backend itself.
   *
   * @param sizeBytes the size of the device as the ring's client sees it
   */
  add(backend: Backend, limit: RateLimit | null, sizeBytes: number): ServedRing {
    const ring = new ServedRing(backend, limit, sizeBytes, this);
    this.#use([...this.#rings, ring]);
    return ring;
  }

  /** Forgets the rings whose backends are not among these. */
  keep(backends: readonly Backend[]): void {
    const kept = this.#rings.filter(({ backend }) => backends.includes(backend));
    if (kept.length < this.#rings.length) this.#use(kept);
  }

  #use(rings: readonly ServedRing[]): void {
    this.#rings = rings;
    this.#alone = rings.length === 1 && rings[0].limit === null ? rings[0].backend : null;
    this.#at = 0;
    this.#visiting = false;
    this.full = false;
    this.dueMs = Infinity;
  }

  /**
   * Visits each ring once, or as far as the device takes any more: it must be asked for completions then. On the hot
   * path.
   *
   * @param nowMs the time, by which limits are measured; without limits nobody looks at it
   * @returns whether there was something to do
   */
  turn(nowMs: number): boolean {
    if (this.#alone !== null) return this.#take(this.#alone, null);
    const rings = this.#rings;
    let worked = false;
    this.full = false;
    this.dueMs = Infinity;
    this.#owing = false;
    for (let visits = 0; visits < rings.length; visits++) {
      const ring = rings[this.#at];
      if (ring.backend.peek()) {
        if (this.#isFull) {
          this.full = true;
          return worked;
        }
        worked = this.#visit(ring, nowMs) || worked;
        if (this.#visiting) return worked;
      } else {
        this.#visiting = false;
        ring.throttled = false;
        ring.balance = Math.min(0, ring.balance);
      }
      if (++this.#at === rings.length) this.#at = 0;
    }
    if (worked || !this.#owing) return worked;
    this.#payDebts();
    return true;
  }

  /** Lets a ring take what it may. Whether it took any. */
  #visit(ring: ServedRing, nowMs: number): boolean {
    const { backend, allowance, limit } = ring;
    const alone = this.#rings.length === 1;
    const continued = this.#visiting;
    this.#visiting = false;
    ring.throttled = limit !== null && !limit.grant(allowance, nowMs);
    if (ring.throttled) {
      this.dueMs = Math.min(this.dueMs, (limit as RateLimit).dueMs);
      ring.balance = Math.min(0, ring.balance);
      return false;
    }
    if (!continued) ring.balance += QUANTUM;
    if (ring.balance <= 0) {
      this.#owing = true;
      return false;
    }
    allowance.cost = alone ? Infinity : ring.balance;
    const worked = this.#take(backend, allowance);
    limit?.settle(allowance);
    ring.balance = alone ? 0 : allowance.cost;
    // A device that completes later is given a few at a time: the ring goes on when it was asked for completions.
    this.#visiting = ring.balance > 0 && this.#gate.asynchronous && backend.peek();
    if (!this.#visiting) ring.balance = Math.min(0, ring.balance);
    return worked;
  }

  /** All that have requests owe something: as many quanta at once as it takes until one of them has paid. */
  #payDebts(): void {
    let least = -Infinity;
    for (const ring of this.#rings) if (ring.peek()) least = Math.max(least, ring.balance);
    const paid = Math.floor(-least / QUANTUM) * QUANTUM;
    for (const ring of this.#rings) if (ring.peek()) ring.balance += Math.max(0, paid);
  }

  get #isFull(): boolean {
    const gate = this.#gate;
    return gate.inFlight > 0 && gate.asynchronous && this.#rings.length > 1 &&
      gate.inFlightBytes + gate.inFlight * REQUEST_COST >= WINDOW;
  }
}
