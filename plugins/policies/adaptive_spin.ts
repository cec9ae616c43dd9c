/**
 * Spins for as long as spinning has lately been worth it, then sleeps.
 *
 * The rule is that of KVM's halt polling (Linux, `Documentation/virt/kvm/halt-polling.rst`). It looks at waits that ended
 * with a sleep; a spin that found work was long enough, and says no more.
 *
 * - The wait took no longer than the ceiling, spin and sleep together: a longer spin would have caught the work. The spin
 *   doubles, from the floor up to the ceiling.
 * - The wait took longer: no spin that is allowed would have. The spin halves, and below the floor there is none.
 *
 * What follows from it:
 *
 * - A busy ring is spun upon; it begins with the ceiling, as it does not know better yet.
 * - An idle one is slept upon. Its waits end after 100 ms without work: five of them, less than two ceilings of spinning
 *   in all with the default options, and there is no spin any more, however long that lasts. So it is with load that comes
 *   less often than the ceiling: it does not spin for what it cannot catch.
 * - When load returns, the first wait is still the long one. The next ends as fast as the peer's work and one wake allow,
 *   which is short, and makes the spin the floor; each further one doubles it. With the default options the second
 *   back-to-back wait of at most 10 µs is spun through, and the sixth of any that a spin can catch.
 * - The time of a wake is part of a sleep: the longest gap that is learnt is the ceiling without it. Where a wake takes
 *   longer than the ceiling, no sleep is short, and a spin that is gone does not come back: raise the ceiling there.
 * - A single delay halves the spin once. That does no harm while what is left is longer than the waits.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import type { WaitOutcome, WaitPlan } from "../../core/notification.ts";
import { API_VERSION, definePlugin, type PolicyPlugin } from "../../core/plugin.ts";
import { duration } from "../../core/units.ts";

const options = z.strictObject({
  floor: duration().refine((ns) => ns >= 100, "must be at least 100ns").prefault("10us")
    .describe("Shortest spin, at least 100ns; below it there is none. The first spin after an idle time."),
  ceiling: duration().prefault("200us").describe(
    "Longest spin, and the longest wait that a spin is thought to be worth. The first spin of a run.",
  ),
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
