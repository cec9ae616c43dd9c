/**
 * The result document of a run, `iddr.result/v1`. It is self-describing: units are in the names, and null stands where
 * something could not be measured.
 *
 * @module
 */

import type { Counters } from "../counters.ts";
import type { NeighbourUsage } from "../neighbours.ts";

export type { NeighbourUsage };

/** The `schema` of a {@link Result}. */
export const RESULT_SCHEMA = "iddr.result/v1";

/** What a summary estimates and `compare` compares. */
export const ESTIMATES = [
  ...["iops", "bytesPerSecond", "latencyP50Ns", "latencyP99Ns", "latencyP999Ns"] as const,
  ...["cpuCores", "iopsPerCpuCore"] as const,
] as const;

/** One of {@link ESTIMATES}. */
export type EstimateName = typeof ESTIMATES[number];

/** A value for each domain; null for a domain that does not exist or a thing that cannot be measured. */
export interface PerDomain<T> {
  /** Of the application domain. */
  readonly application: T | null;
  /** Of the driver domain. */
  readonly driver: T | null;
}

/** A value for each side of the ring; null when monolithic. */
export interface PerSide<T> {
  /** Of the application's side. */
  readonly frontend: T | null;
  /** Of the driver's side. */
  readonly backend: T | null;
}

/** Latencies in nanoseconds. */
export interface Latencies {
  /** The shortest. */
  readonly min: number;
  /** The mean. */
  readonly mean: number;
  /** The median. */
  readonly p50: number;
  /** The 95th percentile. */
  readonly p95: number;
  /** The 99th percentile. */
  readonly p99: number;
  /** The 99.9th percentile. */
  readonly p999: number;
  /** The longest. */
  readonly max: number;
}

/** What one client did in one repetition: one of several applications, with all its threads. */
export interface ClientSample {
  /** Which, from 0. */
  readonly client: number;
  /** Name of its device in the machine. */
  readonly device: string;
  /** Finished operations, flushes excepted. */
  readonly operations: number;
  /** Bytes transferred. */
  readonly bytes: number;
  /** Operations a second. */
  readonly iops: number;
  /** Bytes a second. */
  readonly bytesPerSecond: number;
  /**
   * From submission, or from when it was due where operations have times of their own, to the moment the workload gets the
   * completion, of the operations that were timed.
   */
  readonly latencyNs: Latencies | null;
  /** How late the workload was itself with operations that have times of their own; null where they have none. */
  readonly latenessNs: Latencies | null;
  /**
   * How many operations were timed: all that have times of their own, of others a random sample, so that the clock costs at
   * most about 2 % of the time.
   */
  readonly timedOperations: number;
  /** Operations, flushes included, that failed. */
  readonly errors: number;
  /** Finished flushes. */
  readonly flushes: number;
}

/** One time that a driver was started anew. */
export interface SampleRestart {
  /** Why. */
  readonly cause: string;
  /** From when the failure was noticed to the first request answered by the next driver; null if none was. */
  readonly pauseNs: number | null;
}

/** What the threads of one kind of domain did in each piece of the measured window, added up; one value a piece. */
export interface WindowTimes {
  /** How long the piece was for these threads, in nanoseconds: their mean. A thread that sleeps is cut late. */
  readonly durationNs: readonly number[];
  /** CPU time; null where it cannot be known. */
  readonly cpuNs: readonly (number | null)[];
  /** Time spinning. */
  readonly spunNs: readonly number[];
  /** Time of spinning in which others had the core, as far as it was noticed. */
  readonly lostNs: readonly number[];
  /** Time asleep. */
  readonly sleptNs: readonly number[];
}

/** The measured window in pieces, in order: about as many as `run.windows` says. One value a piece. */
export interface Windows {
  /** Length of the pieces in nanoseconds, by the clocks of the application's threads: their mean. */
  readonly durationNs: readonly number[];
  /** Finished operations, flushes excepted. */
  readonly operations: readonly number[];
  /** Bytes transferred. */
  readonly bytes: readonly number[];
  /** The threads of the application. */
  readonly application: WindowTimes;
  /** Those of the driver; null when monolithic, or when a driver was started anew in the window. */
  readonly driver: WindowTimes | null;
}

/** How the latencies of the timed operations are spread, ascending: the buckets that are not empty. */
export interface HistogramColumns {
  /** The middle of each bucket in nanoseconds. A bucket is 1/64 of its lower end wide, below 64 ns one value. */
  readonly ns: readonly number[];
  /** How many operations fell into it. */
  readonly counts: readonly number[];
}

/** One repetition of one cell. A domain's figures are the sum over its threads. */
export interface Sample {
  /** Which repetition, from 0. */
  readonly repetition: number;
  /** Length of the measured window. */
  readonly durationNs: number;
  /** Finished operations, flushes excepted. */
  readonly operations: number;
  /** Bytes transferred. */
  readonly bytes: number;
  /** Operations a second. */
  readonly iops: number;
  /** Bytes a second. */
  readonly bytesPerSecond: number;
  /**
   * From submission, or from when it was due where operations have times of their own, to the moment the workload gets the
   * completion, of the operations that were timed.
   */
  readonly latencyNs: Latencies | null;
  /** How late the workload was itself with operations that have times of their own; null where they have none. */
  readonly latenessNs: Latencies | null;
  /**
   * How many operations were timed: all that have times of their own, of others a random sample, so that the clock costs at
   * most about 2 % of the time.
   */
  readonly timedOperations: number;
  /** CPU time over wall time. */
  readonly cpuCores: PerDomain<number>;
  /** Context switches in the window. */
  readonly contextSwitches: PerDomain<{ readonly voluntary: number; readonly involuntary: number }>;
  /** Operations, flushes included, that failed. */
  readonly errors: number;
  /** Finished flushes. */
  readonly flushes: number;
  /** The same of each client that was there to the end; one, where the scenario has no more. */
  readonly clients: readonly ClientSample[];
  /** What the workload and the device counted of their own, from start to end. */
  readonly counters: Counters;
  /** Drivers that failed and were started anew, from start to end. */
  readonly restarts: readonly SampleRestart[];
  /** Cores that each domain's threads were seen on. */
  readonly cpus: PerDomain<readonly number[]>;
  /** Cores that each domain's threads were confined to; null where they were not. */
  readonly confinedTo: PerDomain<readonly number[]>;
  /** The most memory that the machine process had at any time, the device's included. */
  readonly peakMemoryBytes: number | null;
  /** What the busy neighbours used beside the domains; null where there were none. */
  readonly neighbours: NeighbourUsage | null;
  /** Notifications in the window. */
  readonly notifications: PerSide<{ readonly sent: number; readonly suppressed: number }>;
  /** Waits in the window. */
  readonly waits: PerSide<{
    readonly spinHits: number;
    readonly spinMisses: number;
    readonly sleeps: number;
    readonly spunNs: number;
    readonly lostNs: number;
    readonly sleptNs: number;
  }>;
  /** The window in pieces; null where it was not cut. */
  readonly windows: Windows | null;
  /** How the latencies are spread; null where none was timed. */
  readonly latencyHistogram: HistogramColumns | null;
  /**
   * CPU time that the host of a virtual machine took from all its cores in the window, in nanoseconds, to 10 ms; null
   * where that cannot be known.
   */
  readonly stealNs: number | null;
  /**
   * CPU time of all but the machine and its domains in the window, in nanoseconds, to 10 ms: of other programs, those that
   * the workload runs among them, and of the kernel; null where that cannot be known.
   */
  readonly othersNs: number | null;
  /** Why earlier attempts at this repetition were thrown away; none as a rule. */
  readonly redone: readonly string[];
  /** What disturbed this one, which was kept as no attempt was left; null as a rule. */
  readonly disturbed: string | null;
}

/** The middle of all repetitions and how sure it is. */
export interface Estimate {
  /** Median of the repetitions. */
  readonly median: number;
  /** Lower end of the interval. */
  readonly low: number;
  /** Upper end of the interval. */
  readonly high: number;
  /** `bootstrap95`: 95 % confidence interval of the median; `minmax`: smallest and largest of up to five. */
  readonly interval: "bootstrap95" | "minmax";
}

/** Whether the operations a second still rose or fell in the measured window, as fio's steady state `iops_slope` asks. */
export interface Steadiness {
  /** Whether they did not: the slope is small, or no more than noise. */
  readonly settled: boolean;
  /** Change over the window in per cent of the mean, by the regression line: the median of the repetitions. */
  readonly slopePercent: number;
}

/** What the repetitions of a cell say together. Null where no repetition measured it. */
export interface Summary {
  /** Operations a second. */
  readonly iops: Estimate | null;
  /** Bytes a second. */
  readonly bytesPerSecond: Estimate | null;
  /** Median latency. */
  readonly latencyP50Ns: Estimate | null;
  /** 99th percentile of the latency. */
  readonly latencyP99Ns: Estimate | null;
  /** 99.9th percentile of the latency. */
  readonly latencyP999Ns: Estimate | null;
  /** 99th percentile of the workload's own lateness. */
  readonly latenessP99Ns: Estimate | null;
  /** Cores used by all domains together. */
  readonly cpuCores: Estimate | null;
  /** Operations a second for each core used. */
  readonly iopsPerCpuCore: Estimate | null;
  /** Whether the window was steady; null where it was not cut into pieces enough. */
  readonly steady: Steadiness | null;
  /** How alike the clients of each device were served: Jain's index of bytes a second, from 1/n to 1; the lowest. */
  readonly fairness: Estimate | null;
  /** Operations a second of the client that had the fewest. */
  readonly minClientIops: Estimate | null;
  /** Operations a second of the client that had the most. */
  readonly maxClientIops: Estimate | null;
  /** Operations of all repetitions together that failed. */
  readonly errors: number | null;
  /** Times that a driver was started anew. */
  readonly restarts: Estimate | null;
  /** What the workload and the device counted, by name. */
  readonly counters: Readonly<Record<string, Estimate>>;
}

/** One cell. */
export interface CellResult {
  /** Hash of all that decides the measurement. */
  readonly id: string;
  /** What distinguishes it. */
  readonly labels: Readonly<Record<string, string>>;
  /** `pending` only in a document of a run that was interrupted or goes on. */
  readonly status: "ok" | "failed" | "pending";
  /** Why it failed. */
  readonly error?: string;
  /** What its device had to say that is no error, each text once in the order in which they came; then what the runner has. */
  readonly notes: readonly string[];
  /** Its repetitions. Where one failed because clients were lost, what the others did is the last. */
  readonly samples: readonly Sample[];
  /** What they say together. */
  readonly summary: Summary;
}

/** Whether an expectation holds, in one combination of the labels that it does not mention. */
export interface ExpectationResult {
  /** The expectation, as it is written. */
  readonly text: string;
  /** The combination. */
  readonly labels: Readonly<Record<string, string>>;
  /** Whether it holds. */
  readonly status: "met" | "unmet";
  /** Value of its left side; null when a cell failed or something could not be measured. */
  readonly left: number | null;
  /** Value of its right side. */
  readonly right: number | null;
}

/** The machine that measured. */
export interface Machine {
  /** Model of the processor. */
  readonly cpuModel: string | null;
  /** Number of cores. */
  readonly cores: number;
  /** Release of the kernel. */
  readonly kernel: string | null;
  /** Version of Deno. */
  readonly deno: string;
  /** Version of V8. */
  readonly v8: string;
}

/** One run of one scenario. */
export interface Result {
  /** {@link RESULT_SCHEMA} */
  readonly schema: typeof RESULT_SCHEMA;
  /** The scenario with all defaults, its plugins' options included, as its first cell has it. */
  readonly scenario: unknown;
  /** When it started, ISO 8601. */
  readonly startedAt: string;
  /** Whether it was interrupted before its end. */
  readonly interrupted: boolean;
  /** Where it ran. */
  readonly machine: Machine;
  /** Those of the counters that the workload shows in tables, each with its heading. */
  readonly figures: Readonly<Record<string, string>>;
  /** Its cells, in the matrix's order. */
  readonly cells: readonly CellResult[];
  /** What was expected of them, as far as the cells that it needs are measured. */
  readonly expectations: readonly ExpectationResult[];
}
