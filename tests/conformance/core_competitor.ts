/**
 * Another thread that wants the core of a simulated one.
 *
 * @module
 */

/** Who else wants the core of a thread that waits. */
export type Contention =
  /** A thread that computes for `burstNs`, sleeps for `pauseNs`, and so on; with a pause of 0 it never stops. */
  | { readonly kind: "neighbour"; readonly burstNs: number; readonly pauseNs: number }
  /**
   * The thread that brings the entries: a gap is CPU time that it needs on this very core. Who spins for it keeps it from
   * its work.
   */
  | { readonly kind: "peer" };

/** The other thread. Times in nanoseconds. */
export class Competitor {
  /** Since when it wants the core, or when it will; Infinity: it does not. */
  readyAt: number;
  #needNs: number;
  readonly #burstNs: number;
  readonly #pauseNs: number;

  /** A neighbour wants the core from the beginning, a peer when it is told to. */
  constructor(contention: Contention) {
    const isNeighbour = contention.kind === "neighbour";
    this.#burstNs = isNeighbour ? contention.burstNs : 0;
    this.#pauseNs = isNeighbour ? contention.pauseNs : Infinity;
    this.#needNs = this.#burstNs;
    this.readyAt = isNeighbour ? 0 : Infinity;
    if (isNeighbour && !(contention.burstNs > 0)) throw new RangeError("A neighbour's burst must be more than 0 ns");
  }

  /** It wants the core for so long, from `at` on. */
  want(at: number, needNs: number): void {
    this.readyAt = at;
    this.#needNs = needNs;
  }

  /** Runs on the core from `at` on, until it has done or for so long. Returns how long it ran: 0 if it does not want to. */
  run(at: number, limitNs: number): number {
    if (this.readyAt > at) return 0;
    const ranNs = Math.min(this.#needNs, limitNs);
    this.#needNs -= ranNs;
    if (this.#needNs > 0) {
      this.readyAt = at + ranNs;
    } else {
      this.readyAt = at + ranNs + this.#pauseNs;
      this.#needNs = this.#burstNs;
    }
    return ranNs;
  }

  /** Runs from `from` to `until` as it likes: nobody else wants the core. */
  runFreely(from: number, until: number): void {
    const periodNs = this.#burstNs + this.#pauseNs;
    let at = Math.max(from, this.readyAt);
    while (at < until) {
      // Whole periods at once: only where it stands at the end matters.
      const periods = this.#needNs === this.#burstNs ? Math.max(0, Math.floor((until - at) / periodNs) - 1) : 0;
      if (periods > 0) this.readyAt = at += periods * periodNs;
      this.run(at, until - at);
      at = Math.max(at, this.readyAt);
    }
  }
}
