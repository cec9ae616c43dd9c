/**
 * What drivers in processes of their own cost, and how long they are missed when they are killed. Run it with
 * `deno task bench:processes [rounds]`.
 *
 * @module
 */

import { Hypervisor } from "../../core/hypervisor.ts";
import { untilFinished } from "../../core/phases.ts";
import { NO_CONSENT } from "../../core/plugin.ts";
import type { Cell } from "../../core/runner/cell.ts";
import { planMachine } from "../../core/runner/plan.ts";
import { benchCell, over, rounds, roundsAsked, show } from "./harness.ts";
import { descriptorCosts } from "./descriptors.ts";

const ROUNDS = roundsAsked(8);
/** How often each driver is killed. */
const KILLS = 40;
/** Work that goes on between a driver's first answer and its death, at least and at most, in ms. */
const LIFE_MS = [20, 120] as const;
/** How much longer where another driver is to stand by. */
const STANDBY_MS = 400;

const DRIVER = { "domains.driver.kind": "process" };
const BOTH = { ...DRIVER, "domains.application.kind": "process" };
const QD_8 = { "workload.with.queueDepth": "8" };
const KINDS = { worker: {}, driver: DRIVER, both: BOTH };
const LOADS = {
  "512 B, QD 1": { "device": "{ use: 'null' }", "workload.with.blockSize": "512B" },
  "512 B, QD 32": {
    "device": "{ use: 'null' }",
    "workload.with.blockSize": "512B",
    "workload.with.queueDepth": "32",
  },
  "16 KiB, QD 1": {},
  "16 KiB, QD 32": { "workload.with.queueDepth": "32" },
  "16 KiB, QD 1, interrupts": { policy: "{ use: interrupt }" },
  "16 KiB, QD 32, interrupts": { policy: "{ use: interrupt }", "workload.with.queueDepth": "32" },
} as const;

const cells: Record<string, Cell> = {
  monolithic: await benchCell({ ...QD_8, placement: "monolithic" }),
  isolated: await benchCell({ ...QD_8, ...BOTH }),
  ramdisk512: await benchCell({ "workload.with.blockSize": "512B", "workload.with.queueDepth": "32" }),
};
for (const [load, options] of Object.entries(LOADS)) {
  for (const [kind, domains] of Object.entries(KINDS)) {
    cells[`${load} ${kind}`] = await benchCell({ ...options, ...domains });
  }
}
const all = await rounds(ROUNDS, cells, () => Promise.resolve(descriptorCosts()));
type Round = typeof all[number];
const figure = (value: (round: Round) => number): string => show(over(all, value));
const ratio = (one: string, other: string): string => figure((round) => round[one].iops / round[other].iops);

console.log(`medians of ${ROUNDS} rounds; ${navigator.hardwareConcurrency} cores; fixed-spin spins 200us`);
console.log("1. domains in processes against workers (at least 0.97 where they spin):");
for (const load of Object.keys(LOADS)) {
  const workers = figure((round) => round[`${load} worker`].iops);
  console.log(
    `   ${load}: the driver ${ratio(`${load} driver`, `${load} worker`)}, ` +
      `both ${ratio(`${load} both`, `${load} worker`)} of ${workers} operations a second`,
  );
}
console.log(
  `2. ramdisk, 16 KiB rndrw, QD 8: isolated in processes ${
    ratio("isolated", "monolithic")
  } of monolithic (at least 0.97)`,
);
const share = (cell: string): string => figure((round) => (100 * round.fetchAndCheckNs * round[cell].iops) / 1e9);
console.log(
  `4. copying and checking a descriptor: ${figure(({ fetchNs }) => fetchNs)} + ` +
    `${figure(({ fetchAndCheckNs, fetchNs }) => fetchAndCheckNs - fetchNs)} ns, ${
      share("512 B, QD 32 worker")
    } % of a ` +
    `512 B operation at QD 32 of the null device, ${share("ramdisk512")} % of the ramdisk's (at most 5)`,
);
console.log(`3. from kill -9 to the first request answered by the next driver, ${KILLS} kills each, in ms:`);
await blackouts("permissions (p99 at most 150)", {});
await blackouts("strict (p99 at most 400)", { "domains.driver.sandbox": "strict" });
await blackouts("standby (p99 at most 10)", { "recovery.standby": "true" });
await blackouts("standby, strict", { "recovery.standby": "true", "domains.driver.sandbox": "strict" });

/** Kills the driver of a machine again and again, and prints how long it was missed. */
async function blackouts(title: string, overrides: Readonly<Record<string, string>>): Promise<void> {
  const cell = await benchCell({
    ...{ ...QD_8, ...BOTH, policy: "{ use: adaptive-spin }", "recovery.maxRestarts": `${KILLS}` },
    ...overrides,
  });
  const plan = planMachine(cell);
  const cpus = (name: string): number[] => name === "driver" ? [1] : [0];
  const domains = plan.domains.map((domain) => ({ ...domain, cpus: cpus(domain.name) }));
  const machine = new Hypervisor({ ...plan, domains }, { ...NO_CONSENT, scratchDirectory: null, note() {} });
  const pausesMs: number[] = [];
  await machine.run(async (phases) => {
    for (let kill = 0; kill < KILLS; kill++) {
      await delay(LIFE_MS[0] + Math.random() * (LIFE_MS[1] - LIFE_MS[0]));
      const driver = machine.domain("driver");
      // A standby is made while its predecessor is at work; killed sooner, that is missed for as long as without one.
      if (cell.scenario.recovery.standby) await delay(STANDBY_MS);
      const killedAtMs = performance.timeOrigin + performance.now();
      Deno.kill(driver.processId as number, "SIGKILL");
      while (driver.restarts.length === kill || driver.restarts[kill].resumedAtMs === null) await delay(1);
      pausesMs.push(driver.restarts[kill].resumedAtMs as number - killedAtMs);
    }
    machine.requestFinish();
    await untilFinished(phases);
  });
  pausesMs.sort((a, b) => a - b);
  const at = (fraction: number): string => show(pausesMs[Math.ceil(fraction * KILLS) - 1]);
  console.log(`   ${title}: p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}`);
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
