/**
 * Panels in pictures.
 *
 * @module
 */

import type { Panel, PlotChart, Series } from "./figure.ts";

/** Most panels of one picture, so that it fits on a printed page. */
export const MAX_PANELS = 8;

/** Something in parts of at most so many; none of nothing. */
export function parts<T>(all: readonly T[], most: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / most) }, (_, part) => all.slice(part * most, (part + 1) * most));
}

/** The pictures of the panels in which there is something. */
export function plots(series: readonly Series[], marks: PlotChart["marks"], panels: readonly Panel[]): PlotChart[] {
  const measured = panels.filter(({ lines }) => lines.some(({ points }) => points.some((point) => point !== null)));
  return parts(measured, MAX_PANELS).map((part) => ({ kind: "plot", marks, series, panels: part }));
}
