/**
 * How often a driver may be started anew, and how soon.
 *
 * @module
 */

import type { RecoveryPlan } from "./domain/plan.ts";
import { DomainError } from "./errors.ts";

const NS_PER_MS = 1e6;
/** Doublings of the backoff after which it grows no more. */
const MAX_DOUBLINGS = 10;

/** Counts the restarts of one driver. */
export class Restarts {
  /** What the person wants. */
  readonly plan: RecoveryPlan;
  #count = 0;
  /** Drivers in a row that have answered nothing. */
  #useless = 0;

  /** None yet. */
  constructor(plan: RecoveryPlan) {
    this.plan = plan;
  }

  /**
   * Counts one more.
   *
   * @param useful whether the driver that failed had answered anything
   * @returns how long to wait before it, in ms
   * @throws {DomainError} when it is one too many
   */
  next(useful: boolean, cause: string): number {
    const { maxRestarts, backoffNs } = this.plan;
    if (++this.#count > maxRestarts) {
      throw new DomainError(
        maxRestarts === 0 ? cause : `${cause}. It was started anew ${maxRestarts} times, which is all that it may be`,
      );
    }
    this.#useless = useful ? 0 : this.#useless + 1;
    if (this.#useless === 0) return 0;
    return (backoffNs / NS_PER_MS) * 2 ** Math.min(this.#useless - 1, MAX_DOUBLINGS);
  }
}
