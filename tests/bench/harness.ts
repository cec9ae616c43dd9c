/**
 * What the benchmarks share. Every round measures all cells once, one after another, so that a disturbance of the
 * machine meets what is compared alike; a figure is the median over the rounds of each round's own ratio.
 *
 * @module
 */

import type { Cell } from "../../core/runner/cell.ts";
import { expandScenario } from "../../core/runner/expand.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import { runMachineProcess, type WantedJob } from "../../core/runner/machine_process.ts";
import { permissionNeeds, planMachine } from "../../core/runner/plan.ts";
import type { Sample } from "../../core/runner/result.ts";
import { toSample } from "../../core/runner/sample.ts";
import { median } from "../../core/runner/summary.ts";
import { builtins } from "../../plugins/mod.ts";

const BASE = `
apiVersion: iddr/v1
kind: Scenario
name: bench
device: { use: ramdisk, with: { size: 256MiB } }
policy: { use: fixed-spin, with: { spin: 200us } }
workload: { use: sysbench-fileio, with: { mode: rndrw, blockSize: 16KiB, queueDepth: 1 } }
run: { warmup: 500ms, duration: 500ms }
`;

/** The options of a run that has no collections of garbage: what the heap grows by is all that was allocated. */
export const NO_COLLECTION = ["--min-semi-space-size=256", "--max-semi-space-size=256"];

/** One measurement. */
export interface Measurement extends Sample {
  /** By how much each domain's heap grew in the window, in bytes. */
  readonly heapGrowthBytes: { readonly application: number; readonly driver: number };
}

/** The cell that differs from the base as told: paths and YAML values. */
export async function benchCell(overrides: Readonly<Record<string, string>> = {}): Promise<Cell> {
  const set = Object.entries(overrides).map(([path, value]) => ({ path, value }));
  return (await expandScenario(ScenarioDocument.parse("bench", BASE, set), builtins)).cells[0];
}

/** What is changed of a job before it is run. */
export type ChangeJob = (job: WantedJob) => WantedJob;

/** Measures a cell once, in a process of its own. */
export async function measure(
  cell: Cell,
  v8Flags: readonly string[] = [],
  change: ChangeJob = (job) => job,
): Promise<Measurement> {
  const { run, affinity } = cell.scenario;
  const scratchParent = await Deno.makeTempDir();
  try {
    const results = await runMachineProcess(
      change({
        plan: planMachine(cell),
        window: { warmupNs: run.warmup, durationNs: run.duration, windows: run.windows },
        affinity,
      }),
      { needs: permissionNeeds(cell), v8Flags, scratchParent },
    );
    const grown = (isDriver: boolean): number => {
      return Object.values(results.domains).map(({ sample }) => sample)
        .filter(({ operations }) => (operations === null) === isDriver)
        .reduce((total, { heapGrowthBytes }) => total + heapGrowthBytes, 0);
    };
    return { ...toSample(0, results), heapGrowthBytes: { application: grown(false), driver: grown(true) } };
  } finally {
    await Deno.remove(scratchParent, { recursive: true });
  }
}

/** Measures all cells so many times, in turn. `extra` is measured in each round too. */
export async function rounds<Name extends string, Extra>(
  count: number,
  cells: Readonly<Record<Name, Cell>>,
  extra: () => Promise<Extra>,
): Promise<(Record<Name, Measurement> & Extra)[]> {
  const all: (Record<Name, Measurement> & Extra)[] = [];
  for (let round = 1; round <= count; round++) {
    const measured: Partial<Record<Name, Measurement>> = {};
    for (const name of Object.keys(cells) as Name[]) measured[name] = await measure(cells[name]);
    all.push({ ...measured as Record<Name, Measurement>, ...await extra() });
    console.error(`round ${round} of ${count}`);
  }
  return all;
}

/** The median over rounds. */
export function over<Round>(all: readonly Round[], value: (round: Round) => number): number {
  return median(all.map(value));
}

/** Three digits. */
export function show(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(3);
}

/** How many rounds the command line asks for. */
export function roundsAsked(usual: number): number {
  return Number(Deno.args[0] ?? usual);
}
