/**
 * Columns that the tables of several figures have.
 *
 * @module
 */

import { shortName } from "../labels.ts";
import type { CellResult, Estimate } from "../result.ts";
import type { Dimensions } from "./dimensions.ts";
import type { Column, Unit, Value } from "./figure.ts";

/** The labels that tell cells apart; the policy where nothing does. */
export function labelNames({ shown }: Dimensions): readonly string[] {
  return shown.length === 0 ? ["policy"] : shown;
}

/** A column for each of them. */
export function labelColumns(space: Dimensions): Column[] {
  const names = labelNames(space);
  return names.map((label) => ({ key: label, title: shortName(label, names) }));
}

/** A cell's values in these columns. */
export function labelValues(cell: CellResult, space: Dimensions): Value[] {
  return labelNames(space).map((label) => cell.labels[label] ?? null);
}

/** The columns of an estimate. */
export function estimateColumns(key: string, title: string, unit: Unit): Column[] {
  const [stem, suffix] = key.endsWith("_ns") ? [key.slice(0, -"_ns".length), "_ns"] : [key, ""];
  return [
    { key, title, unit },
    { key: `${stem}_low${suffix}`, title: "low", unit },
    { key: `${stem}_high${suffix}`, title: "high", unit },
  ];
}

/** An estimate's values in these columns. */
export function estimateValues(
  estimate: Pick<Estimate, "median" | "low" | "high"> | null,
): [median: number | null, low: number | null, high: number | null] {
  return estimate === null ? [null, null, null] : [estimate.median, estimate.low, estimate.high];
}
