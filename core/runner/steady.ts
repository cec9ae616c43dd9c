/**
 * Whether a cell was in a steady state while it was measured: fio's criterion `iops_slope` on the pieces of the window.
 *
 * A line is laid through the operations a second of the pieces (least squares); its slope, as the change over the whole
 * window in per cent of the mean, must be small. fio asks that of one run. Here the median over the repetitions counts,
 * as a cell that is not warm rises in each of them, and a slope that noise explains is none: how much slopes vary is seen
 * from repetition to repetition, as pieces of one window are not independent. Few repetitions are held against the scatter
 * of their pieces.
 *
 * @module
 */

import type { Sample, Steadiness, Windows } from "./result.ts";
import { median, sampleVariance } from "./statistics.ts";

/** Fewest pieces through which a line says anything. */
const FEWEST_PIECES = 5;
/** Change over the window, in per cent of the mean, up to which a cell has settled. */
export const SETTLED_PERCENT = 5;
/** Fewest repetitions that show how much their slopes vary. */
const FEWEST_REPETITIONS = 6;
/** The standard error of a median is by so much larger than that of a mean, of normally distributed values. */
const MEDIAN_ERROR = 1.2533;
/** A slope of fewer standard errors may be noise. */
const STANDARD_ERRORS = 3;
/** The same where few repetitions show the error: Student's t at 99.5 % for 5, 6, … degrees of freedom. */
const OF_FEW = [4.03, 3.71, 3.5, 3.36, 3.25, 3.17, 3.11, 3.05] as const;

/** A regression line, in per cent of the mean over the whole window. */
export interface Slope {
  /** The change from the beginning to the end. */
  readonly percent: number;
  /** The standard error of that. */
  readonly errorPercent: number;
}

/** Whether a cell had settled; null where no repetition has pieces enough, or operations. */
export function steadiness(samples: readonly Sample[]): Steadiness | null {
  const slopes = samples.map(({ windows }) => windows === null ? null : slopeOf(windows)).filter((each) =>
    each !== null
  );
  if (slopes.length === 0) return null;
  const slopePercent = median(slopes.map(({ percent }) => percent));
  const deviation = slopes.length < FEWEST_REPETITIONS
    ? median(slopes.map((slope) => slope.errorPercent))
    : MEDIAN_ERROR * Math.sqrt(sampleVariance(slopes.map(({ percent }) => percent)));
  const errorPercent = deviation / Math.sqrt(slopes.length);
  const size = Math.abs(slopePercent);
  const errors = slopes.length < FEWEST_REPETITIONS
    ? STANDARD_ERRORS
    : OF_FEW[slopes.length - FEWEST_REPETITIONS] ?? STANDARD_ERRORS;
  return { settled: size <= SETTLED_PERCENT || size <= errors * errorPercent, slopePercent };
}

/** The slope of the operations a second; null where there are too few pieces, or no operations. */
export function slopeOf({ durationNs, operations }: Pick<Windows, "durationNs" | "operations">): Slope | null {
  const pieces = durationNs.length;
  const lengthNs = sum(durationNs);
  const mean = sum(operations) / lengthNs;
  if (pieces < FEWEST_PIECES || !(mean > 0)) return null;
  // In units of the window and of the mean. A piece counts by its length, as pieces may be joined.
  let passedNs = 0;
  const points = durationNs.map((ns, piece) => {
    const x = (passedNs + ns / 2) / lengthNs;
    passedNs += ns;
    return { weight: ns / lengthNs, x, y: ns === 0 ? 1 : operations[piece] / ns / mean };
  });
  const meanX = sum(points.map(({ weight, x }) => weight * x));
  const spread = sum(points.map(({ weight, x }) => weight * (x - meanX) ** 2));
  const slope = sum(points.map(({ weight, x, y }) => weight * (x - meanX) * (y - 1))) / spread;
  const residue = sum(points.map(({ weight, x, y }) => weight * (y - 1 - slope * (x - meanX)) ** 2));
  const error = Math.sqrt(residue / spread / (pieces - 2));
  return { percent: slope * 100, errorPercent: error * 100 };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
