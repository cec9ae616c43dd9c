/**
 * What is answered: of each load which policy is best, how sure that is and what it costs, and where the answer changes.
 * Plain data; the words are the command line's.
 *
 * @module
 */

import { median } from "../statistics.ts";
import type { Ratio } from "./comparison.ts";
import {
  ALIKE,
  type Arm,
  LEAST_ROUNDS,
  type LoadStandings,
  type LoadTrials,
  type Standing,
  standingsOf,
} from "./elimination.ts";
import type { Objective, Observation } from "./objective.ts";

/** The `schema` of an {@link Advice}. */
export const ADVICE_SCHEMA = "iddr.advice/v1";

/** What is known of one policy at one load. The figures are medians of the repetitions; null where unknown. */
export interface PolicyAdvice {
  /** What it is called. */
  readonly policy: string;
  /** Its place. */
  readonly standing: Standing;
  /** Why it failed; null when it did not. */
  readonly failure: string | null;
  /** How often it was measured. */
  readonly repetitions: number;
  /** Operations a second. */
  readonly iops: number | null;
  /** 99th percentile of the latency. */
  readonly latencyP99Ns: number | null;
  /** Cores that all domains used together. */
  readonly cpuCores: number | null;
  /** CPU time for each operation. */
  readonly cpuNsPerOperation: number | null;
  /** The objective's value as a ratio to the first's; null where it has no place. */
  readonly relative: Ratio | null;
}

/** What is known of a load. */
export interface LoadAdvice {
  /** Its labels, all but those of the policy. */
  readonly labels: Readonly<Record<string, string>>;
  /** Whether it is the load that the scenario says. */
  readonly asked: boolean;
  /** What decides, and at what price of CPU; null where nothing could be told. */
  readonly objective: Objective | null;
  /**
   * What can be said: one policy is best (`winner`), several are equally good (`tie`), some could not be told apart in
   * the time (`open`), all failed (`failed`), or there is nothing to tell from (`unmeasured`).
   */
  readonly verdict: "winner" | "tie" | "open" | "failed" | "unmeasured";
  /** The best, and those that are as good or not told apart from it; the best first. */
  readonly best: readonly string[];
  /** The best of the others, by its value; null where there is none. */
  readonly runnerUp: string | null;
  /** All policies, the best first. */
  readonly policies: readonly PolicyAdvice[];
}

/** Loads along which the same policies are best. */
export interface Segment {
  /** Index of its first load. */
  readonly from: number;
  /** Index of its last. */
  readonly to: number;
  /** What is best, or as good as the best, at all of them. */
  readonly best: readonly string[];
}

/** The policy that is best where one must serve all loads. */
export interface AllRound {
  /** What it is called. */
  readonly policy: string;
  /** Its value as a ratio to the best's where that is lowest. */
  readonly ratio: number;
  /** Index of that load. */
  readonly load: number;
}

/** The answer. */
export interface Advice {
  /** {@link ADVICE_SCHEMA} */
  readonly schema: typeof ADVICE_SCHEMA;
  /** Name of the scenario. */
  readonly scenario: string;
  /** What CPU time was said to count, from 0 to 1. */
  readonly cpuPrice: number;
  /** The path of what was varied of the load; null when nothing was. */
  readonly axis: string | null;
  /** Why it ended: all was known (`decided`), no time was left, it was interrupted, or nothing was left to measure. */
  readonly ended: "decided" | "time" | "interrupted" | "exhausted";
  /** How long it took. */
  readonly elapsedNs: number;
  /** Warm-up of a repetition. */
  readonly warmupNs: number;
  /** Its measured time. */
  readonly durationNs: number;
  /** Difference up to which policies are alike, as a share. */
  readonly alike: number;
  /** The loads, ascending where they have an order. */
  readonly loads: readonly LoadAdvice[];
  /** The loads with an answer, in runs with the same one; only where they have an order. */
  readonly segments: readonly Segment[];
  /** Of several loads with an answer. */
  readonly allRound: AllRound | null;
}

/** What is known of one load. */
export function loadAdvice(trials: LoadTrials, labels: Readonly<Record<string, string>>, cpuPrice: number): LoadAdvice {
  const standings = standingsOf(trials, cpuPrice);
  const policies = trials.arms.map((arm, index) => policyAdvice(arm, index, standings)).sort(byPlace);
  const best = policies.filter(({ standing }) => ["first", "alike", "undecided"].includes(standing));
  const others = policies.filter(({ standing }) => standing === "worse");
  return {
    ...{ labels, asked: trials.asked, objective: standings.objective },
    verdict: verdictOf(policies, standings),
    best: best.map(({ policy }) => policy),
    runnerUp: (best[1] ?? others[0])?.policy ?? null,
    policies,
  };
}

function verdictOf(policies: readonly PolicyAdvice[], { objective }: LoadStandings): LoadAdvice["verdict"] {
  const has = (standing: Standing): boolean => policies.some((policy) => policy.standing === standing);
  if (policies.every(({ standing }) => standing === "failed")) return "failed";
  if (!has("first") || objective === null) return "unmeasured";
  const surely = policies.every(({ standing, repetitions }) => {
    return repetitions >= LEAST_ROUNDS || ["failed", "worse", "behind"].includes(standing);
  });
  if (!surely || has("undecided")) return "open";
  return has("alike") ? "tie" : "winner";
}

function policyAdvice({ policy, observations, failure }: Arm, index: number, known: LoadStandings): PolicyAdvice {
  const middle = (of: (observation: Observation) => number | null): number | null => {
    const values = observations.map(of);
    return values.length === 0 || values.includes(null) ? null : median(values as number[]);
  };
  return {
    ...{ policy, failure, standing: known.standings[index], repetitions: observations.length },
    iops: middle(({ iops }) => iops),
    latencyP99Ns: middle(({ p99Ns }) => p99Ns),
    cpuCores: middle(({ cores }) => cores),
    cpuNsPerOperation: middle(({ cores, iops }) => cores === null || iops === 0 ? null : cores / iops * 1e9),
    relative: known.ratios[index],
  };
}

const PLACES: readonly Standing[] = ["first", "alike", "undecided", "worse", "behind", "unmeasured", "failed"];

function byPlace(a: PolicyAdvice, b: PolicyAdvice): number {
  const place = ({ standing }: PolicyAdvice): number => {
    return ["alike", "undecided"].includes(standing) ? 1 : PLACES.indexOf(standing);
  };
  return place(a) - place(b) || (b.relative?.ratio ?? 0) - (a.relative?.ratio ?? 0);
}

/** Runs of loads with a common answer, each as long as it can be. Loads without an answer are passed over. */
export function segmentsOf(loads: readonly LoadAdvice[]): Segment[] {
  const segments: Segment[] = [];
  for (const [index, { best }] of loads.entries()) {
    if (best.length === 0) continue;
    const last = segments.at(-1);
    const common = last?.best.filter((policy) => best.includes(policy)) ?? [];
    if (last === undefined || common.length === 0) segments.push({ from: index, to: index, best });
    else segments[segments.length - 1] = { ...last, to: index, best: common };
  }
  return segments;
}

/** The policy whose worst ratio to the best is the highest; null where there are not two loads with an answer. */
export function allRoundOf(loads: readonly LoadAdvice[]): AllRound | null {
  const answered = [...loads.entries()].filter(([, { best }]) => best.length > 0);
  if (answered.length < 2) return null;
  const names = new Set(answered.flatMap(([, { policies }]) => policies.map(({ policy }) => policy)));
  const lowest = [...names].map((policy): AllRound => {
    const ratios = answered.map(([load, { policies }]) => {
      // Above 1 is who would be better, but perhaps does not keep up.
      return {
        policy,
        load,
        ratio: Math.min(1, policies.find((each) => each.policy === policy)?.relative?.ratio ?? 0),
      };
    });
    return ratios.reduce((worst, each) => each.ratio < worst.ratio ? each : worst);
  });
  const best = lowest.reduce((highest, each) => each.ratio > highest.ratio ? each : highest);
  return best.ratio === 0 ? null : best;
}

/** Everything together. */
export function adviceOf(
  loads: readonly LoadAdvice[],
  about: Pick<Advice, "scenario" | "cpuPrice" | "axis" | "ended" | "elapsedNs" | "warmupNs" | "durationNs">,
): Advice {
  return {
    schema: ADVICE_SCHEMA,
    ...about,
    alike: ALIKE,
    loads,
    segments: about.axis === null ? [] : segmentsOf(loads),
    allRound: allRoundOf(loads),
  };
}
