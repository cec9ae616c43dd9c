/**
 * One life of a domain: what carries it, how it is commanded and how it shows that it lives. A driver that is started anew
 * has several.
 *
 * @module
 */

import type { DomainControl } from "./domain/control.ts";
import type { DomainHost } from "./domain/host.ts";

/** How long a domain may take to start and to load its modules, before its first sign of life. */
export const START_TIMEOUT_MS = 30_000;
/** Notes of one life that are passed on. */
const MAX_NOTES = 100;
/** The longest that a domain may say its device blocks it. */
const MAX_BLOCKING_MS = 600_000;

/** One life of a domain. */
export class Incarnation {
  /** What carries it. */
  readonly host: DomainHost;
  /** Its words. */
  readonly control: DomainControl;
  /** Settled when it has loaded what it needs, if it stands by. */
  readonly loaded: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Whether it is the domain's no more: nothing that it says or does counts. */
  over = false;
  /** Whether it has loaded what it needs, if it stands by. */
  isLoaded = false;
  /** Whether it has ended in order, with a word. */
  closed = false;
  /** Whether it has answered something. */
  useful = false;
  #notes = 0;
  #lastBeat = 0;
  #silentMs = 0;
  #lookedAt = performance.now();

  /** A life that begins. */
  constructor(host: DomainHost, control: DomainControl) {
    this.host = host;
    this.control = control;
    this.loaded.promise.catch(() => {}); // Awaited by who has it stand by; else its end is told otherwise.
  }

  /** It has loaded what it needs, and stands by. */
  standsBy(): void {
    this.isLoaded = true;
    this.loaded.resolve();
  }

  /** Whether a note of it is to be passed on: of one that has ever more to say, only the first. */
  mayNote(): boolean {
    return ++this.#notes <= MAX_NOTES;
  }

  /** From now on it must show signs of life. */
  watch(): void {
    this.#silentMs = 0;
    this.#lookedAt = performance.now();
  }

  /**
   * How long it has shown no sign of life, in ms, if that is too long; else 0. Of the time between two looks no more than
   * twice the usual counts: who watches may have been kept from the core as well, or the whole machine have slept.
   *
   * @param everyMs how often it is asked
   */
  silentMs(timeoutMs: number, everyMs: number): number {
    const now = performance.now();
    this.#silentMs += Math.min(now - this.#lookedAt, 2 * everyMs);
    this.#lookedAt = now;
    const beat = this.control.heartbeat;
    if (beat !== this.#lastBeat) {
      this.#lastBeat = beat;
      this.#silentMs = 0;
      return 0;
    }
    const busyMs = beat === 0 ? START_TIMEOUT_MS : Math.min(this.control.blockingMs, MAX_BLOCKING_MS);
    const limitMs = Math.max(timeoutMs, busyMs);
    return this.#silentMs > limitMs ? limitMs : 0;
  }
}
