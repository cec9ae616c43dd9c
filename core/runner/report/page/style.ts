/**
 * How the page looks: light, dark and on paper.
 *
 * @module
 */

import { ALL_COLOURS } from "../draw/palette.ts";

const VARIABLES = ALL_COLOURS.map(({ name, light, dark }) => `${name}: light-dark(${light}, ${dark});`).join(" ");
const LIGHT = ALL_COLOURS.map(({ name, light }) => `${name}: ${light};`).join(" ");

/** The style sheet. Themes follow the system unless one is chosen; paper is always light. */
export const STYLE = `
:root { color-scheme: light dark; ${VARIABLES} }
:root:has(#theme-light:checked) { color-scheme: light; }
:root:has(#theme-dark:checked) { color-scheme: dark; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 2.5rem 0 0.5rem; border-top: 1px solid var(--line); padding-top: 1.5rem; }
h3 { font-size: 1.1rem; margin: 2rem 0 0.25rem; }
p { margin: 0.5rem 0; }
a { color: var(--series-1); }
:focus-visible { outline: 3px solid var(--series-2); outline-offset: 2px; }
fieldset { border: 0; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: 0 1rem; justify-content: end; }
legend { float: left; padding: 0; }
label { white-space: nowrap; }
.quiet, figcaption { color: var(--quiet); }
figure { margin: 0; }
.scroll { overflow-x: auto; max-width: 100%; }
.scroll svg { display: block; width: 100%; min-width: 46rem; height: auto; }
.scroll svg text { font-family: system-ui, sans-serif; }
.warnings { border: 1px solid var(--series-2); border-left-width: 0.5rem; padding: 0.25rem 1rem; margin: 1rem 0; }
.warnings ul { margin: 0.25rem 0; padding-left: 1.25rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.1rem 1rem; margin: 0.75rem 0; }
dt { color: var(--quiet); }
dd { margin: 0; }
details { margin: 0.5rem 0; }
summary { cursor: pointer; }
summary span { text-decoration: underline; text-underline-offset: 0.2em; }
pre { overflow-x: auto; font-size: 0.85rem; line-height: 1.4; padding: 0.75rem; border: 1px solid var(--line); margin: 0.5rem 0;
  overflow-wrap: normal; }
table { border-collapse: collapse; font-size: 0.85rem; margin: 0.5rem 0; overflow-wrap: normal; }
caption { text-align: left; color: var(--quiet); }
th, td { padding: 0.2rem 0.6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 600; vertical-align: bottom; }
td.text { white-space: nowrap; }
td.long { min-width: 14rem; overflow-wrap: anywhere; }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th.number { white-space: normal; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: 0.4rem; } }
@media print {
  :root, :root:has(input:checked) { color-scheme: light; ${LIGHT} }
  @page { margin: 14mm; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  form, .saves, nav { display: none; }
  h2 { break-before: page; border: 0; padding: 0; margin-top: 0; }
  h2.first { break-before: auto; margin-top: 1rem; }
  h3, figcaption { break-after: avoid; }
  figure:has(svg), svg, tr, .warnings { break-inside: avoid; }
  .scroll { overflow: visible; }
  .scroll svg { min-width: 0; max-height: 240mm; }
  details:not([open]):not(.paper) { display: none; }
  details.paper::details-content { content-visibility: visible; block-size: auto; height: auto; }
  pre { columns: 3; font-size: 7pt; white-space: pre-wrap; overflow-wrap: anywhere; }
  table { font-size: 7pt; }
  th, td { padding: 0.1rem 0.3rem; }
  td.text, td.number { white-space: normal; }
  td.long { min-width: 0; }
  thead { display: table-header-group; }
}
`;
