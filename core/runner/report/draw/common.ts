/**
 * What all charts have in common.
 *
 * @module
 */

import { shorten } from "../../labels.ts";
import type { Axis, Series } from "../figure.ts";
import { tick } from "../quantity.ts";
import type { Options } from "./echarts.ts";
import { COLOURS, lookOf } from "./palette.ts";
import { FONT, LINE, textWidth } from "./text.ts";

/** Width of every picture in pixels; narrow pages scroll it. */
export const WIDTH = 880;
/** Characters of a name in a legend; tables have it whole. */
const MAX_NAME = 60;

/** Text that is not in the way of anything. */
export const TEXT: Options = { color: COLOURS.ink.light, fontSize: FONT, fontFamily: "sans-serif" };

/** An axis, to be given its place. Where its labels stand is known from the values of a logarithmic one. */
export function axisOptions({ title, unit, scale, ticks }: Axis, values: readonly number[] = []): Options {
  const { places: powers, ...ends } = scale === "log" && ticks === undefined ? decades(values) : {};
  const places = ticks?.map(({ at }) => at) ?? powers;
  const names = new Map(ticks?.map(({ at, text }) => [at, text]));
  return {
    type: scale === "log" ? "log" : "value",
    name: title,
    nameLocation: "middle",
    nameTextStyle: { color: COLOURS.quiet.light, fontSize: FONT },
    axisLine: { show: true, onZero: false, lineStyle: { color: COLOURS.quiet.light } },
    axisTick: { show: true, lineStyle: { color: COLOURS.quiet.light }, ...(places && { customValues: places }) },
    axisLabel: {
      ...{ color: COLOURS.ink.light, fontSize: FONT, hideOverlap: true },
      formatter: (value: number) => names.get(value) ?? tick(value, unit),
      ...(places && { customValues: places }),
    },
    splitLine: { show: true, lineStyle: { color: COLOURS.line.light } },
    ...{ splitNumber: 5, ...ends },
  };
}

/** The ends of a logarithmic axis that has all values, whole powers of ten, and labels at six of them at most. */
function decades(values: readonly number[]): { min?: number; max?: number; places?: readonly number[] } {
  const positive = values.filter((value) => value > 0);
  const first = Math.floor(Math.log10(Math.min(...positive)) + 1e-9);
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...positive)) - 1e-9));
  const step = Math.ceil((last - first) / 5);
  const places = Array.from(
    { length: Math.floor((last - first) / step) + 1 },
    (_, index) => 10 ** (first + index * step),
  );
  return { min: 10 ** first, max: 10 ** last, places };
}

/** A legend in as many lines as it takes, and how high it is in pixels. */
export function legend(
  names: readonly string[],
  symbolWidth: number,
): { readonly options: Options; readonly height: number } {
  const gap = 22;
  let lines = 1;
  let used = 0;
  for (const name of names) {
    const width = textWidth(shorten(name, MAX_NAME)) + symbolWidth + 5 + gap;
    if (used > 0 && used + width > WIDTH - 30) {
      lines++;
      used = 0;
    }
    used += width;
  }
  return {
    options: {
      ...{ show: true, left: 10, right: 10, top: 4, data: names, selectedMode: false, itemGap: gap },
      formatter: (name: string) => shorten(name, MAX_NAME),
      ...{ itemWidth: symbolWidth, itemHeight: 10, textStyle: TEXT },
    },
    height: lines * (LINE + gap - 8) + 4,
  };
}

/** The parts of a series that decide what it looks like. */
export function seriesOptions({ name, style }: Series): Options {
  const { colour, marker, dash } = lookOf(style);
  return {
    ...{ name, symbol: marker, symbolSize: 10, color: colour },
    itemStyle: { color: colour, borderColor: COLOURS.ground.light, borderWidth: 1, opacity: 1 },
    lineStyle: { color: colour, width: 2, type: dash.length === 0 ? "solid" : dash },
    ...{ silent: true, emphasis: { disabled: true }, animation: false },
  };
}
