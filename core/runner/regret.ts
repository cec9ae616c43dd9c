/**
 * How much one loses by a policy: of each load the best policy, and every other relative to it.
 *
 * The best of several medians that vary by chance is too good on average, as what chance favoured is chosen (the
 * winner's curse); whatever is compared with it looks worse than it is. So the best is chosen from one set of results and
 * the figures are taken from another, which was measured anew.
 *
 * Each policy is held against the best of the others. So the one that was chosen has no 1 for being chosen: it has to be
 * better than the runner-up once more.
 *
 * A load is all labels of a cell but those of its policy, the name of its scenario, and how long it was measured. How long it
 * was warmed up is no part of it, as the figures are all from the confirming results.
 *
 * @module
 */

import { mulberry32 } from "../mulberry32.ts";
import { BOOTSTRAP_FROM, drawMedians, estimateOf, interval95, type Repeated } from "./bootstrap.ts";
import { LESS_IS_BETTER } from "./compare.ts";
import { repeated } from "./metrics.ts";
import type { Estimate, EstimateName, Result, Sample } from "./result.ts";
import { median } from "./statistics.ts";

/** Whether more of a metric is better. */
export function moreIsBetter(metric: EstimateName): boolean {
  return !LESS_IS_BETTER.includes(metric);
}

/** One policy at one load, in the confirming results. */
export interface RegretCell {
  /** Label of the policy. */
  readonly policy: string;
  /** Whether there is a value of it, and why not. */
  readonly status: "measured" | "failed" | "not run" | "not measured";
  /** Its value; null where there is none. */
  readonly estimate: Estimate | null;
  /**
   * How good it is relative to the best of the others, as that was chosen: 1 is as good, less is worse, whether more of
   * the metric is better or less. Null also where it was measured alone.
   */
  readonly relative: Estimate | null;
  /** What one loses by it: 1 less the median of `relative`, or 0 where that is above 1. */
  readonly regret: number | null;
  /**
   * Whether it is the worst of all: `yes` if the 95 % interval of the ratio to the next lies below 1, `perhaps` if it has
   * the lowest value; a failure is worse than all values. `no` where no other was measured.
   */
  readonly worst: "yes" | "perhaps" | "no";
}

/** One load. */
export interface RegretLoad {
  /** Name of the scenario. */
  readonly scenario: string;
  /** The labels, all but those of the policy. */
  readonly labels: Readonly<Record<string, string>>;
  /** The policy that was chosen as the best; null where none could be. */
  readonly best: string | null;
  /** All policies, in the order of the table. */
  readonly cells: readonly RegretCell[];
}

/** The table. */
export interface RegretTable {
  /** What is compared. */
  readonly metric: EstimateName;
  /** Whether the best was chosen from other results than the figures are from. */
  readonly confirmed: boolean;
  /** All policies, in the order in which they were met. */
  readonly policies: readonly string[];
  /** The loads that both sets have, in the order in which they were met. */
  readonly loads: readonly RegretLoad[];
  /** Loads that only one of the sets has: `scenario: labels`. */
  readonly unmatched: readonly string[];
}

interface Load {
  readonly scenario: string;
  readonly labels: Record<string, string>;
  /** The samples of each policy; of several documents together. */
  readonly samples: Map<string, Sample[]>;
  /** The policies of which a cell failed. */
  readonly failed: Set<string>;
}

/**
 * The table of a metric.
 *
 * @param choose from what the best are chosen
 * @param confirm from what the figures are; `choose` itself when absent, which favours the best
 */
export function regretTable(
  metric: EstimateName,
  choose: readonly Result[],
  confirm: readonly Result[] = choose,
): RegretTable {
  const [chosen, confirmed] = [loadsOf(choose), loadsOf(confirm)];
  const keys = [...new Set([...chosen.keys(), ...confirmed.keys()])];
  const both = keys.filter((key) => chosen.has(key) && confirmed.has(key));
  const policies = [...new Set(both.flatMap((key) => [...(confirmed.get(key) as Load).samples.keys()]))];
  return {
    metric,
    confirmed: confirm !== choose,
    policies,
    loads: both.map((key) => regretLoad(metric, chosen.get(key) as Load, confirmed.get(key) as Load, policies)),
    unmatched: keys.filter((key) => !both.includes(key)).map((key) =>
      nameOf((chosen.get(key) ?? confirmed.get(key)) as Load)
    ),
  };
}

/** A load in a line. */
export function nameOf({ scenario, labels }: Pick<Load, "scenario" | "labels">): string {
  return `${scenario}: ${Object.entries(labels).map(([label, value]) => `${label}=${value}`).join(", ")}`;
}

function loadsOf(results: readonly Result[]): Map<string, Load> {
  const loads = new Map<string, Load>();
  for (const result of results) {
    const { name: scenario, run } = result.scenario as { name: string; run?: { duration?: unknown } };
    for (const { labels, samples, status } of result.cells) {
      const { policy } = labels;
      const others = Object.entries(labels).filter(([label]) => label !== "policy" && !label.startsWith("policy."));
      const key = JSON.stringify([scenario, run?.duration, others.toSorted(([a], [b]) => a < b ? -1 : 1)]);
      const load = loads.get(key) ??
        { scenario, labels: Object.fromEntries(others), samples: new Map(), failed: new Set() };
      loads.set(key, load);
      if (status === "failed") load.failed.add(policy);
      load.samples.set(policy, [...load.samples.get(policy) ?? [], ...status === "failed" ? [] : samples]);
    }
  }
  return loads;
}

function regretLoad(metric: EstimateName, choose: Load, confirm: Load, policies: readonly string[]): RegretLoad {
  const ranking = rank(metric, choose, confirm);
  const values = new Map(
    policies.map((policy) => [policy, repeated(confirm.samples.get(policy) ?? [], metric)]),
  );
  const there = policies.filter((policy) => confirm.samples.has(policy));
  return {
    scenario: confirm.scenario,
    labels: confirm.labels,
    best: ranking[0] ?? null,
    cells: policies.map((policy): RegretCell => {
      const own = values.get(policy) ?? null;
      const rival = ranking.find((each) => each !== policy);
      const reference = rival === undefined ? null : values.get(rival) ?? null;
      const relative = own === null || reference === null ? null : goodnessRatio(metric, own, reference);
      return {
        policy,
        status: own !== null
          ? "measured"
          : confirm.failed.has(policy)
          ? "failed"
          : confirm.samples.has(policy)
          ? "not measured"
          : "not run",
        estimate: own === null ? null : estimateOf(own),
        relative,
        regret: relative === null ? null : Math.max(0, 1 - relative.median),
        worst: there.includes(policy) ? worstOf(metric, policy, there, values) : "no",
      };
    }),
  };
}

/** The policies, the one with the best median first: of those that the confirming results have, too. */
function rank(metric: EstimateName, choose: Load, confirm: Load): string[] {
  const measured = [...choose.samples].flatMap(([policy, samples]) => {
    const own = repeated(samples, metric);
    if (own === null || repeated(confirm.samples.get(policy) ?? [], metric) === null) return [];
    return [{ policy, value: median(own.map((each) => each.value)) * (moreIsBetter(metric) ? 1 : -1) }];
  });
  return measured.sort((a, b) => b.value - a.value).map(({ policy }) => policy);
}

function worstOf(
  metric: EstimateName,
  policy: string,
  policies: readonly string[],
  values: ReadonlyMap<string, readonly Repeated[] | null>,
): RegretCell["worst"] {
  const goodness = (name: string): number => {
    const own = values.get(name) ?? null;
    if (own === null) return -Infinity;
    return median(own.map(({ value }) => value)) * (moreIsBetter(metric) ? 1 : -1);
  };
  const others = policies.filter((each) => each !== policy);
  if (others.length === 0) return "no";
  const next = others.reduce((lowest, each) => goodness(each) < goodness(lowest) ? each : lowest);
  const [own, nexts] = [values.get(policy) ?? null, values.get(next) ?? null];
  if (own === null) return nexts === null ? "perhaps" : "yes";
  if (nexts === null || goodness(policy) >= goodness(next)) return "no";
  const { high, interval } = goodnessRatio(metric, own, nexts);
  return interval === "bootstrap95" && high < 1 ? "yes" : "perhaps";
}

/**
 * How good some repetitions are relative to others: the ratio of the medians, above 1 if they are better. From six
 * repetitions of both on with a 95 % bootstrap interval, below with the range of all pairs.
 *
 * @param own at least one
 * @param others at least one
 */
export function goodnessRatio(metric: EstimateName, own: readonly Repeated[], others: readonly Repeated[]): Estimate {
  const [above, below] = moreIsBetter(metric) ? [own, others] : [others, own];
  const values = (repetitions: readonly Repeated[]): number[] => repetitions.map(({ value }) => value);
  const middle = quotient(median(values(above)), median(values(below)));
  if (Math.min(own.length, others.length) < BOOTSTRAP_FROM) {
    const low = quotient(Math.min(...values(above)), Math.max(...values(below)));
    const high = quotient(Math.max(...values(above)), Math.min(...values(below)));
    return { median: middle, low, high, interval: "minmax" };
  }
  const random = mulberry32(above.length * 1009 + below.length);
  const [tops, bottoms] = [drawMedians(above, random), drawMedians(below, random)];
  const { low, high } = interval95(tops.map((top, draw) => quotient(top, bottoms[draw])));
  return { median: middle, low: Math.min(low, middle), high: Math.max(high, middle), interval: "bootstrap95" };
}

/** Nothing relative to nothing is as good. */
function quotient(above: number, below: number): number {
  return above === below ? 1 : above / below;
}
