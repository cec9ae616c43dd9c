import assert from "node:assert/strict";
import type { DomainPlan, MachinePlan, PluginUse, WorkloadPlan } from "../../core/domain/plan.ts";
import type { OperationSample } from "../../core/domain/report.ts";
import { DomainError } from "../../core/errors.ts";
import { type DomainResult, Hypervisor } from "../../core/hypervisor.ts";
import { timedWindow } from "../../core/phases.ts";
import { DEFAULT_CHANNEL } from "../../core/link.ts";
import { threadUsage } from "../../core/measure/thread.ts";
import { builtins } from "../../plugins/mod.ts";
import { linkOptions } from "../helpers/link.ts";
import { mediumContext } from "../helpers/medium_context.ts";
import { medium, READING, RETURNS } from "../helpers/plugins/stuck_disk.ts";

threadUsage(); // Opens the C library for good, before a sanitizer counts what a test opens.

const HELPER = (name: string): string => import.meta.resolve(`../helpers/plugins/${name}.ts`);
const policy: PluginUse = { url: builtins.policy["fixed-spin"], options: { spin: 20_000 } };
const policies: Readonly<Record<string, PluginUse>> = {
  "interrupt": { url: builtins.policy["interrupt"], options: {} },
  "fixed-spin": policy,
  "adaptive-spin": { url: builtins.policy["adaptive-spin"], options: { floor: 10_000, ceiling: 200_000 } },
};
const ramdisk: PluginUse = { url: builtins.device.ramdisk, options: { size: 1 << 20 } };
const promiseDisk: PluginUse = { url: HELPER("promise_disk"), options: { failing: false, crashing: false } };
const THREADS = { threads: 1, transferBytes: 4096 };
const workload: WorkloadPlan = {
  url: HELPER("threads"),
  options: THREADS,
  slots: { count: 2, bytes: 4096 },
  thread: 0,
  threads: 1,
};

interface MachineChanges {
  readonly threads?: number;
  readonly isolated?: boolean;
  readonly device?: PluginUse;
  readonly workload?: Partial<WorkloadPlan>;
  readonly policy?: PluginUse;
  readonly channel?: Partial<typeof DEFAULT_CHANNEL>;
}

/** A machine whose applications are called application-0 and so on. */
function machine(changes: MachineChanges = {}): MachinePlan {
  const { threads = 1, isolated = true, device = ramdisk } = changes;
  const common = { kind: "worker", cpus: [], policy: changes.policy ?? policy } as const;
  const applications = Array.from({ length: threads }, (_, thread): DomainPlan => ({
    ...common,
    name: `application-${thread}`,
    workload: { ...workload, options: { ...THREADS, threads }, ...changes.workload, thread, threads },
  }));
  const names = applications.map(({ name }) => name);
  const { channel } = linkOptions(changes.channel);
  return {
    domains: isolated ? [...applications, { ...common, name: "driver" }] : applications,
    devices: [{ name: "disk", domains: isolated ? ["driver"] : names, plugin: device }],
    links: isolated ? names.map((frontend) => ({ frontend, device: "disk", channel })) : [],
    seed: 7,
    hangTimeoutNs: 10e9,
  };
}

const WINDOW = timedWindow({ warmupNs: 10e6, durationNs: 50e6 });

async function run(plan: MachinePlan): Promise<ReadonlyMap<string, DomainResult>> {
  return await new Hypervisor(plan, mediumContext()).run(WINDOW);
}

/** What an application's workload did. */
function operationsOf(results: ReadonlyMap<string, DomainResult>, name: string): OperationSample {
  const operations = results.get(name)?.sample.operations;
  assert(operations, `${name} has done something`);
  return operations;
}

async function failure(plan: MachinePlan): Promise<string> {
  let message = "";
  await assert.rejects(run(plan), (thrown: unknown) => {
    assert(thrown instanceof DomainError);
    message = thrown.message;
    return true;
  });
  return message;
}

Deno.test("a window of no length at all is a window of every domain", async () => {
  for (let repetition = 0; repetition < 5; repetition++) {
    const results = await new Hypervisor(machine(), mediumContext()).run(timedWindow({ warmupNs: 0, durationNs: 0 }));
    assert.deepEqual([...results.keys()], ["application-0", "driver"]);
  }
});

Deno.test("isolated domains measure themselves, and what both counted agrees", async () => {
  const results = await run(machine());
  assert.deepEqual([...results.keys()], ["application-0", "driver"]);
  const { operations, bytes, errors, flushes, latencies } = operationsOf(results, "application-0");
  assert(operations > 0);
  assert.deepEqual([bytes, errors], [operations * 4096, 0]);
  assert(Math.abs(flushes - operations / 5) < 2, "a flush is no operation");
  assert(latencies.count > 0 && latencies.count <= operations);
  assert.equal(results.get("driver")?.sample.operations, null);
  for (const { sample } of results.values()) {
    assert(sample.durationNs > 0);
    assert(sample.notifications !== null && sample.waits !== null);
    assert.equal(sample.confinedTo, null);
  }
});

for (const threads of [1, 2, 3, 4]) {
  Deno.test(`${threads} applications share one driver`, async () => {
    const results = await run(machine({ threads }));
    assert.equal(results.size, threads + 1);
    for (let thread = 0; thread < threads; thread++) {
      const { operations, errors } = operationsOf(results, `application-${thread}`);
      assert(operations > 0 && errors === 0);
    }
  });
}

Deno.test("monolithic applications have a driver each, on the same medium, and nothing to notify", async () => {
  const results = await run(machine({ threads: 2, isolated: false }));
  assert.deepEqual([...results.keys()], ["application-0", "application-1"]);
  for (const [name, { sample }] of results) {
    assert(operationsOf(results, name).operations > 0);
    assert.deepEqual([sample.notifications, sample.waits], [null, null]);
  }
});

for (const suppression of ["event-index", "sleep-flag"] as const) {
  for (const [name, use] of Object.entries(policies)) {
    Deno.test(`a machine works with ${suppression} and the policy ${name}`, async () => {
      const channel = { suppression, transfer: "copy", batch: 2, merge: true } as const;
      const { operations, errors } = operationsOf(await run(machine({ policy: use, channel })), "application-0");
      assert(operations > 0 && errors === 0);
    });
  }
}

Deno.test("a domain that is confined to cores says to which", async () => {
  const plan = machine();
  const cpus = [0];
  const results = await run({ ...plan, domains: plan.domains.map((domain) => ({ ...domain, cpus })) });
  for (const { sample } of results.values()) assert.deepEqual([sample.confinedTo, sample.cpus], [cpus, cpus]);
});

Deno.test("one driver drives several devices", async () => {
  const plan = machine({ threads: 2 });
  const [disk] = plan.devices;
  const results = await run({
    ...plan,
    devices: [disk, { ...disk, name: "other" }],
    links: [plan.links[0], { ...plan.links[1], device: "other", channel: { ...DEFAULT_CHANNEL, ringOrder: 2 } }],
  });
  for (const name of ["application-0", "application-1"]) assert(operationsOf(results, name).operations > 0);
});

for (const [name, use] of Object.entries(policies)) {
  Deno.test(`a device of promises is served under the policy ${name}, for two applications`, async () => {
    const results = await run(machine({ device: promiseDisk, policy: use, threads: 2 }));
    for (const application of ["application-0", "application-1"]) {
      const { operations, errors } = operationsOf(results, application);
      assert(operations > 0 && errors === 0);
    }
  });
}

Deno.test("a device of promises in an application's own domain is refused with the reason", async () => {
  assert.match(
    await failure(machine({ device: promiseDisk, isolated: false })),
    /The domain application-0 failed: The device completes requests by events.*isolate it/,
  );
});

Deno.test("a rejected promise fails the machine with the device's message", async () => {
  assert.match(
    await failure(machine({ device: { ...promiseDisk, options: { failing: true, crashing: false } } })),
    /a read failed\. The device disk failed: the far end is gone/,
  );
});

Deno.test("a domain that cannot do its work fails the machine with the cause", async () => {
  assert.match(
    await failure(machine({ workload: { options: { ...THREADS, transferBytes: 8192 } } })),
    /The domain application-0 failed: Cannot submit 8192 bytes at 0 in slot 0/,
  );
});

Deno.test("a plan that links a domain that does not exist is refused", async () => {
  const plan = machine();
  assert.match(await failure({ ...plan, links: [{ ...plan.links[0], frontend: "nobody" }] }), /no domain nobody/);
});

Deno.test("a plan that links a domain without a workload is refused", async () => {
  const plan = machine();
  const message = await failure({ ...plan, links: [{ ...plan.links[0], frontend: "driver" }] });
  assert.match(message, /The domain driver has a link and no workload for it/);
});

Deno.test("an error that no domain catches fails the machine with its message", async () => {
  const message = await failure(machine({ device: { ...promiseDisk, options: { failing: false, crashing: true } } }));
  assert.match(message, /^The domain driver died: .*an event went wrong/);
});

Deno.test("a medium that cannot be opened fails the machine with the reason", async () => {
  const options = { path: "/nonexistent/disk.img", size: 1 << 20, readOnly: true };
  const message = await failure(machine({ device: { url: builtins.device["loop-file"], options } }));
  assert.match(message, /Cannot open the loop file \/nonexistent\/disk\.img/);
});

Deno.test("a medium is closed once, whether the domains worked, failed or were not booted", async () => {
  const plan = machine({ device: { url: HELPER("stuck_disk"), options: { stuck: false } } });
  await run(plan);
  assert.equal(medium.closed, 1);
  const { domains } = machine({ workload: { options: { ...THREADS, transferBytes: 8192 } } });
  await failure({ ...plan, domains });
  assert.equal(medium.closed, 1);
  await failure({ ...plan, links: [{ ...plan.links[0], frontend: "nobody" }] });
  assert.equal(medium.closed, 1);
});

Deno.test("a medium that cannot be closed is noted, and what was measured is kept", async () => {
  const plan = machine({ device: { url: HELPER("stuck_disk"), options: { stuck: false } } });
  const notes: string[] = [];
  medium.refusesToClose = true;
  try {
    const results = await new Hypervisor(plan, mediumContext({ note: (text) => void notes.push(text) })).run(WINDOW);
    assert(results.size > 0);
  } finally {
    medium.refusesToClose = false;
  }
  assert.deepEqual(notes, ["The medium of stuck-disk could not be closed: the lid is jammed"]);
});

Deno.test("a medium that a driver still uses is not closed under it", async () => {
  const device = { url: HELPER("stuck_disk"), options: { stuck: true } };
  assert.match(await failure({ ...machine({ device }), hangTimeoutNs: 1e9 }), /no sign of life/);
  const { words, closed } = medium;
  assert(words !== undefined);
  const reading = Atomics.load(words, READING);
  Atomics.store(words, RETURNS, 1);
  Atomics.notify(words, RETURNS);
  assert.deepEqual([reading, closed], [1, 0]);
});

const misdeeds: Readonly<Record<string, RegExp>> = {
  "throw": /^The domain application-1 failed: enough of it$/,
  "return": /^The domain application-1 failed: The workload ended before it was told to$/,
  "end its worker": /^The domain application-1 has shown no sign of life for 1000 ms/,
  "break the protocol":
    /^The domain application-1 lost its connection: .*the frontend claims \d+ new requests, the ring has room for 32$/,
};
for (const [does, message] of Object.entries(misdeeds)) {
  Deno.test(`an application that does this fails the machine, and nothing hangs: ${does}`, async () => {
    const plan = machine({
      threads: 3,
      policy: policies["interrupt"],
      workload: { url: HELPER("misbehaving_thread"), options: { thread: 1, does }, slots: { count: 2, bytes: 4096 } },
    });
    assert.match(await failure({ ...plan, hangTimeoutNs: 1e9 }), message);
  });
}
