/**
 * A comparison as a table for people.
 *
 * @module
 */

import { Table } from "console-table-printer";
import { type CellComparison, LESS_IS_BETTER, type RunComparison } from "../core/runner/compare.ts";
import type { Estimate, EstimateName } from "../core/runner/result.ts";
import { formatPercentage } from "../core/units.ts";
import { counted, labelsInLine, shortName, varyingLabels } from "./labels.ts";
import { digits, scaled, time } from "./quantities.ts";
import { labelLengths, ShortNames } from "./short_names.ts";

/** Headings of metrics. */
const HEADINGS: Readonly<Record<EstimateName, string>> = {
  iops: "IOPS",
  bytesPerSecond: "MB/s",
  latencyP50Ns: "p50",
  latencyP99Ns: "p99",
  latencyP999Ns: "p99.9",
  cpuCores: "CPU",
  iopsPerCpuCore: "IOPS/core",
};
const RATIO = "B/A [low–high]";
/** Verdicts in the order in which they are counted. */
const VERDICTS: readonly CellComparison["verdict"][] = [
  ...["slower", "failed", "faster", "no evidence", "too few repetitions", "not compared"] as const,
];
/** Characters that all columns but the labels take, at most. */
const OTHER_COLUMNS = 90;

/** A comparison as text: a row for each cell, what it means, and what makes it doubtful. */
export function renderComparison(comparison: RunComparison, columns: number): string {
  const { cells, sides, metric } = comparison;
  const varying = varyingLabels(cells);
  const shown = varying.length === 0 ? ["policy"] : varying;
  const heading = HEADINGS[metric];
  const table = new Table({
    shouldDisableColors: true, // It would write white, which nobody can read on a light ground.
    columns: [
      ...shown.map((name) => ({ name, title: shortName(name, shown), alignment: "left" })),
      ...[`${heading} A`, `${heading} B`, RATIO].map((name) => ({ name, alignment: "right" })),
      { name: "repetitions", alignment: "right" },
      { name: "p", alignment: "right" },
      { name: "verdict", alignment: "left" },
    ],
  });
  const names = new ShortNames();
  const lengths = labelLengths(cells, shown, columns - OTHER_COLUMNS);
  for (const cell of cells) {
    const row: Record<string, string> = {};
    for (const [at, label] of shown.entries()) row[label] = names.of(cell.labels[label] ?? "", lengths[at]);
    const [a, b] = [cell.a, cell.b].map((estimate) => quantity(metric, estimate));
    table.addRow({
      ...row,
      [`${heading} A`]: a,
      [`${heading} B`]: b,
      [RATIO]: ratio(cell.ratio),
      repetitions: [...new Set(cell.repetitions)].join(" and "),
      p: cell.probability === null ? "" : cell.probability < 0.0001 ? "<0.0001" : cell.probability.toFixed(4),
      verdict: cell.verdict,
    });
  }
  return [
    `A: ${sides[0]}`,
    `B: ${sides[1]}`,
    table.render(),
    ...names.legend(),
    ...explained(comparison),
    ...cells.filter(({ reason }) => reason !== null).map(({ labels, verdict, reason }) => {
      return `${verdict}: ${labelsInLine(labels, shown)}: ${reason}`;
    }),
    ...comparison.unmatched.map(({ side, labels }) => `only in ${side}: ${labelsInLine(labels, Object.keys(labels))}`),
    ...comparison.warnings.map((warning) => `warning: ${warning}`),
    VERDICTS.map((verdict) => ({ verdict, count: cells.filter((cell) => cell.verdict === verdict).length }))
      .filter(({ count }) => count > 0).map(({ verdict, count }) => `${count} ${verdict}`).join(", "),
  ].join("\n");
}

function explained({ cells, metric, errorRate, threshold, fewestRepetitions }: RunComparison): string[] {
  const sure = formatPercentage(1 - errorRate);
  const better = LESS_IS_BETTER.includes(metric) ? "faster: less. " : "";
  const beyond = threshold === 0 ? "" : ` by more than ${formatPercentage(threshold)}`;
  const intervals = new Set(cells.map(({ ratio }) => ratio?.interval));
  const hasIntervals = intervals.has("bootstrap95");
  const interval = !intervals.has("minmax")
    ? "the 95 % interval"
    : hasIntervals
    ? "the 95 % interval, or where there are fewer than six repetitions the range"
    : "the range";
  return [
    `B/A: the ratio of the medians and [${interval}] of that. p: how likely ranks as uneven are by chance, corrected for ` +
    `${counted(cells.length, "cell")}.`,
    `${better}Faster and slower${beyond}: ${sure} sure of all verdicts together (rank-sum test, Holm's correction).` +
    (hasIntervals ? " An interval is of its cell alone, so some may leave out 1 without that." : ""),
    ...(cells.some(({ verdict }) => verdict === "too few repetitions")
      ? [`too few repetitions to tell: ${fewestRepetitions} of each side needed, for ${counted(cells.length, "cell")}`]
      : []),
  ];
}

function quantity(metric: EstimateName, estimate: Estimate | null): string {
  if (estimate === null) return "";
  if (metric.startsWith("latency")) return time(estimate);
  return digits((metric === "bytesPerSecond" ? scaled(estimate, 1e-6) ?? estimate : estimate).median);
}

function ratio(estimate: Estimate | null): string {
  if (estimate === null) return "";
  const [middle, low, high] = [estimate.median, estimate.low, estimate.high].map((value) => value.toFixed(3));
  return `${middle} [${low}–${high}]`;
}
