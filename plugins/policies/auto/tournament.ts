/**
 * Finds the best of several candidates, each of which scores differently each time that it is tried.
 *
 * All are tried in turns. At first there are heats, which put out only who is hopeless and are then forgotten: code that is
 * run for the first time is slow, each candidate's its own. After each round then those are out that are worse than the best
 * beyond what chance explains; it ends when one is left, or after some rounds. Of those that are left, which cannot be told
 * apart then, the first wins that is about as good as the best.
 *
 * @module
 */

/** Rounds that are heats. */
const HEATS = 3;
/** Rounds before anybody is out that may have had bad luck: one says nothing about chance. */
const LEAST_ROUNDS = 3;
const MOST_ROUNDS = 8;
/** What is worse by less than this share is not worse. */
const EQUAL = 0.01;
/** Who scores less than this share of the best is hopeless: out after the heats, or after one round, where scores are sure. */
const HOPELESS = 0.5;
/** Least standard deviation of a score, as a share, that is believed of a few. */
const LEAST_DEVIATION = 0.02;
/** Standard errors between two candidates beyond which chance does not explain it: it errs once in some dozens of times. */
const BEYOND_CHANCE = 2;

/** One candidate, and what came of it so far. */
interface Entrant {
  readonly candidate: number;
  /** Sums of rates and of cores. */
  rate: number;
  cores: number;
  /** Sums of the scores, each for itself, and of their squares: how much chance changes them. */
  scores: number;
  squares: number;
}

/** A tournament among candidates, which are numbers. */
export class Tournament {
  readonly #cpuPrice: number;
  #left: readonly Entrant[];
  #turn = 0;
  #rounds = 0;
  /** Heats that are left. */
  #heats = HEATS;
  /** Whether all scores so far are sure. */
  #sure = true;
  /** Those that are out, the last of them first. */
  readonly #out: number[] = [];

  /**
   * A tournament in which nobody was tried yet.
   *
   * @param candidates in the order of preference
   * @param cpuPrice the power of the cores by which a rate is divided, from 0 to 1
   */
  constructor(candidates: readonly number[], cpuPrice: number) {
    this.#cpuPrice = cpuPrice;
    this.#left = candidates.map((candidate) => ({ candidate, rate: 0, cores: 0, scores: 0, squares: 0 }));
  }

  /** Whose turn it is. */
  get current(): number {
    return this.#left[this.#turn].candidate;
  }

  /** Who has won; null as long as that is open. */
  get winner(): number | null {
    if (this.#left.length > 1 && (this.#heats > 0 || this.#rounds < MOST_ROUNDS)) return null;
    const least = this.#score(this.#best()) * (1 - EQUAL);
    return this.#left.find((entrant) => this.#score(entrant) >= least)?.candidate ?? this.#left[0].candidate;
  }

  /** All but the winner, about from the best to the worst. To be asked at the end. */
  get losers(): number[] {
    const { winner } = this;
    return [...this.#inOrder(this.#left), ...this.#out].filter((candidate) => candidate !== winner);
  }

  /**
   * The one whose turn it was was tried.
   *
   * @param rate what it did in a second, above 0
   * @param cores what it used for that, above 0
   * @param sure whether chance does not change that by much
   */
  tried(rate: number, cores: number, sure: boolean): void {
    const entrant = this.#left[this.#turn++];
    const score = this.#scoreOf(rate, cores);
    entrant.rate += rate;
    entrant.cores += cores;
    entrant.scores += score;
    entrant.squares += score ** 2;
    this.#sure &&= sure;
    if (this.#turn < this.#left.length) return;
    this.#turn = 0;
    this.#rounds++;
    this.#drop();
    if (this.#heats > 0 && --this.#heats === 0) this.#forget();
  }

  /** The heats are over. */
  #forget(): void {
    if (this.#left.length === 1) return;
    for (const entrant of this.#left) {
      entrant.rate =
        entrant.cores =
        entrant.scores =
        entrant.squares =
          0;
    }
    this.#rounds = 0;
  }

  #drop(): void {
    const best = this.#best();
    const isLeft = (entrant: Entrant): boolean => {
      const most = this.#score(best);
      const score = this.#score(entrant);
      if (this.#heats > 0 || this.#rounds < LEAST_ROUNDS) {
        return !(this.#sure || this.#heats === 1) || score >= HOPELESS * most;
      }
      const chance = BEYOND_CHANCE * Math.sqrt(this.#variance(entrant) + this.#variance(best));
      return most - score <= Math.max(EQUAL * most, chance);
    };
    this.#out.unshift(...this.#inOrder(this.#left.filter((entrant) => !isLeft(entrant))));
    this.#left = this.#left.filter(isLeft);
  }

  #best(): Entrant {
    return this.#left.reduce((a, b) => this.#score(b) > this.#score(a) ? b : a);
  }

  #inOrder(entrants: readonly Entrant[]): number[] {
    return [...entrants].sort((a, b) => this.#score(b) - this.#score(a)).map(({ candidate }) => candidate);
  }

  /**
   * That of all trials together: a disturbance, and what others do with the core now and then, weigh as much as they would in
   * the long run; and CPU time that is reported one trial too late does no harm.
   */
  #score({ rate, cores }: Entrant): number {
    return this.#scoreOf(rate / this.#rounds, cores / this.#rounds);
  }

  #scoreOf(rate: number, cores: number): number {
    return rate / cores ** this.#cpuPrice;
  }

  /** Of the mean of the scores. */
  #variance(entrant: Entrant): number {
    const rounds = this.#rounds;
    const mean = entrant.scores / rounds;
    const seen = (entrant.squares - rounds * mean ** 2) / (rounds - 1);
    return Math.max((LEAST_DEVIATION * mean) ** 2, seen) / rounds;
  }
}
