/**
 * What a figure is: numbers out of a result, apart from how they are drawn and from the page that shows them.
 *
 * @module
 */

/** What a number counts; it decides how it is written for people. Times are nanoseconds, `bytes` and `megabytes` bytes. */
export type Unit = "count" | "time" | "cores" | "bytes" | "megabytes" | "percent" | "plain";

/** A value of a table. Null is a thing that was not measured, never zero. */
export type Value = string | number | null;

/** A column of a table. */
export interface Column {
  /** Its name in the CSV, with its unit: `latency_p99_ns`. */
  readonly key: string;
  /** Its heading for people. */
  readonly title: string;
  /** What its numbers count; absent for text. */
  readonly unit?: Unit;
}

/** The numbers of a figure. */
export interface Table {
  /** The columns. */
  readonly columns: readonly Column[];
  /** The rows, each with a value for every column. */
  readonly rows: readonly (readonly Value[])[];
}

/** A value with the interval that says how sure it is. */
export interface Interval {
  /** The value; null where nothing was measured. */
  readonly value: number | null;
  /** Lower end. */
  readonly low: number | null;
  /** Upper end. */
  readonly high: number | null;
}

/** Something that has one colour, one marker and one pattern in all charts, such as a policy. */
export interface Series {
  /** What it is called. */
  readonly name: string;
  /** Which colour, marker and pattern, from 0. */
  readonly style: number;
}

/** An axis. */
export interface Axis {
  /** What it shows, with the unit. */
  readonly title: string;
  /** What its numbers count. */
  readonly unit: Unit;
  /** Whether equal steps are equal differences or equal ratios. */
  readonly scale: "linear" | "log";
  /** Where its labels stand, each with its text, instead of at round numbers. */
  readonly ticks?: readonly { readonly at: number; readonly text: string }[];
}

/** One horizontal bar. */
export interface Bar extends Interval {
  /** What is written before it. */
  readonly name: string;
  /** Index of its series. */
  readonly series: number;
  /** What is written in place of the bar, where there is no value. */
  readonly missing: string;
}

/** Bars below each other, in groups. */
export interface BarChart {
  /** Which kind of chart. */
  readonly kind: "bars";
  /** The axis of values. */
  readonly axis: Axis;
  /** What the bars stand for. */
  readonly series: readonly Series[];
  /** The groups; one with an empty name when there is no more. */
  readonly groups: readonly { readonly name: string; readonly bars: readonly Bar[] }[];
}

/** A point with its intervals. */
export interface Point {
  /** Place on the horizontal axis. */
  readonly x: number;
  /** Place on the vertical axis. */
  readonly y: number;
  /** Interval of `x`. */
  readonly xEnds?: readonly [low: number, high: number];
  /** Interval of `y`. */
  readonly yEnds?: readonly [low: number, high: number];
}

/** The points of one series. */
export interface Line {
  /** Index of the series. */
  readonly series: number;
  /** Its points; null breaks the line where a value is missing. */
  readonly points: readonly (Point | null)[];
}

/** One coordinate system of a {@link PlotChart}. */
export interface Panel {
  /** What stands above it. */
  readonly title: string;
  /** The horizontal axis. */
  readonly x: Axis;
  /** The vertical axis. */
  readonly y: Axis;
  /** What is in it. */
  readonly lines: readonly Line[];
  /** Points of a front, ascending in x, which are ringed and joined by steps. */
  readonly front?: readonly Point[];
}

/** Points or lines in one or more panels. */
export interface PlotChart {
  /** Which kind of chart. */
  readonly kind: "plot";
  /** Whether points of a series are joined, and whether each has a marker. */
  readonly marks: "points" | "lines" | "curves";
  /** What the lines stand for. */
  readonly series: readonly Series[];
  /** The panels. */
  readonly panels: readonly Panel[];
}

/** Layers on top of each other over time, in one or more panels. */
export interface AreaChart {
  /** Which kind of chart. */
  readonly kind: "areas";
  /** Names of the layers, from the bottom. */
  readonly layers: readonly string[];
  /** Title of the vertical axis. */
  readonly title: string;
  /** The panels. */
  readonly panels: readonly {
    /** What stands above it. */
    readonly title: string;
    /** Where each piece begins, and where the last ends: nanoseconds from the window's start. */
    readonly edgesNs: readonly number[];
    /** For each layer the height in each piece. */
    readonly heights: readonly (readonly number[])[];
  }[];
}

/** Numbers in rows and columns, the darker the larger. */
export interface MatrixChart {
  /** Which kind of chart. */
  readonly kind: "matrix";
  /** What the columns are. */
  readonly columns: readonly string[];
  /** The rows; null where there is no value. */
  readonly rows: readonly { readonly name: string; readonly percents: readonly (number | null)[] }[];
}

/** Any chart. */
export type Chart = BarChart | PlotChart | AreaChart | MatrixChart;

/** One figure. */
export interface Figure {
  /** What its files are called: `throughput`. */
  readonly name: string;
  /** Its heading. */
  readonly title: string;
  /** What was measured, in which unit, and what intervals mean. */
  readonly caption: string;
  /** Its numbers; null where the figure is left out, which the caption explains. */
  readonly table: Table | null;
  /** Its pictures. A long one is cut into several. */
  readonly charts: readonly Chart[];
}

/** A figure that is left out, with a sentence why. */
export function leftOut(name: string, title: string, why: string): Figure {
  return { name, title, caption: why, table: null, charts: [] };
}
