/**
 * Whether a repetition was disturbed by what is not part of it.
 *
 * What a policy causes must not count, or what is measured would be what it does when it does well: a policy that spins on
 * a core that another thread wants has its core taken away, by nature. So two things count:
 *
 * - Time that the host of a virtual machine took from its cores. No policy can cause it.
 * - That the core was taken from the domains' threads more often than is usual for the same cell, and in the same window
 *   other programs used more of the cores than is usual for it. One alone says nothing: the first may be the policy in
 *   another mood, the second may have run on another core. What the cell itself always causes, such as neighbours that
 *   the scenario has, is usual for it.
 *
 * @module
 */

import type { Sample } from "./result.ts";
import { median } from "./statistics.ts";

/** Share of all cores' time that the host may take. */
const STEAL_SHARE = 0.02;
/** Less than two ticks of the kernel's count may be none. */
const LEAST_STEAL_NS = 20e6;
/** Fewest other repetitions that say what is usual. */
const FEWEST_OTHERS = 4;
/** So many robust standard deviations above the median is not usual. */
const DEVIATIONS = 5;
/** The median absolute deviation of a normal distribution, as its standard deviation. */
const MAD_TO_DEVIATION = 1.4826;
/** Least standard deviation of the cores that others use: two ticks of 10 ms in a second. */
const LEAST_OTHERS_DEVIATION = 0.02;
/** Least standard deviation of the switches a second. */
const LEAST_SWITCHES_DEVIATION = 10;

/**
 * What the host did to a repetition; null as a rule.
 *
 * @param cores of the machine
 */
export function stolen({ stealNs, durationNs }: Sample, cores: number): string | null {
  if (stealNs === null || stealNs < LEAST_STEAL_NS) return null;
  const share = stealNs / (durationNs * cores);
  return share > STEAL_SHARE ? `the host took ${percent(share)} of the cores' time` : null;
}

/**
 * What other programs did to a repetition; null as a rule, and where too little is known to say.
 *
 * @param others the other repetitions of the same cell
 */
export function crowded(sample: Sample, others: readonly Sample[]): string | null {
  const switches = beyondUsual(switchesPerSecond, LEAST_SWITCHES_DEVIATION, sample, others);
  const cores = beyondUsual(coresOfOthers, LEAST_OTHERS_DEVIATION, sample, others);
  if (switches === null || cores === null) return null;
  return `other programs used ${cores.value.toFixed(2)} cores, where ${
    cores.usual.toFixed(2)
  } are usual, and the domains ` +
    `lost theirs ${Math.round(switches.value)} times a second, where ${Math.round(switches.usual)} are`;
}

/** A value and what is usual, if it is far above that. */
function beyondUsual(
  of: (sample: Sample) => number | null,
  leastDeviation: number,
  sample: Sample,
  others: readonly Sample[],
): { readonly value: number; readonly usual: number } | null {
  const value = of(sample);
  const values = others.map(of).filter((each) => each !== null);
  if (value === null || values.length < FEWEST_OTHERS) return null;
  const usual = median(values);
  const deviation = MAD_TO_DEVIATION * median(values.map((each) => Math.abs(each - usual)));
  return value > usual + DEVIATIONS * Math.max(deviation, leastDeviation) ? { value, usual } : null;
}

/** How often the core was taken from a thread; null where it is not known. */
function switchesPerSecond({ contextSwitches: { application, driver }, durationNs }: Sample): number | null {
  return application === null ? null : (application.involuntary + (driver?.involuntary ?? 0)) / (durationNs / 1e9);
}

/** Cores that all but the machine process used; null where that is not known. */
function coresOfOthers({ othersNs, durationNs }: Sample): number | null {
  return othersNs === null ? null : othersNs / durationNs;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
