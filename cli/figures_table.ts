/**
 * What the workload says of itself, as a table of its own below the others' figures.
 *
 * @module
 */

import { Table } from "console-table-printer";
import type { CellResult, Estimate, Result } from "../core/runner/result.ts";
import { shortName } from "./labels.ts";
import { digits, intervals, scaled, time } from "./quantities.ts";
import { labelLengths, ShortNames } from "./short_names.ts";

const SPEED = "speed";

/** A column: its heading, and a text for each cell. */
interface Column {
  readonly name: string;
  readonly texts: readonly string[];
}

/**
 * The table of the figures that some cell has; nothing when there are none.
 *
 * @param shown labels that tell the cells apart
 * @param columns width of the table; the figures for which there is no room are named below it
 */
export function renderFigures(
  { cells, figures }: Pick<Result, "cells" | "figures">,
  shown: readonly string[],
  columns: number,
): string[] {
  const present = Object.keys(figures).filter((name) => {
    return cells.some(({ summary }) => (summary.counters[name]?.median ?? 0) !== 0);
  });
  if (present.length === 0) return [];
  const [first, ...others] = present.map((name) => column(cells, name, figures[name]));
  const all = [first, ...others, speedColumn(cells, present[0])];
  const widthOf = ({ name, texts }: Column): number => 3 + Math.max(name.length, ...texts.map((text) => text.length));
  const needed = labelLengths(cells, shown, 0).reduce((sum, length) => sum + length, 0);
  let left = columns - 1 - shown.length * 3 - all.reduce((sum, each) => sum + widthOf(each), 0);
  const missing: Column[] = [];
  while (left < needed && missing.length < others.length) {
    const dispensable = others[others.length - 1 - missing.length];
    missing.push(dispensable);
    left += widthOf(dispensable);
  }
  const lengths = labelLengths(cells, shown, left);
  const table = new Table({
    shouldDisableColors: true, // It would write white, which nobody can read on a light ground.
    columns: [
      ...shown.map((name) => ({ name, title: shortName(name, shown), alignment: "left" })),
      ...all.map(({ name }) => ({ name, alignment: "right" })),
    ],
    disabledColumns: missing.map(({ name }) => name),
  });
  const names = new ShortNames();
  for (const [index, { labels }] of cells.entries()) {
    const row: Record<string, string> = {};
    for (const [at, label] of shown.entries()) row[label] = names.of(labels[label] ?? "", lengths[at]);
    for (const { name, texts } of all) row[name] = texts[index];
    table.addRow(row);
  }
  const leftOut = missing.map(({ name }) => name).join(", ");
  return [
    "As the workload itself has it:",
    table.render(),
    ...names.legend(),
    `speed: ${figures[present[0]]} against the first row's.`,
    ...(missing.length === 0 ? [] : [`${leftOut}: left out, as the terminal is narrow.`]),
  ];
}

function column(cells: readonly CellResult[], counter: string, heading: string): Column {
  const estimates = cells.map(({ summary }): Estimate | null => summary.counters[counter] ?? null);
  if (counter.endsWith("Ns")) return { name: heading, texts: estimates.map(time) };
  const shownAs = counter.endsWith("BytesPerSecond") ? estimates.map((each) => scaled(each, 1e-6)) : estimates;
  return { name: `${heading} [low–high]`, texts: intervals(shownAs) };
}

function speedColumn(cells: readonly CellResult[], counter: string): Column {
  const medians = cells.map(({ summary }) => summary.counters[counter]?.median);
  const [base = 0] = medians;
  return {
    name: SPEED,
    texts: medians.map((median) => base === 0 || median === undefined ? "" : `${digits(median / base)}×`),
  };
}
