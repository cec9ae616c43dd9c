/**
 * Options with units. A size or a time is text in YAML and a number in the program; these schemas turn one into the
 * other, both ways.
 *
 * @module
 */

import { z } from "./schema.ts";

interface Unit {
  readonly name: string;
  readonly factor: number;
}

// Ascending; the first is the unit of the number that the program sees.
const SIZE_UNITS: readonly Unit[] = [
  { name: "B", factor: 1 },
  { name: "KiB", factor: 2 ** 10 },
  { name: "MiB", factor: 2 ** 20 },
  { name: "GiB", factor: 2 ** 30 },
  { name: "TiB", factor: 2 ** 40 },
];
const TIME_UNITS: readonly Unit[] = [
  { name: "ns", factor: 1 },
  { name: "us", factor: 1e3 },
  { name: "ms", factor: 1e6 },
  { name: "s", factor: 1e9 },
  { name: "min", factor: 60e9 },
];

function pattern(units: readonly Unit[]): RegExp {
  return new RegExp(`^\\d+(\\.\\d+)?(${units.map((unit) => unit.name).join("|")})$`);
}

function parse(text: string, units: readonly Unit[]): number {
  const number = parseFloat(text);
  const unit = units.find(({ name }) => text.replace(/^[\d.]+/, "") === name) as Unit;
  return Math.round(number * unit.factor);
}

function format(value: number, units: readonly Unit[]): string {
  const unit = [...units].reverse().find(({ factor }) => value % factor === 0 && value >= factor) ?? units[0];
  return `${value / unit.factor}${unit.name}`;
}

function withUnit(units: readonly Unit[], what: string, example: string): z.ZodCodec<z.ZodString, z.ZodNumber> {
  const names = units.map((unit) => unit.name).join(", ");
  return z.codec(
    z.string(`must be ${what} with its unit, such as ${example}`)
      .regex(pattern(units), `must be ${what} with one of the units ${names}, such as ${example}`),
    z.number(),
    { decode: (text) => parse(text, units), encode: (value) => format(value, units) },
  );
}

/** The schema of a size such as `16KiB`; the program sees bytes. */
export function size(): z.ZodCodec<z.ZodString, z.ZodNumber> {
  return withUnit(SIZE_UNITS, "a size", "16KiB");
}

/** The schema of a time such as `50us`; the program sees nanoseconds. */
export function duration(): z.ZodCodec<z.ZodString, z.ZodNumber> {
  return withUnit(TIME_UNITS, "a time", "50us");
}

/** The schema of a share such as `2%`, above 0; the program sees 0.02. */
export function percentage(): z.ZodCodec<z.ZodString, z.ZodNumber> {
  return z.codec(
    z.string("must be a percentage, such as 2%").regex(/^\d+(\.\d+)?%$/, "must be a percentage, such as 2%"),
    z.number().positive("must be above 0%"),
    { decode: (text) => parseFloat(text) / 100, encode: formatPercentage },
  );
}

/** Writes a share as people do: `formatPercentage(0.02)` is `2%`. */
export function formatPercentage(share: number): string {
  return `${Number((share * 100).toPrecision(12))}%`;
}

/** Writes nanoseconds as people do: `formatDuration(50_000)` is `50us`. */
export function formatDuration(ns: number): string {
  return format(ns, TIME_UNITS);
}

/** Writes bytes as people do: `formatSize(16384)` is `16KiB`. */
export function formatSize(bytes: number): string {
  return format(bytes, SIZE_UNITS);
}
