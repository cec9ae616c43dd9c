/**
 * Throughput against the CPU that it costs, and which cells are beaten by no other under the same load.
 *
 * @module
 */

import type { CellResult } from "../../result.ts";
import { estimateColumns, estimateValues, labelColumns, labelValues } from "../columns.ts";
import type { Dimensions, Group } from "../dimensions.ts";
import { type Figure, leftOut, type Panel, type Point } from "../figure.ts";
import { plots } from "../plots.ts";
import { estimatesInWords } from "../words.ts";

const NAME = "efficiency";
const TITLE = "Throughput against CPU";

/** Whether none of some cells has as many operations for as little CPU, and more or less of one; null if unmeasured. */
export function onFront(cell: CellResult, cells: readonly CellResult[]): boolean | null {
  const mine = pointOf(cell);
  if (mine === null) return null;
  return !cells.some((other) => {
    const theirs = pointOf(other);
    return theirs !== null && theirs.y >= mine.y && theirs.x <= mine.x && (theirs.y > mine.y || theirs.x < mine.x);
  });
}

/** The figure. */
export function efficiencyFigure(space: Dimensions): Figure {
  const { result } = space;
  const groups = space.groups();
  if (result.cells.every((cell) => pointOf(cell) === null)) {
    return leftOut(NAME, TITLE, "Left out, as the CPU time of all domains was measured in no cell.");
  }
  return {
    ...{ name: NAME, title: TITLE },
    caption: "Operations a second against the cores that all domains used together, spinning included. Ringed and " +
      "joined: the Pareto front, cells for which no other under the same load has more throughput without more CPU, " +
      `by the medians alone. ${estimatesInWords(result)}`,
    table: {
      columns: [
        ...labelColumns(space),
        ...estimateColumns("iops", "operations a second", "count"),
        ...estimateColumns("cpu_cores", "cores", "cores"),
        { key: "iops_per_core", title: "operations a second and core", unit: "count" },
        { key: "pareto_front", title: "on the front" },
      ],
      rows: groups.flatMap(({ cells }) =>
        cells.map((cell) => {
          const front = onFront(cell, cells);
          return [
            ...labelValues(cell, space),
            ...estimateValues(cell.summary.iops),
            ...estimateValues(cell.summary.cpuCores),
            cell.summary.iopsPerCpuCore?.median ?? null,
            front === null ? null : front ? "yes" : "no",
          ];
        })
      ),
    },
    charts: plots(space.series, "points", groups.map((group) => panelOf(space, group))),
  };
}

function panelOf(space: Dimensions, { name, cells }: Group): Panel {
  return {
    title: name,
    x: { title: "CPU: cores of all domains", unit: "cores", scale: "linear" },
    y: { title: "operations a second", unit: "count", scale: "linear" },
    lines: cells.map((cell) => ({ series: space.seriesOf(cell), points: [pointOf(cell)] })),
    front: cells.filter((cell) => onFront(cell, cells) === true).map((cell) => pointOf(cell) as Point)
      .sort((a, b) => a.x - b.x || a.y - b.y),
  };
}

function pointOf({ status, summary: { iops, cpuCores } }: CellResult): Point | null {
  if (status === "failed" || iops === null || cpuCores === null) return null;
  return {
    ...{ x: cpuCores.median, y: iops.median },
    ...{ xEnds: [cpuCores.low, cpuCores.high], yEnds: [iops.low, iops.high] },
  };
}
