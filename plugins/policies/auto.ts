/**
 * Finds out by itself how to wait.
 *
 * It tries several ways for some milliseconds each (`auto/candidates.ts`: spinning, spinning with the core offered to others,
 * spinning for as long as a wake costs, sleeping, sleeping until several entries are there, sleeping for a time) and keeps
 * the one with the best score, which is measured and not computed from assumptions: entries that the thread takes from its
 * rings in a second, divided by the cores that it uses to the power of `cpuPrice`. So at 0 throughput counts alone, and at
 * 1 the work that is done for the CPU time. When the trials are repeated is in `auto/trials.ts`.
 *
 * What is waited for, how long that takes, what a wake costs on this machine, and whether others want the core: all of it
 * shows in the score, and none of it has to be known.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import type { NotificationPolicy, PolicyContext, WaitOutcome, WaitPlan } from "../../core/notification.ts";
import { API_VERSION, definePlugin, type PolicyPlugin } from "../../core/plugin.ts";
import { CANDIDATES } from "./auto/candidates.ts";
import { Trials } from "./auto/trials.ts";

const options = z.strictObject({
  cpuPrice: z.number().min(0).max(1).default(0.5).describe(
    "What CPU time counts: from 0, only throughput matters, to 1, only what is done for each second of CPU time.",
  ),
});

/** The policy `auto`. */
const plugin: PolicyPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "policy",
  name: "auto",
  description: "Tries several ways of waiting and keeps the best, by throughput and by what CPU time is worth.",
  options,
  create: ({ cpuPrice }, context) => new Auto(cpuPrice, context),
});

export default plugin;

/** Time between two looks at the clock. */
const LOOK_NS = 5e5;
const MAX_WAITS = 4096;
const TWO_32 = 2 ** 32;

class Auto implements NotificationPolicy {
  readonly #context: PolicyContext;
  readonly #trials: Trials;
  /** What was done since the present epoch began. */
  readonly #progress = { elapsedNs: 0, entries: 0, cpuNs: (): number => this.#usedNs() };
  #way: Readonly<WaitPlan>;
  /** Waits until the clock is read again, and how many that were. */
  #waitsLeft = 1;
  #waits = 1;
  #lookedAt: number;
  /** When the epoch began, and what had been taken and used by then. */
  #startedAt: number;
  #taken: number;
  #cpuNs: number;
  /** Time asleep since then. */
  #sleptNs = 0;
  /** Time of the waits since the clock was read. */
  #waitedNs = 0;
  /** Whether the last wait brought no work. */
  #idle = false;

  constructor(cpuPrice: number, context: PolicyContext) {
    this.#context = context;
    this.#trials = new Trials(CANDIDATES.length, cpuPrice);
    this.#way = CANDIDATES[0].plan;
    this.#startedAt = this.#lookedAt = context.nowNs();
    this.#taken = context.taken();
    this.#cpuNs = context.threadCpuNs();
  }

  plan(plan: WaitPlan): void {
    const way = this.#way;
    plan.spinNs = way.spinNs;
    plan.yieldNs = way.yieldNs;
    plan.preSleepNs = way.preSleepNs;
    if (this.#idle) return; // A thread without work is not to wake for several entries, which do not come.
    plan.armDistance = way.armDistance;
    plan.blockNs = way.blockNs;
  }

  waited(outcome: WaitOutcome): void {
    this.#idle = !outcome.found;
    this.#sleptNs += outcome.sleptNs;
    this.#waitedNs += outcome.spunNs + outcome.lostNs + outcome.sleptNs;
    if (--this.#waitsLeft === 0 || this.#waitedNs >= LOOK_NS) this.#look();
  }

  /** Sees how it goes: about every half a millisecond, or at each wait where they are longer. */
  #look(): void {
    const now = this.#context.nowNs();
    this.#waits = Math.ceil(Math.min(MAX_WAITS, 2 * this.#waits, this.#waits * LOOK_NS / (now - this.#lookedAt + 1)));
    this.#waitsLeft = this.#waits;
    this.#waitedNs = 0;
    this.#lookedAt = now;
    const taken = this.#context.taken();
    const entries = (taken - this.#taken + TWO_32) % TWO_32;
    this.#progress.elapsedNs = now - this.#startedAt;
    // A ring that begins anew goes back.
    this.#progress.entries = entries < TWO_32 / 2 ? entries : 0;
    if (this.#progress.elapsedNs <= 0 || !this.#trials.advance(this.#progress)) return;
    this.#way = CANDIDATES[this.#trials.current].plan;
    this.#startedAt = now;
    this.#taken = taken;
    this.#cpuNs = this.#context.threadCpuNs();
    this.#sleptNs = 0;
  }

  /** CPU time since the epoch began. Where it cannot be known: all the time that the thread was awake. */
  #usedNs(): number {
    const usedNs = this.#context.threadCpuNs() - this.#cpuNs;
    return Number.isNaN(usedNs) ? this.#progress.elapsedNs - this.#sleptNs : usedNs;
  }
}
