/**
 * Runs a scenario: every repetition of every cell, one machine process after another.
 *
 * @module
 */

import { cpus } from "node:os";
import { messageOf } from "../errors.ts";
import type { Consent, WorkloadPlugin } from "../plugin.ts";
import type { Cell, ExpandedScenario } from "./cell.ts";
import { CellRun } from "./cell_run.ts";
import { missingConsent } from "./consent.ts";
import { ScenarioError } from "./diagnostics.ts";
import { judge } from "./expectation_result.ts";
import { runMachineProcess } from "./machine_process.ts";
import { neighbourOptions } from "./neighbour_options.ts";
import { permissionNeeds, planMachine, workloadNeeds } from "./plan.ts";
import { type CellResult, type Machine, type Result, RESULT_SCHEMA, type Sample } from "./result.ts";
import { toSample } from "./sample.ts";
import { encodeScenario } from "./scenario.ts";
import { turns } from "./turns.ts";

/** How a run goes. */
export interface RunOptions extends Partial<Consent> {
  /** A folder in which media may be made; each repetition's are removed after it. The system's own by default. */
  readonly scratchParent?: string;
  /** Ends the run early; what was measured until then is in the result. */
  readonly signal?: AbortSignal;
  /** Called before each repetition. */
  readonly onRepetition?: (progress: RunProgress) => void;
  /** Called with the result so far after each repetition, so that it can be saved. */
  readonly onUpdate?: (result: Result) => void | Promise<void>;
}

/** Where a run is. */
export interface RunProgress {
  /** The cell that runs next. */
  readonly cell: Cell;
  /** Which repetition of it, from 0. */
  readonly repetition: number;
  /** Repetitions of all cells that are over, and need not be measured anew. */
  readonly done: number;
  /** Repetitions of all cells; with `run.precision` as many as are known to be needed. */
  readonly total: number;
}

/**
 * Runs all cells. A cell that fails is reported in the result with its cause, and is not repeated; the others go on.
 *
 * @returns the result; `interrupted` says whether the signal ended it early
 * @throws {ScenarioError} when it would destroy what `allowDestructive` does not name, or run a program that
 * `allowCommands` does not; nothing was run then
 */
export async function runScenario(expanded: ExpandedScenario, options: RunOptions = {}): Promise<Result> {
  const { signal } = options;
  const refused = missingConsent(expanded, options);
  if (refused.length > 0) throw new ScenarioError(refused);
  const startedAt = new Date().toISOString();
  const runs = expanded.cells.map((cell) => new CellRun(cell, navigator.hardwareConcurrency));
  const result = (): Result => {
    return resultOf(expanded, runs.map((run) => run.result), startedAt, signal?.aborted ?? false);
  };

  for (const run of turns(runs, expanded.scenario.run)) {
    if (signal?.aborted) break;
    const repetition = run.next;
    options.onRepetition?.({ cell: run.cell, repetition, ...progressOf(runs) });
    try {
      const { sample, losses } = await measureRepetition(run, repetition, options);
      run.add(sample);
      if (losses.length > 0) run.error = losses.join("; ");
    } catch (thrown) {
      if (signal?.aborted) break;
      run.error = messageOf(thrown);
    }
    await options.onUpdate?.(result());
  }
  return result();
}

/** How much is done. What must be measured anew counts as not done. */
function progressOf(runs: readonly CellRun[]): Pick<RunProgress, "done" | "total"> {
  const left = runs.reduce((sum, { needed }) => sum + needed, 0);
  const total = runs.reduce((sum, run) => sum + Math.max(run.least, run.samples.length + run.needed), 0);
  return { done: total - left, total };
}

/** What a repetition measured, and why clients were lost in it; the others have gone on to its end then. */
export interface Measured {
  /** The sample. */
  readonly sample: Sample;
  /** Why clients were lost. */
  readonly losses: readonly string[];
}

/**
 * Measures one repetition of a cell, in a process of its own.
 *
 * @param notes takes what its devices have to say
 * @throws anything: why it failed, or that the signal ended it
 */
export async function measureRepetition(
  { cell, notes }: Pick<CellRun, "cell" | "notes">,
  repetition: number,
  options: RunOptions,
): Promise<Measured> {
  const { signal, scratchParent, allowDestructive = [], force = false, allowCommands = [] } = options;
  const { scenario, scenario: { run, affinity } } = cell;
  const results = await runMachineProcess({
    plan: planMachine(cell),
    window: { warmupNs: run.warmup, durationNs: run.duration, windows: run.windows },
    affinity,
    neighbours: neighbourOptions(scenario),
  }, {
    ...{ needs: permissionNeeds(cell), scratchParent, signal },
    consent: { allowDestructive, force, allowCommands },
    conductNs: workloadNeeds(cell).conductNs,
    onNote: (text) => notes.add(text),
  });
  return { sample: toSample(repetition, results), losses: results.losses };
}

/** The result document of what was measured. */
export function resultOf(
  expanded: ExpandedScenario,
  cells: readonly CellResult[],
  startedAt: string,
  interrupted: boolean,
): Result {
  const workloads = expanded.cells.map(({ workload }) => workload.plugin as WorkloadPlugin);
  return {
    schema: RESULT_SCHEMA,
    scenario: writtenScenario(expanded),
    startedAt,
    interrupted,
    machine: describeMachine(),
    figures: Object.assign({}, ...workloads.map((workload) => workload.figures ?? {})),
    cells,
    expectations: judge(expanded.expectations, cells),
  };
}

/** The scenario as one would write it, with every default. */
function writtenScenario({ scenario, cells }: ExpandedScenario): unknown {
  const [{ devices, workload, policy }] = cells;
  const use = ({ plugin, reference, written }: Cell["workload"]) => {
    return { use: reference ?? plugin.name, with: written };
  };
  const useDevice = ({ filters, ...device }: Cell["devices"][number]): unknown => {
    return { ...use(device), ...(filters.length === 0 ? {} : { filters: filters.map(use) }) };
  };
  return {
    ...encodeScenario(scenario),
    device: devices.length === 1 ? useDevice(devices[0]) : devices.map(useDevice),
    workload: use(workload),
    policy: { frontend: use(policy.frontend), backend: use(policy.backend) },
  };
}

function describeMachine(): Machine {
  const may = (kind: "cpus" | "osRelease"): boolean => {
    return Deno.permissions.querySync({ name: "sys", kind }).state === "granted";
  };
  return {
    cpuModel: may("cpus") ? cpus()[0]?.model ?? null : null,
    cores: navigator.hardwareConcurrency,
    kernel: may("osRelease") ? Deno.osRelease() : null,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
  };
}
