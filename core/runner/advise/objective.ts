/**
 * What makes one policy better than another: one number for each repetition, of which more is better.
 *
 * Where the next request waits for an answer (a closed loop), policies differ in throughput, and the objective is
 * `throughput^(1−p) · (throughput per core)^p`, which is `IOPS / cores^p`: that of the policy `auto`. Where requests come
 * at times of their own (an open loop), all policies that keep up have the same throughput, and differ in how long a
 * request takes: the objective is `1 / (p99^(1−p) · cores^p)`, among those that keep up. Where nothing is asked of the
 * device, the least CPU is best, whatever it costs.
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

/**
 * The objective at a load, as far as what was measured allows it: without CPU times the price is 0.
 *
 * @param openLoop whether requests come at times of their own
 */
export function objectiveOf(
  observations: readonly Observation[],
  openLoop: boolean,
  cpuPrice: number,
): Objective | null {
  const knowsCpu = observations.every(({ cores }) => cores !== null);
  if (observations.length > 0 && observations.every(({ iops }) => iops === 0)) {
    return knowsCpu ? { goal: "idleness", cpuPrice: 1 } : null;
  }
  const timed = observations.every(({ p99Ns }) => p99Ns !== null && p99Ns > 0);
  return { goal: openLoop && timed ? "latency" : "throughput", cpuPrice: knowsCpu ? cpuPrice : 0 };
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
