/**
 * Sentences that several figures have in common.
 *
 * @module
 */

import { labelsInLine } from "../labels.ts";
import type { CellResult, Estimate, Result } from "../result.ts";
import type { Interval } from "./figure.ts";

/** Most warnings that are written out. */
const MAX_WARNINGS = 12;

/** Most cells of one warning that are named. */
const MAX_NAMED = 4;

/** How many repetitions the cells of a result have: `5`, `3 to 5`; empty when there are none. */
export function repetitionsInWords({ cells }: Result): string {
  const counts = cells.map(({ samples }) => samples.length).filter((count) => count > 0);
  if (counts.length === 0) return "";
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? String(most) : `${least} to ${most}`;
}

/** What a value and its whiskers are, where they are the summary's estimates. */
export function estimatesInWords(result: Result): string {
  const repetitions = repetitionsInWords(result);
  if (repetitions === "") return "Nothing was measured.";
  if (repetitions === "1") return "One repetition of each cell, which says nothing of how sure it is.";
  const kinds = new Set(result.cells.flatMap(({ summary }) => summary.iops?.interval ?? []));
  const whiskers = [...kinds].map((kind) => {
    return kind === "bootstrap95"
      ? "the 95 % bootstrap interval of the median"
      : "the smallest and the largest repetition, as fewer than six carry no 95 % interval";
  });
  return `Median of ${repetitions} repetitions; whiskers: ${whiskers.join(", or ")}.`;
}

/** An estimate as an interval. */
export function intervalOf(estimate: Estimate | null): Interval {
  if (estimate === null) return { value: null, low: null, high: null };
  return { value: estimate.median, low: estimate.low, high: estimate.high };
}

/** What stands where a cell has no value. */
export function missingInWords({ status }: CellResult): string {
  return status === "failed" ? "failed" : status === "pending" ? "not run" : "not measured";
}

/** What warns of cells: failures, interruptions, disturbances, windows that did not settle. One sentence each. */
export function warningsOf({ cells, interrupted }: Result, shown: readonly string[]): string[] {
  const name = (cell: CellResult): string => labelsInLine(cell.labels, shown.length === 0 ? ["policy"] : shown);
  const pending = cells.filter(({ status }) => status === "pending").length;
  const unsettled = cells.filter(({ summary }) => summary.steady?.settled === false);
  const warnings = [
    ...(interrupted ? ["The run was interrupted before its end."] : []),
    ...(pending > 0 ? [`${pending} of ${cells.length} cells do not have all their repetitions.`] : []),
    ...cells.filter(({ status }) => status === "failed").map((cell) => `Failed: ${name(cell)}: ${cell.error ?? ""}`),
    ...(unsettled.length === 0 ? [] : [
      `Not settled, as the rate rose or fell within the window: ${
        unsettled.length > MAX_NAMED
          ? `${unsettled.length} of ${cells.length} cells; the table of all cells says which`
          : unsettled.map((cell) => `${name(cell)} by ${cell.summary.steady?.slopePercent.toFixed(1)} %`).join("; ")
      }.`,
    ]),
    ...cells.flatMap((cell) =>
      cell.samples.filter(({ disturbed }) => disturbed !== null)
        .map(({ repetition, disturbed }) => `Disturbed: ${name(cell)}, repetition ${repetition}: ${disturbed}`)
    ),
    ...cells.flatMap((cell) =>
      cell.samples.filter(({ redone }) => redone.length > 0)
        .map(({ repetition, redone }) => `Redone: ${name(cell)}, repetition ${repetition}: ${redone.join("; ")}`)
    ),
  ];
  const more = warnings.length - MAX_WARNINGS;
  return more <= 0
    ? warnings
    : [...warnings.slice(0, MAX_WARNINGS), `And ${more} more; the table of all cells has them.`];
}
