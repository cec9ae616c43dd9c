/**
 * Percentiles of the latency.
 *
 * @module
 */

import type { CellResult, Latencies } from "../../result.ts";
import { median } from "../../summary.ts";
import { estimateColumns, estimateValues, labelColumns, labelValues } from "../columns.ts";
import type { Dimensions } from "../dimensions.ts";
import { type Figure, type Interval, leftOut, type Panel, type Point } from "../figure.ts";
import { plots } from "../plots.ts";
import { repetitionsInWords } from "../words.ts";

const NAME = "latency";
const TITLE = "Latency";

const PERCENTILES: readonly (readonly [key: keyof Latencies, text: string])[] = [
  ["p50", "p50"],
  ["p95", "p95"],
  ["p99", "p99"],
  ["p999", "p99.9"],
  ["max", "longest"],
];

/** A percentile over a cell's repetitions: its median and range; null where a repetition did not measure it. */
export function percentileOf(
  { samples }: CellResult,
  key: keyof Latencies,
): { readonly median: number; readonly low: number; readonly high: number } | null {
  const values = samples.map(({ latencyNs }) => latencyNs?.[key]);
  if (values.length === 0 || values.includes(undefined)) return null;
  const known = values as number[];
  return { median: median([...known]), low: Math.min(...known), high: Math.max(...known) };
}

/** The figure. */
export function latencyFigure(space: Dimensions): Figure {
  const { result } = space;
  if (result.cells.every((cell) => percentileOf(cell, "p50") === null)) {
    return leftOut(NAME, TITLE, "Left out, as no cell timed its operations in all repetitions.");
  }
  const panels = space.groups().map(({ name, cells }): Panel => ({
    title: name,
    x: { title: "", unit: "plain", scale: "linear", ticks: PERCENTILES.map(([, text], at) => ({ at, text })) },
    y: { title: "latency", unit: "time", scale: "log" },
    lines: cells.map((cell) => ({
      series: space.seriesOf(cell),
      points: PERCENTILES.map(([key], x): Point | null => {
        const found = percentileOf(cell, key);
        return found === null ? null : { x, y: found.median, yEnds: [found.low, found.high] };
      }),
    })),
  }));
  return {
    ...{ name: NAME, title: TITLE },
    caption:
      "From submission, or where arrivals are open from when an operation was due, to the moment the workload gets the " +
      "completion; of the operations that were timed, on a " +
      `logarithmic scale. ${percentilesInWords(repetitionsInWords(result))}`,
    table: {
      columns: [
        ...labelColumns(space),
        ...PERCENTILES.flatMap(([key, text]) => estimateColumns(`latency_${key}_ns`, text, "time")),
      ],
      rows: result.cells.map((cell) => [
        ...labelValues(cell, space),
        ...PERCENTILES.flatMap(([key]): Interval["value"][] => estimateValues(percentileOf(cell, key))),
      ]),
    },
    charts: plots(space.series, "lines", panels),
  };
}

function percentilesInWords(repetitions: string): string {
  if (repetitions === "1") return "One repetition of each cell.";
  return `Each percentile is that of a repetition; shown is the median of ${repetitions} repetitions; whiskers: the ` +
    "smallest and the largest repetition.";
}
