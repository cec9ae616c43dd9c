/**
 * What isolation costs, in ratios: every round measures all of it once, one after another, so that a disturbance of the
 * machine meets what is compared alike. Each figure is the median over the rounds of the round's own ratio.
 *
 * Run it with `deno task bench [rounds]`.
 */

import { median } from "simple-statistics";
import type { DomainSample } from "../../core/domain/domain.ts";
import { type Cell, expandScenario } from "../../core/runner/expand.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import { runMachineProcess } from "../../core/runner/machine_process.ts";
import { APPLICATION, DRIVER, permissionNeeds, planMachine } from "../../core/runner/plan.ts";
import { builtins } from "../../plugins/mod.ts";
import { bareRoundTripNs } from "./bare_round_trip.ts";

const ROUNDS = Number(Deno.args[0] ?? 15);
/** The bare round trip for which the target of figure 4 is given. */
const REFERENCE_ROUND_TRIP_NS = 110;

interface Measurement {
  readonly iops: number;
  readonly application: DomainSample;
  readonly driver: DomainSample | undefined;
}

async function cell(overrides: Record<string, string>): Promise<Cell> {
  const text = `
apiVersion: iddr/v1
kind: Scenario
name: bench
device: { use: ramdisk, with: { size: 256MiB } }
policy: { use: fixed-spin, with: { spin: 200us } }
workload: { use: sysbench-fileio, with: { mode: rndrw, blockSize: 16KiB, queueDepth: 1 } }
run: { warmup: 500ms, duration: 500ms }
`;
  const set = Object.entries(overrides).map(([path, value]) => ({ path, value }));
  return (await expandScenario(ScenarioDocument.parse("bench", text, set), builtins)).cells[0];
}

async function measure(cell: Cell, v8Flags: readonly string[] = []): Promise<Measurement> {
  const samples = await runMachineProcess(
    {
      plan: planMachine(cell),
      window: { warmupNs: cell.scenario.run.warmup, durationNs: cell.scenario.run.duration },
      affinity: cell.scenario.affinity,
    },
    { needs: permissionNeeds(cell), v8Flags },
  );
  const application = samples[APPLICATION];
  const operations = application.operations?.operations ?? 0;
  return { iops: operations / (application.durationNs / 1e9), application, driver: samples[DRIVER] };
}

const NULL_512 = { "device": "{ use: 'null' }", "workload.with.blockSize": "512B" };
const cells = {
  null1: await cell(NULL_512),
  null32: await cell({ ...NULL_512, "workload.with.queueDepth": "32" }),
  isolated8: await cell({ "workload.with.queueDepth": "8" }),
  monolithic8: await cell({ "workload.with.queueDepth": "8", "placement": "monolithic" }),
  interrupt: await cell({ policy: "{ use: interrupt }" }),
  fixed: await cell({}),
  adaptive: await cell({ policy: "{ use: adaptive-spin }" }),
};

type Round = Record<keyof typeof cells, Measurement> & { bareNs: number };
const rounds: Round[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const measured: Partial<Round> = { bareNs: await bareRoundTripNs() };
  for (const name of Object.keys(cells) as (keyof typeof cells)[]) measured[name] = await measure(cells[name]);
  rounds.push(measured as Round);
  console.error(`round ${round + 1} of ${ROUNDS}`);
}
const over = (value: (round: Round) => number): number => median(rounds.map(value));
const p50 = ({ application }: Measurement): number => application.operations?.latencyNs?.p50 ?? NaN;
/** CPU time over wall time of the thread that runs the device. What is missing, it slept or was preempted. */
const cpuShare = ({ application, driver }: Measurement): number => {
  const busiest = driver ?? application;
  return (busiest.cpuNs ?? NaN) / busiest.durationNs;
};
const show = (value: number): string => value.toPrecision(3);

console.log(
  `medians of ${ROUNDS} rounds; ${navigator.hardwareConcurrency} cores, domains pinned to one each; fixed-spin spins ` +
    "200us",
);
console.log(`bare round trip: ${show(over(({ bareNs }) => bareNs))} ns`);
console.log(
  `1. null device, 512 B, QD 1, spinning: ${show(over(({ null1 }) => 1e9 / null1.iops))} ns an operation, ` +
    `${show(over(({ null1, bareNs }) => 1e9 / null1.iops / bareNs))}× the bare round trip (at most 4, goal 3)`,
);
console.log(
  `2. ramdisk, 16 KiB rndrw, QD 8, spinning: isolated ${show(over(({ isolated8 }) => isolated8.iops))} IOPS, ` +
    `${show(over(({ isolated8, monolithic8 }) => isolated8.iops / monolithic8.iops))} of monolithic (at least 0.97)`,
);
console.log(
  `   the same by median latency: ${show(over(({ isolated8, monolithic8 }) => p50(monolithic8) / p50(isolated8)))}; ` +
    `CPU time over wall time: driver ${show(over(({ isolated8 }) => cpuShare(isolated8)))}, ` +
    `monolithic thread ${show(over(({ monolithic8 }) => cpuShare(monolithic8)))}`,
);
console.log(
  `3. ramdisk, 16 KiB rndrw, QD 1: fixed-spin ${
    show(over(({ fixed, interrupt }) => fixed.iops / interrupt.iops))
  }× interrupt ` +
    `(at least 10), adaptive-spin ${
      show(over(({ adaptive, fixed }) => adaptive.iops / fixed.iops))
    }× fixed-spin (at least 0.95)`,
);
const scaled = over(({ null32, bareNs }) => null32.iops * (bareNs / REFERENCE_ROUND_TRIP_NS));
console.log(
  `4. null device, 512 B, QD 32: ${show(over(({ null32 }) => null32.iops / 1e6))} million operations a second, ` +
    `${show(scaled / 1e6)} scaled to a round trip of ${REFERENCE_ROUND_TRIP_NS} ns (at least 2)`,
);

// With a young generation larger than all garbage there is no collection, so growth is everything that was allocated.
const noCollection = ["--min-semi-space-size=256", "--max-semi-space-size=256"];
for (const name of ["null1", "null32", "isolated8"] as const) {
  const { application, driver } = await measure(cells[name], noCollection);
  const operations = application.operations?.operations ?? 0;
  const grown = (sample: DomainSample | undefined): string => {
    return `${Math.round(((sample?.heapGrowthBytes ?? 0) / operations) * (1e6 / 1024))} KiB`;
  };
  console.log(
    `5. heap growth for a million requests, ${name}: application ${grown(application)}, driver ${grown(driver)} ` +
      `(less than 1 MiB; ${operations} requests measured, no collection)`,
  );
}
