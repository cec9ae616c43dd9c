/**
 * Points and lines, in one or more panels beside and below each other.
 *
 * @module
 */

import { shorten } from "../../labels.ts";
import type { Panel, PlotChart, Point } from "../figure.ts";
import { axisOptions, legend, seriesOptions, WIDTH } from "./common.ts";
import type { Element, ItemApi, Options, Picture, Pixel } from "./echarts.ts";
import { COLOURS, lookOf } from "./palette.ts";
import { FONT, textWidth } from "./text.ts";

const CAP = 4;
const RING = 9;
/** Room around a coordinate system for its title and its axes. */
const MARGIN = { left: 86, right: 24, above: 34, below: 54 } as const;

/** Where panels lie: in pixels of the picture. */
export interface Place {
  /** Distance of the coordinate system from the left edge. */
  readonly left: number;
  /** Distance from the upper edge. */
  readonly top: number;
  /** Width of the coordinate system. */
  readonly width: number;
  /** Its height. */
  readonly height: number;
}

/** Places for some panels below a legend, one or two in a row, and how high they are with it. */
export function placesOf(count: number, top: number, panelHeight: number): { places: Place[]; height: number } {
  const columns = count === 1 ? 1 : 2;
  const width = WIDTH / columns;
  const row = MARGIN.above + panelHeight + MARGIN.below;
  const places = Array.from({ length: count }, (_, index): Place => ({
    left: (index % columns) * width + MARGIN.left,
    top: top + Math.floor(index / columns) * row + MARGIN.above,
    width: width - MARGIN.left - MARGIN.right,
    height: panelHeight,
  }));
  return { places, height: top + Math.ceil(count / columns) * row };
}

/** The titles of panels. */
export function titles(names: readonly string[], places: readonly Place[]): Options[] {
  return names.map((name, index) => {
    const { left, top, width } = places[index];
    const room = width + MARGIN.left + MARGIN.right - 24;
    // Bold letters are wider by about a tenth.
    const length = Math.floor(name.length * Math.min(1, room / (textWidth(name) * 1.12)));
    return {
      text: shorten(name, length),
      ...{ left: left - MARGIN.left + 12, top: top - 30 },
      textStyle: { fontSize: FONT, fontWeight: "bold", color: COLOURS.ink.light },
    };
  });
}

/** The picture of a chart. */
export function plot({ marks, series, panels }: PlotChart): Picture {
  const used = series.filter((_, index) => panels.some(({ lines }) => lines.some((line) => line.series === index)));
  const above = legend(used.map(({ name }) => name), marks === "points" ? 11 : 30);
  const { places, height } = placesOf(panels.length, above.height, panels.length === 1 ? 300 : 200);
  return {
    width: WIDTH,
    height,
    options: {
      legend: above.options,
      title: titles(panels.map(({ title }) => title), places),
      grid: places.map((place) => ({ ...place, containLabel: false })),
      xAxis: panels.map(({ x, lines }, gridIndex) => ({
        ...axisOptions(x, lines.flatMap(pointsOf).map((point) => point.x)),
        ...{ gridIndex, nameGap: 30, ...horizontalEnds(lines.flatMap(pointsOf), x) },
      })),
      yAxis: panels.map(({ y, lines }, gridIndex) => ({
        ...axisOptions(y, lines.flatMap(pointsOf).flatMap((point) => [point.y, ...point.yEnds ?? []])),
        ...{ gridIndex, nameGap: 62, ...verticalEnds(lines.flatMap(pointsOf), y) },
      })),
      series: panels.flatMap((panel, index) => panelSeries(marks === "lines" ? apart(panel) : panel, index)),
    },
  };

  function panelSeries({ lines, front }: Panel, index: number): Options[] {
    const axes = { xAxisIndex: index, yAxisIndex: index };
    return [
      ...(front === undefined || front.length === 0 ? [] : [frontSeries(front, axes)]),
      ...lines.map(({ series: number, points }) => whiskers(points, lookOf(series[number].style).colour, axes)),
      ...lines.map(({ series: number, points }) => ({
        ...seriesOptions(series[number]),
        ...axes,
        type: marks === "points" ? "scatter" : "line",
        showSymbol: marks !== "curves",
        connectNulls: false,
        z: 3,
        data: points.map((point) => point === null ? [null, null] : [point.x, point.y]),
      })),
    ];
  }
}

/** A panel whose lines stand a little beside each other, so that none hides the whiskers of another. */
function apart({ x, lines, ...panel }: Panel): Panel {
  if (x.ticks === undefined) return { x, lines, ...panel };
  const [first, last] = [x.ticks[0].at, x.ticks[x.ticks.length - 1].at];
  const step = Math.min(0.012, 0.06 / lines.length);
  return {
    ...{ ...panel, x },
    lines: lines.map(({ series, points }, index) => {
      const share = (index - (lines.length - 1) / 2) * step;
      const place = (at: number): number =>
        x.scale === "log" ? at * (last / first) ** share : at + (last - first) * share;
      return { series, points: points.map((point) => point === null ? null : { ...point, x: place(point.x) }) };
    }),
  };
}

function pointsOf({ points }: { readonly points: readonly (Point | null)[] }): Point[] {
  return points.filter((point) => point !== null);
}

function horizontalEnds(points: readonly Point[], { scale, ticks }: Panel["x"]): Options {
  if (ticks !== undefined) {
    const [first, last] = [ticks[0].at, ticks[ticks.length - 1].at];
    if (scale === "log") return { min: first / 1.3, max: last * 1.3, splitLine: { show: false } };
    const margin = (last - first) / 20 || 1;
    return { min: first - margin, max: last + margin, splitLine: { show: false } };
  }
  if (scale === "log") return {};
  const most = Math.max(...points.flatMap(({ x, xEnds }) => [x, xEnds?.[1] ?? x]));
  return { min: 0, max: roundUp(most) };
}

function verticalEnds(points: readonly Point[], { scale, unit }: Panel["y"]): Options {
  if (scale === "log") return {};
  if (unit === "percent") return { min: 0, max: 100 };
  return { min: 0, max: roundUp(Math.max(...points.flatMap(({ y, yEnds }) => [y, yEnds?.[1] ?? y]))) };
}

/** The next number with one digit that is an end of an axis with about five steps. */
function roundUp(value: number): number {
  if (value <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return ([1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((factor) => factor * unit >= value * 1.02) ?? 12) * unit;
}

/** The intervals of a line's points: one path for all, as they are many. */
function whiskers(points: readonly (Point | null)[], colour: string, axes: Options): Options {
  const known = pointsOf({ points });
  return {
    ...axes,
    ...{ type: "custom", silent: true, clip: true, z: 2 },
    data: known.length === 0 ? [] : [[known[0].x, known[0].y]],
    renderItem: (_: unknown, api: ItemApi): Element => ({
      type: "path",
      shape: { pathData: known.flatMap((point) => whiskersOf(point, api)).join("") },
      style: { stroke: colour, fill: "none", lineWidth: 1.5 },
    }),
  };
}

function whiskersOf({ x, y, xEnds, yEnds }: Point, api: ItemApi): string[] {
  const paths: string[] = [];
  if (yEnds !== undefined) {
    const [[across, low], [, high]] = yEnds.map((end) => api.coord([x, end]));
    paths.push(segment(across, low, across, high));
    for (const end of [low, high]) paths.push(segment(across - CAP, end, across + CAP, end));
  }
  if (xEnds !== undefined) {
    const [[low, along], [high]] = xEnds.map((end) => api.coord([end, y]));
    paths.push(segment(low, along, high, along));
    for (const end of [low, high]) paths.push(segment(end, along - CAP, end, along + CAP));
  }
  return paths;
}

/** A line in whole tenths of pixels. */
function segment(...[x1, y1, x2, y2]: [number, number, number, number]): string {
  return `M${x1.toFixed(1)} ${y1.toFixed(1)}L${x2.toFixed(1)} ${y2.toFixed(1)}`;
}

/** Rings around the points of a front, and steps that join them. */
function frontSeries(front: readonly Point[], axes: Options): Options {
  const style = { stroke: COLOURS.quiet.light, fill: "none", lineWidth: 1.5, lineDash: [4, 3] };
  return {
    ...axes,
    ...{ type: "custom", silent: true, clip: true, z: 1, data: [[front[0].x, front[0].y]] },
    renderItem: (_: unknown, api: ItemApi): Element => {
      const places = front.map(({ x, y }) => api.coord([x, y]));
      const steps = places.flatMap(([x, y], index): Pixel[] =>
        index === 0 ? [[x, y]] : [[x, places[index - 1][1]], [x, y]]
      );
      return {
        type: "group",
        children: [
          { type: "polyline", shape: { points: steps }, style },
          ...places.map(([cx, cy]) => ({
            type: "circle",
            shape: { cx, cy, r: RING },
            style: { stroke: COLOURS.ink.light, fill: "none", lineWidth: 1.5 },
          })),
        ],
      };
    },
  };
}
