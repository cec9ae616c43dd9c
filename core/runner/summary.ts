/**
 * From repetitions to an estimate: the median, and an interval that says how sure it is.
 *
 * @module
 */

import { estimateOf } from "./bootstrap.ts";
import { fairness } from "./clients.ts";
import { repeated } from "./metrics.ts";
import { type Estimate, type EstimateName, ESTIMATES, type Sample, type Summary } from "./result.ts";
import { median } from "./statistics.ts";
import { steadiness } from "./steady.ts";

export { median };

/** Sums up a cell's repetitions. */
export function summarise(samples: readonly Sample[]): Summary {
  const estimates = ESTIMATES.map((name) => {
    const repetitions = repeated(samples, name);
    return [name, repetitions === null ? null : estimateOf(repetitions)];
  });
  const of = (value: (sample: Sample) => number | null): Estimate | null => {
    const values = samples.map(value);
    return values.length === 0 || values.includes(null) ? null : estimate(values as number[]);
  };
  return {
    ...Object.fromEntries(estimates) as Record<EstimateName, Estimate | null>,
    steady: steadiness(samples),
    latenessP99Ns: of(({ latenessNs }) => latenessNs?.p99 ?? null),
    fairness: of(({ clients }) => fairness(clients)),
    minClientIops: of(({ clients }) => clients.length === 0 ? null : Math.min(...clients.map(({ iops }) => iops))),
    maxClientIops: of(({ clients }) => clients.length === 0 ? null : Math.max(...clients.map(({ iops }) => iops))),
    errors: samples.length === 0 ? null : samples.reduce((total, { errors }) => total + errors, 0),
    restarts: of(({ restarts }) => restarts.length),
    counters: Object.fromEntries(
      Object.keys(samples[0]?.counters ?? {})
        .map((name) => [name, estimate(samples.map(({ counters }) => counters[name] ?? 0))]),
    ),
  };
}

/**
 * The median of some values with its interval: a 95 % bootstrap interval from six values up, their range below.
 *
 * @param values at least one
 */
export function estimate(values: readonly number[]): Estimate {
  return estimateOf(values.map((value) => ({ value, pieces: null })));
}
