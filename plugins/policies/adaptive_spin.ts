/**
 * Looks for as long as looking has lately been worth it, then sleeps.
 *
 * Most of the time it spins. What takes longer than a few microseconds it looks for with its core offered to other threads
 * between looks: where each thread has a core of its own that costs half a microsecond, and where there are more busy
 * threads than cores, whoever is waited for can run. When it notices that others take the core, it offers it nearly at
 * once: blind spinning would then take away the time that it waits for. When somebody takes the core and computes for so
 * long that the scheduler has to end it, it goes to sleep instead for a while: a sleeper that is woken comes before such
 * a one, and who offers his core comes after.
 *
 * How long it looks in all, the rule is that of KVM's halt polling (Linux, `Documentation/virt/kvm/halt-polling.rst`). It goes by waits that ended
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
  yieldAfter: duration().prefault("10us").describe(
    "How much of a spin it keeps its core for itself; after that it offers it to other threads between looks. Where others want it, it does so after 1us at the latest.",
  ),
}).refine(({ floor, ceiling }) => floor <= ceiling, { path: ["floor"], message: "must not be above the ceiling" });

/** How much of a spin the core is not offered, where others want it. */
const CONTENDED_SPIN_NS = 1000;
/** Waits for which it is remembered that others wanted the core. */
const CONTENDED_WAITS = 10;
/** Who keeps a core for so long is not waited for by anybody: he computes. */
const HOGGED_NS = 1e6;
/** Waits for which that is remembered; each time that it was remembered in vain doubles them. */
const MIN_HOGGED_WAITS = 100;
const MAX_HOGGED_WAITS = 10_000;

/** The policy `adaptive-spin`. */
const plugin: PolicyPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "policy",
  name: "adaptive-spin",
  description:
    "Spins for a time that grows and shrinks with how long waits have been, yields where others want the core, then sleeps.",
  options,
  create({ floor, ceiling, yieldAfter }) {
    let spinNs = ceiling;
    const neighbours = new Neighbours();
    const contendedSpinNs = Math.min(yieldAfter, CONTENDED_SPIN_NS);
    return {
      plan(plan: WaitPlan): void {
        plan.spinNs = Math.min(spinNs, neighbours.wantCore ? contendedSpinNs : yieldAfter);
        plan.yieldNs = neighbours.keepCore ? 0 : spinNs - plan.spinNs;
      },
      waited(outcome: WaitOutcome): void {
        neighbours.waited(outcome.lostNs);
        // Nothing to learn: the spin was long enough, or something else than work ended the wait before a sleep.
        if (outcome.spinHit || outcome.sleptNs === 0) return;
        if (outcome.spunNs + outcome.lostNs + outcome.sleptNs <= ceiling) {
          spinNs = Math.min(ceiling, Math.max(floor, spinNs * 2));
        } else {
          spinNs = spinNs / 2 < floor ? 0 : spinNs / 2;
        }
      },
    };
  },
});

export default plugin;

/** What a thread has noticed of others that run on its core. */
class Neighbours {
  #contended = 0;
  #hogged = 0;
  #hoggedWaits = MIN_HOGGED_WAITS;

  /** Whether they want the core. */
  get wantCore(): boolean {
    return this.#contended > 0 || this.#hogged > 0;
  }

  /** Whether who takes the core keeps it. */
  get keepCore(): boolean {
    return this.#hogged > 0;
  }

  /** Learns for how long others had the core during a wait. On the hot path. */
  waited(lostNs: number): void {
    if (lostNs >= HOGGED_NS) {
      this.#hogged = this.#hoggedWaits;
      this.#hoggedWaits = Math.min(MAX_HOGGED_WAITS, this.#hoggedWaits * 2);
      return;
    }
    if (lostNs > 0) this.#contended = CONTENDED_WAITS;
    else if (this.#contended > 0) this.#contended--;
    if (this.#hogged > 0) this.#hogged--;
    else if (this.#hoggedWaits > MIN_HOGGED_WAITS) this.#hoggedWaits--;
  }
}
