/** Policies of known truth, for tests of what chooses among them. */

import { type LoadTrials, nextTrial, type Standing, standingsOf } from "../../core/runner/advise/elimination.ts";
import type { Observation } from "../../core/runner/advise/objective.ts";
import { mulberry32 } from "../../core/mulberry32.ts";

/** What a policy does at a load: true values, and how much repetitions differ from them, as a share. */
export interface SimulatedPolicy {
  readonly iops: number;
  readonly cores?: number;
  readonly p99Ns?: number;
  readonly deviation: number;
  /** How often a repetition is disturbed, as a share: it then does half as much. */
  readonly disturbed?: number;
  /** After so many repetitions it fails. */
  readonly failsAfter?: number;
}

/** How a simulated run ended. */
export interface SimulatedRun {
  /** What is known of each policy at each load. */
  readonly standings: readonly (readonly Standing[])[];
  /** Repetitions of each policy at each load. */
  readonly repetitions: readonly (readonly number[])[];
  /** Repetitions of all. */
  readonly spent: number;
  /** Whether all was known at the end. */
  readonly decided: boolean;
}

/** A normal variable (Box and Muller). */
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Plays sequential elimination with at most `budget` repetitions; the machine itself drifts from round to round. */
export function simulate(
  loads: readonly (readonly SimulatedPolicy[])[],
  { seed, budget, cpuPrice = 0, openLoop = false }: {
    readonly seed: number;
    readonly budget: number;
    readonly cpuPrice?: number;
    readonly openLoop?: boolean;
  },
): SimulatedRun {
  const random = mulberry32(seed);
  const observations = loads.map((policies) => policies.map((): Observation[] => []));
  const failures = loads.map((policies) => policies.map((): string | null => null));
  const trials = (): LoadTrials[] => {
    return loads.map((policies, load) => ({
      openLoop,
      asked: load === 0,
      arms: policies.map((_, arm) => {
        return { policy: `${arm}`, observations: observations[load][arm], failure: failures[load][arm] };
      }),
    }));
  };
  let drift = 0;
  let spent = 0;
  for (; spent < budget; spent++) {
    const next = nextTrial(trials(), cpuPrice, seed);
    if (next === undefined) break;
    const { iops, cores = 1, p99Ns = 1e5, deviation, disturbed = 0, failsAfter = Infinity } =
      loads[next.load][next.arm];
    const own = observations[next.load][next.arm];
    if (own.length >= failsAfter) {
      failures[next.load][next.arm] = "it failed";
      continue;
    }
    drift = 0.9 * drift + 0.01 * normal(random);
    const noise = (): number => Math.exp(drift + deviation * normal(random));
    const slow = random() < disturbed ? 0.5 : 1;
    own.push({ iops: slow * iops * noise(), cores: cores * noise(), p99Ns: p99Ns * noise() });
  }
  return {
    standings: trials().map((load) => standingsOf(load, cpuPrice).standings),
    repetitions: observations.map((load) => load.map((own) => own.length)),
    spent,
    decided: nextTrial(trials(), cpuPrice, seed) === undefined,
  };
}
