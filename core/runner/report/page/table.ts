/**
 * Tables in the page.
 *
 * @module
 */

import type { Column, Table, Value } from "../figure.ts";
import { quantity } from "../quantity.ts";
import { type Html, html } from "./html.ts";

/** From how many characters on a text is broken into lines. */
const LONG = 40;

/** A table; its numbers are written for people, and each has all its digits in its `data` element. */
export function tableHtml({ columns, rows }: Table, label: string): Html {
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label="${label}, table">
      <table>
        <thead>
          <tr>${columns.map(({ title, unit }) =>
            html`<th scope="col" class="${unit === undefined ? "text" : "number"}">${title}</th>`
          )}</tr>
        </thead>
        <tbody>${rows.map((row) =>
          html`<tr>${row.map((value, index) => cellHtml(value, columns[index]))}</tr>\n`
        )}</tbody>
      </table>
    </div>
  `;
}

/** What was not measured has a dash, which is read aloud as what it means. */
function cellHtml(value: Value, { unit }: Column): Html {
  if (unit === undefined) return html`<td class="${String(value).length > LONG ? "long" : "text"}">${value}</td>`;
  if (value === null) return html`<td class="number"><span title="not measured">–</span></td>`;
  return html`<td class="number"><data value="${value}">${quantity(Number(value), unit)}</data></td>`;
}
