/**
 * Finds the best of several candidates, each of which scores differently each time that it is tried.
 *
 * All are tried in turns. After each round those are out that are worse than the best beyond what chance explains; it ends
 * when one is left, or after some rounds. Of those that are left, which cannot be told apart then, the first wins.
 *
 * @module
 */

/** Rounds before anybody is out: one says nothing about chance. */
const LEAST_ROUNDS = 2;
const MOST_ROUNDS = 8;
/** What is worse by less than this share is not worse. */
const EQUAL = 0.03;
/** Least standard deviation of a score, as a share, that is believed of a few. */
const LEAST_DEVIATION = 0.02;
/** Standard errors between two candidates beyond which chance does not explain it: it errs once in some dozens of times. */
const BEYOND_CHANCE = 2;

/** One candidate's scores. Their logarithms: what changes a score does so by a factor. */
interface Entrant {
  readonly candidate: number;
  sum: number;
  squares: number;
}

/** A tournament among candidates, which are numbers. */
export class Tournament {
  #left: readonly Entrant[];
  #turn = 0;
  #rounds = 0;

  /** A tournament in which nobody was tried yet, in the order of preference. */
  constructor(candidates: readonly number[]) {
    this.#left = candidates.map((candidate) => ({ candidate, sum: 0, squares: 0 }));
  }

  /** Whose turn it is. */
  get current(): number {
    return this.#left[this.#turn].candidate;
  }

  /** Who has won; null as long as that is open. */
  get winner(): number | null {
    return this.#left.length === 1 || this.#rounds === MOST_ROUNDS ? this.#left[0].candidate : null;
  }

  /**
   * The one whose turn it was was tried.
   *
   * @param score above 0; more is better
   */
  scored(score: number): void {
    const entrant = this.#left[this.#turn++];
    const logarithm = Math.log(score);
    entrant.sum += logarithm;
    entrant.squares += logarithm ** 2;
    if (this.#turn < this.#left.length) return;
    this.#turn = 0;
    if (++this.#rounds >= LEAST_ROUNDS) this.#drop();
  }

  #drop(): void {
    const rounds = this.#rounds;
    const mean = ({ sum }: Entrant): number => sum / rounds;
    const variance = (entrant: Entrant): number => {
      const seen = (entrant.squares - rounds * mean(entrant) ** 2) / (rounds - 1);
      return Math.max(LEAST_DEVIATION ** 2, seen) / rounds;
    };
    const best = this.#left.reduce((a, b) => mean(b) > mean(a) ? b : a);
    this.#left = this.#left.filter((entrant) => {
      const chance = BEYOND_CHANCE * Math.sqrt(variance(entrant) + variance(best));
      return mean(best) - mean(entrant) <= Math.max(EQUAL, chance);
    });
  }
}
