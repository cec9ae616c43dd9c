/**
 * Quantities as text for people, and back.
 *
 * @module
 */

import type { Unit } from "./figure.ts";

const BINARY = ["B", "KiB", "MiB", "GiB", "TiB"] as const;
const TIMES: readonly (readonly [unit: string, ns: number])[] = [["ns", 1], ["µs", 1e3], ["ms", 1e6], ["s", 1e9]];
const FACTORS: Readonly<Record<string, readonly [unit: Unit, factor: number]>> = {
  "": ["plain", 1],
  "/s": ["plain", 1],
  "%": ["percent", 1],
  ns: ["time", 1],
  us: ["time", 1e3],
  ms: ["time", 1e6],
  s: ["time", 1e9],
  min: ["time", 60e9],
  ...Object.fromEntries(BINARY.map((unit, power) => [unit, ["bytes", 1024 ** power] as const])),
};

/**
 * A number of a label such as `16KiB`, `20us` or `8`, in the unit that {@link Unit} says (bytes, nanoseconds).
 *
 * @returns undefined when the text is no number
 */
export function parseQuantity(text: string): { readonly value: number; readonly unit: Unit } | undefined {
  const match = /^(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s?(\D*)$/i.exec(text);
  if (match === null || !Object.hasOwn(FACTORS, match[2])) return undefined;
  const [unit, factor] = FACTORS[match[2]];
  return { value: Number(match[1]) * factor, unit };
}

/** A number as people read it, to three digits or more. */
export function quantity(value: number, unit: Unit): string {
  switch (unit) {
    case "time":
      return scaled(value, TIMES, digits);
    case "bytes":
      return scaled(value, BINARY.map((name, power) => [name, 1024 ** power]), plain);
    case "megabytes":
      return digits(value / 1e6);
    case "percent":
      return `${value.toLocaleString("en-US", { maximumSignificantDigits: 4 })} %`;
    case "cores":
      return value.toFixed(2);
    case "count":
      return digits(value);
    case "plain":
      return plain(value);
  }
}

/** The same on an axis, where room is scarce: `12k`, `1.5M`, `20 µs`. */
export function tick(value: number, unit: Unit): string {
  if (value === 0) return "0";
  if (unit === "cores") return plain(value);
  if (unit === "time") return scaled(value, TIMES, plain);
  if (unit !== "count") return quantity(value, unit);
  return scaled(value, [["", 1], ["k", 1e3], ["M", 1e6], ["G", 1e9]], plain).replace(" ", "");
}

type Scale = readonly (readonly [name: string, factor: number])[];

function scaled(value: number, units: Scale, write: (value: number) => string): string {
  const [name, factor] = [...units].reverse().find(([, factor]) => Math.abs(value) >= factor * 0.9995) ?? units[0];
  return `${write(value / factor)} ${name}`.trimEnd();
}

/** At least three digits, thousands apart. */
function digits(value: number): string {
  if (value === 0 || Number.isInteger(value)) return value.toLocaleString("en-US");
  return Math.abs(value) < 99.95
    ? value.toLocaleString("en-US", { maximumSignificantDigits: 3, minimumSignificantDigits: 3 })
    : value.toLocaleString("en-US", { maximumFractionDigits: 0 });
}

/** No more digits than it has, four at most behind the point. */
function plain(value: number): string {
  return value.toLocaleString("en-US", { maximumSignificantDigits: Math.abs(value) < 1 ? 2 : 6 });
}
