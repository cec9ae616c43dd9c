/**
 * A regret table as Markdown.
 *
 * @module
 */

import type { RegretCell, RegretLoad, RegretTable } from "../core/runner/regret.ts";
import type { Estimate, EstimateName } from "../core/runner/result.ts";
import { times } from "./advice_sentences.ts";
import { counted, labelsInLine, shortName, varyingLabels } from "./labels.ts";

const METRICS: Readonly<Record<EstimateName, string>> = {
  iops: "IOPS",
  bytesPerSecond: "bytes a second",
  latencyP50Ns: "median latency",
  latencyP99Ns: "p99 latency",
  latencyP999Ns: "p99.9 latency",
  cpuCores: "CPU cores",
  iopsPerCpuCore: "IOPS per CPU core",
};

/** How a policy stands against a goal. */
export interface GoalTally {
  /** Loads where the whole interval is at the goal or above. */
  readonly met: number;
  /** Loads where it is not told: too few repetitions for an interval, or one that has the goal in it, or no value. */
  readonly open: number;
  /** Loads where the whole interval is below, or the policy failed. */
  readonly missed: number;
}

/**
 * The table, a row a load, and below it a line a policy.
 *
 * @param policies those that are shown; all when there are none
 * @param goal what each should reach of the best, as a share; null: none
 */
export function renderRegret(table: RegretTable, policies: readonly string[], goal: number | null): string {
  const shown = policies.length === 0 ? table.policies : policies;
  const { loads, confirmed, unmatched } = table;
  const varying = varyingLabels(loads);
  const scenarios = severalScenarios(loads);
  const header = [
    ...scenarios ? ["scenario"] : [],
    ...varying.map((label) => shortName(label, varying)),
    "best",
    ...shown,
  ];
  const rows = loads.map((load) => [
    ...scenarios ? [load.scenario] : [],
    ...varying.map((label) => load.labels[label] ?? ""),
    load.best ?? "",
    ...shown.map((policy) => relative(load, policy)),
  ]);
  return [
    `${METRICS[table.metric]} relative to the best of the other policies of each load` +
    (confirmed
      ? "; that one was chosen from other runs than the figures are from."
      : ". The best was chosen from the same runs, which favours it: --confirm takes the figures from others."),
    "",
    markdownRow(header),
    markdownRow(header.map((_, column) => column < header.length - shown.length ? "---" : "--:")),
    ...rows.map(markdownRow),
    "",
    ...shown.map((policy) => summaryOf(table, policy, goal)),
    ...unmatched.map((name) => `Left out, as only one side has it: ${name}`),
  ].join("\n");
}

/** How a policy stands against a goal. */
export function tally({ loads }: RegretTable, policy: string, goal: number): GoalTally {
  const all = loads.map((load) => {
    const cell = cellOf(load, policy);
    if (cell?.status === "failed") return "missed";
    const own = cell?.relative ?? null;
    if (own === null || own.interval === "minmax") return "open";
    return own.low >= goal ? "met" : own.high < goal ? "missed" : "open";
  });
  const countOf = (what: "met" | "open" | "missed"): number => all.filter((each) => each === what).length;
  return { met: countOf("met"), open: countOf("open"), missed: countOf("missed") };
}

function cellOf({ cells }: RegretLoad, policy: string): RegretCell | undefined {
  return cells.find((cell) => cell.policy === policy);
}

function relative(load: RegretLoad, policy: string): string {
  const cell = cellOf(load, policy);
  if (cell === undefined) return "";
  const worst = cell.worst === "yes" ? " worst" : cell.worst === "perhaps" ? " worst?" : "";
  if (cell.relative === null) return cell.status === "measured" ? "alone" : `${cell.status}${worst}`;
  return (policy === load.best ? `**${ratio(cell.relative)}**` : ratio(cell.relative)) + worst;
}

function ratio({ median, low, high }: Estimate): string {
  return low === high ? times(median) : `${times(median)} [${times(low)}–${times(high)}]`;
}

function summaryOf(table: RegretTable, policy: string, goal: number | null): string {
  const there = table.loads.flatMap((load) => {
    const cell = cellOf(load, policy);
    return cell === undefined ? [] : [{ load, cell }];
  });
  const measured = there.filter(({ cell }) => cell.relative !== null);
  if (measured.length === 0) return `- ${policy}: not measured.`;
  const lowest = measured.reduce((worst, each) => {
    return (each.cell.relative as Estimate).median < (worst.cell.relative as Estimate).median ? each : worst;
  });
  const chosen = measured.filter(({ load }) => load.best === policy).length;
  const worst = (how: RegretCell["worst"]): number => there.filter(({ cell }) => cell.worst === how).length;
  const judged = goal === null ? "" : judgement(tally(table, policy, goal), goal);
  return `- ${policy}: the best at ${chosen} of ${counted(table.loads.length, "load")}; lowest ` +
    `${ratio(lowest.cell.relative as Estimate)}${where(lowest.load, table)}; the worst surely at ${
      worst("yes")
    }, perhaps ` +
    `at ${worst("perhaps")}.${judged}`;
}

/** What tells a load from the others, in brackets. */
function where(load: RegretLoad, { loads }: RegretTable): string {
  const labels = labelsInLine(load.labels, varyingLabels(loads));
  const scenario = severalScenarios(loads) ? [load.scenario] : [];
  const all = [...scenario, ...labels === "" ? [] : [labels]];
  return all.length === 0 ? "" : ` (${all.join(": ")})`;
}

function severalScenarios(loads: readonly RegretLoad[]): boolean {
  return new Set(loads.map(({ scenario }) => scenario)).size > 1;
}

function judgement({ met, open, missed }: GoalTally, goal: number): string {
  return ` At least ${
    times(goal)
  }, each load by its 95 % interval: met at ${met}, missed at ${missed}, not told at ${open}.`;
}

function markdownRow(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
