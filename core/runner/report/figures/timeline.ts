/**
 * What each domain did over the measured window: worked, spun, lost the core, slept.
 *
 * @module
 */

import type { CellResult, Sample, WindowTimes } from "../../result.ts";
import { labelColumns, labelValues } from "../columns.ts";
import type { Dimensions } from "../dimensions.ts";
import { type AreaChart, type Figure, leftOut, type Value } from "../figure.ts";
import { MAX_PANELS, parts } from "../plots.ts";

const NAME = "timeline";
const TITLE = "What the domains did over time";
const LAYERS = ["working", "spinning", "lost to others", "sleeping"] as const;
/** Most cells with a timeline; 20 pieces of two domains each would make the page long. */
const MAX_CELLS = 8;

/** The repetition whose throughput is the median, or of two in the middle the slower; null where there is none. */
export function medianRepetition({ samples }: CellResult): Sample | null {
  const ascending = [...samples].sort((a, b) => a.iops - b.iops);
  return ascending[Math.ceil(ascending.length / 2) - 1] ?? null;
}

/**
 * How many threads did what in each piece: time over the piece's length. Working is CPU time that was not spun away;
 * null where the CPU time is unknown.
 */
export function activity({ durationNs, cpuNs, spunNs, lostNs, sleptNs }: WindowTimes): (number | null)[][] {
  return durationNs.map((length, at) => {
    const cpu = cpuNs[at];
    const working = cpu === null ? null : Math.max(0, cpu - spunNs[at]);
    return [working, spunNs[at], lostNs[at], sleptNs[at]].map((ns) => ns === null || length === 0 ? null : ns / length);
  });
}

/** The figure. */
export function timelineFigure(space: Dimensions): Figure {
  const all = space.result.cells.filter((cell) => medianRepetition(cell)?.windows);
  if (all.length === 0) {
    return leftOut(NAME, TITLE, "Left out, as the windows of this result were not cut into pieces.");
  }
  const cells = chosen(space, all);
  const rows: Value[][] = [];
  const panels: AreaChart["panels"][number][] = [];
  for (const cell of cells) {
    const { windows } = medianRepetition(cell) as Sample;
    for (const domain of ["application", "driver"] as const) {
      const times = windows?.[domain];
      if (times === null || times === undefined || times.durationNs.length === 0) continue;
      const pieces = activity(times);
      const edgesNs = edges(times.durationNs);
      for (const [at, piece] of pieces.entries()) {
        rows.push([...labelValues(cell, space), domain, edgesNs[at], times.durationNs[at], ...piece]);
      }
      panels.push({
        title: [`${domain}: ${space.nameOf(cell)}`, space.loadOf(cell)].filter((part) => part !== "").join(", "),
        edgesNs,
        heights: LAYERS.map((_, layer) => pieces.map((piece) => piece[layer] ?? 0)),
      });
    }
  }
  const some = cells.length < all.length ? ` Shown are ${cells.length} of ${all.length} cells.` : "";
  return {
    ...{ name: NAME, title: TITLE },
    caption:
      "Threads of each domain that worked, spun, had lost the core to others while they spun, or slept, in the " +
      "pieces of the measured window of the repetition with the median throughput. Working is CPU time that was not " +
      "spent spinning; it is missing where the CPU time is not known. A wait counts in the piece in which it ends. What is " +
      `missing to the number of threads is time in which a thread could have run but had no core.${some}`,
    table: {
      columns: [
        ...labelColumns(space),
        { key: "domain", title: "domain" },
        { key: "start_ns", title: "from", unit: "time" },
        { key: "duration_ns", title: "length", unit: "time" },
        ...LAYERS.map((layer) => ({
          key: `${layer.replaceAll(" ", "_")}_threads`,
          title: layer,
          unit: "cores" as const,
        })),
      ],
      rows,
    },
    charts: parts(panels, MAX_PANELS).map((part) => ({
      ...{ kind: "areas", layers: LAYERS, title: "threads" },
      panels: part,
    })),
  };
}

/** All cells if they are few; else those of loads that lie evenly among all. */
function chosen(space: Dimensions, all: readonly CellResult[]): readonly CellResult[] {
  if (all.length <= MAX_CELLS) return all;
  const groups = space.groups().map(({ cells }) => cells.filter((cell) => all.includes(cell)));
  const count = Math.max(1, Math.floor(MAX_CELLS / Math.max(...groups.map(({ length }) => length))));
  const at = (index: number): number => count === 1 ? 0 : Math.round(index * (groups.length - 1) / (count - 1));
  return Array.from({ length: Math.min(count, groups.length) }, (_, index) => groups[at(index)]).flat()
    .slice(0, MAX_CELLS);
}

function edges(durationsNs: readonly number[]): number[] {
  let end = 0;
  return [0, ...durationsNs.map((length) => end += length)];
}
