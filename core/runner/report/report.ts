/**
 * Results as a report: a page with figures, and each figure as SVG and CSV.
 *
 * @module
 */

import type { Result } from "../result.ts";
import { toCsv } from "./csv.ts";
import { Dimensions, Styles } from "./dimensions.ts";
import { draw } from "./draw/draw.ts";
import type { Figure } from "./figure.ts";
import { cellsTable } from "./figures/cells.ts";
import { distributionFigure } from "./figures/distribution.ts";
import { efficiencyFigure } from "./figures/efficiency.ts";
import { expectationsTable } from "./figures/expectations.ts";
import { latencyFigure } from "./figures/latency.ts";
import { relativeFigure, relativeOverview } from "./figures/relative.ts";
import { sweepFigures } from "./figures/sweeps.ts";
import { throughputFigure, workloadFigures } from "./figures/throughput.ts";
import { timelineFigure } from "./figures/timeline.ts";
import { type NamedResult, overviewFigure } from "./overview.ts";
import { aboutHtml } from "./page/about.ts";
import { withoutControls } from "./page/html.ts";
import { type DrawnFigure, pageHtml, type Section } from "./page/page.ts";

/** A report. */
export interface Report {
  /** The page: one HTML file, which loads nothing and runs no script. */
  readonly html: string;
  /** Each figure as CSV and, where it has pictures, SVG: by file name. */
  readonly files: ReadonlyMap<string, string>;
}

/** The figures of one result, in the order in which they are shown. */
export function figuresOf(result: Result, styles: Styles = new Styles()): Figure[] {
  const space = new Dimensions(result, styles);
  return [
    throughputFigure(space),
    ...workloadFigures(space),
    efficiencyFigure(space),
    ...[relativeFigure(space)].filter((found) => found !== null),
    latencyFigure(space),
    distributionFigure(space),
    ...sweepFigures(space),
    timelineFigure(space),
    cellsTable(space),
    ...[expectationsTable(space)].filter((found) => found !== null),
  ];
}

/**
 * Makes a report of one result, or of several, which are then also shown beside each other.
 *
 * @param results at least one
 * @throws {RangeError} when there is none
 *
 * @example Write one
 * ```ts
 * import { readResults, renderReport } from "iddr";
 *
 * async function write(file: string): Promise<void> {
 *   const { html } = await renderReport(await readResults(file));
 *   await Deno.writeTextFile("report.html", html);
 * }
 * ```
 */
export async function renderReport(results: readonly Result[]): Promise<Report> {
  if (results.length === 0) throw new RangeError("A report needs one result or more");
  const named = distinctNames(results);
  const styles = new Styles();
  const files = new Map<string, string>();
  const sections: Section[] = [];
  const spaces = named.map(({ name, result }) => ({ name, space: new Dimensions(result, styles) }));
  for (const [index, { name, result }] of named.entries()) {
    const prefix = results.length === 1 ? "" : `${index + 1}-`;
    const figures: DrawnFigure[] = [];
    for (const figure of figuresOf(result, styles)) figures.push(await drawn(figure, prefix, files));
    const { description = "" } = result.scenario as { description?: string };
    const about = aboutHtml(spaces[index].space);
    sections.push({ id: `result-${index + 1}`, title: name, startedAt: result.startedAt, description, about, figures });
  }
  const title = results.length === 1 ? named[0].name : `${results.length} results`;
  const shared = results.length === 1 ? null : overviewFigure(named) ?? relativeOverview(spaces);
  const overview = shared === null ? null : await drawn(shared, "", files);
  return { html: pageHtml(title, overview, sections), files };
}

async function drawn(figure: Figure, prefix: string, files: Map<string, string>): Promise<DrawnFigure> {
  const { name, title, table, charts } = figure;
  // Counters, which plugins name, are part of names of files.
  const id = distinctId(`${prefix}${name}`.replaceAll(/[^\w-]+/g, "-"), files);
  const pictures: string[] = [];
  for (const [index, chart] of charts.entries()) {
    const part = charts.length === 1 ? "" : `-${index + 1}`;
    const of = charts.length === 1 ? "" : ` (${index + 1} of ${charts.length})`;
    const caption = { id: `svg-${id}${part}`, title: `${title}${of}`, description: figure.caption };
    const svg = withoutControls(await draw(chart, caption));
    pictures.push(svg);
    files.set(`${id}${part}.svg`, svg);
  }
  const csv = table === null ? null : { file: `${id}.csv`, text: toCsv(table) };
  if (csv !== null) files.set(csv.file, csv.text);
  return { figure, id: `figure-${id}`, pictures, csv };
}

function distinctId(id: string, files: ReadonlyMap<string, string>): string {
  let found = id;
  for (let number = 2; files.has(`${found}.csv`); number++) found = `${id}-${number}`;
  return found;
}

/** Each result with its scenario's name, and with when it was started where several have the same. */
function distinctNames(results: readonly Result[]): NamedResult[] {
  const nameOf = ({ scenario }: Result): string => (scenario as { name?: string }).name ?? "result";
  const names = results.map(nameOf);
  return results.map((result, index) => {
    const shared = names.filter((name) => name === names[index]).length > 1;
    if (!shared) return { name: names[index], result };
    const time = result.startedAt.slice(0, 19).replace("T", " ");
    const twin = results.findIndex((other) => nameOf(other) === names[index] && other.startedAt === result.startedAt);
    return { name: `${names[index]}, ${time}${twin === index ? "" : ` (${index + 1})`}`, result };
  });
}
