/**
 * Which of several pairs of groups differ, such that all verdicts together are as sure as is asked: with many cells, some
 * differ by chance in each single test.
 *
 * @module
 */

import { leastProbability, type RankSum, rankSum } from "./rank_sum.ts";

/** Two groups of values to be compared. */
export interface Pair {
  /** The repetitions of the first, at least one. */
  readonly a: readonly number[];
  /** Those of the second, at least one. */
  readonly b: readonly number[];
}

/** How sure a verdict must be, and how large a difference must be to count. */
export interface VerdictOptions {
  /** The probability that of pairs that do not differ any one is said to, 0 … 1. */
  readonly errorRate: number;
  /** Differences up to this share do not count, from 0. */
  readonly threshold: number;
}

/** What is known of a pair. */
export interface Verdict {
  /** What the second is against the first. Too few: with so few values no difference, however large, would be evidence. */
  readonly verdict: "larger" | "smaller" | "no evidence" | "too few";
  /** The probability of a difference as clear by chance, among as many pairs as there are, 0 … 1. */
  readonly probability: number;
}

/**
 * Compares the pairs of a family by rank-sum tests, and corrects for their number (Holm, A Simple Sequentially Rejective
 * Multiple Test Procedure, 1979).
 */
export function verdicts(pairs: readonly Pair[], { errorRate, threshold }: VerdictOptions): Verdict[] {
  const tests = pairs.map((pair) => test(pair, threshold));
  const corrected = holm(tests.map(({ probability }) => probability));
  return tests.map(({ isLarger }, index): Verdict => {
    const { a, b } = pairs[index];
    const probability = corrected[index];
    if (probability <= errorRate) return { verdict: isLarger ? "larger" : "smaller", probability };
    const isPossible = leastProbability(a.length, b.length) * pairs.length <= errorRate;
    return { verdict: isPossible ? "no evidence" : "too few", probability };
  });
}

/** The fewest values that each group of so many pairs must have for a difference to be evidence. */
export function fewestValues(pairs: number, errorRate: number): number {
  let fewest = 2;
  while (leastProbability(fewest, fewest) * pairs > errorRate) fewest++;
  return fewest;
}

/** Whether the second is larger than the first by more than the threshold, or smaller: two tests, of one side each. */
function test({ a, b }: Pair, threshold: number): { readonly isLarger: boolean; readonly probability: number } {
  const [up, down] = threshold === 0
    ? Array<RankSum>(2).fill(rankSum(a, b))
    : [1 / (1 + threshold), 1 + threshold].map((factor) => rankSum(a, b.map((value) => value * factor)));
  return { isLarger: up.larger < down.smaller, probability: Math.min(1, 2 * Math.min(up.larger, down.smaller)) };
}

function holm(probabilities: readonly number[]): number[] {
  const corrected = new Array<number>(probabilities.length);
  let least = 0;
  const order = [...probabilities.keys()].sort((one, other) => probabilities[one] - probabilities[other]);
  for (const [rank, index] of order.entries()) {
    least = Math.max(least, Math.min(1, probabilities[index] * (order.length - rank)));
    corrected[index] = least;
  }
  return corrected;
}
