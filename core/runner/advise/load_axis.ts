/**
 * Around which loads a scenario's policies are looked at, and how long that takes.
 *
 * @module
 */

import { ENTRY_BYTES } from "../../blkif.ts";
import type { WorkloadPlugin } from "../../plugin.ts";
import { ringEntryCount } from "../../ring.ts";
import type { Cell } from "../cell.ts";
import { SCREENING_ROUNDS } from "./elimination.ts";

/** What of the workload makes more load or less, and what it is varied to. */
export interface LoadAxis {
  /** The path, such as `workload.with.queueDepth`. */
  readonly path: string;
  /** What the scenario says. */
  readonly given: number;
  /** The values to look at, ascending; the scenario's own is one of them. */
  readonly values: readonly number[];
}

/** How often the rate of an open loop is taken. */
const RATE_FACTORS = [0.25, 0.5, 1, 2];
/** What it takes to start the processes and threads of a repetition, and to end them; nanoseconds. */
export const OVERHEAD_NS = 4e8;
/** The same on a fast machine. */
export const LEAST_OVERHEAD_NS = 1.5e8;
/** A shorter measurement says little, unless the scenario itself has one. */
const LEAST_DURATION_NS = 2e8;
/** Time for policies that learn to have learnt: `auto` takes up to about so long, unless little happens. */
export const LEAST_WARMUP_NS = 1e9;
const NS_PER_MS = 1e6;

/** The name of the option by which an open loop is told: requests come at so many a second. */
const RATE = "rate";
const QUEUE_DEPTH = "queueDepth";

/** Whether the requests of a cell's workload come at times of their own: its option `rate` says how many a second. */
export function isOpenLoop({ workload }: Pick<Cell, "workload">): boolean {
  return typeof workload.written[RATE] === "number";
}

/**
 * What can be varied of a cell's load: the rate of an open loop, else the queue depth. Null where the workload has
 * neither, or leads the machine itself.
 */
export function loadAxis(cell: Pick<Cell, "workload" | "scenario">): LoadAxis | null {
  const { plugin, written } = cell.workload;
  if ((plugin as WorkloadPlugin).conduct !== undefined) return null;
  const name = isOpenLoop(cell) ? RATE : QUEUE_DEPTH;
  const given = written[name];
  if (typeof given !== "number") return null;
  const around = name === RATE ? RATE_FACTORS.map((factor) => given * factor) : queueDepths(cell);
  const values = [...new Set([...around, given])].sort((a, b) => a - b)
    .filter((value) => plugin.options.safeParse({ ...written, [name]: value }).success);
  return { path: `workload.with.${name}`, given, values };
}

/** The powers of two that the ring can hold. */
function queueDepths({ scenario }: Pick<Cell, "scenario">): number[] {
  const entries = ringEntryCount(scenario.channel.ringOrder, ENTRY_BYTES);
  return Array.from({ length: Math.log2(entries) + 1 }, (_, exponent) => 2 ** exponent);
}

/** So many of the values, the given one first and then always the one that is farthest from all before; ascending. */
export function spreadOut({ values, given }: Pick<LoadAxis, "values" | "given">, count: number): number[] {
  const chosen = [given];
  const distance = (value: number): number => Math.min(...chosen.map((each) => Math.abs(Math.log(value / each))));
  while (chosen.length < Math.min(count, values.length)) {
    chosen.push(values.reduce((farthest, value) => distance(value) > distance(farthest) + 1e-9 ? value : farthest));
  }
  return chosen.sort((a, b) => a - b);
}

/** How long repetitions are, and at how many loads. */
export interface Lengths {
  /** Loads that are looked at. */
  readonly loads: number;
  /** Measured time of a repetition. */
  readonly durationNs: number;
}

/** How long it takes at least until policies can be left out, in nanoseconds: some rounds of all at all loads. */
export function screeningNs(
  { cells, warmupNs, durationNs }: { readonly cells: number; readonly warmupNs: number; readonly durationNs: number },
): number {
  return SCREENING_ROUNDS * cells * (LEAST_OVERHEAD_NS + warmupNs + durationNs);
}

/**
 * Divides the time: half of it for screening, the rest for the policies that are left. Repetitions measure for as long as
 * the scenario says, or shorter, down to 200 ms; where that is not enough, there are fewer loads. The warm-up stays as it
 * is, for policies that learn.
 *
 * @param loads most loads, if `fewer` may be looked at; else how many there are
 */
export function divideTime(
  { timeNs, policies, loads, fewer, warmupNs, durationNs }: {
    readonly timeNs: number;
    readonly policies: number;
    readonly loads: number;
    readonly fewer: boolean;
    readonly warmupNs: number;
    readonly durationNs: number;
  },
): Lengths {
  const least = Math.min(LEAST_DURATION_NS, durationNs);
  const share = (count: number): number => {
    return timeNs / 2 / (SCREENING_ROUNDS * policies * count) - OVERHEAD_NS - warmupNs;
  };
  let count = loads;
  while (fewer && count > 1 && share(count) < least) count--;
  const whole = Math.floor(share(count) / NS_PER_MS) * NS_PER_MS;
  return { loads: count, durationNs: Math.max(least, Math.min(durationNs, whole)) };
}
