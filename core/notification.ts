/**
 * Notification policies: how a consumer waits when there is nothing to consume.
 *
 * A policy decides and never touches a ring. It fills a {@link WaitPlan} before each wait and may learn from the
 * {@link WaitOutcome} afterwards. Both objects are reused, so a wait allocates nothing.
 *
 * @module
 */

import type { Counterpart } from "./counterpart.ts";

export type { Counterpart };

/** What a policy decides about one wait: look for a while, then arm the ring's event and sleep. */
export interface WaitPlan {
  /**
   * How long to look again and again before sleeping, in nanoseconds. 0: not at all; Infinity: never sleep, nor arm. Such a
   * wait ends after 100 ms without work, for its thread to see whether to go on.
   */
  spinNs: number;
  /**
   * How long to go on looking after that, with the core offered to other threads between looks, in nanoseconds: a look
   * costs about 0.5 µs then, and whoever is waited for can run, where there are more busy threads than cores. Where
   * threads cannot offer their core (`--allow-ffi` is missing) it is added to `spinNs`.
   */
  yieldNs: number;
  /** How long to sleep before looking at all, in nanoseconds, whether or not there is work (hybrid polling). */
  preSleepNs: number;
  /** How many entries must have arrived before the sleeper is woken, at least 1. */
  armDistance: number;
  /** Longest sleep in nanoseconds; the domain also wakes by itself, at the latest after 100 ms. */
  blockNs: number;
}

/** How a wait went. */
export interface WaitOutcome {
  /** Whether work came while looking: spinning, or with the core offered. */
  spinHit: boolean;
  /** Time spent looking, in nanoseconds; estimated from the number of looks when the spin was short. */
  spunNs: number;
  /**
   * Time in which somebody else had the core while this thread would have looked, in nanoseconds, as far as it was
   * noticed. More than now and then a little: there are more busy threads than cores.
   */
  lostNs: number;
  /** Time spent asleep, in nanoseconds. */
  sleptNs: number;
  /**
   * From the ring of the doorbell that ended the sleep until this thread ran again, in nanoseconds: what the sleep added to
   * the wait. 0 where no ring ended one, or where it cannot be known (`--allow-ffi` is missing).
   */
  wakeNs: number;
  /** Whether there was work when the wait ended. If not, its time was up, or the bell rang for something else. */
  found: boolean;
}

/** What a policy can ask about the thread that it serves. */
export interface PolicyContext {
  /** The time, in nanoseconds from some moment on. It costs about 100 ns. */
  nowNs(): number;
  /**
   * Entries that the thread has taken from its rings so far, modulo 2³²; it goes back when a ring begins anew. A few loads.
   */
  taken(): number;
  /** CPU time that the thread has used so far, in nanoseconds; NaN where it cannot be known. A system call. */
  threadCpuNs(): number;
  /** Which side of its rings the thread is: the one that asks, or the one that answers. */
  readonly side: "frontend" | "backend";
  /** The policies at the other ends of its rings, which may be another plugin's, or not there yet. Rings are added at the end. */
  readonly counterparts: readonly Counterpart[];
}

/** Decides how one side of a ring waits. One instance serves one side; it lives as long as its domain. */
export interface NotificationPolicy {
  /**
   * Fills the plan of the next wait. Members that it leaves alone are 0 (`spinNs`, `yieldNs`, `preSleepNs`), 1 (`armDistance`)
   * and Infinity (`blockNs`). On the hot path: no allocation.
   */
  plan(plan: WaitPlan): void;
  /** Learns how the wait went. On the hot path: no allocation. */
  waited?(outcome: WaitOutcome): void;
}

/** A plan's members before the policy fills them. */
export function resetPlan(plan: WaitPlan): void {
  plan.spinNs = 0;
  plan.yieldNs = 0;
  plan.preSleepNs = 0;
  plan.armDistance = 1;
  plan.blockNs = Infinity;
}

/** The context of a policy that serves no thread, as in a simulation: nothing is known. */
export const NO_CONTEXT: PolicyContext = {
  ...{ nowNs: () => 0, taken: () => 0, threadCpuNs: () => NaN, side: "frontend", counterparts: [] },
};

/** Has looks that would never end last for `limitNs` nanoseconds. */
export function endLooks(plan: WaitPlan, limitNs: number): void {
  plan.yieldNs = plan.spinNs < Infinity ? limitNs : 0;
  plan.spinNs = Math.min(plan.spinNs, limitNs);
}
