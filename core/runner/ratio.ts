/**
 * By how much two groups of repetitions differ: the ratio of their medians, with its interval.
 *
 * @module
 */

import { mulberry32 } from "../mulberry32.ts";
import { BOOTSTRAP_FROM, drawMedians, interval95, type Repeated } from "./bootstrap.ts";
import type { Estimate } from "./result.ts";
import { median } from "./statistics.ts";

/**
 * The median of the second over that of the first: from six repetitions of each up with a 95 % interval by the bootstrap
 * of both, below with the range of all ratios. Exchanged groups have the inverse.
 *
 * @param a at least one repetition
 * @param b at least one repetition
 * @returns null where a value is not above 0
 */
export function ratioOf(a: readonly Repeated[], b: readonly Repeated[]): Estimate | null {
  const [first, second] = [a, b].map((group) => group.map(({ value }) => value));
  const [below, above] = [median(first), median(second)];
  if (![...first, ...second].every((value) => value > 0)) return null;
  const middle = above / below;
  if (Math.min(a.length, b.length) < BOOTSTRAP_FROM) {
    const low = Math.min(...second) / Math.max(...first);
    return { median: middle, low, high: Math.max(...second) / Math.min(...first), interval: "minmax" };
  }
  // Drawn in one order, whichever is asked for.
  if (above < below) {
    const { low, high, interval } = ratioOf(b, a) as Estimate;
    return { median: middle, low: 1 / high, high: 1 / low, interval };
  }
  const random = mulberry32(a.length + b.length);
  const [drawnA, drawnB] = [drawMedians(a, random), drawMedians(b, random)];
  const { low, high } = interval95(drawnA.map((drawn, index) => Math.log(drawnB[index] / drawn)));
  return {
    ...{ median: middle, low: Math.min(middle, Math.exp(low)), high: Math.max(middle, Math.exp(high)) },
    interval: "bootstrap95",
  };
}
