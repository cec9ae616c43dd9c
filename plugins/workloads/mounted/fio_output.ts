/**
 * What `fio --output-format=json` prints.
 *
 * @module
 */

import type { Counters } from "../../../core/counters.ts";
import { z } from "../../../core/schema.ts";
import { unreadable } from "./unreadable.ts";

const direction = z.object({
  total_ios: z.number(),
  iops: z.number(),
  bw_bytes: z.number(),
  clat_ns: z.object({ mean: z.number(), percentile: z.record(z.string(), z.number()).optional() }),
});

/** What is read of the output; there is much more in it. */
const output = z.object({ jobs: z.array(z.object({ read: direction, write: direction })).min(1) });

type Direction = z.output<typeof direction>;

/** How fio writes the percentiles that are counted. */
const PERCENTILES: Readonly<Record<string, string>> = { P50: "50.000000", P95: "95.000000", P99: "99.000000" };

/**
 * The figures of all jobs together.
 *
 * @throws {WorkloadError} when they are not there
 */
export function fioFigures(text: string): Counters {
  const jobs = parse(text);
  const reads = jobs.map(({ read }) => read);
  const writes = jobs.map(({ write }) => write);
  const total = (of: (each: Direction) => number, list: readonly Direction[]): number => {
    return Math.round(list.reduce((sum, each) => sum + of(each), 0));
  };
  return {
    events: total(({ total_ios }) => total_ios, [...reads, ...writes]),
    readsPerSecond: total(({ iops }) => iops, reads),
    writesPerSecond: total(({ iops }) => iops, writes),
    readBytesPerSecond: total(({ bw_bytes }) => bw_bytes, reads),
    writtenBytesPerSecond: total(({ bw_bytes }) => bw_bytes, writes),
    ...latencies("read", reads),
    ...latencies("write", writes),
  };
}

/** Messages may stand before the document. */
function parse(text: string): z.output<typeof output>["jobs"] {
  const start = /^\{/m.exec(text)?.index;
  try {
    return output.parse(JSON.parse(text.slice(start))).jobs;
  } catch {
    throw unreadable("fio", "JSON document with jobs", text);
  }
}

/** Percentiles of several jobs make no percentile of all. */
function latencies(name: "read" | "write", jobs: readonly Direction[]): Counters {
  const active = jobs.filter(({ total_ios }) => total_ios > 0);
  if (active.length === 0) return {};
  const ios = active.reduce((sum, { total_ios }) => sum + total_ios, 0);
  const mean = active.reduce((sum, { total_ios, clat_ns }) => sum + clat_ns.mean * total_ios, 0) / ios;
  const percentiles = active.length === 1 ? active[0].clat_ns.percentile ?? {} : {};
  return {
    [`${name}LatencyMeanNs`]: Math.round(mean),
    ...Object.fromEntries(
      Object.entries(PERCENTILES).filter(([, key]) => percentiles[key] !== undefined)
        .map(([label, key]) => [`${name}Latency${label}Ns`, Math.round(percentiles[key])]),
    ),
  };
}
