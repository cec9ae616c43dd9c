/**
 * How far each policy is from the best one under the same load.
 *
 * @module
 */

import type { CellResult } from "../../result.ts";
import { shortName } from "../../labels.ts";
import type { Dimensions } from "../dimensions.ts";
import type { Column, Figure, Value } from "../figure.ts";
import { parts } from "../plots.ts";

/** Most rows of one picture, so that it fits on a printed page. */
const MAX_ROWS = 36;

/** One load. */
interface Row {
  readonly name: string;
  /** What tells it from others, in the table. */
  readonly load: readonly Value[];
  /** Operations a second of the best; 0 where there is none. */
  readonly best: number;
  readonly percents: readonly (number | null)[];
}

/** The figure; null where there are no several policies under several loads. */
export function relativeFigure(space: Dimensions): Figure | null {
  const names = space.series.map(({ name }) => name);
  const rows = space.groups().map(({ name, cells }) =>
    rowOf(space, cells, names, name, space.load.map((label) => cells[0].labels[label] ?? null))
  );
  return figureOf(rows, names, space.load.map((label) => ({ key: label, title: shortName(label, space.shown) })), {
    ...{ name: "relative", title: "Relative to the best" },
  });
}

/** The same of all loads of several results together; null where they do not compare the same, such as policies. */
export function relativeOverview(
  results: readonly { readonly name: string; readonly space: Dimensions }[],
): Figure | null {
  const [{ space: { compared } }] = results;
  if (compared === null || results.some(({ space }) => space.compared !== compared)) return null;
  const names = [...new Set(results.flatMap(({ space }) => space.series.map(({ name }) => name)))];
  const rows = results.flatMap(({ name: result, space }) =>
    space.groups().map(({ name, cells }) =>
      rowOf(space, cells, names, name === "" ? result : `${result}: ${name}`, [result, name === "" ? null : name])
    )
  );
  return figureOf(rows, names, [{ key: "result", title: "result" }, { key: "load", title: "load" }], {
    ...{ name: "overview", title: "Relative to the best, in all results" },
  });
}

function rowOf(
  space: Dimensions,
  cells: readonly CellResult[],
  names: readonly string[],
  name: string,
  load: readonly Value[],
): Row {
  const values = names.map((series) => iopsOf(cells.find((cell) => space.nameOf(cell) === series)));
  const best = Math.max(0, ...values.filter((value) => value !== null));
  const percents = values.map((value) => value === null || best === 0 ? null : value / best * 100);
  return { name, load, best, percents };
}

function figureOf(
  rows: readonly Row[],
  names: readonly string[],
  loadColumns: readonly Column[],
  heading: Pick<Figure, "name" | "title">,
): Figure | null {
  if (names.length < 2 || rows.length < 2 || rows.every(({ best }) => best === 0)) return null;
  return {
    ...heading,
    caption:
      "Operations a second of each cell in per cent of the best under the same load, by the medians alone: what " +
      "is 100 here need not be better by more than noise. Stronger tints: from 50, 80 and 97 % on.",
    table: {
      columns: [
        ...loadColumns,
        { key: "best", title: "best" },
        { key: "best_iops", title: "its operations a second", unit: "count" },
        ...names.map((name) => ({ key: `${name} %`, title: name, unit: "percent" as const })),
      ],
      rows: rows.map(({ load, best, percents }): Value[] => [
        ...load,
        best === 0 ? null : names[percents.indexOf(100)],
        best === 0 ? null : best,
        ...percents,
      ]),
    },
    charts: parts(rows, MAX_ROWS).map((part) => ({
      ...{ kind: "matrix", columns: names },
      rows: part.map(({ name, percents }) => ({ name, percents })),
    })),
  };
}

function iopsOf(cell: CellResult | undefined): number | null {
  // What a cell did that failed later is no value to be the best by.
  return cell === undefined || cell.status === "failed" ? null : cell.summary.iops?.median ?? null;
}
