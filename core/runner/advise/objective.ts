/**
 * What makes one policy better than another: one number for each repetition, of which more is better.
 *
 * Where the next request waits for an answer (a closed loop), policies differ in throughput, and the objective is
 * `throughput^(1−p) · (throughput per core)^p`, which is `IOPS / cores^p`: that of the policy `auto`. Where requests come
 * at times of their own (an open loop), all policies that keep up have the same throughput, and differ in how long a
 * request takes: the objective is `1 / (p99^(1−p) · cores^p)`, among those that keep up. Where none keeps up, latencies
 * are as long as the run is, and throughput decides. Where nothing is asked of the device, the least CPU is best, whatever
 * it costs.
 *
 * A policy of which a figure is missing that decides has no place in the comparison; it does not change what decides for
 * the others.
 *
 * @module
 */

/** What one repetition of one policy measured. */
export interface Observation {
  /** Operations a second. */
  readonly iops: number;
  /** 99th percentile of the latency, in nanoseconds; null where no operation was timed. */
  readonly p99Ns: number | null;
  /** Cores that all domains used together; null where that cannot be known. */
  readonly cores: number | null;
  /** Of the arrivals of an open loop the share that was never submitted; absent where that is not counted. */
  readonly unsubmittedShare?: number;
}

/** What decides at a load. */
export type Goal = "throughput" | "latency" | "idleness";

/** What makes one policy better than another, at one load. */
export interface Objective {
  /** What decides. */
  readonly goal: Goal;
  /** What CPU time counts, from 0 to 1. */
  readonly cpuPrice: number;
}

/** Fewer cores than these are as good as none: two thousandths of a core are one of the other's. */
const LEAST_CORES = 0.001;
/** Operations a second that stand for none, so that a ratio to them is finite. */
const LEAST_IOPS = 0.001;

/** Who leaves more of the arrivals undone does not keep up. */
const MAX_UNSUBMITTED = 0.05;

/**
 * The objective at a load, as far as what was measured of any policy allows it: where CPU times are known of none, the
 * price is 0.
 *
 * @param policies what was measured of each policy, of each at least once
 * @param openLoop whether requests come at times of their own
 */
export function objectiveOf(
  policies: readonly (readonly Observation[])[],
  openLoop: boolean,
  cpuPrice: number,
): Objective | null {
  const ofAny = (holds: (observation: Observation) => boolean): boolean => policies.some((own) => own.every(holds));
  const knowsCpu = ofAny(knowsCores);
  if (policies.length > 0 && policies.flat().every(({ iops }) => iops === 0)) {
    return knowsCpu ? { goal: "idleness", cpuPrice: 1 } : null;
  }
  const decides = openLoop && ofAny(isTimed) &&
    ofAny(({ unsubmittedShare = 0 }) => unsubmittedShare <= MAX_UNSUBMITTED);
  return { goal: decides ? "latency" : "throughput", cpuPrice: knowsCpu ? cpuPrice : 0 };
}

/** Whether all was measured that decides. */
export function canScore(observations: readonly Observation[], { goal, cpuPrice }: Objective): boolean {
  return (cpuPrice === 0 || observations.every(knowsCores)) && (goal !== "latency" || observations.every(isTimed));
}

function knowsCores({ cores }: Observation): boolean {
  return cores !== null;
}

function isTimed({ p99Ns }: Observation): boolean {
  return p99Ns !== null && p99Ns > 0;
}

/** The logarithm of the objective's value: differences of it are ratios. */
export function logScore({ iops, p99Ns, cores }: Observation, { goal, cpuPrice }: Objective): number {
  const cpu = cpuPrice * Math.log(Math.max(LEAST_CORES, cores ?? 1));
  if (goal === "throughput") return logIops(iops) - cpu;
  return goal === "latency" ? -(1 - cpuPrice) * Math.log(p99Ns ?? 1) - cpu : -cpu;
}

/** The logarithm of a throughput. */
export function logIops(iops: number): number {
  return Math.log(Math.max(LEAST_IOPS, iops));
}
