/**
 * Numbers in rows and columns.
 *
 * @module
 */

import { shorten } from "../../labels.ts";
import type { MatrixChart } from "../figure.ts";
import { TEXT, WIDTH } from "./common.ts";
import type { Element, Picture } from "./echarts.ts";
import { label } from "./label.ts";
import { COLOURS, TINTS } from "./palette.ts";
import { textWidth } from "./text.ts";

const ROW = 26;
const MAX_NAME = 48;
const MAX_COLUMN_WIDTH = 110;

/** The picture of a chart. Its columns' names stand upright, as they are long. */
export function matrix({ columns, rows }: MatrixChart): Picture {
  const names = columns.map((name) => shorten(name, MAX_NAME));
  const left = Math.min(350, Math.max(...rows.map(({ name }) => textWidth(shorten(name, MAX_NAME))))) + 24;
  const top = Math.max(...names.map(textWidth)) + 20;
  const width = Math.min(MAX_COLUMN_WIDTH, (WIDTH - left - 12) / columns.length);
  const children: Element[] = [
    ...names.map((name, column) => ({
      ...label(name, 0, 0, {}),
      x: left + (column + 0.5) * width,
      y: top - 8,
      rotation: Math.PI / 2,
    })),
    ...rows.flatMap(({ name, percents }, row): Element[] => {
      const y = top + row * ROW;
      return [
        label(shorten(name, MAX_NAME), left - 8, y + ROW / 2, { align: "right" }),
        ...percents.flatMap((percent, column) => square(percent, left + column * width, y, width)),
      ];
    }),
  ];
  return {
    width: WIDTH,
    height: top + rows.length * ROW + 12,
    options: {
      textStyle: TEXT,
      grid: { left: 0, right: 0, top: 0, bottom: 0 },
      xAxis: { type: "value", show: false },
      yAxis: { type: "value", show: false },
      series: [{
        ...{ type: "custom", silent: true, clip: false, data: [[0, 0]] },
        renderItem: (): Element => ({ type: "group", children }),
      }],
    },
  };
}

/** In whole per cent; with a digit more where that says something. What is below 100 is not written as 100. */
function percentInWords(percent: number): string {
  if (percent > 9.95 && percent < 99) return percent.toFixed(0);
  return percent === 100 ? "100" : (Math.floor(percent * 10) / 10).toFixed(1);
}

/** One number on its ground. The best is bold. */
function square(percent: number | null, x: number, y: number, width: number): Element[] {
  const tint = percent === null ? COLOURS.ground : TINTS[percent >= 97 ? 3 : percent >= 80 ? 2 : percent >= 50 ? 1 : 0];
  const text = percent === null ? "–" : percentInWords(percent);
  return [
    {
      type: "rect",
      shape: { x: x + 1, y: y + 1, width: width - 2, height: ROW - 2 },
      style: { fill: tint.light },
    },
    label(text, x + width / 2, y + ROW / 2, { align: "center", fontWeight: percent === 100 ? "bold" : "normal" }),
  ];
}
