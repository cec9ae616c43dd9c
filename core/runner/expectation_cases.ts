/**
 * Which cells an expectation compares. The labels that none of its selectors mentions are held equal, so that it must
 * hold in every combination of them; in each, every metric must choose exactly one cell.
 *
 * @module
 */

import { nearest, suggestion } from "./diagnostics.ts";
import {
  type Expectation,
  ExpectationError,
  type Expression,
  formatMetric,
  type Metric,
  type Selector,
} from "./expectation.ts";

/** What an expectation can compare of every cell, beside the counters of its workload and its device. */
export const METRICS = [
  "iops",
  "bytesPerSecond",
  "latencyP50Ns",
  "latencyP99Ns",
  "latencyP999Ns",
  "latenessP99Ns",
  "cpuCores",
  "iopsPerCpuCore",
  "fairness",
  "restarts",
  "minClientIops",
  "maxClientIops",
  "errors",
] as const;

/** A cell, as far as an expectation can choose it. */
export interface SelectableCell {
  /** What distinguishes it; every cell of a scenario has the same labels. */
  readonly labels: Readonly<Record<string, string>>;
  /** Names of what its workload and its device count. */
  readonly counters: readonly string[];
}

/** One combination of the labels that are held equal. */
export interface ExpectationCase {
  /** The combination. */
  readonly labels: Readonly<Record<string, string>>;
  /** The cell of each metric, by its index. */
  readonly cells: ReadonlyMap<Metric, number>;
}

/** Labels of plugins: one says the same as the paths within it. */
const PLUGIN_LABELS = ["policy", "device", "workload"];

/**
 * The combinations in which an expectation must hold.
 *
 * @param cells at least one
 * @throws {ExpectationError} when it names something that does not exist, or a metric does not choose exactly one cell
 */
export function casesOf(expectation: Expectation, cells: readonly SelectableCell[]): readonly ExpectationCase[] {
  const labels = Object.keys(cells[0].labels);
  const metrics = checkNames(expectation, labels, cells.flatMap(({ counters }) => counters));
  const mentioned = new Set([...metrics.values()].flat().map(({ label }) => label));
  const held = labels.filter((label) => !isFree(label, mentioned));
  const choices = [...metrics].map(([metric, selectors]) => ({ metric, matches: matcher(selectors, cells) }));

  const combinations = new Map<string, number[]>();
  for (const [index, cell] of cells.entries()) {
    const key = JSON.stringify(held.map((label) => cell.labels[label]));
    combinations.set(key, [...combinations.get(key) ?? [], index]);
  }
  return [...combinations.values()].map((members) => ({
    labels: Object.fromEntries(held.map((label) => [label, cells[members[0]].labels[label]])),
    cells: new Map(choices.map(({ metric, matches }) => [metric, onlyCell(metric, members.filter(matches), cells)])),
  }));
}

/**
 * Checks the names in an expectation as far as that is possible without cells.
 *
 * @param labels the labels that cells have
 * @param counters what the workloads and devices count; undefined while that is not known
 * @returns its metrics, with the whole names of the labels that their selectors mean
 * @throws {ExpectationError} when it has no metric, or one or a label that does not exist
 */
export function checkNames(
  { left, right }: Expectation,
  labels: readonly string[],
  counters: readonly string[] | undefined,
): ReadonlyMap<Metric, readonly Selector[]> {
  const metrics = [...metricsOf(left), ...metricsOf(right)];
  if (metrics.length === 0) throw new ExpectationError(1, `compares no metric (there are: ${METRICS.join(", ")})`);
  const known = [...METRICS, ...new Set(counters)];
  return new Map(metrics.map((metric) => {
    if (counters !== undefined && !known.includes(metric.name)) {
      throw new ExpectationError(
        metric.column,
        `${metric.name} is not a known metric${suggestion(metric.name, known)}`,
      );
    }
    return [metric, metric.selectors.map((each) => ({ ...each, label: fullLabel(each, labels) }))];
  }));
}

function metricsOf(expression: Expression): readonly Metric[] {
  switch (expression.type) {
    case "number":
      return [];
    case "metric":
      return [expression];
    case "negative":
      return metricsOf(expression.of);
    case "operation":
      return [...metricsOf(expression.left), ...metricsOf(expression.right)];
  }
}

/** The label that is meant: by its whole name, or the last part of its path where only one has it. */
function fullLabel({ label: written, column }: Selector, labels: readonly string[]): string {
  if (labels.includes(written)) return written;
  const found = labels.filter((label) => lastPart(label) === written);
  if (found.length === 1) return found[0];
  if (found.length > 1) throw new ExpectationError(column, `${written} can be ${found.join(" or ")}; write which`);
  const near = nearest(written, [...labels, ...labels.map(lastPart)]);
  const hint = near === undefined ? "" : `; did you mean ${near}?`;
  throw new ExpectationError(column, `${written} is not a label of the cells${hint} (there are: ${labels.join(", ")})`);
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}

/** Whether a label may differ between the cells of one comparison. */
function isFree(label: string, mentioned: ReadonlySet<string>): boolean {
  if (mentioned.has(label)) return true;
  return [...mentioned].some((other) =>
    (PLUGIN_LABELS.includes(label) && other.startsWith(`${label}.`)) ||
    (PLUGIN_LABELS.includes(other) && label.startsWith(`${other}.`))
  );
}

/** Tells of a cell, by its index, whether all selectors choose it. */
function matcher(selectors: readonly Selector[], cells: readonly SelectableCell[]): (index: number) => boolean {
  const each = selectors.map(({ label, value, column }) => {
    const values = distinct(cells, label);
    // A plugin with its defaults is written as its name alone, so the whole label goes first.
    const chosen = values.includes(value) ? [value] : values.filter((each) => pluginName(each) === value);
    if (chosen.length === 0) {
      throw new ExpectationError(column, `no cell has ${label}=${value}${suggestion(value, values)}`);
    }
    return (index: number): boolean => chosen.includes(cells[index].labels[label]);
  });
  return (index) => each.every((matches) => matches(index));
}

/** A plugin's label without the options in brackets. */
function pluginName(label: string): string {
  return label.replaceAll(/\([^()]*\)/g, "");
}

/** The one cell that was chosen for a metric. */
function onlyCell(metric: Metric, chosen: readonly number[], cells: readonly SelectableCell[]): number {
  const fail = (message: string): never => {
    throw new ExpectationError(metric.column, message);
  };
  if (chosen.length !== 1) {
    const among = chosen.length === 0 ? cells : chosen.map((index) => cells[index]);
    const differing = Object.keys(cells[0].labels).filter((label) => distinct(among, label).length > 1)
      .map((label) => `${label} (${distinct(among, label).join(", ")})`).join("; ");
    const text = formatMetric(metric);
    return fail(
      chosen.length === 0
        ? `${text} chooses no cell; the cells have ${differing}`
        : `${text} chooses ${chosen.length} cells where it must choose one; they differ in ${differing}`,
    );
  }
  const { labels, counters } = cells[chosen[0]];
  const known = [...METRICS, ...counters];
  if (known.includes(metric.name)) return chosen[0];
  return fail(
    `${metric.name} is nothing that ${labels.workload} or ${labels.device} counts${suggestion(metric.name, known)}`,
  );
}

function distinct(cells: readonly SelectableCell[], label: string): readonly string[] {
  return [...new Set(cells.map(({ labels }) => labels[label]))];
}
