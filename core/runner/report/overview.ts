/**
 * Several results beside each other.
 *
 * @module
 */

import { counted } from "../labels.ts";
import type { CellResult, Result } from "../result.ts";
import { estimateColumns, estimateValues } from "./columns.ts";
import { Styles } from "./dimensions.ts";
import type { BarChart, Figure } from "./figure.ts";
import { intervalOf, missingInWords } from "./words.ts";

/** A result with the name that tells it from the others. */
export interface NamedResult {
  /** The name. */
  readonly name: string;
  /** The result. */
  readonly result: Result;
}

const MAX_CELLS = 18;

/** The cells that several results of a scenario have with the same labels, beside each other; null where there are none. */
export function overviewFigure(results: readonly NamedResult[]): Figure | null {
  const cells = new Map<string, { readonly index: number; readonly cell: CellResult }[]>();
  for (const [index, { result }] of results.entries()) {
    for (const cell of result.cells) {
      const { name: scenario } = result.scenario as { name?: string };
      const key = JSON.stringify([scenario, Object.entries(cell.labels).sort(([a], [b]) => a < b ? -1 : 1)]);
      cells.set(key, [...cells.get(key) ?? [], { index, cell }]);
    }
  }
  const shared = [...cells.values()].filter((found) => new Set(found.map(({ index }) => index)).size > 1);
  if (shared.length === 0) return null;
  const styles = new Styles();
  const series = results.map(({ name }) => styles.of(name));
  const names = Object.keys(shared[0][0].cell.labels);
  const labels = names.filter((name) => shared.length === 1 || differ(shared, name));
  const machines = new Set(results.map(({ result: { machine } }) => JSON.stringify(machine)));
  const nameOf = ({ labels: own }: CellResult): string => labels.map((name) => own[name] ?? "").join(", ");
  const charts = Array.from({ length: Math.ceil(shared.length / MAX_CELLS) }, (_, part): BarChart => ({
    ...{ kind: "bars", series, axis: { title: "operations a second", unit: "count", scale: "linear" } },
    groups: shared.slice(part * MAX_CELLS, (part + 1) * MAX_CELLS).map((found) => ({
      name: nameOf(found[0].cell),
      bars: found.map(({ index, cell }) => ({
        ...{ name: results[index].name, series: index, missing: missingInWords(cell) },
        ...intervalOf(cell.summary.iops),
      })),
    })),
  }));
  return {
    ...{ name: "overview", title: "The same cells in several results" },
    caption:
      `${counted(shared.length, "cell")} of a scenario with the same labels in two results or more: operations ` +
      "a second, medians with their intervals. The results were measured after each other, so that a difference can also be one " +
      `of the machine's load at the time${
        machines.size > 1 ? "; and they are of different machines or versions" : ""
      }.`,
    table: {
      columns: [
        ...labels.map((name) => ({ key: name, title: name })),
        { key: "result", title: "result" },
        ...estimateColumns("iops", "operations a second", "count"),
      ],
      rows: shared.flatMap((found) =>
        found.map(({ index, cell }) => [
          ...labels.map((name) => cell.labels[name] ?? null),
          results[index].name,
          ...estimateValues(cell.summary.iops),
        ])
      ),
    },
    charts,
  };
}

function differ(shared: readonly (readonly { readonly cell: CellResult }[])[], name: string): boolean {
  return new Set(shared.map(([{ cell }]) => cell.labels[name])).size > 1;
}
