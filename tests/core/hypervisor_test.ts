import assert from "node:assert/strict";
import type { DomainPlan, MachinePlan } from "../../core/domain/domain.ts";
import { DomainError } from "../../core/errors.ts";
import { Hypervisor } from "../../core/hypervisor.ts";
import { threadUsage } from "../../core/measure/thread.ts";
import { builtins } from "../../plugins/mod.ts";

threadUsage(); // Opens the C library for good, before a sanitizer counts what a test opens.

const policy = { url: builtins.policy["fixed-spin"], options: { spin: 20_000 } };
const workload = {
  url: builtins.workload["sysbench-fileio"],
  options: { mode: "rndrw", blockSize: 4096, queueDepth: 4, readWriteRatio: 1.5 },
  queueDepth: 4,
};
const application: DomainPlan = { name: "application", kind: "worker", cpus: [], policy, workload };
const driver: DomainPlan = { name: "driver", kind: "worker", cpus: [], policy };
const isolated: MachinePlan = {
  domains: [application, driver],
  devices: [{ name: "disk", domain: "driver", plugin: { url: builtins.device.ramdisk, options: { size: 1 << 20 } } }],
  links: [{ frontend: "application", device: "disk", ringOrder: 1 }],
  seed: 7,
  hangTimeoutNs: 10e9,
};
const monolithic: MachinePlan = {
  ...isolated,
  domains: [application],
  devices: [{ ...isolated.devices[0], domain: "application" }],
  links: [],
};
const WINDOW = { warmupNs: 10e6, durationNs: 50e6 };

async function run(plan: MachinePlan) {
  return await new Hypervisor(plan, { scratchDirectory: null }).run(WINDOW);
}

Deno.test("isolated domains measure themselves, and what both counted agrees", async () => {
  const samples = await run(isolated);
  assert.deepEqual([...samples.keys()], ["application", "driver"]);
  const [front, back] = samples.values();
  assert.ok(front.operations !== null && front.operations.operations > 0);
  assert.equal(front.operations.bytes, front.operations.operations * 4096);
  assert.equal(back.operations, null);
  for (const sample of [front, back]) {
    assert.ok(sample.durationNs > 0);
    assert.ok(sample.notifications !== null && sample.waits !== null);
  }
});

Deno.test("a monolithic machine has one domain and nothing to notify", async () => {
  const samples = await run(monolithic);
  assert.deepEqual([...samples.keys()], ["application"]);
  const [only] = samples.values();
  assert.ok(only.operations !== null && only.operations.operations > 0);
  assert.equal(only.notifications, null);
});

Deno.test("several applications share a driver", async () => {
  const second: DomainPlan = { ...application, name: "second" };
  const samples = await run({
    ...isolated,
    domains: [application, second, driver],
    links: [...isolated.links, { ...isolated.links[0], frontend: "second" }],
  });
  for (const name of ["application", "second"]) assert.ok(samples.get(name)?.operations?.operations);
});

Deno.test("one driver drives several devices", async () => {
  const [disk] = isolated.devices;
  const second: DomainPlan = { ...application, name: "second" };
  const samples = await run({
    ...isolated,
    domains: [application, second, driver],
    devices: [disk, { ...disk, name: "other" }],
    links: [...isolated.links, { frontend: "second", device: "other", ringOrder: 0 }],
  });
  for (const name of ["application", "second"]) assert.ok(samples.get(name)?.operations?.operations);
});

Deno.test("a domain that cannot do its work fails the machine with the cause", async () => {
  const tooMany = { ...application, workload: { ...workload, queueDepth: 100 } };
  await assert.rejects(run({ ...isolated, domains: [tooMany, driver] }), (thrown: unknown) => {
    assert.ok(thrown instanceof DomainError);
    assert.match(thrown.message, /The domain application failed: queueDepth is 100; a ring of order 1 has 64 entries/);
    return true;
  });
});

Deno.test("a plan that links a domain that does not exist is refused", async () => {
  await assert.rejects(run({ ...isolated, links: [{ ...isolated.links[0], frontend: "nobody" }] }), /no domain nobody/);
});
