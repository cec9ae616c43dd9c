/**
 * What was run, where and when, and what the reader must know before the figures.
 *
 * @module
 */

import { counted, labelsInLine } from "../../labels.ts";
import { toYaml } from "../../load.ts";
import type { Result } from "../../result.ts";
import type { Dimensions } from "../dimensions.ts";
import { repetitionsInWords, warningsOf } from "../words.ts";
import { type Html, html } from "./html.ts";

/** Notes of the runner of which the warnings say more. */
const WARNED = /^(?:not settled|disturbed|measured anew): /;

/** The facts of one result. */
export function aboutHtml({ result, shown }: Dimensions): Html {
  const { machine, startedAt, cells } = result;
  const notes = [...new Set(cells.flatMap(({ notes }) => notes))].filter((note) => !WARNED.test(note));
  const warnings = warningsOf(result, shown);
  return html`
    <dl>
    <dt>started</dt><dd><time datetime="${startedAt}">${startedAt.replace("T", " ").replace(
      /\.\d+Z$/,
      " UTC",
    )}</time></dd>
    <dt>machine</dt><dd>${machine.cpuModel ?? "processor not known"}, ${counted(machine.cores, "core")}</dd>
    <dt>software</dt><dd>Linux ${machine.kernel ?? "(release not known)"}, Deno ${machine.deno}, V8 ${machine.v8}</dd>
    <dt>cells</dt><dd>${cellsInWords(result)}</dd>
    ${commonLabels(result, shown).map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>\n`)}</dl>
    ${warnings.length === 0
      ? null
      : html`<div class="warnings" role="note"><strong>Read the figures with this in mind:</strong>
<ul>${warnings.map((warning) => html`<li>${warning}</li>\n`)}</ul></div>`}
    ${notes.length === 0 ? null : html`<p>Notes of devices and of the runner:</p>
<ul>${
      notes.map((note) => {
        const having = cells.filter(({ notes }) => notes.includes(note));
        const where = having.length === cells.length || having.length > 3
          ? `${having.length} of ${counted(cells.length, "cell")}`
          : having.map(({ labels }) => labelsInLine(labels, shown)).join("; ");
        return html`<li>${note} <span class="quiet">(${where})</span></li>\n`;
      })
    }</ul>`}
    <details class="paper">
      <summary><span>The scenario as it was run, with all defaults</span></summary>
      <pre tabindex="0">${toYaml(result.scenario)}</pre>
    </details>
  `;
}

function cellsInWords(result: Result): string {
  const failed = result.cells.filter(({ status }) => status === "failed").length;
  const repetitions = repetitionsInWords(result);
  return [
    counted(result.cells.length, "cell"),
    ...(repetitions === "" ? [] : [`${repetitions} ${repetitions === "1" ? "repetition" : "repetitions"} of each`]),
    ...(failed > 0 ? [`${failed} failed`] : []),
  ].join(", ");
}

/** The roles that all cells fill alike. */
function commonLabels({ cells }: Result, shown: readonly string[]): [string, string][] {
  return ["policy", "device", "workload", "placement"].flatMap((name): [string, string][] => {
    const values = [...new Set(cells.map(({ labels }) => labels[name]))];
    return shown.includes(name) || values.length !== 1 || values[0] === undefined ? [] : [[name, values[0]]];
  });
}
