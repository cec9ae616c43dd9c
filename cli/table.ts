/**
 * A result as a table for people.
 *
 * @module
 */

import { Table } from "console-table-printer";
import type { CellResult, Result, Sample } from "../core/runner/result.ts";
import { median } from "../core/runner/summary.ts";
import { renderExpectations } from "./expectations.ts";
import { renderFigures } from "./figures_table.ts";
import { labelsInLine, shorten, shortName, varyingLabels } from "./labels.ts";
import { renderNotes } from "./notes.ts";
import { digits, intervals, scaled, time } from "./quantities.ts";
import { labelLengths, ShortNames } from "./short_names.ts";

/** Labels that every cell has; of these, those that are the same in all cells go into the heading. */
const COMMON_LABELS = ["policy", "device", "workload", "placement"];
/** Width that a table keeps to where there is no terminal, which would be narrower or not. */
export const LOG_COLUMNS = 160;

/** Width that there is for a table. A terminal that does not know its own is taken for a log. */
export function tableColumns(): number {
  return Deno.stdout.isTerminal() ? Deno.consoleSize().columns || LOG_COLUMNS : LOG_COLUMNS;
}

const METRICS = [
  "IOPS [low–high]",
  "MB/s [low–high]",
  "p50",
  "p99",
  "late",
  "CPU",
  "sent",
  "suppr.",
  "fair",
  "speed",
] as const;
type Metric = typeof METRICS[number];
type Metrics = Readonly<Record<Metric, string>>;
/** What a narrow table leaves out, the least important first. IOPS stay. */
const DISPENSABLE: readonly Metric[] = [
  "suppr.",
  "sent",
  "MB/s [low–high]",
  "CPU",
  "late",
  "p50",
  "p99",
  "fair",
  "speed",
];

/**
 * A result as text: a heading, a row for each cell, what the workload says of itself, what devices noted, the causes of failures, and what became of the expectations.
 *
 * @param columns width of the table; the metrics for which there is no room are named below it
 */
export function renderResult(result: Result, columns: number = LOG_COLUMNS): string {
  const { cells } = result;
  const varying = varyingLabels(cells);
  const shown = varying.length === 0 ? ["policy"] : varying;
  const fixed = COMMON_LABELS.filter((label) => !shown.includes(label));
  const { name, description } = result.scenario as { name: string; description: string };
  const table = renderTable(cells, shown, columns);
  return [
    description === "" ? name : `${name}: ${description}`,
    fixed.map((label) => `${label} ${shorten(inCommon(cells.map(({ labels }) => labels[label])), columns)}`).join(", "),
    ...table,
    ...renderFigures(result, shown, columns).filter((line) => !table.includes(line)),
    ...renderNotes(cells, shown),
    ...cells.filter(({ status }) => status === "failed").map(({ labels, error }) => {
      return `failed: ${labelsInLine(labels, shown)}: ${error}`;
    }),
    ...renderExpectations(result),
  ].join("\n");
}

/** The table, and what the labels that were too long for it are in full. */
function renderTable(cells: readonly CellResult[], shown: readonly string[], columns: number): string[] {
  const rows = metricsOf(cells);
  const needed = labelLengths(cells, shown, 0).reduce((sum, length) => sum + length, 0);
  const widthOf = (name: Metric): number => 3 + Math.max(name.length, ...rows.map((row) => row[name].length));
  const metricsThere = METRICS.filter((name) => {
    return name === "fair" ? cells.some(hasSeveralClients) : name === "late" ? cells.some(hasDueTimes) : true;
  });
  let left = columns - 1 - shown.length * 3 - metricsThere.reduce((sum, name) => sum + widthOf(name), 0);
  const missing: Metric[] = [];
  for (const name of DISPENSABLE.filter((name) => metricsThere.includes(name))) {
    if (left >= needed) break;
    missing.push(name);
    left += widthOf(name);
  }
  const metrics = metricsThere.filter((name) => !missing.includes(name));
  const lengths = labelLengths(cells, shown, left);
  const table = new Table({
    shouldDisableColors: true, // It would write white, which nobody can read on a light ground.
    columns: [
      ...shown.map((name) => ({ name, title: shortName(name, shown), alignment: "left" })),
      ...metrics.map((name) => ({ name, alignment: "right" })),
    ],
    disabledColumns: METRICS.filter((name) => !metrics.includes(name)),
  });
  const names = new ShortNames();
  for (const [index, { labels }] of cells.entries()) {
    const row: Record<string, string> = { ...rows[index] };
    for (const [column, label] of shown.entries()) {
      row[label] = names.of(labels[label] ?? "", lengths[column]);
    }
    table.addRow(row);
  }
  const leftOut = missing.length === 0 ? [] : [`${missing.join(", ")}: left out, as the terminal is narrow.`];
  return [table.render(), ...names.legend(), ...legend(cells, metrics), ...leftOut];
}

/** Of labels such as `name(a=1, b=2)` the name, and the options that all of them have. */
function inCommon(labels: readonly string[]): string {
  if (labels.every((label) => label === labels[0])) return labels[0];
  const [name, options = ""] = labels[0].split(/[()]/);
  const shared = options.split(", ").filter((option) =>
    option !== "" && labels.every((label) => label.includes(option))
  );
  return shared.length === 0 ? name : `${name}(${shared.join(", ")})`;
}

function metricsOf(cells: readonly CellResult[]): Metrics[] {
  const iops = intervals(cells.map(({ summary }) => summary.iops));
  const megabytes = intervals(cells.map(({ summary }) => scaled(summary.bytesPerSecond, 1e-6)));
  const base = cells[0].summary.iops;
  return cells.map(({ samples, summary, status }, index) => ({
    "IOPS [low–high]": summary.iops === null ? status === "failed" ? "failed" : "not run" : iops[index],
    "MB/s [low–high]": megabytes[index],
    "p50": time(summary.latencyP50Ns),
    "p99": time(summary.latencyP99Ns),
    "late": time(summary.latenessP99Ns),
    "CPU": cores(samples),
    "sent": perOperation(samples, "sent"),
    "suppr.": perOperation(samples, "suppressed"),
    "fair": summary.fairness === null || !hasSeveralClients({ samples }) ? "" : summary.fairness.median.toFixed(3),
    "speed": base === null || base.median === 0 || summary.iops === null
      ? ""
      : `${digits(summary.iops.median / base.median)}×`,
  }));
}

function hasSeveralClients({ samples }: Pick<CellResult, "samples">): boolean {
  return samples.some(({ clients }) => clients.length > 1);
}

/** Whether its operations have times of their own, from which their latencies run. */
function hasDueTimes({ summary }: CellResult): boolean {
  return summary.latenessP99Ns !== null;
}

/** Notifications of both sides for each operation, over all repetitions. */
function perOperation(samples: readonly Sample[], which: "sent" | "suppressed"): string {
  let notifications = 0;
  let operations = 0;
  for (const sample of samples) {
    const { frontend, backend } = sample.notifications;
    if (frontend === null || backend === null) return "";
    notifications += frontend[which] + backend[which];
    operations += sample.operations;
  }
  return operations === 0 ? "" : (notifications / operations).toFixed(2);
}

/** Medians of what each domain used: `0.36 + 0.38`. */
function cores(samples: readonly Sample[]): string {
  const [application, driver] = (["application", "driver"] as const).map((domain) => {
    const values = samples.map(({ cpuCores }) => cpuCores[domain]).filter((value) => value !== null);
    return values.length === 0 ? undefined : median(values).toFixed(2);
  });
  return [application, driver].filter((each) => each !== undefined).join(" + ");
}

function legend(cells: readonly CellResult[], metrics: readonly Metric[]): string[] {
  const interval = cells.map(({ summary }) => summary.iops?.interval).find((found) => found !== undefined);
  if (interval === undefined) return [];
  const repetitions = Math.max(...cells.map(({ samples }) => samples.length));
  const range = interval === "bootstrap95" ? "its 95 % interval" : "the range";
  const rates = metrics.includes("MB/s [low–high]") ? "IOPS, MB/s" : "IOPS";
  const explained = (name: Metric, text: string): string[] => metrics.includes(name) ? [text] : [];
  return [
    repetitions === 1
      ? `${rates}: of one repetition, which says nothing of how sure they are.`
      : `${rates}: median and [${range}] of ${repetitions} repetitions.`,
    [
      ...explained("p99", `${metrics.includes("p50") ? "p50, p99" : "p99"}: from ${beginnings(cells)} to completion.`),
      ...explained("CPU", "CPU: cores used by application + driver."),
      ...explained("speed", "speed: IOPS against the first row's."),
    ].join(" "),
    ...explained("late", "late: 99th percentile of how late the workload itself was."),
    ...explained("fair", "fair: Jain's index of the clients' bytes a second; 1 where all had the same."),
    ...explained(
      "sent",
      `${metrics.includes("suppr.") ? "sent, suppr." : "sent"}: notifications of both sides for each operation` +
        `${metrics.includes("suppr.") ? ", and those that the other side did not ask for" : ""}.`,
    ),
  ].filter((line) => line !== "");
}

/** From when latencies are counted. */
function beginnings(cells: readonly CellResult[]): string {
  const due = cells.filter(hasDueTimes).length;
  if (due === 0) return "submission";
  return due === cells.length ? "when an operation was due" : "submission, or from when an operation was due,";
}
