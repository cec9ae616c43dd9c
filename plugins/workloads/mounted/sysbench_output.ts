/**
 * What `sysbench fileio … run` prints, of versions 1.0 and 1.1.
 *
 * @module
 */

import type { Counters } from "../../../core/counters.ts";
import { unreadable } from "./unreadable.ts";

const MEBIBYTE = 2 ** 20;
const NS_PER_MS = 1e6;

/** The percentiles that are counted, of those that `--percentile` can ask for. */
const PERCENTILES: Readonly<Record<string, string>> = { "95": "latencyP95Ns", "99": "latencyP99Ns" };

/**
 * The figures.
 *
 * @throws {WorkloadError} when they are not there
 */
export function sysbenchFigures(output: string): Counters {
  const number = (pattern: RegExp): number | null => {
    const found = pattern.exec(output)?.[1];
    return found === undefined ? null : Number(found);
  };
  const rate = (what: string, word: string): number => {
    const found = number(new RegExp(`^\\s+${word}s/s:\\s+([\\d.]+)$`, "m")) ??
      number(new RegExp(`^\\s+${word}:\\s+IOPS=([\\d.]+)`, "m"));
    if (found === null) throw unreadable("sysbench", what, output);
    return Math.round(found);
  };
  const throughput = (what: string, past: string, word: string): number => {
    const found = number(new RegExp(`^\\s+${past}, MiB/s:\\s+([\\d.]+)$`, "m")) ??
      number(new RegExp(`^\\s+${word}:\\s+IOPS=[\\d.]+ ([\\d.]+) MiB/s`, "m"));
    if (found === null) throw unreadable("sysbench", what, output);
    return Math.round(found * MEBIBYTE);
  };
  const events = number(/^\s+total number of events:\s+(\d+)$/m);
  const meanMs = number(/^\s+avg:\s+([\d.]+)$/m);
  const sumMs = number(/^\s+sum:\s+([\d.]+)$/m);
  // The sum is written with more digits than the mean.
  const exactMeanMs = events !== null && events > 0 && sumMs !== null ? sumMs / events : meanMs;
  const [, percentile, percentileMs] = /^\s+(\d+)th percentile:\s+([\d.]+)$/m.exec(output) ?? [];
  const counter = PERCENTILES[percentile];
  return {
    ...(events === null ? {} : { events }),
    readsPerSecond: rate("reads/s", "read"),
    writesPerSecond: rate("writes/s", "write"),
    fsyncsPerSecond: rate("fsyncs/s", "fsync"),
    readBytesPerSecond: throughput("read, MiB/s", "read", "read"),
    writtenBytesPerSecond: throughput("written, MiB/s", "written", "write"),
    ...(exactMeanMs === null ? {} : { latencyMeanNs: Math.round(exactMeanMs * NS_PER_MS) }),
    ...(counter === undefined ? {} : { [counter]: Math.round(Number(percentileMs) * NS_PER_MS) }),
  };
}
