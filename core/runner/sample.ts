/**
 * From what the domains of one repetition measured to one sample: the threads of the application are summed up.
 *
 * @module
 */

import { addUp } from "../counters.ts";
import type { DomainSample } from "../domain/report.ts";
import { clientSample, latenciesOf, operationFigures } from "./clients.ts";
import type { MachineResults } from "./machine_protocol.ts";
import type { PerDomain, PerSide, Sample } from "./result.ts";
import { toWindows } from "./windows.ts";

/** The sample of one repetition. */
export function toSample(
  repetition: number,
  { domains, clients, counters: conducted, peakMemoryBytes, host, neighbours }: MachineResults,
): Sample {
  const results = Object.values(domains);
  // Of the threads that applications have, not all submit: some take responses.
  const applications = new Set(clients.flatMap((client) => client.domains));
  const [threads, drivers] = [true, false].map((wanted) => {
    return Object.entries(domains).filter(([name, { sample }]) => {
      return (sample.operations !== null || applications.has(name)) === wanted;
    }).map(([, { sample }]) => sample);
  });
  const perDomain = <T>(of: (domains: readonly DomainSample[]) => T | null): PerDomain<T> => {
    return { application: of(threads), driver: drivers.length === 0 ? null : of(drivers) };
  };
  const perSide = <T>(of: (domains: readonly DomainSample[]) => T | null): PerSide<T> => {
    const { application, driver } = perDomain(of);
    return { frontend: application, backend: driver };
  };
  const latencies = latenciesOf(threads);
  const hasRestarted = results.some(({ restarts }) => restarts.length > 0);
  return {
    repetition,
    durationNs: Math.max(...threads.map(({ durationNs }) => durationNs)),
    ...operationFigures(threads),
    // A client that was lost is not among them.
    clients: clients.filter((client) => client.domains.every((name) => name in domains))
      .map((client) => clientSample(client, client.domains.map((name) => domains[name].sample))),
    restarts: results.flatMap(({ restarts }) => restarts).map(({ cause, noticedAtMs, resumedAtMs }) => ({
      cause,
      pauseNs: resumedAtMs === null ? null : Math.round((resumedAtMs - noticedAtMs) * 1e6),
    })),
    counters: addUp([conducted, ...results.map(({ counters }) => counters)]),
    cpuCores: perDomain((domains) => {
      const cores = domains.map(({ cpuNs, durationNs }) => cpuNs === null ? null : cpuNs / durationNs);
      return cores.includes(null) ? null : sum(cores as number[]);
    }),
    contextSwitches: perDomain((domains) => sumOfAll(domains.map(({ contextSwitches }) => contextSwitches))),
    cpus: perDomain((domains) => union(domains.map(({ cpus }) => cpus))),
    confinedTo: perDomain((domains) => union(domains.map(({ confinedTo }) => confinedTo))),
    peakMemoryBytes,
    neighbours,
    notifications: perSide((domains) => sumOfAll(domains.map(({ notifications }) => notifications))),
    waits: perSide((domains) => sumOfAll(domains.map(({ waits }) => waits))),
    windows: toWindows(threads, drivers.length === 0 || hasRestarted ? null : drivers),
    latencyHistogram: latencies.count === 0 ? null : latencies.columns(),
    stealNs: host?.stealNs ?? null,
    othersNs: host?.othersNs ?? null,
    redone: [],
    disturbed: null,
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
