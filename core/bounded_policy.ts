/**
 * A policy whose waits end by a certain time: when something else than the thread's sources is due.
 *
 * @module
 */

import type { NotificationPolicy, WaitOutcome, WaitPlan } from "./notification.ts";

/** Waits as another policy does, and no longer than it may. */
export class BoundedPolicy implements NotificationPolicy {
  /** How long the next wait may take, in nanoseconds. */
  leftNs: number = Infinity;
  readonly #policy: NotificationPolicy;

  /** A policy without a bound yet. */
  constructor(policy: NotificationPolicy) {
    this.#policy = policy;
  }

  plan(plan: WaitPlan): void {
    this.#policy.plan(plan);
    if (this.leftNs === Infinity) return;
    let left = Math.max(0, this.leftNs);
    left -= plan.preSleepNs = Math.min(plan.preSleepNs, left);
    left -= plan.spinNs = Math.min(plan.spinNs, left);
    left -= plan.yieldNs = Math.min(plan.yieldNs, left);
    plan.blockNs = Math.min(plan.blockNs, left);
  }

  waited(outcome: WaitOutcome): void {
    this.#policy.waited?.(outcome);
  }
}
