/**
 * The rank-sum test of Wilcoxon, Mann and Whitney: whether one of two groups tends to larger values.
 *
 * It assumes no distribution: where the groups do not differ, every way to divide all values among them is as likely as
 * every other, and the test counts in how many of them the ranks are divided as unevenly. So it is exact for few values,
 * a value that is far out counts no more than any other that is out, and it says by itself when there are too few values
 * to say anything: of 4 and 4 even complete separation comes by chance once in 70 times.
 *
 * @module
 */

import { errorFunction } from "./statistics.ts";

/** Of more values together the normal approximation is taken, which then is as good. */
const MOST_EXACT = 120;

/** How likely ranks as uneven are by chance, to each side. */
export interface RankSum {
  /** That the second group's values come out as large. */
  readonly larger: number;
  /** That they come out as small. */
  readonly smaller: number;
}

/** Tests two groups of at least one value each. Equal values share their ranks. */
export function rankSum(first: readonly number[], second: readonly number[]): RankSum {
  const doubled = doubledRanks([...first, ...second]);
  // Without equal values, or where their ranks are whole anyway, half as many sums are to be told apart.
  const ranks = doubled.some((rank) => rank % 2 === 1) ? doubled : doubled.map((rank) => rank / 2);
  // Of the fewer values, which is less to count; then the sides are as the other way round.
  const isSecond = second.length <= first.length;
  const own = isSecond ? ranks.slice(first.length) : ranks.slice(0, first.length);
  const observed = own.reduce((sum, rank) => sum + rank, 0);
  const { atLeast, atMost } = ranks.length > MOST_EXACT
    ? normalTails(ranks, own.length, observed)
    : exactTails(ranks, own.length, observed);
  return isSecond ? { larger: atLeast, smaller: atMost } : { larger: atMost, smaller: atLeast };
}

/** The smallest probability that a two-sided test of so many values can have: of complete separation. */
export function leastProbability(first: number, second: number): number {
  let divisions = 1;
  for (let i = 1; i <= Math.min(first, second); i++) divisions *= (first + second + 1 - i) / i;
  return Math.min(1, 2 / divisions);
}

/** Ranks from 1, doubled, so that those of equal values, which have their mean, are whole. */
function doubledRanks(values: readonly number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  const rankOf = new Map<number, number>();
  for (let begin = 0; begin < sorted.length;) {
    let end = begin;
    while (end < sorted.length && sorted[end] === sorted[begin]) end++;
    rankOf.set(sorted[begin], begin + 1 + end); // Twice the mean of the ranks begin + 1 … end.
    begin = end;
  }
  return values.map((value) => rankOf.get(value) as number);
}

interface Tails {
  readonly atLeast: number;
  readonly atMost: number;
}

/** The share of all choices of `size` ranks whose sum is at least, and at most, so large. */
function exactTails(ranks: readonly number[], size: number, observed: number): Tails {
  const most = [...ranks].sort((a, b) => b - a).slice(0, size).reduce((sum, rank) => sum + rank, 0);
  // How many choices there are of so many ranks with such a sum, of the ranks so far.
  const ways = Array.from({ length: size + 1 }, () => new Float64Array(most + 1));
  ways[0][0] = 1;
  for (const rank of ranks) {
    for (let chosen = size; chosen >= 1; chosen--) {
      const [to, from] = [ways[chosen], ways[chosen - 1]];
      for (let sum = most; sum >= rank; sum--) to[sum] += from[sum - rank];
    }
  }
  let [all, atLeast, atMost] = [0, 0, 0];
  for (const [sum, count] of ways[size].entries()) {
    all += count;
    if (sum >= observed) atLeast += count;
    if (sum <= observed) atMost += count;
  }
  return { atLeast: atLeast / all, atMost: atMost / all };
}

/** The same by the normal distribution, with a correction for steps, of ranks as they are with their ties. */
function normalTails(ranks: readonly number[], size: number, observed: number): Tails {
  const count = ranks.length;
  const mean = ranks.reduce((sum, rank) => sum + rank, 0) / count;
  const variance = ranks.reduce((sum, rank) => sum + (rank - mean) ** 2, 0) / (count - 1);
  const deviation = Math.sqrt((variance * size * (count - size)) / count);
  if (deviation === 0) return { atLeast: 1, atMost: 1 };
  const tail = (distance: number): number => normalTail((distance - 0.5) / deviation);
  return { atLeast: tail(observed - mean * size), atMost: tail(mean * size - observed) };
}

/** The share of the standard normal distribution above a value. */
function normalTail(value: number): number {
  return Math.max(0, (1 - errorFunction(value / Math.SQRT2)) / 2);
}
