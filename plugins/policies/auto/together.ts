/**
 * How both ends of a ring try ways of waiting together, as each alone may do what costs the other more than it gains.
 *
 * The backend leads: it sees all rings of its thread. It says which way to go, and each frontend says what CPU time it has
 * used, so that a way is scored by what it costs both. Neither trusts the other: a number that is none of a way is none,
 * and no thread is believed to have used more than one core.
 *
 * @module
 */

import type { Counterpart } from "../../../core/notification.ts";

const NS_PER_US = 1000;
const TWO_32 = 2 ** 32;

/** What a backend says, beside the number of a way and 1: this way is tried, so that what it costs is to be said often. */
const TRIED = 256;

/** Says which way to go, and whether it is tried or kept. */
export function sayWay(counterparts: readonly Counterpart[], way: number, tried: boolean): void {
  const word = way + 1 + (tried ? TRIED : 0);
  for (let i = 0; i < counterparts.length; i++) counterparts[i].tell(word);
}

/** What the first says that names one of so many ways; 0 if none does. */
export function toldBy(counterparts: readonly Counterpart[], count: number): number {
  for (let i = 0; i < counterparts.length; i++) {
    const word = counterparts[i].said();
    const number = word & ~TRIED;
    if (number > 0 && number <= count) return word;
  }
  return 0;
}

/** The way that is named by what a backend says. */
export function wayOf(told: number): number {
  return (told & ~TRIED) - 1;
}

/** Whether it is only tried. */
export function isTried(told: number): boolean {
  return (told & TRIED) !== 0;
}

/** Says what CPU time was used so far. */
export function sayCpuTime(counterparts: readonly Counterpart[], usedNs: number): void {
  const word = Math.round(usedNs / NS_PER_US) % TWO_32 || 1;
  for (let i = 0; i < counterparts.length; i++) counterparts[i].tell(word);
}

/** What CPU time the frontends use. */
export class FollowersCpu {
  readonly #counterparts: readonly Counterpart[];
  /** What each said at the beginning; 0: nothing. */
  readonly #from: number[] = [];
  /** Which said nothing from the last beginning to this: it seems to have nothing to do. */
  readonly #idle: boolean[] = [];

  /** None is known to follow before {@link begin}. */
  constructor(counterparts: readonly Counterpart[]) {
    this.#counterparts = counterparts;
  }

  /** Whether any follows now. */
  any(): boolean {
    for (let i = 0; i < this.#counterparts.length; i++) if (this.#counterparts[i].said() !== 0) return true;
    return false;
  }

  /** Counts from now on. Returns how many follow. */
  begin(): number {
    const from = this.#from;
    let following = 0;
    for (let i = 0; i < this.#counterparts.length; i++) {
      const said = this.#counterparts[i].said();
      this.#idle[i] = said === from[i];
      from[i] = said;
      if (from[i] !== 0) following++;
    }
    return following;
  }

  /** Whether one that has something to do has said nothing since the beginning: it may do as it was told before. */
  behind(): boolean {
    for (let i = 0; i < this.#from.length; i++) {
      if (this.#from[i] !== 0 && !this.#idle[i] && this.#counterparts[i].said() === this.#from[i]) return true;
    }
    return false;
  }

  /** CPU time since the beginning, of `elapsedNs` nanoseconds, of those that followed then. */
  usedNs(elapsedNs: number): number {
    let usedNs = 0;
    for (let i = 0; i < this.#from.length; i++) {
      if (this.#from[i] === 0) continue;
      const us = (this.#counterparts[i].said() - this.#from[i] + TWO_32) % TWO_32;
      usedNs += Math.min(elapsedNs, us * NS_PER_US);
    }
    return usedNs;
  }
}
