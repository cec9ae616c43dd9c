/**
 * What changes along a number of the load, such as the queue depth: a line for each policy.
 *
 * @module
 */

import type { CellResult, Estimate } from "../../result.ts";
import { estimateColumns, estimateValues, labelColumns, labelValues } from "../columns.ts";
import type { Dimensions, Sweep } from "../dimensions.ts";
import type { Axis, Figure, Line, Panel, Point, Unit } from "../figure.ts";
import { plots } from "../plots.ts";
import { estimatesInWords } from "../words.ts";

/** From which ratio of the largest to the smallest on an axis is logarithmic. */
const WIDE = 16;

/** The line of a sweep that has no other. */
const ALONE = { name: "all cells", style: 0 };

interface Metric {
  readonly name: string;
  readonly key: string;
  readonly title: string;
  readonly axis: string;
  readonly unit: Unit;
  readonly of: (cell: CellResult) => Estimate | null;
}

const METRICS: readonly Metric[] = [
  {
    ...{ name: "throughput", key: "iops", title: "Throughput", axis: "operations a second", unit: "count" },
    of: ({ summary }) => summary.iops,
  },
  {
    ...{ name: "latency-p99", key: "latency_p99_ns", title: "99th percentile of the latency", unit: "time" },
    ...{ axis: "latency, p99", of: ({ summary }) => summary.latencyP99Ns },
  },
  {
    ...{ name: "cpu", key: "cpu_cores", title: "CPU", axis: "CPU: cores of all domains", unit: "cores" },
    of: ({ summary }) => summary.cpuCores,
  },
];

/** The figures of all numbers along which the loads of a result lie. */
export function sweepFigures(space: Dimensions): Figure[] {
  return space.sweeps.flatMap((sweep) =>
    METRICS.filter(({ of }) => space.result.cells.some((cell) => of(cell) !== null))
      .map((metric) => sweepFigure(space, sweep, metric))
  );
}

function sweepFigure(space: Dimensions, sweep: Sweep, { name, key, title, axis, unit, of }: Metric): Figure {
  const groups = space.groups(sweep.label);
  // Percentiles of latencies are far apart, whatever the load.
  const scale = unit === "time" ? "log" : scaleOf(space.result.cells.map((cell) => of(cell)?.median ?? null));
  const panels = groups.map((group): Panel => ({
    title: group.name,
    x: {
      ...{ title: sweep.name, unit: sweep.unit, scale: scaleOf(sweep.values) },
      ticks: sweep.values.map((at, index) => ({ at, text: sweep.texts[index] })),
    },
    y: { title: axis, unit, scale },
    lines: linesOf(space, sweep, group.cells, of),
  }));
  return {
    name: `sweep-${sweep.name}-${name}`.replaceAll(/[^\w-]+/g, "-"),
    title: `${title} by ${sweep.name}`,
    caption:
      `${axis[0].toUpperCase()}${axis.slice(1)} by ${sweep.name}. ${estimatesInWords(space.result)} Scales are ` +
      "logarithmic where their range is wide; a value that is missing breaks its line.",
    table: {
      columns: [...labelColumns(space), ...estimateColumns(key, axis, unit)],
      rows: groups.flatMap(({ cells }) =>
        cells.map((cell) => [...labelValues(cell, space), ...estimateValues(of(cell))])
      ),
    },
    charts: plots(sweep.label === space.compared ? [ALONE] : space.series, "lines", panels),
  };
}

function linesOf(space: Dimensions, sweep: Sweep, cells: readonly CellResult[], of: Metric["of"]): Line[] {
  // Where it is all that differs, its cells are one line.
  const seriesOf = (cell: CellResult): number => sweep.label === space.compared ? 0 : space.seriesOf(cell);
  return [...new Set(cells.map(seriesOf))].map((series) => ({
    series,
    points: sweep.texts.map((text, at): Point | null => {
      const cell = cells.find((each) => seriesOf(each) === series && each.labels[sweep.label] === text);
      const estimate = cell === undefined ? null : of(cell);
      if (estimate === null) return null;
      return { x: sweep.values[at], y: estimate.median, yEnds: [estimate.low, estimate.high] };
    }),
  }));
}

/** Logarithmic where the range is wide and has no zero. */
function scaleOf(values: readonly (number | null)[]): Axis["scale"] {
  const known = values.filter((value) => value !== null);
  const [least, most] = [Math.min(...known), Math.max(...known)];
  return least > 0 && most / least >= WIDE ? "log" : "linear";
}
