/** Answers of `advise` as they could have come out. */

import { type Advice, adviceOf, type LoadAdvice, loadAdvice } from "../../core/runner/advise/advice.ts";
import type { Observation } from "../../core/runner/advise/objective.ts";

/** What was measured of each policy; a text is the cause for which it failed. */
export type Measured = Readonly<Record<string, readonly Partial<Observation>[] | string>>;

/** A load of which so much was measured. */
export function loadOf(
  measured: Measured,
  { labels = {}, asked = true, openLoop = false, cpuPrice = 0 }: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly asked?: boolean;
    readonly openLoop?: boolean;
    readonly cpuPrice?: number;
  } = {},
): LoadAdvice {
  const arms = Object.entries(measured).map(([policy, observations]) => ({
    policy,
    observations: typeof observations === "string"
      ? []
      : observations.map((each): Observation => ({ iops: 1000, p99Ns: 1e5, cores: 1, ...each })),
    failure: typeof observations === "string" ? observations : null,
  }));
  return loadAdvice({ arms, asked, openLoop }, labels, cpuPrice);
}

/** So many repetitions of so many IOPS, which differ a little. */
export function steady(iops: number, more: Partial<Observation> = {}, count = 5): Partial<Observation>[] {
  return Array.from({ length: count }, (_, index) => ({ ...more, iops: iops * (1 + 0.001 * (index % 3)) }));
}

/** The same, which differ very much. */
export function unsteady(iops: number, count = 5): Partial<Observation>[] {
  return Array.from({ length: count }, (_, index) => ({ iops: iops * (index % 2 === 0 ? 1.5 : 0.6) }));
}

/** An answer for some loads. */
export function adviceFor(loads: readonly LoadAdvice[], change: Partial<Parameters<typeof adviceOf>[1]> = {}): Advice {
  return adviceOf(loads, {
    ...{ scenario: "test", cpuPrice: 0, axis: null, ended: "decided", elapsedNs: 61e9 },
    ...{ warmupNs: 2e8, durationNs: 3e8 },
    ...change,
  });
}

/** Loads along the queue depth, of which the first is asked about. */
export function loadsAlong(measured: Readonly<Record<string, Measured>>, cpuPrice = 0): LoadAdvice[] {
  return Object.entries(measured).map(([depth, each], index) => {
    return loadOf(each, { labels: { "workload.with.queueDepth": depth }, asked: index === 0, cpuPrice });
  });
}

/** The path of {@link loadsAlong}. */
export const DEPTH = "workload.with.queueDepth";
