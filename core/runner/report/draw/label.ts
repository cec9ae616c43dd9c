/**
 * Text at a place of a picture.
 *
 * @module
 */

import type { Element } from "./echarts.ts";
import { COLOURS } from "./palette.ts";
import { FONT } from "./text.ts";

/** A text that begins at a place, its middle at that height; the style may say otherwise. */
export function label(text: string, x: number, y: number, style: Element): Element {
  return {
    type: "text",
    style: {
      ...{ text, x, y, align: "left", verticalAlign: "middle", fill: COLOURS.ink.light },
      ...{ fontSize: FONT, fontFamily: "sans-serif" },
      ...style,
    },
  };
}
