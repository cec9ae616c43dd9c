/**
 * How sure a median over repetitions is: the bootstrap, which draws from what was measured as if that were all there is
 * to measure (Efron and Tibshirani, An Introduction to the Bootstrap, chapters 8 and 13).
 *
 * Repetitions are fresh processes, which differ by more than what happens within one of them (memory, caches, code that
 * was compiled otherwise). So repetitions are drawn first, then the pieces of the window within each that was drawn
 * (Kalibera and Jones, Rigorous Benchmarking in Reasonable Time, ISMM 2013). Everything is seeded: the same measurements
 * always give the same interval.
 *
 * @module
 */

import { mulberry32 } from "../mulberry32.ts";
import type { Estimate } from "./result.ts";
import { median, quantileSorted } from "./statistics.ts";

/** What one repetition says of a metric. */
export interface Repeated {
  /** Its value. */
  readonly value: number;
  /** The same in pieces of the window; null where the metric cannot be had of them, as percentiles cannot. */
  readonly pieces: PieceRatios | null;
}

/** A metric that is a ratio of sums over pieces, such as operations over time. One value a piece in each list. */
export interface PieceRatios {
  /** What the metric counts. */
  readonly numerators: readonly number[];
  /** For what it counts it. */
  readonly denominators: readonly number[];
}

/** Fewest repetitions that can carry a 95 % interval of the median: with five, even the whole range covers 94 %. */
export const BOOTSTRAP_FROM = 6;
/** How often the median is drawn anew. */
export const RESAMPLES = 2000;
/** Windows that are drawn of each repetition, in advance: each time that it is drawn, it has one of them. */
const WINDOWS_DRAWN = 100;

/**
 * The median of repetitions with its interval: from six up a 95 % bootstrap interval, below the range.
 *
 * @param repetitions at least one
 */
export function estimateOf(repetitions: readonly Repeated[]): Estimate {
  const values = repetitions.map(({ value }) => value);
  const middle = median(values);
  if (values.length < BOOTSTRAP_FROM) {
    return { median: middle, low: Math.min(...values), high: Math.max(...values), interval: "minmax" };
  }
  const { low, high } = interval95(drawMedians(repetitions, mulberry32(values.length)));
  return { median: middle, low: Math.min(low, middle), high: Math.max(high, middle), interval: "bootstrap95" };
}

/** Where the middle 95 % of some draws lie. They are sorted by it. */
export function interval95(draws: Float64Array): { readonly low: number; readonly high: number } {
  const sorted = draws.sort() as unknown as number[];
  return { low: quantileSorted(sorted, 0.025), high: quantileSorted(sorted, 0.975) };
}

/**
 * Medians as they could have come out: {@link RESAMPLES} of them, in no order.
 *
 * @param repetitions at least one
 */
export function drawMedians(repetitions: readonly Repeated[], random: () => number): Float64Array {
  const drawn = repetitions.map((repetition) => drawWindows(repetition, random));
  const one = new Float64Array(drawn.length);
  const medians = new Float64Array(RESAMPLES);
  for (let draw = 0; draw < RESAMPLES; draw++) {
    for (let i = 0; i < one.length; i++) {
      const windows = drawn[Math.floor(random() * drawn.length)];
      one[i] = windows[Math.floor(random() * windows.length)];
    }
    medians[draw] = middleOf(one);
  }
  return medians;
}

/** Values that a repetition could have had, if other pieces of its window had come. */
function drawWindows({ value, pieces }: Repeated, random: () => number): Float64Array {
  if (pieces === null) return Float64Array.of(value);
  const { numerators, denominators } = pieces;
  const whole = ratio(numerators, denominators, (index) => index);
  if (!Number.isFinite(whole) || whole === 0) return Float64Array.of(value);
  return Float64Array.from({ length: WINDOWS_DRAWN }, () => {
    const drawn = ratio(numerators, denominators, () => Math.floor(random() * numerators.length));
    return Number.isFinite(drawn) ? value * (drawn / whole) : value;
  });
}

/** The ratio of the sums over as many pieces as there are. */
function ratio(
  numerators: readonly number[],
  denominators: readonly number[],
  pick: (index: number) => number,
): number {
  let numerator = 0;
  let denominator = 0;
  for (let i = 0; i < numerators.length; i++) {
    const piece = pick(i);
    numerator += numerators[piece];
    denominator += denominators[piece];
  }
  return numerator / denominator;
}

/** The median. The values are sorted by it; by insertion, as they are few. */
function middleOf(values: Float64Array): number {
  for (let i = 1; i < values.length; i++) {
    const value = values[i];
    let at = i;
    for (; at > 0 && values[at - 1] > value; at--) values[at] = values[at - 1];
    values[at] = value;
  }
  const half = values.length >> 1;
  return values.length % 2 === 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}
