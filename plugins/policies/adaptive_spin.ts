/**
 * Spins for as long as spinning has lately been worth it, then sleeps.
 *
 * The rule is that of KVM's halt polling (Linux, `Documentation/virt/kvm/halt-polling.rst`): when a wait ended soon
 * after the spin was given up, a longer spin would have caught it, so the time doubles; when the wait was long, no
 * affordable spin would have, so it halves, down to none. A busy ring is spun upon, an idle one sleeps.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import type { WaitOutcome, WaitPlan } from "../../core/notification.ts";
import { API_VERSION, definePlugin, type PolicyPlugin } from "../../core/plugin.ts";
import { duration } from "../../core/units.ts";

const options = z.strictObject({
  floor: duration().refine((ns) => ns >= 100, "must be at least 100ns").prefault("10us")
    .describe("Shortest spin, at least 100ns; below it there is none."),
  ceiling: duration().prefault("200us").describe("Longest spin."),
}).refine(({ floor, ceiling }) => floor <= ceiling, { path: ["floor"], message: "must not be above the ceiling" });

/** The policy `adaptive-spin`. */
const plugin: PolicyPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "policy",
  name: "adaptive-spin",
  description: "Spins for a time that grows and shrinks with how long waits have been, then sleeps until notified.",
  options,
  create({ floor, ceiling }) {
    let spinNs = ceiling;
    return {
      plan(plan: WaitPlan): void {
        plan.spinNs = spinNs;
      },
      waited(outcome: WaitOutcome): void {
        // Nothing to learn: the spin was long enough, or something else than work ended the wait before a sleep.
        if (outcome.spinHit || outcome.sleptNs === 0) return;
        if (outcome.spunNs + outcome.sleptNs <= ceiling) {
          spinNs = Math.min(ceiling, Math.max(floor, spinNs * 2));
        } else {
          spinNs = spinNs / 2 < floor ? 0 : spinNs / 2;
        }
      },
    };
  },
});

export default plugin;
