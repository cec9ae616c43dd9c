/**
 * Runs what is needed to say which policy is best.
 *
 * @module
 */

import { messageOf } from "../../errors.ts";
import type { Cell } from "../cell.ts";
import { CellRun } from "../cell_run.ts";
import { missingConsent } from "../consent.ts";
import { ScenarioError } from "../diagnostics.ts";
import { repeated } from "../metrics.ts";
import type { Result, Sample } from "../result.ts";
import { measureRepetition, resultOf, type RunOptions } from "../run.ts";
import { type Advice, adviceOf, loadAdvice } from "./advice.ts";
import { type LoadTrials, nextTrial, standingsOf } from "./elimination.ts";
import { isOpenLoop, OVERHEAD_NS } from "./load_axis.ts";
import type { Observation } from "./objective.ts";
import type { Prepared, Question } from "./prepare.ts";

/** Where it is. */
export interface AdviseProgress {
  /** The cell that runs next. */
  readonly cell: Cell;
  /** Repetitions that are over. */
  readonly done: number;
  /** Time that is left at most, in nanoseconds. */
  readonly leftNs: number;
  /** At the cell's load: policies that can still be the best. */
  readonly contenders: number;
}

/** How it goes. */
export interface AdviseOptions extends Omit<RunOptions, "onRepetition"> {
  /** Called before each repetition. */
  readonly onTrial?: (progress: AdviseProgress) => void;
  /** Measures one repetition of a cell; {@link measureRepetition} by default. */
  readonly measure?: typeof measureRepetition;
  /** The time in milliseconds; `performance.now` by default. */
  readonly now?: () => number;
}

/** The answer, and what it rests on. */
export interface Advised {
  /** The answer. */
  readonly advice: Advice;
  /** What was measured, as a run would have it; null when nothing was. */
  readonly result: Result | null;
}

/**
 * Measures until it is known which policy is best at each load, or the time is over. A policy that fails at a load is left
 * out there.
 *
 * @returns the answer, whatever is known when the signal ends it
 * @throws {ScenarioError} when it takes consent that was not given; nothing was run then
 */
export async function advise(
  { expanded, axis, loads }: Prepared,
  { cpuPrice, timeNs }: Pick<Question, "cpuPrice" | "timeNs">,
  options: AdviseOptions = {},
): Promise<Advised> {
  const { signal, onTrial, onUpdate, now = () => performance.now(), measure = measureRepetition } = options;
  const refused = missingConsent(expanded, options);
  if (refused.length > 0) throw new ScenarioError(refused);
  const { warmup, duration, seed } = expanded.scenario.run;
  const runs = loads.map(({ cells }) => cells.map((cell) => new CellRun(cell, navigator.hardwareConcurrency)));
  const trials = (): LoadTrials[] => {
    return loads.map(({ asked, cells }, load) => ({
      asked,
      openLoop: isOpenLoop(cells[0]),
      arms: runs[load].map(armOf),
    }));
  };
  const startedAt = new Date().toISOString();
  const startedMs = now();
  const elapsedNs = (): number => Math.round((now() - startedMs) * 1e6);
  const result = (): Result => {
    return resultOf(expanded, runs.flat().map((run) => run.result), startedAt, signal?.aborted ?? false);
  };

  let ended: Advice["ended"] = "decided";
  let longestNs = warmup + duration + OVERHEAD_NS;
  let measuredAny = false;
  for (let done = 0;; done++) {
    const next = nextTrial(trials(), cpuPrice, seed);
    if (signal?.aborted) ended = "interrupted";
    else if (next === undefined) ended = allKnown(trials(), cpuPrice) ? "decided" : "exhausted";
    else if (elapsedNs() + longestNs > timeNs) ended = "time";
    if (ended !== "decided" || next === undefined) break;
    const run = runs[next.load][next.arm];
    const { contenders } = standingsOf(trials()[next.load], cpuPrice);
    const beganNs = elapsedNs();
    onTrial?.({ cell: run.cell, done, leftNs: timeNs - beganNs, contenders: contenders.length });
    try {
      const { sample, losses } = await measure(run, run.next, options);
      // Where the host took the cores, it is thrown away and this is the next trial again.
      run.add(sample);
      if (losses.length > 0) run.error = losses.join("; ");
      const tookNs = elapsedNs() - beganNs;
      longestNs = measuredAny ? Math.max(longestNs, tookNs) : tookNs;
      measuredAny = true;
    } catch (thrown) {
      // A failure may have taken a time limit, so its time tells nothing of the others'.
      if (signal?.aborted) continue;
      run.error = messageOf(thrown);
    }
    await onUpdate?.(result());
  }
  const answered = trials().map((each, load) => loadAdvice(each, loads[load].labels, cpuPrice));
  const advice = adviceOf(answered, {
    scenario: expanded.scenario.name,
    ...{ cpuPrice, axis: axis?.path ?? null, ended, elapsedNs: elapsedNs() },
    ...{ warmupNs: warmup, durationNs: duration },
  });
  const anything = runs.flat().some(({ samples, error }) => samples.length > 0 || error !== undefined);
  return { advice, result: anything ? result() : null };
}

function allKnown(trials: readonly LoadTrials[], cpuPrice: number): boolean {
  return trials.every((load) => standingsOf(load, cpuPrice).resolved);
}

function armOf({ cell, samples, error }: CellRun): LoadTrials["arms"][number] {
  return { policy: cell.labels.policy, observations: samples.map(observationOf), failure: error ?? null };
}

/** What of a sample the objective needs. */
export function observationOf(sample: Sample): Observation {
  const value = (name: "latencyP99Ns" | "cpuCores"): number | null => repeated([sample], name)?.[0].value ?? null;
  const { offered, unsubmitted } = sample.counters;
  const unsubmittedShare = offered > 0 ? unsubmitted / offered : undefined;
  return { iops: sample.iops, p99Ns: value("latencyP99Ns"), cores: value("cpuCores"), unsubmittedShare };
}
