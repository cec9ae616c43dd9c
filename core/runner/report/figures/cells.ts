/**
 * The table of all cells.
 *
 * @module
 */

import type { CellResult, Estimate, Sample } from "../../result.ts";
import { median } from "../../summary.ts";
import { estimateColumns, estimateValues, labelColumns, labelValues } from "../columns.ts";
import type { Dimensions } from "../dimensions.ts";
import type { Column, Figure, Unit, Value } from "../figure.ts";
import { unitOf } from "./throughput.ts";
import { estimatesInWords } from "../words.ts";

/** The table. */
export function cellsTable(space: Dimensions): Figure {
  const { cells, figures } = space.result;
  const counters = Object.entries(figures).filter(([name]) => cells.some(({ summary }) => name in summary.counters));
  const several = cells.some(({ samples }) => samples.some(({ clients }) => clients.length > 1));
  const late = cells.some(({ summary }) => summary.latenessP99Ns !== null);
  const groups: readonly { readonly columns: Column[]; readonly of: (cell: CellResult) => Value[] }[] = [
    { columns: labelColumns(space), of: (cell) => labelValues(cell, space) },
    text("status", "status", ({ status }) => status),
    plain("repetitions", "repetitions", "plain", ({ samples }) => samples.length),
    estimated("iops", "operations a second", "count", ({ summary }) => summary.iops),
    estimated("bytes_per_second", "MB/s", "megabytes", ({ summary }) => summary.bytesPerSecond),
    middle("latency_p50_ns", "p50", "time", ({ summary }) => summary.latencyP50Ns),
    estimated("latency_p99_ns", "p99", "time", ({ summary }) => summary.latencyP99Ns),
    middle("latency_p999_ns", "p99.9", "time", ({ summary }) => summary.latencyP999Ns),
    ...(late ? [middle("lateness_p99_ns", "lateness p99", "time", ({ summary }) => summary.latenessP99Ns)] : []),
    plain("cpu_application_cores", "CPU application", "cores", (cell) => coresOf(cell, "application")),
    plain("cpu_driver_cores", "CPU driver", "cores", (cell) => coresOf(cell, "driver")),
    middle("iops_per_core", "operations a second and core", "count", ({ summary }) => summary.iopsPerCpuCore),
    plain("sent_per_operation", "sent", "plain", (cell) => notificationsOf(cell, "sent")),
    plain("suppressed_per_operation", "suppressed", "plain", (cell) => notificationsOf(cell, "suppressed")),
    ...(several ? [middle("fairness", "fairness", "plain", ({ summary }) => summary.fairness)] : []),
    ...counters.map(([name, heading]) =>
      middle(name, heading, unitOf(name), ({ summary }) => summary.counters[name] ?? null)
    ),
    plain("errors", "errors", "plain", ({ summary }) => summary.errors),
    middle("restarts", "restarts", "plain", ({ summary }) => summary.restarts),
    plain("slope_percent", "slope", "percent", ({ summary }) => summary.steady?.slopePercent ?? null),
    text("settled", "settled", ({ summary: { steady } }) => steady === null ? null : steady.settled ? "yes" : "no"),
    plain("redone", "redone", "plain", (cell) => counted(cell, ({ redone }) => redone.length)),
    plain("disturbed", "disturbed", "plain", (cell) => counted(cell, ({ disturbed }) => disturbed === null ? 0 : 1)),
    text("error", "cause", ({ error }) => error ?? null),
  ];
  return {
    ...{ name: "cells", title: "All cells" },
    caption: `${estimatesInWords(space.result).replace("whiskers:", "low and high:")} Other figures are medians. ` +
      "sent, suppressed: notifications of both sides for each operation, and those that the other side did not ask for. slope: by how much the rate changed within the window; redone, disturbed: " +
      "repetitions that were thrown away and done again, and those that were kept although something disturbed them.",
    table: {
      columns: groups.flatMap(({ columns }) => columns),
      rows: cells.map((cell) => groups.flatMap(({ of }) => of(cell))),
    },
    charts: [],
  };
}

function text(key: string, title: string, of: (cell: CellResult) => string | null) {
  return { columns: [{ key, title }], of: (cell: CellResult): Value[] => [of(cell)] };
}

function plain(key: string, title: string, unit: Unit, of: (cell: CellResult) => number | null) {
  return { columns: [{ key, title, unit }], of: (cell: CellResult): Value[] => [of(cell)] };
}

function middle(key: string, title: string, unit: Unit, of: (cell: CellResult) => Estimate | null) {
  return plain(key, title, unit, (cell) => of(cell)?.median ?? null);
}

function estimated(key: string, title: string, unit: Unit, of: (cell: CellResult) => Estimate | null) {
  return { columns: estimateColumns(key, title, unit), of: (cell: CellResult): Value[] => estimateValues(of(cell)) };
}

function coresOf({ samples }: CellResult, domain: "application" | "driver"): number | null {
  const values = samples.map(({ cpuCores }) => cpuCores[domain]).filter((value) => value !== null);
  return values.length === 0 ? null : median(values);
}

function counted({ samples }: CellResult, of: (sample: Sample) => number): number | null {
  return samples.length === 0 ? null : samples.reduce((sum, sample) => sum + of(sample), 0);
}

/** Notifications of both sides for each operation, over all repetitions; null when monolithic. */
function notificationsOf({ samples }: CellResult, which: "sent" | "suppressed"): number | null {
  const sum = (of: (sample: Sample) => number | null): number | null => {
    const values = samples.map(of);
    return values.length === 0 || values.includes(null) ? null : (values as number[]).reduce((a, b) => a + b, 0);
  };
  const notifications = sum(({ notifications: { frontend, backend } }) =>
    frontend === null || backend === null ? null : frontend[which] + backend[which]
  );
  const operations = sum((sample) => sample.operations);
  return notifications === null || operations === null || operations === 0 ? null : notifications / operations;
}
