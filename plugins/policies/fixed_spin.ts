/**
 * Spins for a fixed time, then sleeps.
 *
 * Spinning for as long as a sleep and a wake-up cost is never worse than twice the best choice (Karlin et al., SOSP
 * 1991); the default is about that cost between two cores.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import type { WaitPlan } from "../../core/notification.ts";
import { API_VERSION, definePlugin, type PolicyPlugin } from "../../core/plugin.ts";
import { duration } from "../../core/units.ts";

const options = z.strictObject({
  spin: duration().prefault("50us").describe("How long to spin before sleeping."),
});

/** The policy `fixed-spin`. */
const plugin: PolicyPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "policy",
  name: "fixed-spin",
  description: "Spins for a fixed time, then sleeps until notified.",
  options,
  create: ({ spin }) => ({
    plan(plan: WaitPlan): void {
      plan.spinNs = spin;
    },
  }),
});

export default plugin;
