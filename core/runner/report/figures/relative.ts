/**
 * How far each policy is from the best one under the same load.
 *
 * @module
 */

import type { CellResult } from "../../result.ts";
import { shortName } from "../../labels.ts";
import type { Dimensions } from "../dimensions.ts";
import type { Figure, Value } from "../figure.ts";
import { parts } from "../plots.ts";

/** Most rows of one picture, so that it fits on a printed page. */
const MAX_ROWS = 24;

/** The figure; null where there are no several policies under several loads. */
export function relativeFigure(space: Dimensions): Figure | null {
  const { series } = space;
  const groups = space.groups().map(({ name, cells }) => {
    const values = series.map((_, index) => iopsOf(cells.find((cell) => space.seriesOf(cell) === index)));
    const best = Math.max(0, ...values.filter((value) => value !== null));
    return {
      name,
      cells,
      best,
      percents: values.map((value) => value === null || best === 0 ? null : value / best * 100),
    };
  });
  if (series.length < 2 || groups.length < 2 || groups.every(({ best }) => best === 0)) return null;
  return {
    ...{ name: "relative", title: "Relative to the best" },
    caption:
      "Operations a second of each cell in per cent of the best under the same load, by the medians alone: what " +
      "is 100 here need not be better by more than noise. Stronger tints: from 50, 80 and 97 % on.",
    table: {
      columns: [
        ...space.load.map((label) => ({ key: label, title: shortName(label, space.shown) })),
        { key: "best", title: "best" },
        { key: "best_iops", title: "its operations a second", unit: "count" },
        ...series.map(({ name }) => ({ key: `${name} %`, title: name, unit: "percent" as const })),
      ],
      rows: groups.map(({ cells, best, percents }): Value[] => [
        ...space.load.map((label) => cells[0].labels[label] ?? null),
        best === 0 ? null : series[percents.indexOf(100)].name,
        best === 0 ? null : best,
        ...percents,
      ]),
    },
    charts: parts(groups, MAX_ROWS).map((rows) => ({
      ...{ kind: "matrix", columns: series.map(({ name }) => name) },
      rows: rows.map(({ name, percents }) => ({ name, percents })),
    })),
  };
}

function iopsOf(cell: CellResult | undefined): number | null {
  // What a cell did that failed later is no value to be the best by.
  return cell === undefined || cell.status === "failed" ? null : cell.summary.iops?.median ?? null;
}
