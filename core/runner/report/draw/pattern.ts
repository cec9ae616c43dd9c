/**
 * Fills that differ by more than their colour.
 *
 * @module
 */

import type { Element } from "./echarts.ts";
import { COLOURS } from "./palette.ts";

const TILE = 8;
/** Lines across a tile, drawn in the ground's colour over a fill. */
const LINES: readonly string[] = [
  "",
  "M-1 9L9 -1M-1 1L1 -1M7 9L9 7", // up
  "M-1 -1L9 9M7 -1L9 1M-1 7L1 9", // down
  "M4 0L4 8", // upright
  "M-1 9L9 -1M-1 -1L9 9", // both ways
  "M1 2L2.5 2M5 6L6.5 6", // points
  "M0 4L8 4", // level, which is taken last as whiskers are level too
];

/** A colour with the pattern of a number; the first has none. */
export function patternFill(colour: string, number: number): string | Element {
  const lines = LINES[number % LINES.length];
  if (lines === "") return colour;
  return {
    svgElement: {
      ...{ tag: "g", key: "", attrs: {} },
      children: [
        { tag: "rect", key: "", attrs: { width: TILE, height: TILE, fill: colour } },
        { tag: "path", key: "", attrs: { d: lines, stroke: COLOURS.ground.light, "stroke-width": 1.2 } },
      ],
    },
    ...{ svgWidth: TILE, svgHeight: TILE },
  };
}
