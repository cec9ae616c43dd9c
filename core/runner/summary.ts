/**
 * From repetitions to an estimate: the median, and an interval that says how sure it is.
 *
 * @module
 */

// deno-lint-ignore no-import-prefix -- named in full, so that this folder can be imported from any project
import { median, quantileSorted } from "npm:simple-statistics@7.12.1";
import { mulberry32 } from "../mulberry32.ts";
import { fairness } from "./clients.ts";
import type { Estimate, Sample, Summary } from "./result.ts";

export { median };

/** Fewest repetitions that can carry a 95 % interval of the median: with five, even the whole range covers 94 %. */
const BOOTSTRAP_FROM = 6;
const RESAMPLES = 2000;

/** Sums up a cell's repetitions. */
export function summarise(samples: readonly Sample[]): Summary {
  const of = (value: (sample: Sample) => number | null): Estimate | null => {
    const values = samples.map(value);
    return values.length === 0 || values.includes(null) ? null : estimate(values as number[]);
  };
  return {
    iops: of(({ iops }) => iops),
    bytesPerSecond: of(({ bytesPerSecond }) => bytesPerSecond),
    latencyP50Ns: of(({ latencyNs }) => latencyNs?.p50 ?? null),
    latencyP99Ns: of(({ latencyNs }) => latencyNs?.p99 ?? null),
    latencyP999Ns: of(({ latencyNs }) => latencyNs?.p999 ?? null),
    cpuCores: of(totalCores),
    iopsPerCpuCore: of((sample) => {
      const cores = totalCores(sample);
      return cores === null || cores === 0 ? null : sample.iops / cores;
    }),
    steady: null,
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

/** Cores that the domains of one repetition used together; null where they could not be measured. */
function totalCores({ cpuCores, notifications }: Sample): number | null {
  const isolated = notifications.backend !== null;
  if (cpuCores.application === null || (isolated && cpuCores.driver === null)) return null;
  return cpuCores.application + (cpuCores.driver ?? 0);
}

/**
 * The median of some values with its interval: a 95 % bootstrap interval from six values up, their range below.
 *
 * @param values at least one
 */
export function estimate(values: readonly number[]): Estimate {
  const middle = median([...values]);
  if (values.length < BOOTSTRAP_FROM) {
    return { median: middle, low: Math.min(...values), high: Math.max(...values), interval: "minmax" };
  }
  const random = mulberry32(values.length);
  const medians = Array.from({ length: RESAMPLES }, () => {
    return median(values.map(() => values[Math.floor(random() * values.length)]));
  }).sort((a, b) => a - b);
  return {
    median: middle,
    low: quantileSorted(medians, 0.025),
    high: quantileSorted(medians, 0.975),
    interval: "bootstrap95",
  };
}
