/**
 * Whether what was measured twice differs: each cell of one side against the same cell of the other.
 *
 * @module
 */

import { estimateOf, type Repeated } from "./bootstrap.ts";
import type { Matched, Side } from "./compare_cells.ts";
import { repeated } from "./metrics.ts";
import { ratioOf } from "./ratio.ts";
import type { Estimate, EstimateName } from "./result.ts";
import { fewestValues, type Pair, type VerdictOptions, verdicts } from "./verdicts.ts";

/** The `schema` of a {@link RunComparison}. */
export const COMPARISON_SCHEMA = "iddr.comparison/v1";

/** How cells are compared. */
export interface CompareOptions extends VerdictOptions {
  /** What of them. */
  readonly metric: EstimateName;
}

/** What `compare` does by itself. */
export const COMPARE_DEFAULTS: CompareOptions = { metric: "iops", errorRate: 0.01, threshold: 0 };

/** Metrics of which less is better. */
export const LESS_IS_BETTER: readonly EstimateName[] = ["latencyP50Ns", "latencyP99Ns", "latencyP999Ns", "cpuCores"];

/** Two cells, compared. */
export interface CellComparison {
  /** What tells it from the others. */
  readonly labels: Readonly<Record<string, string>>;
  /**
   * What the second is: faster or slower (better or worse, where the metric is no speed), or neither by what was measured.
   * `too few repetitions`: with so few, no difference would be evidence. `failed`: the second failed; `not compared`: a
   * side did not measure the metric, or the first failed.
   */
  readonly verdict: "faster" | "slower" | "no evidence" | "too few repetitions" | "failed" | "not compared";
  /** Why it failed, or was not compared; null otherwise. */
  readonly reason: string | null;
  /** Repetitions of the first and the second. */
  readonly repetitions: readonly [number, number];
  /** The first; null where it did not measure the metric. */
  readonly a: Estimate | null;
  /** The second. */
  readonly b: Estimate | null;
  /** The median of the second over that of the first; null where one has a value of 0, or none. */
  readonly ratio: Estimate | null;
  /** How probable a difference as clear is by chance, corrected for the number of cells; null where none was sought. */
  readonly probability: number | null;
}

/** Two sides, compared. */
export interface RunComparison extends CompareOptions {
  /** {@link COMPARISON_SCHEMA} */
  readonly schema: typeof COMPARISON_SCHEMA;
  /** What the first and the second are. */
  readonly sides: readonly [string, string];
  /** The cells that both have, in the order of the first. */
  readonly cells: readonly CellComparison[];
  /** Cells that one side alone has: their labels. */
  readonly unmatched: readonly { readonly side: string; readonly labels: Readonly<Record<string, string>> }[];
  /** Repetitions that each side needs for a difference to be evidence, with so many cells. */
  readonly fewestRepetitions: number;
  /** What makes the comparison doubtful. */
  readonly warnings: readonly string[];
}

/** Compares cells that were matched. */
export function compareCells(matched: Matched, options: CompareOptions): RunComparison {
  const cells = matched.pairs.map(({ labels, a, b }) => ({ labels, a, b, ...values(a, b, options.metric) }));
  const sought = cells.filter(({ reason }) => reason === null);
  const found = verdicts(sought.map(({ pair }) => pair), options);
  const isLessBetter = LESS_IS_BETTER.includes(options.metric);
  const verdictOf = new Map(sought.map((cell, index) => [cell, found[index]]));
  return {
    schema: COMPARISON_SCHEMA,
    sides: matched.sides,
    ...options,
    cells: cells.map((cell): CellComparison => {
      const { labels, a, b, first, second, reason } = cell;
      const verdict = verdictOf.get(cell);
      return {
        labels,
        verdict: verdict === undefined
          ? b.error === undefined ? "not compared" : "failed"
          : inWords(verdict.verdict, isLessBetter),
        reason,
        repetitions: [a.samples.length, b.samples.length],
        a: first === null ? null : estimateOf(first),
        b: second === null ? null : estimateOf(second),
        ratio: first === null || second === null ? null : ratioOf(first, second),
        probability: verdict?.probability ?? null,
      };
    }),
    unmatched: matched.unmatched,
    fewestRepetitions: fewestValues(Math.max(1, sought.length), options.errorRate),
    warnings: matched.warnings,
  };
}

interface Values {
  readonly first: readonly Repeated[] | null;
  readonly second: readonly Repeated[] | null;
  readonly pair: Pair;
  /** Why they cannot be compared; null if they can. */
  readonly reason: string | null;
}

function values(a: Side, b: Side, metric: EstimateName): Values {
  const [first, second] = [a, b].map(({ samples }) => repeated(samples, metric));
  const of = (side: readonly Repeated[] | null): number[] => side?.map(({ value }) => value) ?? [];
  const reasons = [[a, first], [b, second]] as const;
  const missing = reasons.map(([side, measured]) => {
    if (side.error !== undefined) return `${side.name} failed: ${side.error}`;
    return measured !== null
      ? undefined
      : side.samples.length === 0
      ? `${side.name} has no repetition of it`
      : `${side.name} did not measure ${metric}`;
  });
  const reason = missing.find((each) => each !== undefined) ?? null;
  return { first, second, pair: { a: of(first), b: of(second) }, reason };
}

function inWords(
  verdict: "larger" | "smaller" | "no evidence" | "too few",
  isLessBetter: boolean,
): CellComparison["verdict"] {
  if (verdict === "too few") return "too few repetitions";
  if (verdict === "no evidence") return verdict;
  return (verdict === "larger") === isLessBetter ? "slower" : "faster";
}
