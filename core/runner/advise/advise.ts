/**
 * Runs what is needed to say which policy is best.
 *
 * @module
 */

import { messageOf } from "../../errors.ts";
import type { WorkloadPlugin } from "../../plugin.ts";
import type { Cell } from "../cell.ts";
import { missingConsent } from "../consent.ts";
import { ScenarioError } from "../diagnostics.ts";
import { repeated } from "../metrics.ts";
import type { CellResult, Result, Sample, Summary } from "../result.ts";
import { type RunOptions, runScenario } from "../run.ts";
import { summarise } from "../summary.ts";
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
  /** Measures one repetition of a cell; by default {@link runScenario} does. */
  readonly measure?: (cell: Cell) => Promise<Result>;
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

interface CellState {
  readonly cell: Cell;
  readonly samples: Sample[];
  readonly notes: Set<string>;
  error?: string;
  /** What the samples say together; made anew when there is another. */
  summary?: Summary;
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
  const { signal, onTrial, onUpdate, now = () => performance.now(), ...running } = options;
  const refused = missingConsent(expanded, options);
  if (refused.length > 0) throw new ScenarioError(refused);
  const { measure = (cell) => runScenario({ ...expanded, cells: [cell], expectations: [] }, { ...running, signal }) } =
    options;
  const { warmup, duration, seed } = expanded.scenario.run;
  const states = loads.map(({ cells }) => {
    return cells.map((cell): CellState => ({ cell, samples: [], notes: new Set() }));
  });
  const trials = (): LoadTrials[] => {
    return loads.map(({ asked }, load) => ({
      asked,
      openLoop: isOpenLoop(loads[load].cells[0]),
      arms: armsOf(states[load]),
    }));
  };
  const startedMs = now();
  const elapsedNs = (): number => Math.round((now() - startedMs) * 1e6);
  let first: Result | null = null;
  const result = (): Result | null => {
    const interrupted = signal?.aborted ?? false;
    return first === null ? null : { ...first, interrupted, ...figuresOf(expanded.cells), cells: cellResults(states) };
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
    const state = states[next.load][next.arm];
    const { contenders } = standingsOf(trials()[next.load], cpuPrice);
    const leftNs = timeNs - elapsedNs();
    onTrial?.({ cell: state.cell, done, leftNs, contenders: contenders.length });
    const beganNs = elapsedNs();
    let of: Result;
    try {
      of = await measure(state.cell);
    } catch (thrown) {
      state.error = messageOf(thrown);
      continue;
    }
    if (signal?.aborted) continue;
    first ??= of;
    take(state, of.cells[0]);
    const tookNs = elapsedNs() - beganNs;
    // A failure may have taken a time limit.
    if (state.error === undefined) longestNs = measuredAny ? Math.max(longestNs, tookNs) : tookNs;
    measuredAny ||= state.error === undefined;
    await onUpdate?.(result() as Result);
  }
  const answered = trials().map((each, load) => loadAdvice(each, loads[load].labels, cpuPrice));
  const advice = adviceOf(answered, {
    scenario: expanded.scenario.name,
    ...{ cpuPrice, axis: axis?.path ?? null, ended, elapsedNs: elapsedNs() },
    ...{ warmupNs: warmup, durationNs: duration },
  });
  return { advice, result: result() };
}

function allKnown(trials: readonly LoadTrials[], cpuPrice: number): boolean {
  return trials.every((load) => standingsOf(load, cpuPrice).resolved);
}

function take(state: CellState, { samples, notes, error }: CellResult): void {
  for (const note of notes) state.notes.add(note);
  if (error !== undefined) state.error = error;
  state.summary = undefined;
  for (const sample of samples) state.samples.push({ ...sample, repetition: state.samples.length });
}

function armsOf(states: readonly CellState[]): LoadTrials["arms"] {
  return states.map(({ cell, samples, error }) => {
    return { policy: cell.labels.policy, observations: samples.map(observationOf), failure: error ?? null };
  });
}

/** What of a sample the objective needs. */
export function observationOf(sample: Sample): Observation {
  const value = (name: "latencyP99Ns" | "cpuCores"): number | null => repeated([sample], name)?.[0].value ?? null;
  return { iops: sample.iops, p99Ns: value("latencyP99Ns"), cores: value("cpuCores") };
}

function figuresOf(cells: readonly Cell[]): Pick<Result, "figures"> {
  const workloads = cells.map(({ workload }) => workload.plugin as WorkloadPlugin);
  return { figures: Object.assign({}, ...workloads.map((workload) => workload.figures ?? {})) };
}

function cellResults(states: readonly (readonly CellState[])[]): CellResult[] {
  return states.flat().map((state) => {
    const { cell: { id, labels }, samples, notes, error } = state;
    state.summary ??= summarise(samples);
    return {
      ...{ id, labels, ...(error === undefined ? {} : { error }), notes: [...notes] },
      status: error !== undefined ? "failed" : samples.length === 0 ? "pending" : "ok",
      ...{ samples: [...samples], summary: state.summary },
    };
  });
}
