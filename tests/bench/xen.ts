/**
 * Whether this split driver matches Xen's: ours beside a pair of ends in C over Xen's own headers, which do the same work
 * for each request (`tests/xen`). Run it with `deno task bench:xen [rounds]`; it needs a C compiler and libxen-dev.
 *
 * The pair in C answers as Linux's xen-blkback does, which publishes each answer by itself; for comparison it also runs
 * with answers published in two halves, as `core/backend.ts` does. All run on the same two cores: the application on the first, the driver on the second. What is compared is
 * measured one after the other, in every round anew.
 *
 * @module
 */

import { Hypervisor } from "../../core/hypervisor.ts";
import { allowedCpus } from "../../core/measure/thread.ts";
import { timedWindow } from "../../core/phases.ts";
import { NO_CONSENT } from "../../core/plugin.ts";
import type { Cell } from "../../core/runner/cell.ts";
import { permissionNeeds, planMachine } from "../../core/runner/plan.ts";
import { compile, refusal, runProgram, type Settings } from "../xen/program.ts";
import { benchCell, measure, over, roundsAsked, show } from "./harness.ts";

const ROUNDS = roundsAsked(12);
const MIB = 2 ** 20;
const SPIN_NS = 200_000;

const missing = refusal();
if (missing !== null) {
  console.error(missing);
  Deno.exit(2);
}
const cpus = allowedCpus();
if (cpus === null || cpus.length < 2) {
  console.error("two cores are needed, one for each end");
  Deno.exit(2);
}
const [front_cpu, back_cpu] = cpus;

/** What is compared. */
interface Comparison {
  readonly title: string;
  readonly target: number;
  readonly ours: Cell;
  /** Whether both domains are processes, else workers. */
  readonly processes: boolean;
  /** The pair in C, as it is to be. */
  readonly pair: Settings;
}

/** What a pair in C prints. */
interface PairOutcome {
  readonly iops: number;
}

/** How both sides of a comparison wait, and in what their domains run. */
interface Manner {
  readonly spins: boolean;
  readonly processes: boolean;
}

const SPINNING: Manner = { spins: true, processes: false };
const INTERRUPTS: Manner = { spins: false, processes: false };
const BETWEEN_PROCESSES: Manner = { spins: false, processes: true };

/** A device and the blocks that are read and written, for us and for the pair in C. */
interface Work {
  readonly title: string;
  readonly ours: Readonly<Record<string, string>>;
  readonly pair: Settings;
}

const NULL_DEVICE: Work = {
  title: "null device, 512 B",
  ours: { device: "{ use: 'null' }", "workload.with.blockSize": "512B" },
  pair: { null: 1, disk_bytes: 1024 * MIB, block_bytes: 512, slot_bytes: 512 },
};
const RAMDISK: Work = {
  title: "ramdisk, 16 KiB rndrw",
  ours: {},
  pair: { disk_bytes: 256 * MIB, block_bytes: 16384, slot_bytes: 16384 },
};

async function comparison(work: Work, depth: number, manner: Manner, target: number): Promise<Comparison> {
  const { spins, processes } = manner;
  const ours = {
    ...{ "workload.with.fsyncFreq": "0", "workload.with.fsyncEnd": "false" },
    ...{ "workload.with.queueDepth": String(depth), ...work.ours },
    ...spins ? {} : { policy: "{ use: interrupt }" },
  };
  // Threads of the pair sleep as `Atomics.wait` does, processes on eventfds as ours.
  const sleep = { processes: processes ? 1 : 0, futex: processes ? 0 : 1 };
  return {
    title: `${work.title}, QD ${depth}, ${spins ? "spinning" : "interrupts"}${processes ? " between processes" : ""}`,
    target,
    ours: await benchCell(ours),
    processes,
    pair: { ...sleep, ...work.pair, spin_ns: spins ? SPIN_NS : 0, slots: depth },
  };
}

const comparisons: readonly Comparison[] = [
  await comparison(NULL_DEVICE, 32, SPINNING, 0.5),
  await comparison(RAMDISK, 1, SPINNING, 0.95),
  await comparison(RAMDISK, 8, SPINNING, 0.95),
  await comparison(RAMDISK, 32, SPINNING, 0.95),
  await comparison(RAMDISK, 1, INTERRUPTS, 0.9),
  await comparison(RAMDISK, 32, INTERRUPTS, 0.9),
  await comparison(RAMDISK, 1, BETWEEN_PROCESSES, 0.9),
  await comparison(RAMDISK, 32, BETWEEN_PROCESSES, 0.9),
];

/** Operations a second of a cell whose domains are processes, in a machine whose hypervisor is in this process. */
async function measureProcesses(cell: Cell): Promise<number> {
  const plan = planMachine(cell);
  const needs = permissionNeeds(cell);
  const domains = plan.domains.map((domain) => {
    return { ...domain, kind: "process" as const, needs, cpus: [domain.workload === undefined ? back_cpu : front_cpu] };
  });
  const context = { ...NO_CONSENT, scratchDirectory: null, note: () => {} };
  const { warmup, duration } = cell.scenario.run;
  const results = await new Hypervisor({ ...plan, domains }, context)
    .run(timedWindow({ warmupNs: warmup, durationNs: duration }));
  const { sample } = results.get("application") ?? {};
  return (sample?.operations?.operations ?? NaN) / ((sample?.durationNs ?? NaN) / 1e9);
}

/** Operations a second: of ours, of the pair in C, and of that when it publishes answers in two halves, as we do. */
interface Round {
  readonly ours: number;
  readonly pair: number;
  readonly halving: number;
}

const folder = Deno.makeTempDirSync();
const all: Round[][] = comparisons.map(() => []);
try {
  const program = compile(folder);
  const byC = async (pair: Settings, publish_each: number): Promise<number> => {
    const window = { warm_up_ms: 500, duration_ms: 500, seed: 42 };
    return (await runProgram<PairOutcome>(program, "both", { ...pair, ...window, front_cpu, back_cpu, publish_each }))
      .iops;
  };
  for (let round = 1; round <= ROUNDS; round++) {
    for (const [index, { ours, processes, pair }] of comparisons.entries()) {
      all[index].push({
        pair: await byC(pair, 1),
        ours: processes ? await measureProcesses(ours) : (await measure(ours)).iops,
        halving: await byC(pair, 0),
      });
    }
    console.error(`round ${round} of ${ROUNDS}`);
  }
} finally {
  Deno.removeSync(folder, { recursive: true });
}

console.log(`medians of ${ROUNDS} rounds; ${navigator.hardwareConcurrency} cores; who spins does so for 200us`);
for (const [index, { title, target }] of comparisons.entries()) {
  const figure = (value: (round: Round) => number): string => show(over(all[index], value));
  console.log(
    `${index + 1}. ${title}: ${figure(({ ours }) => ours)} IOPS, ${figure(({ pair }) => pair)} by the pair in C: ` +
      `${figure(({ ours, pair }) => ours / pair)} of it (at least ${target}); ` +
      `${figure(({ ours, halving }) => ours / halving)} of one that publishes answers in halves`,
  );
}
