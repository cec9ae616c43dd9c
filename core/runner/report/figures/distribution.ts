/**
 * How latencies are spread: the share of operations that took no longer than a time.
 *
 * @module
 */

import type { CellResult, HistogramColumns } from "../../result.ts";
import { labelColumns, labelValues } from "../columns.ts";
import type { Dimensions } from "../dimensions.ts";
import { type Figure, leftOut, type Panel } from "../figure.ts";
import { plots } from "../plots.ts";

const NAME = "distribution";
const TITLE = "Distribution of latencies";

/** Shares of the operations in per cent of which the latency is told. */
const SHARES = [0.1, 1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.9, 99.95, 99.99, 100] as const;

/** The histograms of all repetitions of a cell together; null where a repetition has none. */
export function pooledHistogram({ samples }: CellResult): HistogramColumns | null {
  const counts = new Map<number, number>();
  for (const { latencyHistogram } of samples) {
    if (latencyHistogram === null) return null;
    for (const [index, ns] of latencyHistogram.ns.entries()) {
      counts.set(ns, (counts.get(ns) ?? 0) + latencyHistogram.counts[index]);
    }
  }
  const ascending = [...counts].sort(([a], [b]) => a - b);
  if (ascending.length === 0) return null;
  return { ns: ascending.map(([ns]) => ns), counts: ascending.map(([, count]) => count) };
}

/** The shortest time within which so many per cent of the operations were finished: the middle of its bucket. */
export function latencyAt({ ns, counts }: HistogramColumns, percent: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  for (const [index, count] of counts.entries()) {
    seen += count;
    if (seen * 100 >= percent * total) return ns[index];
  }
  return ns[ns.length - 1];
}

/** The figure. */
export function distributionFigure(space: Dimensions): Figure {
  const { cells } = space.result;
  const histograms = new Map(cells.map((cell) => [cell, pooledHistogram(cell)]));
  if ([...histograms.values()].every((histogram) => histogram === null)) {
    return leftOut(NAME, TITLE, "Left out, as the result has no histograms of latencies.");
  }
  const panels = space.groups().map((group): Panel => ({
    title: group.name,
    x: { title: "latency", unit: "time", scale: "log" },
    y: { title: "share of operations", unit: "percent", scale: "linear" },
    lines: group.cells.flatMap((cell) => {
      const histogram = histograms.get(cell) ?? null;
      if (histogram === null) return [];
      return [{
        series: space.seriesOf(cell),
        points: SHARES.map((share) => ({ x: latencyAt(histogram, share), y: share })),
      }];
    }),
  }));
  return {
    ...{ name: NAME, title: TITLE },
    caption: "Share of the timed operations that took no longer than a time, of all repetitions together. The " +
      "histogram's buckets are 1/64 wide, so that a time is right to 0.8 %.",
    table: {
      columns: [
        ...labelColumns(space),
        ...SHARES.map((share) => ({ key: `within_${share}_percent_ns`, title: `${share} %`, unit: "time" as const })),
      ],
      rows: cells.map((cell) => {
        const histogram = histograms.get(cell) ?? null;
        return [
          ...labelValues(cell, space),
          ...SHARES.map((share) => histogram === null ? null : latencyAt(histogram, share)),
        ];
      }),
    },
    charts: plots(space.series, "curves", panels),
  };
}
