/**
 * Which policy to measure next at which load, until it is known which is best: sequential elimination.
 *
 * All policies are screened at all loads, in rounds that take turns. A policy that is clearly worse than the best, by a
 * margin, is measured no more there; the others go on until each is told apart from the best or is known to be as good, or
 * the time is over. Nothing is remembered: what is to be done follows from what was measured, so a policy that was left
 * out too early comes back when the best turns out to be worse than it seemed.
 *
 * @module
 */

import { mulberry32 } from "../../mulberry32.ts";
import { type Ratio, ratiosTo } from "./comparison.ts";
import { canScore, logIops, logScore, type Objective, objectiveOf, type Observation } from "./objective.ts";

/** One policy at one load. */
export interface Arm {
  /** What the policy is called. */
  readonly policy: string;
  /** What was measured of it, one value a round. */
  readonly observations: readonly Observation[];
  /** Why it failed; null when it did not. */
  readonly failure: string | null;
}

/** All policies at one load. */
export interface LoadTrials {
  /** Whether requests come at times of their own. */
  readonly openLoop: boolean;
  /** Whether it is the load that was asked about, which is looked at most. */
  readonly asked: boolean;
  /** The policies. */
  readonly arms: readonly Arm[];
}

/** What is to be measured next. */
export interface Trial {
  /** Index of the load. */
  readonly load: number;
  /** Index of the policy at that load. */
  readonly arm: number;
}

/** What is known of a policy at a load. */
export type Standing =
  /** The best so far. */
  | "first"
  /** As good as the first: the interval of their ratio lies within {@link ALIKE} of 1. */
  | "alike"
  /** Not told apart from the first. */
  | "undecided"
  /** Worse than the first. */
  | "worse"
  /** In an open loop: does not keep up with the arrivals as the others do. */
  | "behind"
  /** Failed. */
  | "failed"
  /** Not measured, or not all of it that decides. */
  | "unmeasured";

/** What is known of a load. */
export interface LoadStandings {
  /** What makes a policy better; null where nothing could be told. */
  readonly objective: Objective | null;
  /** The objective of each policy as a ratio to the first's. */
  readonly ratios: readonly (Ratio | null)[];
  /** What is known of each policy. */
  readonly standings: readonly Standing[];
  /** Those that are worth measuring on. */
  readonly contenders: readonly number[];
  /** Whether nothing remains to be found out. */
  readonly resolved: boolean;
}

/** A policy that is so much worse, as a share, is left out; two that differ by no more are alike. */
export const ALIKE = 0.02;
/** A policy in an open loop keeps up if it completes so much of what the one that completes most does. */
export const KEEPS_UP = 0.95;
/**
 * Rounds in which all are measured. A policy whose processes fall into two kinds, fast and slow ones, may show one kind
 * alone in fewer.
 */
export const SCREENING_ROUNDS = 4;
/** Fewest rounds for an answer. */
export const LEAST_ROUNDS = 5;
/** Most rounds: what they do not tell apart is not worth telling. */
export const MOST_ROUNDS = 100;
/** The load that was asked about gets so many rounds for each of another. */
const ASKED_WEIGHT = 2;

/** What is known of a load. */
export function standingsOf({ arms, openLoop }: LoadTrials, cpuPrice: number): LoadStandings {
  const measured = arms.flatMap((arm, index) => arm.failure === null && arm.observations.length > 0 ? [index] : []);
  const objective = objectiveOf(measured.map((index) => arms[index].observations), openLoop, cpuPrice);
  const there = objective === null
    ? measured
    : measured.filter((index) => canScore(arms[index].observations, objective));
  const standings = arms.map(({ failure }): Standing => failure === null ? "unmeasured" : "failed");
  const ratios: (Ratio | null)[] = arms.map(() => null);
  if (there.length === 0 || objective === null) {
    const contenders = arms.flatMap(({ failure }, index) => failure === null && objective !== null ? [index] : []);
    return { objective, ratios, standings, contenders, resolved: arms.every(({ failure }) => failure !== null) };
  }
  const all = there.map((index) => arms[index].observations);
  const { most, keepingUp } = objective.goal === "latency" ? whoKeepsUp(all) : { most: 0, keepingUp: [] };
  for (const [position, keeps] of keepingUp.entries()) if (keeps === "no") standings[there[position]] = "behind";
  const compared = there.filter((_, position) => keepingUp[position] !== "no");
  const perhaps = there.filter((_, position) => keepingUp[position] === "perhaps");
  const logs = compared.map((index) => arms[index].observations.map((each) => logScore(each, objective)));
  const first = greatest(logs, compared.map((index) => !perhaps.includes(index)));
  const lost: number[] = [];
  for (const [position, ratio] of ratiosTo(first, logs).entries()) {
    const index = compared[position];
    ratios[index] = ratio;
    standings[index] = position === first ? "first" : standingOf(ratio, perhaps.includes(index));
    if (ratio.high < 1 - ALIKE && arms[index].observations.length >= SCREENING_ROUNDS) lost.push(index);
  }
  const contenders = arms.flatMap(({ failure }, index) => {
    // Who may be behind is told by comparing with the one that completes most, so that is measured on, too.
    const compares = perhaps.length > 0 && there[most] === index;
    const left = standings[index] === "behind" || (measured.includes(index) && !there.includes(index));
    const out = failure !== null || left || (lost.includes(index) && !compares);
    return out ? [] : [index];
  });
  const sure = contenders.every((index) => arms[index].observations.length >= LEAST_ROUNDS);
  const resolved = sure && contenders.every((index) => standings[index] !== "undecided");
  return { objective, ratios, standings, contenders, resolved };
}

function standingOf({ low, high }: Ratio, perhapsBehind: boolean): Standing {
  if (high < 1) return "worse";
  return !perhapsBehind && low > 1 - ALIKE && high < 1 + ALIKE ? "alike" : "undecided";
}

/** Whether each completes as much as the one that completes most; `perhaps` where it seems not to, but may. */
function whoKeepsUp(
  observations: readonly (readonly Observation[])[],
): { readonly most: number; readonly keepingUp: readonly ("yes" | "perhaps" | "no")[] } {
  const logs = observations.map((own) => own.map(({ iops }) => logIops(iops)));
  const most = greatest(logs);
  const keepingUp = ratiosTo(most, logs).map(({ ratio, high }, position) => {
    if (high < KEEPS_UP && observations[position].length >= SCREENING_ROUNDS) return "no";
    return ratio < KEEPS_UP ? "perhaps" : "yes";
  });
  return { most, keepingUp };
}

/**
 * The one with the greatest mean; of those with several rounds, if there are any: one may be luck.
 *
 * @param eligible which count, at least one of them; all when absent
 */
function greatest(logs: readonly (readonly number[])[], eligible?: readonly boolean[]): number {
  const may = logs.map((_, position) => eligible?.[position] ?? true);
  const enough = Math.min(
    SCREENING_ROUNDS,
    Math.max(...logs.map(({ length }, position) => may[position] ? length : 0)),
  );
  const means = logs.map((own, position) => {
    return own.length < enough || !may[position] ? -Infinity : own.reduce((sum, log) => sum + log, 0) / own.length;
  });
  return means.indexOf(Math.max(...means));
}

/**
 * What to measure next; undefined when all is known, or nothing more can be.
 *
 * @param seed draws the order of the policies in each round, so that none always follows the same one
 */
export function nextTrial(loads: readonly LoadTrials[], cpuPrice: number, seed: number): Trial | undefined {
  const open = loads.flatMap((load, index) => {
    const { contenders, resolved } = standingsOf(load, cpuPrice);
    if (resolved || contenders.length === 0) return [];
    const rounds = Math.min(...contenders.map((arm) => load.arms[arm].observations.length));
    if (rounds >= MOST_ROUNDS) return [];
    const weight = load.asked && rounds >= SCREENING_ROUNDS ? ASKED_WEIGHT : 1;
    return [{ load: index, contenders, rounds, turn: rounds / weight, asked: load.asked }];
  });
  if (open.length === 0) return undefined;
  // A round that was begun is finished before another load has its turn: its parts must lie close together in time.
  const next = open.find(({ load, contenders, rounds }) => {
    return contenders.some((arm) => loads[load].arms[arm].observations.length > rounds);
  }) ?? open.reduce((best, each) => {
    return each.turn < best.turn || (each.turn === best.turn && each.asked && !best.asked) ? each : best;
  });
  const due = next.contenders.filter((arm) => loads[next.load].arms[arm].observations.length === next.rounds);
  const random = mulberry32(seed + 7919 * next.load + 104_729 * next.rounds);
  const order = loads[next.load].arms.map(() => random());
  return { load: next.load, arm: due.reduce((best, arm) => order[arm] < order[best] ? arm : best) };
}
