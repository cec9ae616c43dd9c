/**
 * Layers on top of each other over time.
 *
 * @module
 */

import type { AreaChart } from "../figure.ts";
import { axisOptions, legend, WIDTH } from "./common.ts";
import type { Element, ItemApi, Options, Picture, Pixel } from "./echarts.ts";
import { patternFill } from "./pattern.ts";
import { COLOURS, STATE_COLOURS } from "./palette.ts";
import { placesOf, titles } from "./plot.ts";

/** The picture of a chart. */
export function areas({ layers, title, panels }: AreaChart): Picture {
  const above = legend(layers, 26);
  const { places, height } = placesOf(panels.length, above.height, 130);
  return {
    width: WIDTH,
    height,
    options: {
      legend: above.options,
      title: titles(panels.map(({ title }) => title), places),
      grid: places.map((place) => ({ ...place, containLabel: false })),
      xAxis: panels.map(({ edgesNs }, gridIndex) => ({
        ...withoutLast(axisOptions({ title: "time in the window", unit: "time", scale: "linear" })),
        ...{ gridIndex, nameGap: 30, min: 0, max: edgesNs[edgesNs.length - 1] },
      })),
      yAxis: panels.map(({ heights }, gridIndex) => {
        const most = Math.max(...heights[0].map((_, at) => sumBelow(heights, layers.length, at)));
        // A wait that ends in a piece may have begun before it, which is no further thread.
        const max = Math.max(1, Math.ceil(most * 0.8)) * 1.25;
        return {
          ...axisOptions({ title, unit: "plain", scale: "linear" }),
          ...{ gridIndex, nameGap: 40, min: 0, max, interval: max / 2.5 },
        };
      }),
      series: panels.flatMap(({ edgesNs, heights }, index) =>
        layers.map((name, layer): Options => ({
          ...{ name, type: "custom", silent: true, clip: true, xAxisIndex: index, yAxisIndex: index },
          itemStyle: { color: fillOf(layer) },
          data: [[0, 0]],
          renderItem: (_: unknown, api: ItemApi): Element => ({
            type: "polygon",
            shape: { points: outline(edgesNs, heights, layer, api) },
            style: { fill: fillOf(layer), stroke: COLOURS.ground.light, lineWidth: 0.5 },
          }),
        }))
      ),
    },
  };
}

/** An axis without the label of its end, which is no round number. */
function withoutLast(axis: Options): Options {
  return { ...axis, axisLabel: { ...axis.axisLabel as Options, showMaxLabel: false } };
}

/** Working at the bottom and sleeping at the top are plain and differ in how light they are; between them are patterns. */
function fillOf(layer: number): string | Element {
  return patternFill(STATE_COLOURS[layer].light, [0, 1, 4, 0][layer]);
}

function sumBelow(heights: readonly (readonly number[])[], layer: number, at: number): number {
  return heights.slice(0, layer).reduce((sum, layer) => sum + layer[at], 0);
}

/** Along the upper edge of a layer in steps, and back along its lower one. */
function outline(
  edgesNs: readonly number[],
  heights: readonly (readonly number[])[],
  layer: number,
  api: ItemApi,
): Pixel[] {
  const pieces = heights[layer].map((_, at) => at);
  const along = (top: number): Pixel[] =>
    pieces.flatMap((at) => {
      const height = sumBelow(heights, top, at);
      return [api.coord([edgesNs[at], height]), api.coord([edgesNs[at + 1], height])];
    });
  return [...along(layer + 1), ...along(layer).reverse()];
}
