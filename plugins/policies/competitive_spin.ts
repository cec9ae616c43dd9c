/**
 * Spins for what a sleep costs, then sleeps: competitive spinning (A. R. Karlin, K. Li, M. S. Manasse and S. Owicki,
 * "Empirical Studies of Competitive Spinning for a Shared-Memory Multiprocessor", SOSP 1991).
 *
 * Let a sleep and the wake from it cost C, as much as spinning for so long. Who knew when work comes would spin for it if
 * that is sooner than C, and sleep at once if not. Nobody knows, and yet:
 *
 * - `deterministic`: who spins for C, and then sleeps, never pays more than twice of that, whatever comes, and no fixed time
 *   does better.
 * - `randomised`: who spins for a time drawn anew for each wait, from 0 to C with the density e^(t/C) / (C (e − 1)), pays at
 *   most e / (e − 1) ≈ 1.58 times of that on average, whatever comes. (Karlin, Manasse, McGeoch and
 *   Owicki, "Competitive Randomized Algorithms for Nonuniform Problems", SODA 1990.)
 *
 * The paper measures C, the cost of blocking a thread and resuming it, beforehand. Here it is learnt while the policy runs,
 * from the wakes that end its sleeps (`WaitOutcome.wakeNs`), as it depends on the machine, on where the threads are and on
 * who else runs: it is the running median, which each wake moves by a sixteenth up or down, so that a few wakes that took
 * very long count as no more than a few. Before the first it is `initialCost`. Where wakes are not measured it stays so.
 * Where the work is far more often in time than not, there are few sleeps to learn from, and C matters as little.
 *
 * What C leaves out: the CPU time that the peer needs for the ring and this thread for going to sleep, a few microseconds
 * each. The paper's other strategies, which learn how long waits are, are not here; `adaptive-spin` and `halt-poll` do that.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import type { NotificationPolicy, WaitOutcome, WaitPlan } from "../../core/notification.ts";
import { API_VERSION, definePlugin, type PolicyPlugin } from "../../core/plugin.ts";
import { duration } from "../../core/units.ts";
import { mulberry32 } from "../../core/mulberry32.ts";

const options = z.strictObject({
  algorithm: z.enum(["deterministic", "randomised"]).default("deterministic")
    .describe("Whether it always spins for the cost of a sleep, or for a time drawn between 0 and that cost."),
  cost: duration().optional().describe("What a sleep and its wake cost. Measured while it runs when absent."),
  initialCost: duration().prefault("50us").describe("What a sleep is taken to cost before one was measured."),
  maxCost: duration().refine((ns) => ns >= 1000, "must be at least 1us").prefault("1ms")
    .describe("What a sleep is taken to cost at most, however long wakes take."),
  seed: z.int().min(1).max(2 ** 31 - 1).default(1).describe("Seeds what it draws."),
}).refine(({ initialCost, maxCost }) => initialCost <= maxCost, {
  path: ["initialCost"],
  message: "must not be above maxCost",
});

/** A cost never falls below: from 0 it could not grow. */
const MIN_COST_NS = 500;
/** By how much a measured wake changes the cost. */
const STEP = 17 / 16;

/** The policy `competitive-spin`. */
const plugin: PolicyPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "policy",
  name: "competitive-spin",
  description:
    "Spins for as long as a sleep and its wake cost, which it measures, then sleeps: at most twice the best choice.",
  options,
  create: ({ algorithm, cost, initialCost, maxCost, seed }) => {
    const random = algorithm === "randomised" ? mulberry32(seed) : null;
    return new CompetitiveSpin(cost ?? initialCost, cost === undefined ? maxCost : null, random);
  },
});

export default plugin;

class CompetitiveSpin implements NotificationPolicy {
  #costNs = 0;
  /** The most that is learnt; null where nothing is. */
  readonly #maxCostNs: number | null;
  readonly #random: (() => number) | null;

  constructor(costNs: number, maxCostNs: number | null, random: (() => number) | null) {
    this.#costNs = costNs;
    this.#maxCostNs = maxCostNs;
    this.#random = random;
  }

  plan(plan: WaitPlan): void {
    plan.spinNs = this.#random === null ? this.#costNs : this.#costNs * drawShare(this.#random());
  }

  waited({ wakeNs }: WaitOutcome): void {
    if (this.#maxCostNs === null || !(wakeNs > 0)) return;
    const movedNs = wakeNs > this.#costNs ? this.#costNs * STEP : this.#costNs / STEP;
    this.#costNs = Math.min(this.#maxCostNs, Math.max(MIN_COST_NS, movedNs));
  }
}

/** The share of the cost to spin for: the inverse of the distribution whose density is e^x / (e − 1). */
function drawShare(fraction: number): number {
  return Math.log1p(fraction * (Math.E - 1));
}
