/**
 * From a scenario to what is to be compared: its policy is replaced by candidates, its load varied.
 *
 * @module
 */

import type { PluginTable } from "../../plugin.ts";
import type { Cell, ExpandedScenario } from "../cell.ts";
import { type ExpandOptions, expandScenario } from "../expand.ts";
import { type Override, ScenarioDocument } from "../load.ts";
import { formatDuration } from "../../units.ts";
import { divideTime, LEAST_WARMUP_NS, type LoadAxis, loadAxis, spreadOut } from "./load_axis.ts";

/** What is asked. */
export interface Question extends ExpandOptions {
  /** What CPU time counts, from 0 to 1. */
  readonly cpuPrice: number;
  /** How long it may take, in nanoseconds. */
  readonly timeNs: number;
  /** Policies to compare, as a scenario names them; when absent the built-in ones and those of the scenario. */
  readonly policies?: readonly string[];
  /** Whether the load stays as the scenario says. */
  readonly fixedLoad?: boolean;
}

/** Cells that differ in nothing but their policy. */
export interface PreparedLoad {
  /** All labels but those of the policy. */
  readonly labels: Readonly<Record<string, string>>;
  /** Whether it is the load that the scenario says, where others stand around it. */
  readonly asked: boolean;
  /** Its cells, one for each policy. */
  readonly cells: readonly Cell[];
}

/** What is to be compared. */
export interface Prepared {
  /** The scenario with all cells. */
  readonly expanded: ExpandedScenario;
  /** What is varied of the load; null when nothing is, or the scenario's own matrix says it. */
  readonly axis: LoadAxis | null;
  /** The loads, ascending along the axis. */
  readonly loads: readonly PreparedLoad[];
}

type Json = Record<string, unknown>;

/**
 * Reads a scenario and puts the candidates in. The scenario's matrix stays, but for what it says of the policy: its
 * combinations are the loads. Where nothing is left of it, the load is varied. Expectations are left out. A repetition
 * warms up for 1 s at least, unless an override says how long.
 *
 * @param overrides values that replace those of the file
 * @throws {ScenarioError} with every mistake that was found
 */
export async function prepareAdvice(
  file: string,
  overrides: readonly Override[],
  plugins: PluginTable,
  question: Question,
): Promise<Prepared> {
  const document = await ScenarioDocument.read(file, overrides);
  const raw = document.toJS();
  const candidates = candidatesOf(raw, plugins, question);
  const [first] = candidates;
  const own = Object.entries(isMapping(raw.matrix) ? raw.matrix : {}).filter(([key]) => !concernsPolicy(key));
  const expand = async (matrix: unknown, more: readonly Override[] = []): Promise<ExpandedScenario> => {
    const origin = question.policies === undefined || question.policies.length === 0 ? "advise" : "--policy";
    const put = (path: string, value: unknown): Override => ({ path, value: JSON.stringify(value), origin });
    const all = [
      ...overrides,
      ...more,
      put("policy", first),
      put("run.repetitions", 1),
      put("run.precision", null),
      put("expect", []),
      put("matrix", matrix),
    ];
    return await expandScenario(await ScenarioDocument.read(file, all), plugins, question);
  };

  // What is no matrix at all is left, for its mistake to be named.
  const whole = raw.matrix === undefined || isMapping(raw.matrix);
  const plain = await expand(whole ? Object.fromEntries(own) : raw.matrix);
  const axis = own.length > 0 || question.fixedLoad === true ? null : loadAxis(plain.cells[0]);
  const { warmup, duration } = plain.scenario.run;
  const warmupNs = saysWarmup(overrides) ? warmup : Math.max(LEAST_WARMUP_NS, warmup);
  const { loads, durationNs } = divideTime({
    timeNs: question.timeNs,
    policies: candidates.length,
    loads: axis?.values.length ?? plain.cells.length,
    fewer: axis !== null,
    ...{ warmupNs, durationNs: duration },
  });
  const values = axis === null ? [] : spreadOut(axis, loads);
  const matrix = { policy: candidates, ...Object.fromEntries(own), ...(axis === null ? {} : { [axis.path]: values }) };
  const expanded = withoutDoubles(
    await expand(matrix, [
      ...(warmupNs > warmup ? [{ path: "run.warmup", value: formatDuration(warmupNs) }] : []),
      ...(durationNs < duration ? [{ path: "run.duration", value: formatDuration(durationNs) }] : []),
    ]),
  );
  return {
    expanded,
    axis: axis === null ? null : { ...axis, values },
    loads: loadsOf(expanded.cells, axis),
  };
}

/** The policies to compare: those that are named, or all that are built in and what the scenario itself has. */
function candidatesOf(raw: Json, { policy }: PluginTable, { policies = [], cpuPrice }: Question): unknown[] {
  const use = (name: string): Json => name === "auto" ? { use: name, with: { cpuPrice } } : { use: name };
  if (policies.length > 0) return [...new Set(policies)].map(use);
  const varied = isMapping(raw.matrix) ? raw.matrix.policy : undefined;
  const all = [
    ...Object.keys(policy).map(use),
    ...(raw.policy === undefined ? [] : [raw.policy]),
    ...(Array.isArray(varied) ? varied : []),
  ].filter((each) => !(isMapping(each) && each.use === "auto" && !isPriced(each, cpuPrice)));
  return [...new Map(all.map((each) => [inOneForm(each), each])).values()];
}

/** A policy as text, the same whether or not it says that it has no options of its own. */
function inOneForm(policy: unknown): string {
  if (!isMapping(policy) || !isMapping(policy.with) || Object.keys(policy.with).length > 0) {
    return JSON.stringify(policy);
  }
  return JSON.stringify({ use: policy.use });
}

/** Whether `auto` is at the price that is asked for; at another it is not what is wanted. */
function isPriced({ with: options }: Json, cpuPrice: number): boolean {
  return isMapping(options) && options.cpuPrice === cpuPrice;
}

function saysWarmup(overrides: readonly Override[]): boolean {
  return overrides.some(({ path }) => path === "run" || path === "run.warmup");
}

function concernsPolicy(key: string): boolean {
  return key === "policy" || key.startsWith("policy.");
}

function isMapping(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A scenario's own policy may be a built-in one as it is by default. */
function withoutDoubles(expanded: ExpandedScenario): ExpandedScenario {
  return { ...expanded, cells: [...new Map(expanded.cells.map((cell) => [cell.id, cell])).values()] };
}

function loadsOf(cells: readonly Cell[], axis: LoadAxis | null): PreparedLoad[] {
  const groups = Map.groupBy(cells, ({ labels }) => JSON.stringify(loadLabels(labels)));
  const loads = [...groups.values()].map((group): PreparedLoad => {
    const labels = loadLabels(group[0].labels);
    return {
      labels,
      asked: axis === null ? groups.size === 1 : labels[axis.path] === String(axis.given),
      cells: group,
    };
  });
  return axis === null ? loads : loads.sort((a, b) => Number(a.labels[axis.path]) - Number(b.labels[axis.path]));
}

/** The labels that tell loads from each other: all but those of the policy. */
export function loadLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([label]) => !concernsPolicy(label)));
}
