// From a scenario to a machine process: threads, channels, and the cores that each domain gets.
import assert from "node:assert/strict";
import { DEFAULT_CHANNEL } from "../../core/link.ts";
import { allowedCpus } from "../../core/measure/thread.ts";
import { type Consent, NO_CONSENT } from "../../core/plugin.ts";
import { expandScenario } from "../../core/runner/expand.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import { runMachineProcess } from "../../core/runner/machine_process.ts";
import { permissionNeeds, planMachine } from "../../core/runner/plan.ts";
import { toSample } from "../../core/runner/sample.ts";
import type { Affinity } from "../../core/runner/scenario.ts";
import { builtins } from "../../plugins/mod.ts";
import { testUnless } from "../helpers/test_unless.ts";

const cpus = allowedCpus(); // Opens the C library for good, before a sanitizer counts what a test opens.
const noFfi = cpus === null ? "without FFI no thread can be pinned" : null;
const noSecondCore = noFfi ?? ((cpus as number[]).length < 2 ? "there is one core" : null);
const plugins = {
  ...builtins,
  device: { ...builtins.device, "promise-disk": import.meta.resolve("../helpers/plugins/promise_disk.ts") },
  workload: {
    threads: import.meta.resolve("../helpers/plugins/threads.ts"),
    "program-namer": import.meta.resolve("../helpers/plugins/program_namer.ts"),
    mounted: builtins.workload.mounted,
  },
};

async function cellOf(parts: Record<string, unknown>) {
  const scenario = {
    apiVersion: "iddr/v1",
    kind: "Scenario",
    name: "test",
    device: { use: "ramdisk", with: { size: "1MiB" } },
    policy: { use: "interrupt" },
    workload: { use: "threads", with: { threads: 3 } },
    ...parts,
  };
  const { cells } = await expandScenario(ScenarioDocument.parse("test.yaml", JSON.stringify(scenario), []), plugins);
  return cells[0];
}

async function run(parts: Record<string, unknown>, affinity: Affinity = "none", consent?: Consent) {
  const cell = await cellOf(parts);
  const job = { plan: planMachine(cell), window: { warmupNs: 10e6, durationNs: 50e6 }, affinity };
  return await runMachineProcess(job, { needs: permissionNeeds(cell), consent });
}

Deno.test("a machine process runs no program that it was not told to be allowed, with a conductor or without", async () => {
  const allowing = (...allowCommands: string[]): Consent => ({ ...NO_CONSENT, allowCommands });
  const refused = /^It would run dd, which allowCommands does not name$/;
  const namer = { workload: { use: "program-namer", with: { programs: ["sh", "dd"] } } };
  for (const parts of [namer, { workload: { use: "mounted", with: { prepare: [["sh"]], command: ["dd"] } } }]) {
    await assert.rejects(run(parts, "none", allowing("sh")), { name: "DomainError", message: refused });
  }
  await assert.rejects(run(namer), { message: /^It would run sh and dd, which allowCommands does not name$/ });
  const { domains } = await run(namer, "none", allowing("dd", "sh"));
  assert.deepEqual(Object.keys(domains), ["application", "driver"]);
});

Deno.test("each thread of a workload is a domain with a link of its own to the one driver", async () => {
  const { domains, devices, links } = planMachine(await cellOf({}));
  const names = ["application-0", "application-1", "application-2"];
  assert.deepEqual(domains.map(({ name }) => name), [...names, "driver"]);
  assert.deepEqual(domains.map(({ workload }) => workload?.thread), [0, 1, 2, undefined]);
  assert(domains.slice(0, 3).every(({ workload }) => workload?.threads === 3));
  assert.deepEqual(devices.map(({ domains: drivers }) => drivers), [["driver"]]);
  assert.deepEqual(links.map(({ frontend, device }) => [frontend, device]), names.map((name) => [name, "disk"]));
});

Deno.test("each monolithic thread drives the device itself", async () => {
  const { domains, devices, links } = planMachine(await cellOf({ placement: "monolithic" }));
  const names = ["application-0", "application-1", "application-2"];
  assert.deepEqual(domains.map(({ name }) => name), names);
  assert.deepEqual([devices[0].domains, links], [names, []]);
});

Deno.test("a plan has the channel's options and the slots that the workload needs", async () => {
  const channel = {
    ringOrder: 2,
    transfer: "copy",
    suppression: "sleep-flag",
    batch: 7,
    merge: true,
    indirectSegments: 12,
    completion: "thread",
    submitSpin: "3us",
  };
  const workload = { use: "threads", with: { transferBytes: 1 << 20 } };
  const plan = planMachine(await cellOf({ channel, workload }));
  const { submitSpin: _, ...rest } = channel;
  assert.deepEqual(plan.links[0].channel, { ...rest, submitSpinNs: 3000 });
  assert.deepEqual(plan.domains[0].workload?.slots, { count: 2, bytes: 1 << 20 });
  assert.equal(plan.domains[0].name, "application", "one thread needs no number");
  assert.deepEqual(planMachine(await cellOf({})).links[0].channel, DEFAULT_CHANNEL);
});

for (const placement of ["isolated", "monolithic"]) {
  Deno.test(`three threads run in a machine process, and are summed up: ${placement}`, async () => {
    const sample = toSample(0, await run({ placement, run: { seed: 10 } }));
    assert(sample.operations > 0 && sample.latencyNs !== null);
    assert.equal(sample.bytes, sample.operations * 4096);
    assert.equal(sample.errors, 0);
    assert.deepEqual(sample.counters, { seeds: 10 + 11 + 12, numbers: 0 + 1 + 2, threads: 3 });
    assert.equal(sample.notifications.frontend === null, placement === "monolithic");
  });
}

Deno.test("operations of 1 MiB pass every kind of channel", async () => {
  const workload = { use: "threads", with: { transferBytes: (1 << 20) - 512 } };
  for (const channel of [{ indirectSegments: 0 }, { indirectSegments: 256, transfer: "copy", merge: true }]) {
    const sample = toSample(0, await run({ channel, workload }));
    assert(sample.operations > 0 && sample.errors === 0);
  }
});

Deno.test("a workload with more threads than a driver has ports is refused before anything runs", async () => {
  await assert.rejects(
    cellOf({ workload: { use: "threads", with: { threads: 257 } } }),
    /allowed are .* 1 to 256 threads/,
  );
});

Deno.test("a device of promises works in a machine process, as its plugin says that it needs events", async () => {
  const sample = toSample(0, await run({ device: { use: "promise-disk" } }));
  assert(sample.operations > 0 && sample.errors === 0);
});

testUnless(noFfi, "cores that a scenario lists and the machine does not have fail the repetition", async () => {
  const [first] = cpus as number[];
  const lists = { application: [first], driver: [1023] };
  await assert.rejects(run({}, lists), /^DomainError: affinity lists the cores 1023, .*; allowed are \d/);
  assert.equal((await run({ placement: "monolithic" }, lists)).domains.driver, undefined, "that list is not used");
});

/** The cores that each domain was confined to. */
async function confined(affinity: Affinity, parts: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
  const results = await run(parts, affinity);
  return Object.fromEntries(Object.entries(results.domains).map(([name, { sample }]) => [name, sample.confinedTo]));
}

testUnless(
  noSecondCore,
  "a driver that is spread has a core to itself, which its applications do not use",
  async () => {
    const [first, second, third = first] = cpus as number[];
    const others = (cpus as number[]).filter((cpu) => cpu !== second);
    const { driver, ...applications } = await confined("spread");
    assert.deepEqual(driver, [second]);
    assert.deepEqual(applications, {
      "application-0": [first],
      "application-1": [third],
      "application-2": [others[2 % others.length]],
    });
  },
);

testUnless(
  noSecondCore,
  "several drivers have cores to themselves as far as one is left for applications",
  async () => {
    const all = cpus as number[];
    const { "driver-0": first, "driver-1": second, ...applications } = await confined("spread", {
      device: [{ use: "ramdisk", with: { size: "1MiB" } }, { use: "ramdisk", with: { size: "1MiB" } }],
      drivers: "isolated",
      workload: { use: "threads" },
    });
    assert.deepEqual([first, second], [[all[1]], [all.length > 2 ? all[2] : all[1]]]);
    const others = all.filter((cpu) => ![first, second].flat().includes(cpu));
    assert.deepEqual(Object.values(applications), [[others[0]], [others[1 % others.length]]]);
  },
);

testUnless(noFfi, "domains are confined to the cores that a scenario lists, to one, or to none", async () => {
  const all = cpus as number[];
  const [first] = all;
  const names = ["application-0", "application-1", "application-2"];
  const each = (application: unknown, driver: unknown) => {
    return { ...Object.fromEntries(names.map((name) => [name, application])), driver };
  };
  assert.deepEqual(await confined({ application: all, driver: [first] }), each(all, [first]));
  assert.deepEqual(await confined("same"), each([first], [first]));
  assert.deepEqual(await confined("none"), each(null, null));
});
