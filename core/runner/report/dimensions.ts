/**
 * How the cells of a result lie in space: what is compared (as a rule policies), under which loads, and along which
 * numbers loads can be put in order.
 *
 * @module
 */

import { type Labels, shortName, varyingLabels } from "../labels.ts";
import type { CellResult, Result } from "../result.ts";
import type { Series, Unit } from "./figure.ts";
import { parseQuantity } from "./quantity.ts";

/** Fewest values that make a line; two are told apart as well by bars. */
const MIN_SWEPT = 3;
/** Most values of a label that is not a policy, for its values to be what is compared. */
const MAX_COMPARED = 10;

/** A label whose values are numbers. */
export interface Sweep {
  /** The label. */
  readonly label: string;
  /** Its short name. */
  readonly name: string;
  /** Its values as they are written, in ascending order. */
  readonly texts: readonly string[];
  /** The same as numbers. */
  readonly values: readonly number[];
  /** What they count. */
  readonly unit: Unit;
}

/** Cells that differ in what is compared alone. */
export interface Group {
  /** What they have in common, in a line; empty when there is one group alone. */
  readonly name: string;
  /** The cells. */
  readonly cells: readonly CellResult[];
}

/** Gives each thing that is compared its colour, the same for all results of a report. */
export class Styles {
  readonly #numbers = new Map<string, number>();

  /** The series of a name. */
  of(name: string): Series {
    const style = this.#numbers.get(name) ?? this.#numbers.size;
    this.#numbers.set(name, style);
    return { name, style };
  }
}

/** The space of one result's cells. */
export class Dimensions {
  /** The result. */
  readonly result: Result;
  /** The labels that tell the cells apart. */
  readonly shown: readonly string[];
  /** The label that is compared: `policy`, if policies differ; null where nothing is. */
  readonly compared: string | null;
  /** The other labels that tell cells apart: together they are the load. */
  readonly load: readonly string[];
  /** What is compared, in the order of the cells. */
  readonly series: readonly Series[];
  /** Those labels of the load that are numbers; also what is compared, where it is the only label. */
  readonly sweeps: readonly Sweep[];

  /** Finds the dimensions of a result. */
  constructor(result: Result, styles: Styles = new Styles()) {
    const { cells } = result;
    this.result = result;
    this.shown = varyingLabels(cells);
    const sweeps = this.shown.map((label) => sweepOf(label, this.shown, cells)).filter((found) => found !== null);
    this.compared = comparedLabel(this.shown, sweeps.map(({ label }) => label), cells);
    this.load = this.shown.filter((label) => label !== this.compared);
    const only = this.shown.length === 1;
    this.sweeps = sweeps.filter(({ label, values }) => (only || label !== this.compared) && values.length >= MIN_SWEPT);
    this.series = [...new Set(cells.map((cell) => this.nameOf(cell)))].map((name) => styles.of(name));
  }

  /** What is compared, of one cell. */
  nameOf({ labels }: CellResult): string {
    const name = labels[this.compared ?? "policy"] ?? "";
    // A number says nothing without what it is of.
    return this.compared === null || parseQuantity(name) === undefined
      ? name
      : `${shortName(this.compared, this.shown)} ${name}`;
  }

  /** The index of a cell's series. */
  seriesOf(cell: CellResult): number {
    const name = this.nameOf(cell);
    return this.series.findIndex((series) => series.name === name);
  }

  /** All of a cell's load in a line, or without one label of it. */
  loadOf({ labels }: { readonly labels: Labels }, without?: string): string {
    // By their short names among all labels, so that a name does not depend on what is left out.
    return this.load.filter((label) => label !== without && labels[label] !== undefined)
      .map((label) => `${shortName(label, this.shown)} ${labels[label]}`).join(", ");
  }

  /** The cells by their load, or by what is left of it without one label. */
  groups(without?: string): Group[] {
    const groups = new Map<string, CellResult[]>();
    for (const cell of this.result.cells) {
      const name = this.loadOf(cell, without);
      groups.set(name, [...groups.get(name) ?? [], cell]);
    }
    return [...groups].map(([name, cells]) => ({ name, cells }));
  }
}

function comparedLabel(shown: readonly string[], numeric: readonly string[], cells: readonly CellResult[]) {
  const values = (label: string): number => new Set(cells.map(({ labels }) => labels[label])).size;
  const words = shown.filter((label) => !numeric.includes(label) && values(label) <= MAX_COMPARED);
  const policy = shown.find((label) => label === "policy") ?? words.find((label) => label.startsWith("policy."));
  if (policy !== undefined) return policy;
  if (words.length > 0) return words.includes("placement") ? "placement" : words[0];
  // Of several numbers, one is along the axis and the one with the fewest values is compared.
  if (shown.length === 0) return null;
  const fewest = shown.reduce((best, label) => values(label) < values(best) ? label : best);
  return values(fewest) <= MAX_COMPARED ? fewest : null;
}

function sweepOf(label: string, shown: readonly string[], cells: readonly CellResult[]): Sweep | null {
  const texts = [...new Set(cells.map(({ labels }) => labels[label]))];
  const parsed = texts.map((text) => text === undefined ? undefined : parseQuantity(text));
  const units = new Set(parsed.map((each) => each?.unit));
  const [unit] = units;
  if (units.size !== 1 || unit === undefined) return null;
  const points = parsed.map((each, index) => ({ value: each?.value ?? 0, text: texts[index] }))
    .sort((a, b) => a.value - b.value);
  return {
    ...{ label, name: shortName(label, shown), unit },
    texts: points.map(({ text }) => text),
    values: points.map(({ value }) => value),
  };
}
