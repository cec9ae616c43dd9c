/**
 * Which cells are to be compared: those of two runs that are the same, or those of one run that differ in a label alone.
 *
 * @module
 */

import { IddrError } from "../errors.ts";
import { suggestion } from "./diagnostics.ts";
import type { CellResult, Machine, Result, Sample } from "./result.ts";

/** What cannot be compared, with what can. */
export class CompareError extends IddrError {
  /** See {@link IddrError.code}. */
  override readonly code = "IDDR_COMPARE";
}

type Labels = Readonly<Record<string, string>>;

/** A cell on one side: all its repetitions, of one run or of several. */
export interface Side {
  /** What the side is called. */
  readonly name: string;
  /** The repetitions. */
  readonly samples: readonly Sample[];
  /** Why it failed, if it did. */
  readonly error?: string;
}

/** What is to be compared. */
export interface Matched {
  /** What the sides are called. */
  readonly sides: readonly [string, string];
  /** Pairs of cells. */
  readonly pairs: readonly { readonly labels: Labels; readonly a: Side; readonly b: Side }[];
  /** Cells that have no other. */
  readonly unmatched: readonly { readonly side: string; readonly labels: Labels }[];
  /** What makes a comparison doubtful. */
  readonly warnings: readonly string[];
}

/** The results of one side: of one run, or of several of the same cells, whose repetitions are taken together. */
export interface NamedResults {
  /** What the side is called. */
  readonly name: string;
  /** At least one. */
  readonly results: readonly Result[];
}

interface PooledCell extends Side {
  readonly id: string;
  readonly scenario: string;
  readonly labels: Labels;
  /** Whether its operations a second still rose or fell within its windows. */
  readonly isUnsettled: boolean;
}

/**
 * Matches the cells of two sides by their ids, and those that are left by their labels and the name of their scenario,
 * which counts where a side has several.
 *
 * @throws {CompareError} when they have none in common, or labels do not tell those apart that are left
 */
export function matchRuns(first: NamedResults, second: NamedResults): Matched {
  const [a, b] = [first, second].map(pool);
  const left = new Set(b);
  const pairs = new Map<PooledCell, PooledCell>();
  const match = (alike: (one: PooledCell, other: PooledCell) => boolean): number => {
    const before = pairs.size;
    for (const one of a) {
      const other = pairs.has(one) ? undefined : [...left].find((each) => alike(one, each));
      if (other === undefined) continue;
      left.delete(other);
      pairs.set(one, other);
    }
    return pairs.size - before;
  };
  match((one, other) => one.id === other.id);
  const several = [a, b].some((cells) => new Set(cells.map(({ scenario }) => scenario)).size > 1);
  const key = ({ labels, scenario }: PooledCell): string => canonical(several ? { ...labels, scenario } : labels);
  refuseAlike(first.name, a.filter((cell) => !pairs.has(cell)), key);
  refuseAlike(second.name, [...left], key);
  const byLabels = match((one, other) => key(one) === key(other));
  if (pairs.size === 0) {
    throw new CompareError(
      `${first.name} and ${second.name} have no cell in common: the first cell of one is ${
        inLine(a[0]?.labels)
      }, of the ` +
        `other ${inLine(b[0]?.labels)}`,
    );
  }
  return {
    sides: [first.name, second.name],
    pairs: a.flatMap((one) => {
      const other = pairs.get(one);
      return other === undefined ? [] : [{ labels: one.labels, a: one, b: other }];
    }),
    unmatched: [
      ...a.filter((cell) => !pairs.has(cell)).map(({ labels }) => ({ side: first.name, labels })),
      ...[...left].map(({ labels }) => ({ side: second.name, labels })),
    ],
    warnings: [
      ...(byLabels === 0 ? [] : [
        `${byLabels} of ${pairs.size} cells were matched by their labels, as their ids differ: something else than what the ` +
        "labels say was changed in the scenario, or in what it means",
      ]),
      ...machineWarnings([first, second]),
      ...orderWarnings(first, second),
      ...blockWarnings([first, second]),
      ...[first, second].flatMap(interruptedWarnings),
      ...doubts(first.name, [...pairs.keys()]),
      ...doubts(second.name, [...pairs.values()]),
    ],
  };
}

/** Cells with other ids and the same labels could be matched in several ways. */
function refuseAlike(name: string, cells: readonly PooledCell[], key: (cell: PooledCell) => string): void {
  const seen = new Set<string>();
  for (const cell of cells) {
    if (seen.has(key(cell))) {
      throw new CompareError(
        `${name} has several cells with the labels ${inLine(cell.labels)}, which differ in something else: compare ` +
          "results of one version of one scenario",
      );
    }
    seen.add(key(cell));
  }
}

/** All cells of some results; those of the same scenario and id together. */
function pool({ name, results }: NamedResults): PooledCell[] {
  const cells = new Map<string, { readonly scenario: string; readonly same: CellResult[] }>();
  for (const result of results) {
    const { name: scenario } = result.scenario as { name: string };
    for (const cell of result.cells) {
      const key = `${scenario} ${cell.id}`;
      const pooled = cells.get(key) ?? { scenario, same: [] };
      cells.set(key, pooled);
      pooled.same.push(cell);
    }
  }
  return [...cells.values()].map(({ scenario, same }) => {
    const { id, labels } = same[0];
    const isUnsettled = same.some(({ summary }) => summary.steady?.settled === false);
    return { id, scenario, labels, isUnsettled, ...sideOf(name, same) };
  });
}

function sideOf(name: string, same: readonly CellResult[]): Side {
  const error = same.find((cell) => cell.status === "failed")?.error;
  return { name, samples: same.flatMap(({ samples }) => samples), ...(error === undefined ? {} : { error }) };
}

function machineWarnings(sides: readonly NamedResults[]): string[] {
  const machines = sides.flatMap(({ results }) => results.map(({ machine }) => machine));
  const differences = (Object.keys(machines[0]) as (keyof Machine)[]).flatMap((key) => {
    const values = [...new Set(machines.map((machine) => machine[key]))];
    return values.length === 1 ? [] : [`${key} ${values.map((value) => value ?? "unknown").join(" and ")}`];
  });
  return differences.length === 0 ? [] : [`they were not measured on the same machine: ${differences.join("; ")}`];
}

/** A machine is not the same an hour later. */
function orderWarnings(first: NamedResults, second: NamedResults): string[] {
  const [a, b] = [first, second].map(({ results }) => results.map(({ startedAt }) => Date.parse(startedAt)));
  const [earlier, later] = Math.max(...a) < Math.min(...b) ? [first, second] : [second, first];
  if (Math.max(...a) >= Math.min(...b) && Math.max(...b) >= Math.min(...a)) return [];
  return [
    `all of ${earlier.name} was measured before ${later.name}: if the machine changed meanwhile, that looks like a ` +
    "difference; runs that take turns exclude it (docs/benchmarking.md)",
  ];
}

/** Repetitions of one run share its moment. Where runs differ by theirs, they are no independent values. */
function blockWarnings(sides: readonly NamedResults[]): string[] {
  const blocks = sides.filter(({ results }) => {
    return results.length > 1 && results.some(({ cells }) => cells.some(({ samples }) => samples.length > 1));
  });
  return blocks.map(({ name }) => {
    return `the runs in ${name} have several repetitions each, which were measured at about the same time: runs that take ` +
      "turns should have one each (run.repetitions=1), or a difference may be that of their moments";
  });
}

/**
 * Matches cells of one run that differ in a label alone: those of the baseline with each of the others.
 *
 * @param by the label, or the last part of its path
 * @param baseline its value on the first side; that of the first cell when absent
 * @throws {CompareError} when there is no such label or value, or it does not tell two cells apart
 */
export function matchWithin({ name, results }: NamedResults, by: string, baseline?: string): Matched {
  const cells = pool({ name, results });
  const label = findLabel(cells, by);
  const values = [...new Set(cells.map(({ labels }) => labels[label]))];
  const base = baseline ?? values[0];
  if (!values.includes(base)) {
    throw new CompareError(`no cell of ${name} has the ${by} ${base}${suggestion(base, values)}`);
  }
  if (values.length === 1) {
    throw new CompareError(`all cells of ${name} have the ${by} ${base}; it takes two values to compare`);
  }
  const rest = ({ labels }: PooledCell): string => canonical(withoutImplied(labels, label));
  const others = cells.filter(({ labels }) => labels[label] !== base);
  const bases = new Map<string, PooledCell>();
  for (const cell of cells.filter(({ labels }) => labels[label] === base)) {
    if (bases.has(rest(cell))) {
      throw new CompareError(
        `two cells of ${name} with the ${by} ${base} have the same other labels: compare by another`,
      );
    }
    bases.set(rest(cell), cell);
  }
  const paired = new Set(others.filter((cell) => bases.has(rest(cell))).map(rest));
  if (paired.size === 0) throw new CompareError(`no two cells of ${name} differ in their ${by} alone`);
  const unpaired = [...bases].filter(([key]) => !paired.has(key)).map(([, cell]) => cell);
  return {
    sides: [base, `each other ${by}`],
    pairs: others.flatMap((b) => {
      const a = bases.get(rest(b));
      return a === undefined ? [] : [{ labels: b.labels, a, b }];
    }),
    unmatched: [...unpaired, ...others.filter((cell) => !bases.has(rest(cell)))].map(({ labels }) => ({
      side: name,
      labels,
    })),
    warnings: [
      ...machineWarnings([{ name, results }]),
      ...results.flatMap(sequentialWarnings),
      ...interruptedWarnings({ name, results }),
      ...doubts(name, cells),
    ],
  };
}

function interruptedWarnings({ name, results }: NamedResults): string[] {
  return results.some(({ interrupted }) => interrupted)
    ? [`${name} was interrupted: it has not all that was to be measured`]
    : [];
}

/** What was noticed while the cells were measured. */
function doubts(name: string, cells: readonly PooledCell[]): string[] {
  const of = (count: number): string => `${count} of ${cells.length} cells of ${name}`;
  const disturbed = cells.filter(({ samples }) => samples.some((sample) => sample.disturbed !== null)).length;
  const unsettled = cells.filter(({ isUnsettled }) => isUnsettled).length;
  return [
    ...(disturbed === 0 ? [] : [`${of(disturbed)} have repetitions that the machine disturbed`]),
    ...(unsettled === 0 ? [] : [`${of(unsettled)} had not settled: their run.warmup is too short`]),
  ];
}

function sequentialWarnings({ scenario }: Result): string[] {
  const { run } = scenario as { run?: { order?: unknown } };
  return run?.order === "sequential"
    ? [
      "its cells were measured one after another (run.order: sequential): a change of the machine looks like a difference",
    ]
    : [];
}

function findLabel(cells: readonly PooledCell[], by: string): string {
  const labels = Object.keys(cells[0]?.labels ?? {});
  const found = labels.includes(by) ? [by] : labels.filter((label) => label.endsWith(`.${by}`));
  if (found.length === 1) return found[0];
  if (found.length > 1) throw new CompareError(`${by} is the end of several labels: ${found.join(", ")}`);
  throw new CompareError(`there is no label ${by}${suggestion(by, labels)}`);
}

/** The labels that do not follow from one of them: the workload's has the options that paths into it have, too. */
function withoutImplied(labels: Labels, label: string): Labels {
  const [root] = label.split(".");
  return Object.fromEntries(
    Object.entries(labels).filter(([name]) => name !== label && name !== root && !name.startsWith(`${label}.`)),
  );
}

function canonical(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => a < b ? -1 : 1));
}

function inLine(labels: Labels = {}): string {
  return Object.entries(labels).map(([name, value]) => `${name}=${value}`).join(", ");
}
