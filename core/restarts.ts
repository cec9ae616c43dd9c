/**
 * How often a driver may be started anew, and how soon.
 *
 * @module
 */

import type { DomainPlan, MachinePlan, RecoveryPlan } from "./domain/plan.ts";
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

/**
 * What a failure of a driver means to a domain: whether it is started anew itself, and what it does when a driver behind
 * its links is.
 */
export function recoveryOf(
  { name, kind, workload }: DomainPlan,
  { recovery, links, devices, domains }: MachinePlan,
): { readonly restarts: Restarts | null; readonly recovery: RecoveryPlan | null } {
  if (recovery === undefined) return { restarts: null, recovery: null };
  if (workload === undefined) return { restarts: kind === "process" ? new Restarts(recovery) : null, recovery: null };
  const used = links.filter(({ frontend }) => frontend === name).map(({ device }) => device);
  const drivers = devices.filter((device) => used.includes(device.name)).flatMap((device) => device.domains);
  const restarted = domains.some((domain) => domain.kind === "process" && drivers.includes(domain.name));
  return { restarts: null, recovery: restarted ? recovery : null };
}
