/**
 * A result as a table for people.
 *
 * @module
 */

import { Table } from "console-table-printer";
import type { CellResult, Estimate, Result, Sample } from "../core/runner/result.ts";
import { median } from "../core/runner/summary.ts";

/** Labels that every cell has; of these, those that are the same in all cells go into the heading. */
const COMMON_LABELS = ["policy", "device", "workload", "placement"];

/** A result as text: a heading, a row for each cell, and the causes of failures. */
export function renderResult(result: Result): string {
  const { cells } = result;
  const labels = [...new Set(cells.flatMap((cell) => Object.keys(cell.labels)))];
  const varied = labels.filter((label) => new Set(cells.map((cell) => cell.labels[label])).size > 1)
    // A plugin whose options the matrix varies one by one is shown by those.
    .filter((label, _, all) => !all.some((other) => other.startsWith(`${label}.`)));
  const shown = varied.length === 0 ? ["policy"] : varied;
  const fixed = COMMON_LABELS.filter((label) => !shown.includes(label));
  const table = new Table({
    shouldDisableColors: Deno.noColor || !Deno.stdout.isTerminal(),
    columns: [
      ...shown.map((name) => ({ name, title: shortName(name, shown), alignment: "left" })),
      ...["IOPS", "low – high", "MB/s", "p50", "p99", "CPU app", "CPU driver", "notified", "suppressed", "speed-up"]
        .map((name) => ({ name, alignment: "right" })),
    ],
  });
  for (const cell of cells) table.addRow({ ...pick(cell, shown), ...metrics(cell, cells[0]) });
  const { name, description } = result.scenario as { name: string; description: string };
  const failures = cells.filter(({ status }) => status === "failed").map(({ labels, error }) => {
    return `failed: ${shown.map((label) => labels[label]).join(", ")}: ${error}`;
  });
  return [
    `${name}: ${description}`,
    fixed.map((label) => `${label} ${inCommon(cells.map(({ labels }) => labels[label]))}`).join(", "),
    table.render(),
    ...legend(cells),
    ...failures,
  ].join("\n");
}

/** The last part of a path, where no other column has the same. */
function shortName(path: string, paths: readonly string[]): string {
  const last = (each: string): string => each.slice(each.lastIndexOf(".") + 1);
  return paths.some((other) => other !== path && last(other) === last(path)) ? path : last(path);
}

/** Of labels such as `name(a=1, b=2)` the name, and the options that all of them have. */
function inCommon(labels: readonly string[]): string {
  const [name, options = ""] = labels[0].split(/[()]/);
  const shared = options.split(", ").filter((option) =>
    option !== "" && labels.every((label) => label.includes(option))
  );
  return shared.length === 0 ? name : `${name}(${shared.join(", ")})`;
}

function pick({ labels }: CellResult, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, labels[name] ?? ""]));
}

function metrics({ samples, summary, status }: CellResult, first: CellResult): Record<string, string> {
  const { iops, bytesPerSecond, latencyP50Ns, latencyP99Ns } = summary;
  if (iops === null) return { "IOPS": status === "failed" ? "failed" : "not run" };
  const base = first.summary.iops;
  return {
    "IOPS": count(iops.median),
    "low – high": `${count(iops.low)} – ${count(iops.high)}`,
    "MB/s": bytesPerSecond === null ? "–" : count(bytesPerSecond.median / 1e6),
    "p50": time(latencyP50Ns),
    "p99": time(latencyP99Ns),
    "CPU app": share(samples, ({ cpuCores }) => cpuCores.application),
    "CPU driver": share(samples, ({ cpuCores }) => cpuCores.driver),
    "notified": each(samples, "sent"),
    "suppressed": each(samples, "suppressed"),
    "speed-up": base === null ? "–" : `${(iops.median / base.median).toPrecision(3)}×`,
  };
}

/** Notifications of both sides for each operation, over all repetitions. */
function each(samples: readonly Sample[], which: "sent" | "suppressed"): string {
  let notifications = 0;
  let operations = 0;
  for (const sample of samples) {
    const { frontend, backend } = sample.notifications;
    if (frontend === null || backend === null) return "–";
    notifications += frontend[which] + backend[which];
    operations += sample.operations;
  }
  return operations === 0 ? "–" : `${(notifications / operations).toFixed(2)}/op`;
}

function share(samples: readonly Sample[], of: (sample: Sample) => number | null): string {
  const values = samples.map(of).filter((value) => value !== null);
  return values.length === 0 ? "–" : median(values).toFixed(2);
}

function legend(cells: readonly CellResult[]): string[] {
  const interval = cells.map(({ summary }) => summary.iops?.interval).find((found) => found !== undefined);
  if (interval === undefined) return [];
  const repetitions = Math.max(...cells.map(({ samples }) => samples.length));
  const range = interval === "bootstrap95" ? "its 95 % interval" : "the range";
  return [
    `IOPS: median and ${range} of ${repetitions} repetitions. CPU in cores. p50, p99: from submission to completion.`,
    "notified, suppressed: notifications that both sides together sent, and did not need to send, for each operation.",
  ];
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function time(estimate: Estimate | null): string {
  if (estimate === null) return "–";
  const ns = estimate.median;
  if (ns < 1e3) return `${Math.round(ns)} ns`;
  return ns < 1e6 ? `${(ns / 1e3).toFixed(1)} µs` : `${(ns / 1e6).toFixed(1)} ms`;
}
