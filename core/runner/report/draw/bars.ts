/**
 * Bars below each other: each has its name before it and its value behind it, so that nothing overlaps, however many
 * there are.
 *
 * @module
 */

import { shorten } from "../../labels.ts";
import type { Bar, BarChart } from "../figure.ts";
import { quantity } from "../quantity.ts";
import { axisOptions, TEXT, WIDTH } from "./common.ts";
import type { Element, ItemApi, Picture } from "./echarts.ts";
import { label } from "./label.ts";
import { patternFill } from "./pattern.ts";
import { COLOURS, lookOf } from "./palette.ts";
import { textWidth } from "./text.ts";

const ROW = 26;
const BAR = 16;
const WHISKER = 5;
/** Characters of a name before a bar; the table has it whole. */
const MAX_NAME = 40;
/** Room for the value behind a bar. */
const VALUE_WIDTH = 90;

type Row = { readonly heading: string } | { readonly bar: Bar };

/** The picture of a chart. */
export function bars(chart: BarChart): Picture {
  const rows = chart.groups.flatMap(({ name, bars }): Row[] => [
    ...(name === "" ? [] : [{ heading: name }]),
    ...bars.map((bar) => ({ bar })),
  ]);
  const all = chart.groups.flatMap(({ bars }) => bars);
  const left = Math.min(300, Math.max(...all.map(({ name }) => textWidth(shorten(name, MAX_NAME))))) + 24;
  const height = rows.length * ROW + 70;
  const unit = chart.axis.unit;
  const ends = all.flatMap(({ value, high }) => [value, high]).filter((value) => value !== null);
  return {
    width: WIDTH,
    height,
    options: {
      textStyle: TEXT,
      grid: { left, right: VALUE_WIDTH, top: 12, bottom: 58, containLabel: false },
      xAxis: { ...axisOptions(chart.axis), nameGap: 30, min: 0, ...(Math.max(0, ...ends) === 0 && { max: 1 }) },
      yAxis: { type: "value", inverse: true, min: 0, max: rows.length, show: false },
      series: [{
        type: "custom",
        silent: true,
        encode: { x: [0, 2], y: 3 },
        // An end that is not known is that of the bar; one of zero length shows nothing.
        data: rows.map((row, index) => {
          if ("heading" in row) return [0, 0, 0, index + 0.5];
          const { value, low, high } = row.bar;
          return [value ?? 0, low ?? value ?? 0, high ?? value ?? 0, index + 0.5];
        }),
        clip: false,
        renderItem: ({ dataIndex }: { dataIndex: number }, api: ItemApi): Element => {
          const row = rows[dataIndex];
          const y = api.coord([0, dataIndex + 0.5])[1];
          if ("heading" in row) return label(shorten(row.heading, 110), 10, y + 2, { fontWeight: "bold" });
          return drawBar(chart, row.bar, y, left, api);
        },
      }],
    },
  };

  function drawBar({ series }: BarChart, bar: Bar, y: number, left: number, api: ItemApi): Element {
    const name = label(shorten(bar.name, MAX_NAME), left - 8, y, { align: "right" });
    const x = (value: number): number => api.coord([value, 0])[0];
    if (bar.value === null) {
      return { type: "group", children: [name, label(bar.missing, left + 8, y, { fill: COLOURS.quiet.light })] };
    }
    const [from, to, end] = [x(0), x(bar.value), x(bar.high ?? bar.value)];
    const shape = { x: from, y: y - BAR / 2, width: to - from, height: BAR };
    return {
      type: "group",
      children: [
        { type: "rect", shape, style: { fill: patternFill(lookOf(series[bar.series].style).colour, bar.series) } },
        ...(bar.low === null || bar.high === null || bar.low === bar.high ? [] : whisker(x(bar.low), end, y)),
        name,
        label(quantity(bar.value, unit), Math.max(to, end) + 8, y, {}),
      ],
    };
  }
}

function whisker(from: number, to: number, y: number): Element[] {
  const style = { stroke: COLOURS.ink.light, fill: "none", lineWidth: 1.5 };
  return [[[from, y], [to, y]], [[from, y - WHISKER], [from, y + WHISKER]], [[to, y - WHISKER], [to, y + WHISKER]]]
    .map((points) => ({ type: "polyline", shape: { points }, style }));
}
