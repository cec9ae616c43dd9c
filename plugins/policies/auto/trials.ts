/**
 * Which of several ways of waiting is best here and now, found by trying them.
 *
 * Each way is followed for a while, of which the first part does not count, as the peer must get used to it; the rest gives
 * its score. When all have been tried the best is kept. Later one other is tried now and then, the less often the longer
 * the choice stands; and all are tried again when the load has become another.
 *
 * Both ends of a ring do this, each for itself, and what is best for one depends on what the other does: where both sleep,
 * none gains by spinning alone. So a round of trials begins with the way that looks longest: both ends notice a new load at
 * about the same time, and so go through the ways together.
 *
 * @module
 */

/** What a thread has done in some time. */
export interface Progress {
  /** How long that was, in nanoseconds. */
  readonly elapsedNs: number;
  /** Entries that it has taken from its rings. */
  readonly entries: number;
  /** CPU time that it has used, in nanoseconds. */
  readonly cpuNs: number;
}

/** How long a trial does not count, and how long it does, in nanoseconds. */
export const SETTLE_NS = 2e6;
/** See {@link SETTLE_NS}. */
export const TRIAL_NS = 6e6;
/** Longer trials, where few entries come. */
const MAX_TRIAL_NS = 60e6;
/** Entries that a trial must see, unless it takes too long. */
const MIN_ENTRIES = 16;
/** Below this rate, in entries a second, one round of trials must do. */
const SLOW_RATE = 2000;
/** Length of a look at how the way that was chosen goes. */
const HOLD_EPOCH_NS = 20e6;
/** Rate by which it must have changed for the load to be another. */
const OTHER_LOAD = 2;
/** Times in a row that this must be so. */
const OTHER_LOAD_EPOCHS = 3;
/** How much better another way must be, as a share, to be preferred to one with a shorter delay or to the present one. */
const BETTER = 0.03;
/** Time until another way is tried: at first, and at most. */
const FIRST_RETRY_NS = 1e9;
const MAX_RETRY_NS = 16e9;
/** A way that was so much worse is left out of most of these. */
const HOPELESS = 0.5;
const HOPELESS_EVERY = 8;

/** Chooses among `count` ways, which are numbers from 0; a smaller number stands for a shorter delay. */
export class Trials {
  /** The way to follow now. */
  current = 0;
  readonly #scores: Float64Array;
  readonly #cpuPrice: number;
  /** The way that is best as far as is known, while others are tried. */
  #chosen = 0;
  /** Rounds of trials that are left; 0: a way was chosen. */
  #rounds = 2;
  /** Whether the present epoch counts yet. */
  #settled = false;
  #epochNs = SETTLE_NS;
  /** The rate of the way that was chosen, in entries a second; 0: not known yet. */
  #rate = 0;
  #otherLoad = 0;
  #sinceRetryNs = 0;
  #retryNs = FIRST_RETRY_NS;
  #retries = 0;
  #lastTried = 0;

  /**
   * Trials that have not begun.
   *
   * @param cpuPrice from 0, entries a second count alone, to 1, entries for each second of CPU time
   */
  constructor(count: number, cpuPrice: number) {
    this.#scores = new Float64Array(count);
    this.#cpuPrice = cpuPrice;
  }

  /** Whether a way was chosen, and is followed. */
  get decided(): boolean {
    return this.#rounds === 0 && this.current === this.#chosen;
  }

  /** What each way scored when it was tried last: entries a second, divided by cores to the power of the price. */
  get scores(): Readonly<Float64Array> {
    return this.#scores;
  }

  /**
   * Goes on.
   *
   * @param progress since the last time that this returned true
   * @returns whether the epoch is over, so that progress is counted anew
   */
  advance(progress: Progress): boolean {
    const { elapsedNs, entries } = progress;
    if (!this.#settled) {
      if (elapsedNs < this.#epochNs) return false;
      // Nothing is learnt while nothing is to be done.
      this.#settled = entries > 0;
      this.#epochNs = this.decided ? HOLD_EPOCH_NS : TRIAL_NS;
      return true;
    }
    if (elapsedNs < this.#epochNs || (entries < MIN_ENTRIES && elapsedNs < MAX_TRIAL_NS)) return false;
    if (entries === 0) this.#settled = false;
    else if (this.decided) this.#hold(progress);
    else if (this.#rounds > 0) this.#next(progress);
    else this.#endRetry(progress);
    return true;
  }

  /** One trial of a round is over. */
  #next(progress: Progress): void {
    this.#scores[this.current] = this.#score(progress);
    const slow = progress.entries / progress.elapsedNs * 1e9 < SLOW_RATE;
    this.current++;
    this.#settle();
    if (this.current < this.#scores.length) return;
    this.#rounds = slow ? 0 : this.#rounds - 1;
    this.current = 0;
    if (this.#rounds === 0) this.#choose();
  }

  #choose(): void {
    const scores = this.#scores;
    let best = 0;
    for (let way = 1; way < scores.length; way++) {
      if (scores[way] > scores[best] * (1 + BETTER)) best = way;
    }
    this.current = this.#chosen = best;
    this.#rate = 0;
    this.#otherLoad = 0;
    this.#sinceRetryNs = 0;
  }

  /** The way that was chosen was followed for an epoch. */
  #hold(progress: Progress): void {
    const rate = progress.entries / progress.elapsedNs * 1e9;
    this.#scores[this.#chosen] = this.#score(progress);
    if (this.#rate === 0) this.#rate = rate;
    const change = rate / this.#rate;
    if (change > OTHER_LOAD || change < 1 / OTHER_LOAD) {
      if (++this.#otherLoad < OTHER_LOAD_EPOCHS) return;
      this.#begin();
      return;
    }
    this.#otherLoad = 0;
    this.#rate += (rate - this.#rate) * 0.2;
    this.#sinceRetryNs += progress.elapsedNs;
    if (this.#sinceRetryNs >= this.#retryNs) this.#retry();
  }

  /** Tries all from the start. */
  #begin(): void {
    this.#rounds = 1;
    this.current = 0;
    this.#retryNs = FIRST_RETRY_NS;
    this.#settle();
  }

  /** Tries one other way. */
  #retry(): void {
    this.#sinceRetryNs = 0;
    this.#retries++;
    const least = this.#retries % HOPELESS_EVERY === 0 ? 0 : this.#scores[this.#chosen] * HOPELESS;
    const count = this.#scores.length;
    for (let step = 1; step <= count; step++) {
      const way = (this.#lastTried + step) % count;
      if (way === this.#chosen || this.#scores[way] < least) continue;
      this.#lastTried = this.current = way;
      this.#settle();
      return;
    }
  }

  /** The other way was tried. */
  #endRetry(progress: Progress): void {
    const score = this.#scores[this.current] = this.#score(progress);
    if (score > this.#scores[this.#chosen] * (1 + 2 * BETTER)) {
      this.#chosen = this.current;
      this.#rate = 0;
      this.#retryNs = FIRST_RETRY_NS;
    } else {
      this.current = this.#chosen;
      this.#retryNs = Math.min(MAX_RETRY_NS, this.#retryNs * 2);
    }
    this.#settle();
  }

  #settle(): void {
    this.#settled = false;
    this.#epochNs = SETTLE_NS;
  }

  #score({ entries, elapsedNs, cpuNs }: Progress): number {
    const cores = Math.max(0.001, cpuNs / elapsedNs);
    return entries / elapsedNs * 1e9 / cores ** this.#cpuPrice;
  }
}
