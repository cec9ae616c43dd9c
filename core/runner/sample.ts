/**
 * From what the domains of one repetition measured to one sample: the threads of the application are summed up.
 *
 * @module
 */

import { addUp } from "../counters.ts";
import type { DomainSample, OperationSample } from "../domain/report.ts";
import { LatencyHistogram } from "../measure/histogram.ts";
import type { MachineResults } from "./machine_protocol.ts";
import type { Latencies, PerDomain, PerSide, Sample } from "./result.ts";

/** The sample of one repetition. */
export function toSample(
  repetition: number,
  { domains, counters: conducted, peakMemoryBytes }: MachineResults,
): Sample {
  const results = Object.values(domains);
  const samples = results.map(({ sample }) => sample);
  const threads = samples.filter(({ operations }) => operations !== null);
  const drivers = samples.filter(({ operations }) => operations === null);
  const operations = threads.map((thread) => thread.operations as OperationSample);
  const total = (of: (sample: OperationSample) => number): number => sum(operations.map(of));
  const perSecond = (of: (sample: OperationSample) => number): number => {
    return sum(threads.map((thread, index) => of(operations[index]) / (thread.durationNs / 1e9)));
  };
  const latencies = new LatencyHistogram();
  for (const each of operations) latencies.add(each.latencies);
  const perDomain = <T>(of: (domains: readonly DomainSample[]) => T | null): PerDomain<T> => {
    return { application: of(threads), driver: drivers.length === 0 ? null : of(drivers) };
  };
  const perSide = <T>(of: (domains: readonly DomainSample[]) => T | null): PerSide<T> => {
    const { application, driver } = perDomain(of);
    return { frontend: application, backend: driver };
  };
  return {
    repetition,
    durationNs: Math.max(...threads.map(({ durationNs }) => durationNs)),
    operations: total((each) => each.operations),
    bytes: total((each) => each.bytes),
    iops: perSecond((each) => each.operations),
    bytesPerSecond: perSecond((each) => each.bytes),
    latencyNs: quantiles(latencies),
    timedOperations: latencies.count,
    errors: total((each) => each.errors),
    flushes: total((each) => each.flushes),
    counters: addUp([conducted, ...results.map(({ counters }) => counters)]),
    cpuCores: perDomain((domains) => {
      const cores = domains.map(({ cpuNs, durationNs }) => cpuNs === null ? null : cpuNs / durationNs);
      return cores.includes(null) ? null : sum(cores as number[]);
    }),
    contextSwitches: perDomain((domains) => sumOfAll(domains.map(({ contextSwitches }) => contextSwitches))),
    cpus: perDomain((domains) => union(domains.map(({ cpus }) => cpus))),
    confinedTo: perDomain((domains) => union(domains.map(({ confinedTo }) => confinedTo))),
    peakMemoryBytes,
    notifications: perSide((domains) => sumOfAll(domains.map(({ notifications }) => notifications))),
    waits: perSide((domains) => sumOfAll(domains.map(({ waits }) => waits))),
  };
}

function quantiles(latencies: LatencyHistogram): Latencies | null {
  if (latencies.count === 0) return null;
  const at = (fraction: number): number => Math.round(latencies.quantile(fraction));
  return {
    min: Math.round(latencies.min),
    mean: Math.round(latencies.mean),
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    p999: at(0.999),
    max: Math.round(latencies.max),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Adds up records of the same numbers; null if one of them is. */
function sumOfAll<T extends object>(records: readonly (T | null)[]): T | null {
  return records.includes(null) ? null : addUp(records as unknown as Record<string, number>[]) as T;
}

function union(lists: readonly (readonly number[] | null)[]): readonly number[] | null {
  if (lists.includes(null)) return null;
  return [...new Set((lists as number[][]).flat())].sort((a, b) => a - b);
}
