// Busy neighbours: from what a scenario says to threads that take core time from the domains.
import assert from "node:assert/strict";
import fc from "fast-check";
import type { MachinePlan } from "../../core/domain/plan.ts";
import { allowedCpus } from "../../core/measure/thread.ts";
import { planNeighbours, withCpus } from "../../core/runner/cores.ts";
import { expandScenario } from "../../core/runner/expand.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import { runMachineProcess } from "../../core/runner/machine_process.ts";
import { neighbourOptions } from "../../core/runner/neighbour_options.ts";
import { permissionNeeds, planMachine } from "../../core/runner/plan.ts";
import { toSample } from "../../core/runner/sample.ts";
import { builtins } from "../../plugins/mod.ts";
import { testUnless } from "../helpers/test_unless.ts";

const cpus = allowedCpus(); // Opens the C library for good, before a sanitizer counts what a test opens.
const noFfi = cpus === null ? "without FFI no thread can be pinned" : null;

async function cellsOf(parts: Record<string, unknown>) {
  const scenario = {
    ...{ apiVersion: "iddr/v1", kind: "Scenario", name: "test" },
    device: { use: "ramdisk", with: { size: "1MiB" } },
    policy: { use: "interrupt" },
    workload: { use: "idle" },
    ...parts,
  };
  return (await expandScenario(ScenarioDocument.parse("test.yaml", JSON.stringify(scenario), []), builtins)).cells;
}

/** Runs the one cell of a scenario. */
async function run(parts: Record<string, unknown>) {
  const [cell] = await cellsOf(parts);
  const { affinity } = cell.scenario;
  const window = { warmupNs: 10e6, durationNs: 200e6 };
  const results = await runMachineProcess(
    { plan: planMachine(cell), window, affinity, neighbours: neighbourOptions(cell.scenario) },
    { needs: permissionNeeds(cell) },
  );
  return toSample(0, results);
}

/** A plan with so many drivers and application threads. */
function planOf(drivers: number, threads: number): MachinePlan {
  const domain = { kind: "worker", cpus: [], policy: { url: "", options: {} } } as const;
  const workload = { url: "", options: {}, slots: { count: 1, bytes: 512 }, thread: 0, threads: 1 };
  return {
    domains: [
      ...Array.from({ length: threads }, (_, index) => ({ ...domain, name: `application-${index}`, workload })),
      ...Array.from({ length: drivers }, (_, index) => ({ ...domain, name: `driver-${index}` })),
    ],
    ...{ devices: [], links: [], seed: 1, hangTimeoutNs: 1e9 },
  };
}

Deno.test("the first neighbour is on the driver's core, the next on the application's, and so on in turn", () => {
  const plan = withCpus(planOf(1, 1), "spread", [4, 5, 6]);
  const coresOf = (given: Parameters<typeof neighbourOptions>[0]["neighbours"]): readonly number[][] => {
    return planNeighbours(neighbourOptions({ neighbours: given }), plan, [4, 5, 6]).map(({ cpus }) => [...cpus]);
  };
  assert.deepEqual(plan.domains.map((domain) => domain.cpus), [[4], [5]]);
  assert.deepEqual(coresOf(0), []);
  assert.deepEqual(coresOf(3), [[5], [4], [5]]);
  assert.deepEqual(coresOf({ count: 2, cpus: "driver", duty: 1 }), [[5], [5]]);
  assert.deepEqual(coresOf({ count: 1, cpus: "application", duty: 1 }), [[4]]);
  assert.deepEqual(coresOf({ count: 3, cpus: [6, 4], duty: 1 }), [[6], [4], [6]]);
  assert.deepEqual(coresOf({ count: 2, cpus: "none", duty: 1 }), [[], []]);
});

Deno.test("neighbours are on cores of the domains beside which they are to be, each on one", () => {
  const counts = fc.integer({ min: 1, max: 5 });
  const cores = fc.uniqueArray(fc.nat(63), { minLength: 1, maxLength: 8 });
  const affinity = fc.constantFrom("spread" as const, "same" as const);
  fc.assert(fc.property(fc.nat(3), counts, counts, cores, affinity, (drivers, threads, count, allowed, how) => {
    const plan = withCpus(planOf(drivers, threads), how, allowed);
    const used = (driving: boolean): number[] => {
      return plan.domains.filter(({ workload }) => (workload === undefined) === driving).flatMap((each) => each.cpus);
    };
    const found = (where: "spread" | "driver" | "application"): number[] => {
      const planned = planNeighbours({ count, cpus: where, duty: 1 }, plan, allowed);
      assert(planned.length === count && planned.every((each) => each.cpus.length === 1));
      return planned.map((each) => each.cpus[0]);
    };
    const beside = drivers === 0 ? used(false) : used(true);
    assert(found("driver").every((cpu) => beside.includes(cpu)));
    assert(found("application").every((cpu) => used(false).includes(cpu)));
    const spread = found("spread");
    assert(beside.includes(spread[0]) && spread.every((cpu) => [...used(true), ...used(false)].includes(cpu)));
    // No core has two before each has one.
    assert.equal(new Set(spread).size, Math.min(count, new Set([...used(true), ...used(false)]).size));
  }));
});

Deno.test("where domains are confined to no core, neither are their neighbours; but listed cores must be had", () => {
  const anywhere = planNeighbours(neighbourOptions({ neighbours: 2 }), withCpus(planOf(1, 1), "none", [0, 1]), [0, 1]);
  assert.deepEqual(anywhere.map((each) => each.cpus), [[], []]);
  const listed = { count: 1, cpus: [7], duty: 1 };
  assert.throws(() => planNeighbours(listed, planOf(1, 1), [0, 1]), {
    name: "DomainError",
    message: "neighbours.cpus lists the cores 7, on which this process may not run; allowed are 0, 1",
  });
  assert.throws(() => planNeighbours(listed, planOf(1, 1), null), /neighbours\.cpus lists cores, .*allow --allow-ffi/);
});

Deno.test("a matrix of neighbours has their number as label, with what is not as by default; each is another cell", async () => {
  const neighbours = [0, 1, { count: 2 }, { duty: 0.5 }, { count: 2, cpus: "driver" }, { cpus: [0, 3], duty: 0.1 }];
  const cells = await cellsOf({ matrix: { neighbours } });
  assert.deepEqual(cells.map(({ labels }) => labels.neighbours), [
    ...["0", "1", "2", "1(duty=0.5)", "2(cpus=driver)", "1(cpus=[0, 3], duty=0.1)"],
  ]);
  assert.equal(new Set(cells.map(({ id }) => id)).size, neighbours.length);
  const [without] = await cellsOf({});
  assert.equal(without.id, cells[0].id);
  const [short, long] = await cellsOf({ matrix: { neighbours: [2, { count: 2, duty: 1 }] } });
  assert.equal(short.id, long.id, "the short form says the same");
});

Deno.test("neighbours that cannot be are mistakes with their place", async () => {
  for (
    const [neighbours, message] of [
      [-1, /neighbours/],
      [65, /neighbours/],
      [{ count: 0 }, /neighbours/],
      [{ duty: 0 }, /neighbours/],
      [{ duty: 1.5 }, /neighbours/],
      [{ cpus: "same" }, /neighbours/],
      [{ nice: 3 }, /neighbours/],
    ] as const
  ) {
    await assert.rejects(cellsOf({ neighbours }), message, JSON.stringify(neighbours));
  }
});

testUnless(
  noFfi,
  "a neighbour takes core time on the driver's core, and it is nobody else's in the result",
  async () => {
    const sample = await run({ neighbours: 1 });
    const { neighbours, cpuCores, confinedTo } = sample;
    assert.deepEqual(neighbours?.confinedTo, confinedTo.driver);
    const used = neighbours?.cpuCores ?? 0;
    assert(used > 0 && used <= 1.05, `${used} cores`);
    // Nobody asks anything of the device, so that its domains sleep; counted to one of them it would be more.
    assert((cpuCores.application as number) + (cpuCores.driver as number) < used, JSON.stringify(cpuCores));
  },
);

testUnless(noFfi, "a neighbour that wants its core for a tenth of the time takes no more", async () => {
  const { neighbours } = await run({ neighbours: { duty: 0.1 } });
  const used = neighbours?.cpuCores ?? 0;
  // By its own clock it may go on for a tenth of a period, and for the step that it is in.
  assert(used > 0 && used < 0.5, `${used} cores`);
});

Deno.test("a machine that is ended while its neighbours compute ends with them", async () => {
  const [cell] = await cellsOf({ neighbours: 2 });
  const running = runMachineProcess(
    {
      ...{ plan: planMachine(cell), window: { warmupNs: 60e9, durationNs: 60e9 }, affinity: "spread" },
      neighbours: neighbourOptions(cell.scenario),
    },
    { needs: permissionNeeds(cell), signal: AbortSignal.timeout(1000) },
  );
  // It is settled when the process has ended, and so all of its threads.
  await assert.rejects(running, { name: "TimeoutError" });
});

Deno.test("a machine without neighbours has no figures of them", async () => {
  assert.equal((await run({})).neighbours, null);
});
