/**
 * Which of several ways of waiting is best here and now, found by trying them.
 *
 * Each is followed for some milliseconds, of which the first do not count, as the peer must get used to it. What it scores
 * decides a tournament; the winner is kept. Later it has to defend itself against one other now and then, the less often the
 * longer it stands, and against the better ones first; and when the load has become another, all are tried again.
 *
 * Where both ends of a ring do this, each for itself, what is best for one depends on what the other does: where both sleep,
 * none gains by spinning alone. So the trials begin with the way that looks longest: both ends notice a new load at about
 * the same time, and so go through the ways together. Better is that one tries for both (`together.ts`).
 *
 * @module
 */

import { Tournament } from "./tournament.ts";

/** What a thread has done in some time. */
export interface Progress {
  /** How long that was, in nanoseconds. */
  readonly elapsedNs: number;
  /** Entries that it has taken from its rings. */
  readonly entries: number;
  /** CPU time that it has used, in nanoseconds. */
  cpuNs(): number;
  /** Time in which it neither slept nor ran, as others had the core, in nanoseconds. */
  lostNs(): number;
  /** Whether the CPU time of all is known, and all know what is tried. */
  complete(): boolean;
}

/** Code that has just begun to run is compiled meanwhile. Nothing counts as long as the rate rises from one such time to the next. */
const WARM_UP_NS = 50e6;
/** By what share it must. */
const STILL_FASTER = 0.05;
/** How often at most. */
const MAX_WARM_UPS = 8;
/** How long a trial does not count, and how long it does, in nanoseconds. */
const SETTLE_NS = 1e6;
/** The same at the beginning of a competition, until the other end has noticed. */
const NOTICE_NS = 6e6;
const TRIAL_NS = 4e6;
/** Longest trial, where few entries come. */
const MAX_TRIAL_NS = 40e6;
/** Length of a trial whose score is sure. */
const SURE_NS = 20e6;
/**
 * What share of an epoch others have had the core at least for the core to be shared. A turn on it lasts some milliseconds.
 * So the other end notices a new way later, and a trial sees one thread's turn and not the other's, unless it is as long as
 * one that is sure.
 */
const SHARED_CORE = 0.25;
const SHARED_SETTLE_NS = 10e6;
/** How long the other end may take to notice a new way. */
const MAX_SETTLE_NS = 20e6;
/** Entries that a trial must see, unless it takes too long. */
const MIN_ENTRIES = 8;
/** Length of a look at how the winner does. */
const HOLD_NS = 20e6;
/** Factor by which its rate must have changed for the load to be another, and for how many looks in a row. */
const OTHER_LOAD = 2;
const OTHER_LOAD_LOOKS = 3;
/** Time until the winner is challenged: at first, and at most. A challenge takes some 50 ms, longer where trials are. */
const FIRST_CHALLENGE_NS = 4e9;
const MAX_CHALLENGE_NS = 16e9;

/** Chooses among ways, which are numbers; an earlier one is preferred where two cannot be told apart. */
export class Trials {
  /** The way to follow now. */
  current: number;
  readonly #all: readonly number[];
  readonly #cpuPrice: number;
  /** What goes on; null while the winner is kept. */
  #tournament: Tournament | null;
  /** Whether the present epoch counts. */
  #counts = false;
  #epochNs = WARM_UP_NS;
  /** The winner's rate, in entries a second; 0: not known yet. */
  #rate = 0;
  #otherLoad = 0;
  /** Times of warming up that are left. */
  #warmUps = MAX_WARM_UPS;
  #keptNs = 0;
  #challengeNs = FIRST_CHALLENGE_NS;
  /** Who challenges next. */
  #challengers: readonly number[] = [];

  /**
   * Trials that have not begun.
   *
   * @param ways at least one
   * @param cpuPrice from 0, entries a second count alone, to 1, entries for each second of CPU time
   */
  constructor(ways: readonly number[], cpuPrice: number) {
    this.#all = ways;
    this.#cpuPrice = cpuPrice;
    this.#tournament = new Tournament(ways, cpuPrice);
    this.current = this.#tournament.current;
  }

  /** Whether a way was chosen, and is followed. */
  get decided(): boolean {
    return this.#tournament === null;
  }

  /**
   * Goes on.
   *
   * @param progress since the last time that this returned true
   * @returns whether an epoch is over, so that progress is counted anew
   */
  advance(progress: Progress): boolean {
    const { elapsedNs, entries } = progress;
    if (elapsedNs < this.#epochNs) return false;
    // Nothing is learnt while there is nothing to do.
    if (this.#warmUps > 0) this.#warm(rateOf(entries, elapsedNs));
    else if (!this.#counts && elapsedNs < MAX_SETTLE_NS && !isSettled(progress)) return false;
    else if (!this.#counts) this.#begin(entries > 0);
    else if (entries === 0) this.#begin(false);
    else if (this.#tournament === null) this.#kept(progress);
    else if (elapsedNs < MAX_TRIAL_NS && !isTrial(progress)) return false;
    else this.#tried(progress, this.#tournament);
    return true;
  }

  #warm(rate: number): void {
    if (rate === 0) return; // Nothing was done that could be compiled.
    this.#warmUps = rate > this.#rate * (1 + STILL_FASTER) ? this.#warmUps - 1 : 0;
    this.#rate = rate;
    if (this.#warmUps === 0) this.#begin(true);
  }

  /** Begins an epoch of the present way. */
  #begin(counts: boolean): void {
    this.#counts = counts;
    this.#epochNs = !counts ? SETTLE_NS : this.#tournament === null ? HOLD_NS : TRIAL_NS;
  }

  #follow(way: number): void {
    if (way === this.current) return this.#begin(true);
    this.current = way;
    this.#begin(false);
  }

  #tried({ entries, elapsedNs, cpuNs }: Progress, tournament: Tournament): void {
    const cores = Math.max(1e-4, cpuNs() / elapsedNs);
    // A trial that takes so long has seen the end of every disturbance.
    tournament.tried(rateOf(entries, elapsedNs), cores, elapsedNs >= SURE_NS);
    const { winner } = tournament;
    if (winner !== null) {
      const losers = tournament.losers;
      const others = this.#challengers.filter((way) => way !== winner && !losers.includes(way));
      this.#challengers = losers.length > 1 ? losers : [...others, ...losers];
      this.#tournament = null;
      this.#rate = 0;
      this.#otherLoad = 0;
      this.#keptNs = 0;
    }
    this.#follow(winner ?? tournament.current);
  }

  #kept({ entries, elapsedNs }: Progress): void {
    const rate = rateOf(entries, elapsedNs);
    if (this.#rate === 0) this.#rate = rate;
    const change = rate / this.#rate;
    if (change > OTHER_LOAD || change < 1 / OTHER_LOAD) {
      if (++this.#otherLoad === OTHER_LOAD_LOOKS) {
        this.#challengeNs = FIRST_CHALLENGE_NS;
        this.#compete(this.#all);
      }
      return;
    }
    this.#otherLoad = 0;
    this.#rate += (rate - this.#rate) * 0.2;
    this.#keptNs += elapsedNs;
    if (this.#keptNs >= this.#challengeNs) this.#challenge();
  }

  /** The winner has to defend itself. */
  #challenge(): void {
    this.#challengeNs = Math.min(MAX_CHALLENGE_NS, this.#challengeNs * 2);
    this.#compete(this.#all.filter((way) => way === this.#challengers[0] || way === this.current));
  }

  #compete(ways: readonly number[]): void {
    this.#tournament = new Tournament(ways, this.#cpuPrice);
    this.current = this.#tournament.current;
    this.#counts = false;
    this.#epochNs = NOTICE_NS;
  }
}

/** Whether all do by now what is tried. */
function isSettled(progress: Progress): boolean {
  return progress.complete() && (progress.elapsedNs >= SHARED_SETTLE_NS || !isShared(progress));
}

/** Whether enough was seen of what is tried. */
function isTrial(progress: Progress): boolean {
  const { entries, elapsedNs } = progress;
  return entries >= MIN_ENTRIES && progress.complete() && (elapsedNs >= SURE_NS || !isShared(progress));
}

function isShared({ elapsedNs, lostNs }: Progress): boolean {
  return lostNs() > SHARED_CORE * elapsedNs;
}

function rateOf(entries: number, elapsedNs: number): number {
  return entries / elapsedNs * 1e9;
}
