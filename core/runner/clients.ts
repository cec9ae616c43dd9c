/**
 * What each client of a machine measured, and how alike they were served.
 *
 * @module
 */

import { clientOf, isDriver, type MachinePlan } from "../domain/plan.ts";
import type { DomainSample, OperationSample } from "../domain/report.ts";
import { LatencyHistogram } from "../measure/histogram.ts";
import type { ClientSample, Latencies } from "./result.ts";

/** A client of a machine. */
export interface ClientDomains {
  /** Which, from 0. */
  readonly client: number;
  /** The device that it uses. */
  readonly device: string;
  /** Names of its domains. */
  readonly domains: readonly string[];
}

/** The clients of a machine, in their order. */
export function clientsOf({ domains, devices, links }: MachinePlan): ClientDomains[] {
  const deviceOf = new Map([
    ...devices.flatMap((device) => device.domains.map((name) => [name, device.name] as const)),
    ...links.map(({ frontend, device }) => [frontend, device] as const),
  ]);
  const found = new Map<number, { client: number; device: string; domains: string[] }>();
  for (const domain of domains) {
    if (isDriver(domain)) continue;
    const client = clientOf(domain);
    const entry = found.get(client) ?? { client, device: deviceOf.get(domain.name) ?? "", domains: [] };
    entry.domains.push(domain.name);
    found.set(client, entry);
  }
  return [...found.values()].sort((a, b) => a.client - b.client);
}

/** What the threads of one client did, as one sample. */
export function clientSample({ client, device }: ClientDomains, threads: readonly DomainSample[]): ClientSample {
  return { client, device, ...operationFigures(threads) };
}

/** What some threads did together, each by its own clock. Threads that have no operations are drivers, and left out. */
export function operationFigures(domains: readonly DomainSample[]): Omit<ClientSample, "client" | "device"> {
  const threads = domains.filter(({ operations }) => operations !== null);
  const operations = threads.map((thread) => thread.operations as OperationSample);
  const total = (of: (sample: OperationSample) => number): number => sum(operations.map(of));
  const perSecond = (of: (sample: OperationSample) => number): number => {
    return sum(threads.map((thread, index) => of(operations[index]) / (thread.durationNs / 1e9)));
  };
  const latencies = latenciesOf(threads);
  const lateness = new LatencyHistogram();
  for (const each of operations) lateness.add(each.lateness);
  return {
    operations: total((each) => each.operations),
    bytes: total((each) => each.bytes),
    iops: perSecond((each) => each.operations),
    bytesPerSecond: perSecond((each) => each.bytes),
    latencyNs: quantiles(latencies),
    latenessNs: quantiles(lateness),
    timedOperations: latencies.count,
    errors: total((each) => each.errors),
    flushes: total((each) => each.flushes),
  };
}

/** The latencies of some threads together. */
export function latenciesOf(domains: readonly DomainSample[]): LatencyHistogram {
  const latencies = new LatencyHistogram();
  for (const { operations } of domains) {
    if (operations !== null) latencies.add(operations.latencies);
  }
  return latencies;
}

/**
 * How alike the clients of a device were served: Jain's index, `(Σx)² / (n · Σx²)`, of their bytes a second; of their
 * operations, where there were none but flushes and discards. 1: all alike; 1/n: one alone was served.
 *
 * @returns that of the device where it is lowest; null where some device's clients did nothing
 */
export function fairness(clients: readonly ClientSample[]): number | null {
  const devices = Map.groupBy(clients, ({ device }) => device);
  const indices = [...devices.values()].map((mates) => {
    const bytes = mates.map(({ bytesPerSecond }) => bytesPerSecond);
    return jainIndex(sum(bytes) > 0 ? bytes : mates.map(({ iops }) => iops));
  });
  return indices.length === 0 || indices.includes(null) ? null : Math.min(...indices as number[]);
}

/** See {@link fairness}; null where all values are 0. */
export function jainIndex(values: readonly number[]): number | null {
  const total = sum(values);
  return total === 0 ? null : total ** 2 / (values.length * sum(values.map((value) => value ** 2)));
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
