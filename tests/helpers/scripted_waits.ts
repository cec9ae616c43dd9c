/**
 * Policies that are told how waits went, and asked what they would do next.
 *
 * @module
 */

import {
  NO_CONTEXT,
  type NotificationPolicy,
  resetPlan,
  type WaitOutcome,
  type WaitPlan,
} from "../../core/notification.ts";
import type { PolicyPlugin } from "../../core/plugin.ts";

/** A policy of a built-in, with options as a scenario has them. */
export function policyOf(plugin: PolicyPlugin, options: unknown = {}): NotificationPolicy {
  return plugin.create(plugin.options.parse(options), NO_CONTEXT);
}

/** What it would do with the next wait. */
export function planOf(policy: NotificationPolicy): WaitPlan {
  const plan = { spinNs: NaN, yieldNs: NaN, preSleepNs: NaN, armDistance: NaN, blockNs: NaN };
  resetPlan(plan);
  policy.plan(plan);
  return plan;
}

/** A wait in which the thread slept until there was work; what is given differs. */
export function slept(sleptNs: number, more: Partial<WaitOutcome> = {}): WaitOutcome {
  return { spinHit: false, spunNs: 0, lostNs: 0, sleptNs, wakeNs: 0, found: true, ...more };
}

/** A wait in which the thread found work while looking; what is given differs. */
export function spun(spunNs: number, more: Partial<WaitOutcome> = {}): WaitOutcome {
  return { spinHit: true, spunNs, lostNs: 0, sleptNs: 0, wakeNs: 0, found: true, ...more };
}
