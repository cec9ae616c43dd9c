// What a device tells beside its operations: notes, counters, and what it would destroy.
import assert from "node:assert/strict";
import { synchronous } from "../../core/block_device.ts";
import { addUp } from "../../core/counters.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import type { DomainKind, DomainPlan, MachinePlan } from "../../core/domain/plan.ts";
import { DeviceError, DomainError, PluginError, WorkloadError } from "../../core/errors.ts";
import { type DomainResult, Hypervisor } from "../../core/hypervisor.ts";
import { timedWindow } from "../../core/phases.ts";
import { threadUsage } from "../../core/measure/thread.ts";
import {
  checkConsent,
  destroyedPaths,
  type DevicePlugin,
  makeDevice,
  type MediumContext,
  NO_CONSENT,
  openMedium,
  type WorkloadPlugin,
} from "../../core/plugin.ts";
import { promised } from "../../core/promise_device.ts";
import { builtins } from "../../plugins/mod.ts";
import { deviceInfo, MemoryDevice } from "../helpers/devices.ts";
import { linkOptions } from "../helpers/link.ts";
import { mediumContext } from "../helpers/medium_context.ts";
import countingDisk from "../helpers/plugins/counting_disk.ts";

threadUsage(); // Opens the C library for good, before a sanitizer counts what a test opens.

/** A machine of threads that read and write a disk, in their own domains or over links to a driver. */
function machine(
  threads: number,
  isolated: boolean,
  options: unknown = {},
  kind: DomainKind = "worker",
): MachinePlan {
  const common = { kind, cpus: [], policy: { url: builtins.policy["interrupt"], options: {} } } as const;
  const url = import.meta.resolve("../helpers/plugins/threads.ts");
  const applications = Array.from({ length: threads }, (_, thread): DomainPlan => ({
    ...common,
    name: `application-${thread}`,
    workload: { url, options: { threads, transferBytes: 4096 }, slots: { count: 2, bytes: 4096 }, thread, threads },
  }));
  const names = applications.map(({ name }) => name);
  const disk = { url: import.meta.resolve("../helpers/plugins/counting_disk.ts"), options };
  return {
    domains: isolated ? [...applications, { ...common, name: "driver" }] : applications,
    devices: [{ name: "disk", domains: isolated ? ["driver"] : names, plugin: disk }],
    links: isolated ? names.map((frontend) => ({ frontend, device: "disk", channel: linkOptions().channel })) : [],
    seed: 7,
    hangTimeoutNs: 10e9,
  };
}

async function run(
  plan: MachinePlan,
  changes: Partial<MediumContext> = {},
): Promise<ReadonlyMap<string, DomainResult>> {
  return await new Hypervisor(plan, mediumContext(changes)).run(timedWindow({ warmupNs: 1e6, durationNs: 10e6 }));
}

/** The last words of a process may still be awaited when a test is over. */
const unwatched = { sanitizeOps: false, sanitizeResources: false };
const KINDS = ["worker", "process"] as const;

for (const kind of KINDS) {
  const name = `a ${kind} that drives a device reports what it counted, beside what its workload did`;
  Deno.test(name, unwatched, () => reportsCounters(kind));
}

async function reportsCounters(kind: DomainKind): Promise<void> {
  const isolated = await run(machine(2, true, {}, kind));
  assert.deepEqual(Object.keys(isolated.get("driver")?.counters ?? {}), ["diskReads"]);
  assert(!("diskReads" in (isolated.get("application-0")?.counters ?? {})));
  const inPlace = await run(machine(2, false, {}, kind));
  for (const name of ["application-0", "application-1"]) {
    const { diskReads, threads } = inPlace.get(name)?.counters ?? {};
    assert(diskReads > 0, name);
    assert.equal(threads, 1, "what the workload counts is there too");
  }
}

for (const kind of KINDS) {
  Deno.test(
    `notes of the medium and of a driver in a ${kind} arrive, each text of a domain once`,
    unwatched,
    async () => {
      const notes: string[] = [];
      await run(machine(1, true, {}, kind), { note: (text) => notes.push(text) });
      assert.deepEqual(notes, ["opened", "made", "again"]);
    },
  );
}

Deno.test("a hypervisor opens no medium that destroys what its user did not name", async () => {
  const plan = machine(1, true, { path: "/dev/old" });
  const notes: string[] = [];
  const note = (text: string): void => void notes.push(text);
  await assert.rejects(run(plan, { allowDestructive: ["/dev/older"], force: true, note }), (error) => {
    return error instanceof DomainError && error.message.includes("It would destroy what is on /dev/old, which");
  });
  assert.deepEqual(notes, [], "the plugin was not asked to open anything");
  await run(plan, { allowDestructive: ["/dev/old"], note });
  assert.equal(notes[0], "opened");
});

Deno.test("several paths must all be named, and a plugin must name them as a list of texts", () => {
  const destroying = (paths: unknown): DevicePlugin => {
    return { ...countingDisk, destroys: () => paths as string[] } as unknown as DevicePlugin;
  };
  const both = destroying(["/a", "/b"]);
  assert.throws(() => openMedium(both, {}, mediumContext({ allowDestructive: ["/a"] })), DeviceError);
  assert(openMedium(both, {}, mediumContext({ allowDestructive: ["/b", "/a"] })) instanceof SharedArrayBuffer);
  for (const wrong of [undefined, null, "/a", [""], [7], { 0: "/a" }]) {
    assert.throws(() => destroyedPaths(destroying(wrong), {}), PluginError, JSON.stringify(wrong));
  }
  assert.deepEqual(destroyedPaths({ ...both, destroys: undefined }, {}), []);
});

Deno.test("what a workload's conductor destroys must be named, too", () => {
  const workload = { kind: "workload", name: "mine", destroys: () => ["nbd://host"] } as unknown as WorkloadPlugin;
  assert.throws(() => checkConsent(workload, {}, NO_CONSENT), /It would destroy what is on nbd:\/\/host, which/);
  checkConsent(workload, {}, { ...NO_CONSENT, allowDestructive: ["nbd://host"] });
  const wrong = { ...workload, destroys: () => "nbd://host" } as unknown as WorkloadPlugin;
  assert.throws(
    () => checkConsent(wrong, {}, NO_CONSENT),
    /The workload mine says that it destroys "nbd:\/\/host"; allowed/,
  );
});

Deno.test("the programs that a workload's options name must all be named, and what may be lost is another matter", () => {
  const running = (programs: unknown): WorkloadPlugin => {
    return { kind: "workload", name: "mine", runs: () => programs } as unknown as WorkloadPlugin;
  };
  const both = running(["sh", "/bin/dd"]);
  for (const allowCommands of [[], ["sh"], ["sh", "dd"], ["sh", "/bin/dd "]]) {
    const consent = { allowDestructive: ["sh", "/bin/dd"], force: true, allowCommands };
    assert.throws(() => checkConsent(both, {}, consent), (error) => {
      return error instanceof WorkloadError && /^It would run .*\/bin\/dd, which allowCommands/.test(error.message);
    });
  }
  checkConsent(both, {}, { ...NO_CONSENT, allowCommands: ["/bin/dd", "sh"] });
  checkConsent(running([]), {}, NO_CONSENT);
  for (const wrong of [undefined, null, "sh", [""], [["sh"]], [undefined]]) {
    const consent = { ...NO_CONSENT, allowCommands: ["sh"] };
    assert.throws(() => checkConsent(running(wrong), {}, consent), PluginError, JSON.stringify(wrong));
  }
});

Deno.test("a device that counts what its plugin does not name is refused when it is made", () => {
  const plugin = countingDisk as unknown as DevicePlugin;
  const make = (changes: Partial<DevicePlugin>) => {
    return makeDevice({ ...plugin, ...changes }, {}, new SharedArrayBuffer(1 << 20), mediumContext());
  };
  assert.deepEqual(make({}).counters?.(), { diskReads: 0 });
  assert.throws(() => make({ counters: undefined }), PluginError);
  assert.throws(() => make({ counters: { other: "Others." } }), /counts diskReads, which its plugin does not say/);
  make({ counters: { ...countingDisk.counters, never: "What this device does not always count." } });
});

Deno.test("what a device counts comes through the gate and both adapters; a device need not count", () => {
  const counters = (): Record<string, number> => ({ bounces: 3 });
  const nothing = (): Promise<void> => Promise.resolve();
  const counting = [
    synchronous(Object.assign(new MemoryDevice(), { counters })),
    promised({ info: deviceInfo(), read: nothing, write: nothing, counters }),
  ];
  for (const device of counting) assert.deepEqual(new DeviceGate(device, () => {}).counters(), { bounces: 3 });
  assert.deepEqual(new DeviceGate(synchronous(new MemoryDevice()), () => {}).counters(), {});
  const { counters: _, ...without } = synchronous(new MemoryDevice());
  assert.deepEqual(new DeviceGate(without, () => {}).counters(), {});
});

Deno.test("counters are added up by name", () => {
  assert.deepEqual(addUp([]), {});
  assert.deepEqual(addUp([{ a: 1, b: 2 }, {}, { b: 3, c: 0 }]), { a: 1, b: 5, c: 0 });
});
