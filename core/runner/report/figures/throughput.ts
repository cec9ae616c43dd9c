/**
 * Throughput of every cell, as the thesis has it: a bar for each policy, grouped by load.
 *
 * @module
 */

import type { CellResult, Estimate } from "../../result.ts";
import { estimateColumns, estimateValues, labelColumns, labelValues } from "../columns.ts";
import type { Dimensions } from "../dimensions.ts";
import { type BarChart, type Figure, leftOut, type Unit } from "../figure.ts";
import { estimatesInWords, intervalOf, missingInWords } from "../words.ts";

/** Most bars of one picture, so that it fits on a printed page. */
const MAX_BARS = 36;
/** By which factor the longest bars of groups may differ in one picture: shorter ones could not be told apart. */
const MAX_RANGE = 30;

interface Metric {
  readonly name: string;
  readonly title: string;
  readonly key: string;
  readonly unit: Unit;
  readonly axis: string;
  readonly of: (cell: CellResult) => Estimate | null;
}

/** The figure of operations a second. */
export function throughputFigure(space: Dimensions): Figure {
  return barFigure(space, {
    ...{ name: "throughput", title: "Throughput", key: "iops", unit: "count" },
    axis: "operations a second",
    of: ({ summary }) => summary.iops,
  });
}

/** The figures of what the workload itself measured, such as a command's own rates. */
export function workloadFigures(space: Dimensions): Figure[] {
  const { cells, figures } = space.result;
  return Object.entries(figures)
    .filter(([counter]) => cells.some(({ summary }) => (summary.counters[counter]?.median ?? 0) !== 0))
    .map(([counter, heading]) =>
      barFigure(space, {
        ...{ name: `workload-${counter}`, title: `As the workload has it: ${heading}`, key: counter },
        unit: unitOf(counter),
        axis: heading,
        of: ({ summary }) => summary.counters[counter] ?? null,
      })
    );
}

/** What a counter counts, by its name, as the command line has it too. */
export function unitOf(counter: string): Unit {
  return counter.endsWith("Ns") ? "time" : counter.endsWith("BytesPerSecond") ? "megabytes" : "count";
}

function barFigure(space: Dimensions, { name, title, key, unit, axis, of }: Metric): Figure {
  const { cells } = space.result;
  if (cells.every((cell) => of(cell) === null)) {
    return leftOut(name, title, "Left out, as no cell measured it.");
  }
  const groups = space.groups().map((group) => ({
    name: group.name,
    bars: group.cells.map((cell) => ({
      ...intervalOf(cell.status === "failed" ? null : of(cell)),
      ...{ name: space.nameOf(cell), series: space.seriesOf(cell), missing: missingInWords(cell) },
    })),
  }));
  const parts = pictures(groups);
  const scales = parts.length > 1 ? " Each picture has a scale of its own." : "";
  return {
    ...{ name, title },
    caption: `${axis[0].toUpperCase()}${axis.slice(1)} of each cell. ${estimatesInWords(space.result)}${scales}`,
    table: {
      columns: [...labelColumns(space), ...estimateColumns(key, axis, unit)],
      rows: cells.map((cell) => [...labelValues(cell, space), ...estimateValues(of(cell))]),
    },
    charts: parts.map((part): BarChart => ({
      ...{ kind: "bars", axis: { title: axis, unit, scale: "linear" } },
      ...{ series: space.series, groups: part },
    })),
  };
}

/**
 * Groups, as many together as one picture takes; a group that is longer is cut. One that is much smaller or larger than those
 * before has another picture, with a scale of its own.
 */
function pictures(groups: BarChart["groups"]): BarChart["groups"][] {
  const found: BarChart["groups"][number][][] = [[]];
  let count = 0;
  let tallest: number[] = [];
  for (const { name, bars } of groups) {
    const top = Math.max(0, ...bars.map(({ value }) => value ?? 0));
    const tops = top === 0 ? tallest : [...tallest, top];
    const isOfAnotherScale = Math.max(...tops) > MAX_RANGE * Math.min(...tops);
    for (let from = 0; from < bars.length; from += MAX_BARS) {
      const some = bars.slice(from, from + MAX_BARS);
      if (count > 0 && (count + some.length > MAX_BARS || (from === 0 && isOfAnotherScale))) {
        found.push([]);
        count = 0;
        tallest = [];
      }
      found[found.length - 1].push({ name, bars: some });
      count += some.length;
      if (top > 0) tallest.push(top);
    }
  }
  return found;
}
