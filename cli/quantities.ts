/**
 * Estimates and quantities as people read them.
 *
 * @module
 */

import type { Estimate } from "../core/runner/result.ts";
import type { Scenario } from "../core/runner/scenario.ts";
import { formatPercentage } from "../core/units.ts";
import { counted } from "./labels.ts";

/** Estimates below each other: `13,064 [12,838–14,993]`, with their parts aligned. */
export function intervals(estimates: readonly (Estimate | null)[]): string[] {
  const parts = estimates.map((each) => each === null ? null : [each.median, each.low, each.high].map(count));
  const [middle, low, high] = [0, 1, 2].map((part) => Math.max(0, ...parts.map((each) => each?.[part].length ?? 0)));
  return parts.map((each) => {
    return each === null ? "" : `${each[0].padStart(middle)} [${each[1].padStart(low)}–${each[2].padStart(high)}]`;
  });
}

/** An estimate in another unit. */
export function scaled(estimate: Estimate | null, factor: number): Estimate | null {
  if (estimate === null) return null;
  const { median, low, high } = estimate;
  return { ...estimate, median: median * factor, low: low * factor, high: high * factor };
}

/** A number in thousands. */
export function count(value: number): string {
  return value.toLocaleString("en-US", value < 10 ? { maximumFractionDigits: 1 } : { maximumFractionDigits: 0 });
}

/** At least three digits, none of them too many. */
export function digits(value: number): string {
  return value < 99.95 ? value.toPrecision(3) : count(value);
}

/** A time in the unit that suits it; empty where there is none. */
export function time(estimate: Estimate | null): string {
  if (estimate === null) return "";
  const ns = estimate.median;
  if (ns < 1e3) return `${Math.round(ns)} ns`;
  return ns < 1e6 ? `${digits(ns / 1e3)} µs` : `${digits(ns / 1e6)} ms`;
}

/** `5 repetitions`, or `repetitions until iops is known to 2%, 50 at most`. */
export function repetitionsInWords({ run }: Scenario): string {
  const { repetitions, precision, precisionMetric, maxRepetitions } = run;
  if (precision === null) return counted(repetitions, "repetition");
  return `repetitions until ${precisionMetric} is known to ${formatPercentage(precision)}, ${maxRepetitions} at most`;
}
