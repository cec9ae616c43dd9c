/**
 * An answer of `advise` as tables.
 *
 * @module
 */

import { Table } from "console-table-printer";
import type { Advice, LoadAdvice, PolicyAdvice } from "../core/runner/advise/advice.ts";
import type { Ratio } from "../core/runner/advise/comparison.ts";
import type { Standing } from "../core/runner/advise/elimination.ts";
import { adviceSentences, loadName, saysAnything, times } from "./advice_sentences.ts";
import { count, digits } from "./quantities.ts";
import { LOG_COLUMNS } from "./table.ts";

const STANDINGS: Readonly<Record<Standing, string>> = {
  first: "best",
  alike: "as good",
  undecided: "not told apart",
  worse: "worse",
  behind: "does not keep up",
  failed: "failed",
  unmeasured: "not measured",
};

/** The columns of the table of a load, and in which order a narrow one leaves them out. */
const COLUMNS = ["policy", "IOPS", "p99", "cores", "CPU/op", "to the best", "runs", "is"] as const;
const DISPENSABLE: readonly (typeof COLUMNS[number])[] = ["runs", "cores", "CPU/op", "p99", "IOPS"];

/**
 * The sentences, a table of the load that was asked about, and one of all loads where there are several.
 *
 * @param columns width of the terminal; the first table leaves columns out where it is narrow, and says which
 */
export function renderAdvice(advice: Advice, columns: number = LOG_COLUMNS): string {
  const asked = advice.loads.find((load) => load.asked);
  return [
    `${advice.scenario}: which policy?`,
    ...adviceSentences(advice),
    ...(asked === undefined ? [] : ["", ...loadTable(asked, advice, columns)]),
    ...(advice.loads.length < 2 ? [] : ["", ...allLoads(advice)]),
  ].join("\n");
}

function loadTable(load: LoadAdvice, advice: Advice, width: number): string[] {
  const name = loadName(load, advice);
  const rows = load.policies.map(row);
  const widthOf = (column: string): number => {
    return 3 + Math.max(column.length, ...rows.map((each) => each[column].length));
  };
  const missing: string[] = [];
  const shown = (): string[] => COLUMNS.filter((column) => !missing.includes(column));
  for (const column of DISPENSABLE) {
    if (1 + shown().reduce((sum, each) => sum + widthOf(each), 0) <= width) break;
    missing.push(column);
  }
  const table = new Table({
    shouldDisableColors: true, // It would write white, which nobody can read on a light ground.
    columns: shown().map((name) => ({ name, alignment: ["policy", "is"].includes(name) ? "left" : "right" })),
    disabledColumns: missing,
  });
  for (const each of rows) table.addRow(each);
  const leftOut = missing.length === 0 ? [] : [`${missing.join(", ")}: left out, as the terminal is narrow.`];
  return [...(name === "" ? [] : [`At ${name}:`]), table.render(), ...leftOut];
}

function row(
  { policy, standing, repetitions, iops, latencyP99Ns, cpuCores, cpuNsPerOperation, relative }: PolicyAdvice,
): Record<string, string> {
  return {
    policy,
    "IOPS": iops === null ? "" : count(iops),
    "p99": time(latencyP99Ns),
    "cores": cpuCores === null ? "" : times(cpuCores),
    "CPU/op": time(cpuNsPerOperation),
    "to the best": relative === null ? "" : ratio(relative, standing === "first"),
    "runs": String(repetitions),
    "is": STANDINGS[standing],
  };
}

function ratio({ ratio, low, high }: Ratio, first: boolean): string {
  if (!Number.isFinite(ratio)) return "";
  if (first || !saysAnything({ low, high })) return times(ratio);
  return `${times(ratio)} [${times(low)}–${times(high)}]`;
}

function time(ns: number | null): string {
  if (ns === null) return "";
  if (ns < 1e3) return `${Math.round(ns)} ns`;
  return ns < 1e6 ? `${digits(ns / 1e3)} µs` : `${digits(ns / 1e6)} ms`;
}

/** Every policy at every load, as a ratio to the best. */
function allLoads(advice: Advice): string[] {
  const { loads } = advice;
  const names = loads.map((load) => loadName(load, advice));
  const table = new Table({
    shouldDisableColors: true,
    columns: [{ name: "policy", alignment: "left" }, ...names.map((name) => ({ name, alignment: "right" }))],
  });
  for (const policy of [...new Set(loads.flatMap(({ policies }) => policies.map((each) => each.policy)))].sort()) {
    table.addRow(Object.fromEntries([
      ["policy", policy],
      ...loads.map(({ policies }, index) => [names[index], mark(policies.find((each) => each.policy === policy))]),
    ]));
  }
  const above = loads.some(({ policies }) => policies.some(({ relative }) => (relative?.ratio ?? 0) > 1));
  return [
    "To the best at each load (* is the best, or not told apart from it):",
    table.render(),
    ...(above ? ["Above 1: would be better, but seems not to keep up with the arrivals."] : []),
  ];
}

function mark(policy: PolicyAdvice | undefined): string {
  if (policy === undefined) return "";
  const { relative, standing } = policy;
  const best = ["first", "alike", "undecided"].includes(standing);
  if (relative === null || !Number.isFinite(relative.ratio)) return best ? "*" : STANDINGS[standing];
  return `${times(relative.ratio)}${best ? "*" : " "}`;
}
