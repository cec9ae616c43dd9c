/**
 * The page: one file that needs nothing else, runs no script, and may load nothing.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { withVariables } from "../draw/draw.ts";
import type { Figure } from "../figure.ts";
import { Html, html } from "./html.ts";
import { STYLE } from "./style.ts";
import { tableHtml } from "./table.ts";

/** One result in the page. */
export interface Section {
  /** What ids of it begin with. */
  readonly id: string;
  /** Its heading. */
  readonly title: string;
  /** When it was started, ISO 8601. */
  readonly startedAt: string;
  /** What it is about, in a sentence. */
  readonly description: string;
  /** What was run. */
  readonly about: Html;
  /** Its figures. */
  readonly figures: readonly DrawnFigure[];
}

/** A figure with its pictures. */
export interface DrawnFigure {
  /** The figure. */
  readonly figure: Figure;
  /** What its ids begin with. */
  readonly id: string;
  /** Its pictures: SVG in the colours of the light theme. */
  readonly pictures: readonly string[];
  /** Its table as CSV; null where it is left out. */
  readonly csv: { readonly file: string; readonly text: string } | null;
}

/** The page; with several results first a list of them, and a figure of what they have in common. */
export function pageHtml(title: string, overview: DrawnFigure | null, sections: readonly Section[]): string {
  const hash = createHash("sha256").update(STYLE).digest("base64");
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`;
  const page = html`
    <!DOCTYPE html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="${policy}">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>${title}</title>
        <style>${new Html(STYLE)}</style>
      </head>
      <body>
        <header>
          <form aria-label="Theme">
            <fieldset>
              <legend>Theme:</legend>
              <label><input type="radio" name="theme" id="theme-system" checked> system</label>
              <label><input type="radio" name="theme" id="theme-light"> light</label>
              <label><input type="radio" name="theme" id="theme-dark"> dark</label>
            </fieldset>
          </form>
          <h1>${title}</h1>
        </header>
        <main>
    ${sections.length === 1 ? null : contentsHtml(sections)}
    ${overview === null ? null : figureHtml(overview)}
    ${sections.map((section, index) => sectionHtml(section, sections.length === 1, index === 0))}
        </main>
        <footer>
          <p class="quiet">Each figure as SVG and as CSV: <code>iddr report RESULT.json</code></p>
        </footer>
      </body>
    </html>
  `;
  return `${page.markup.trim()}\n`;
}

function contentsHtml(sections: readonly Section[]): Html {
  const items = sections.map(({ id, title, startedAt }) =>
    html`
      <li><a href="#${id}">${title}</a> <span class="quiet">${startedAt.slice(0, 16).replace("T", " ")} UTC</span></li>
    `
  );
  return html`
    <nav aria-label="Results">
      <ul>${items}</ul>
    </nav>
  `;
}

function sectionHtml({ id, title, description, about, figures }: Section, only: boolean, first: boolean): Html {
  return html`
    <section id="${id}" aria-label="${title}">
    ${only ? null : html`<h2 class="${first ? "first" : ""}">${title}</h2>`}
    ${description === "" ? null : html`<p>${description}</p>`}
    ${about}
    ${figures.map(figureHtml)}
    </section>
  `;
}

function figureHtml({ figure, id, pictures, csv }: DrawnFigure): Html {
  const { title, caption, table } = figure;
  const open = pictures.length === 0 && table !== null;
  return html`
    <figure id="${id}" aria-labelledby="${id}-heading">
        <h3 id="${id}-heading">${title}</h3>
        <figcaption>${caption}</figcaption>
        ${pictures.map((svg) =>
          html`<div class="scroll" tabindex="0" role="region" aria-label="${title}, picture">${new Html(
            withVariables(svg),
          )}</div>\n`
        )}
        ${table === null
          ? null
          : html`<details${open ? new Html(" open") : null}><summary><span>${title}: the table</span></summary>
${tableHtml(table, title)}</details>`}
        ${csv === null
          ? null
          : html`<p class="saves"><a download="${csv.file}" href="${
            dataUri("text/csv", csv.text)
          }">Save the table as ${csv.file}</a></p>`}
    </figure>
  `;
}

/** A text as an address. What may stand in one as it is does so, as most of these texts would be three times as long otherwise. */
function dataUri(type: string, text: string): string {
  // Within double quotes, HTML needs the quotes and the ampersand escaped; an address the per cent and the number sign.
  const escaped = text.replaceAll(
    /[%#"&<>\r\n\t]/g,
    (letter) => `%${letter.charCodeAt(0).toString(16).padStart(2, "0")}`,
  )
    .replaceAll(/[^\x20-\x7e]+/g, encodeURIComponent);
  return `data:${type};charset=utf-8,${escaped}`;
}
