/**
 * How long a request takes: random times with a given mean. Nothing here allocates per draw.
 *
 * @module
 */

import { mulberry32 } from "../../../core/mulberry32.ts";

/** The distributions. */
export const DISTRIBUTIONS = ["constant", "exponential", "pareto", "lognormal"] as const;
/** One of the {@link DISTRIBUTIONS}. */
export type Distribution = typeof DISTRIBUTIONS[number];

/** The shape of those that have one, where none is given. */
const DEFAULT_SHAPES: Readonly<Partial<Record<Distribution, number>>> = { pareto: 1.5, lognormal: 1 };

/** Which times are drawn. */
export interface ServiceTimeOptions {
  /** How they are distributed. */
  readonly distribution: Distribution;
  /** Their mean, in nanoseconds, before the longest are cut. */
  readonly time: number;
  /** Pareto's exponent, above 1; or the standard deviation of the lognormal distribution's logarithm, above 0. */
  readonly shape?: number | undefined;
  /** The longest, in nanoseconds: what is drawn above becomes this. */
  readonly max: number;
  /** Seeds them. */
  readonly seed: number;
}

/** Why a distribution cannot have a shape, or not this one; null if it can. */
export function mistakeInShape(distribution: Distribution, shape: number | undefined): string | null {
  if (shape === undefined) return null;
  if (DEFAULT_SHAPES[distribution] === undefined) return `is not for ${distribution}, which has one shape alone`;
  return distribution === "pareto" && shape <= 1 ? "must be above 1: at 1 and below the mean is infinite" : null;
}

/**
 * Makes a generator of times in nanoseconds, each from 0 to `max`.
 *
 * - constant: the time itself
 * - exponential: `−mean · ln(1 − u)`
 * - pareto: `m / (1 − u)^(1/shape)`, from `m = mean · (shape − 1) / shape` up
 * - lognormal: `exp(µ + shape · z)`, z normal (Box and Muller 1958), `µ = ln(mean) − shape² / 2`
 */
export function serviceTimes({ distribution, time, shape, max, seed }: ServiceTimeOptions): () => number {
  const random = mulberry32(seed);
  const form = shape ?? DEFAULT_SHAPES[distribution] ?? 1;
  const constant = Math.min(time, max);
  switch (distribution) {
    case "constant":
      return () => constant;
    case "exponential":
      return () => Math.min(max, -time * Math.log(1 - random()));
    case "pareto": {
      const least = (time * (form - 1)) / form;
      const power = -1 / form;
      return () => Math.min(max, least * Math.pow(1 - random(), power));
    }
    case "lognormal": {
      const mu = Math.log(time) - (form * form) / 2;
      return () => {
        const z = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
        return Math.min(max, Math.exp(mu + form * z));
      };
    }
  }
}
