/**
 * A policy whose waits end by a certain time: when something else than the thread's sources is due.
 *
 * @module
 */

import { endLooks, type NotificationPolicy, type WaitOutcome, type WaitPlan } from "./notification.ts";
import { MAX_SLEEP_MS } from "./waiter.ts";

const MAX_SLEEP_NS = MAX_SLEEP_MS * 1e6;

/**
 * Waits as another policy does, and no longer than it may.
 *
 * The other policy is not told of a wait that was cut short and brought no work: how long it took was neither the policy's
 * choice nor the work's, and a policy would take the bound for the time after which work comes.
 */
export class BoundedPolicy implements NotificationPolicy {
  /** How long the next wait may take, in nanoseconds; that after it has no bound again. */
  leftNs: number = Infinity;
  readonly #policy: NotificationPolicy;
  /** Whether this wait may take less than the policy wanted. */
  #cut = false;

  /** A policy without a bound yet. */
  constructor(policy: NotificationPolicy) {
    this.#policy = policy;
  }

  plan(plan: WaitPlan): void {
    this.#policy.plan(plan);
    this.#cut = false;
    if (this.leftNs === Infinity) return;
    if (plan.spinNs + plan.yieldNs === Infinity) {
      // As a wait without a bound: looks without an end have one, and nobody sleeps after it.
      endLooks(plan, MAX_SLEEP_NS);
      plan.blockNs = 0;
    }
    let left = Math.max(0, this.leftNs);
    this.leftNs = Infinity;
    this.#cut = left < plan.preSleepNs + plan.spinNs + plan.yieldNs + Math.min(plan.blockNs, MAX_SLEEP_NS);
    left -= plan.preSleepNs = Math.min(plan.preSleepNs, left);
    left -= plan.spinNs = Math.min(plan.spinNs, left);
    left -= plan.yieldNs = Math.min(plan.yieldNs, left);
    plan.blockNs = Math.min(plan.blockNs, left);
  }

  waited(outcome: WaitOutcome): void {
    if (this.#cut && !outcome.found) return;
    this.#policy.waited?.(outcome);
  }
}
