// Machines whose applications have a second thread, which takes their responses.
import assert from "node:assert/strict";
import type { DomainPlan, MachinePlan, PluginUse } from "../../core/domain/plan.ts";
import { Hypervisor } from "../../core/hypervisor.ts";
import { DEFAULT_CHANNEL } from "../../core/link.ts";
import { allowedCpus } from "../../core/measure/thread.ts";
import { timedWindow } from "../../core/phases.ts";
import { builtins } from "../../plugins/mod.ts";
import { mediumContext } from "../helpers/medium_context.ts";
import {
  assertUnharmed,
  driverPid,
  failureOf,
  hasResumed,
  HELPER,
  planProcesses,
  type ProcessMachine,
  processTest,
  runProcesses,
  until,
} from "../helpers/process_machine.ts";
import { responderOf, withResponseThreads } from "../helpers/response_threads.ts";

const policies: Readonly<Record<string, PluginUse>> = {
  "interrupt": { url: builtins.policy["interrupt"], options: {} },
  "fixed-spin": { url: builtins.policy["fixed-spin"], options: { spin: 20_000 } },
  "adaptive-spin": { url: builtins.policy["adaptive-spin"], options: { floor: 10_000, ceiling: 200_000 } },
};

/** A machine of workers whose applications verify what they read. */
async function machine(wanted: ProcessMachine = {}, policy: PluginUse = policies.interrupt): Promise<MachinePlan> {
  const plan = await planProcesses({ driver: "worker", ...wanted });
  return withResponseThreads({ ...plan, domains: plan.domains.map((domain) => ({ ...domain, policy })) });
}

/** Every application verified what it read, and has the figures of a response thread beside its own. */
async function check(plan: MachinePlan): Promise<void> {
  const [{ channel }] = plan.links;
  const mayTakeItself = channel.submitSpinNs > 0;
  const results = await new Hypervisor(plan, mediumContext()).run(timedWindow({ warmupNs: 10e6, durationNs: 100e6 }));
  for (const { name, workload } of plan.domains) {
    const result = results.get(name);
    assert(result !== undefined, name);
    if (workload === undefined) continue;
    const { operations } = result.sample;
    assert(operations !== null && operations.operations > 0 && operations.errors === 0, name);
    assert(result.counters.sectorsVerified > 0, name);
    const responses = results.get(responderOf(name));
    assert(responses !== undefined && responses.sample.waits !== null);
    assert.equal(responses.sample.operations, null);
    assert.deepEqual(responses.sample.notifications, { sent: 0, suppressed: 0 });
    const { handedOver, handOverWakes } = responses.counters;
    assert(handOverWakes <= handedOver);
    assert(handedOver > 0 || mayTakeItself);
    if (!mayTakeItself && !channel.merge) {
      assert(handedOver >= operations.operations, `${handedOver} of ${operations.operations}`);
    }
  }
}

for (const [name, policy] of Object.entries(policies)) {
  for (const suppression of ["event-index", "sleep-flag"] as const) {
    for (const submitSpinNs of [0, 20_000]) {
      Deno.test(`what a response thread hands over is what was written: ${name}, ${suppression}, spin ${submitSpinNs} ns`, async () => {
        await check(await machine({ channel: { suppression, submitSpinNs } }, policy));
      });
    }
  }
}

const channels: Readonly<Record<string, ProcessMachine["channel"]>> = {
  "copied and merged, in small batches": { transfer: "copy", merge: true, batch: 3 },
  "in a large ring": { ringOrder: 4, batch: 64 },
  "split": { indirectSegments: 0 },
};
for (const [name, channel] of Object.entries(channels)) {
  Deno.test(`a response thread hands over what is ${name}`, async () => {
    await check(await machine({ channel }));
  });
}

Deno.test("each of several threads has a response thread of its own", async () => {
  await check(await machine({ threads: 3 }));
});

Deno.test("a response thread is confined to the cores of its plan", async () => {
  const plan = await machine();
  const [cpu] = allowedCpus() ?? [];
  const on = (domain: DomainPlan): DomainPlan => domain.responder === undefined ? domain : { ...domain, cpus: [cpu] };
  const { results } = await runProcesses({ ...plan, domains: plan.domains.map(on) });
  assert.deepEqual(results.get(responderOf("application-0"))?.sample.confinedTo, [cpu]);
  assert.equal(results.get("application-0")?.sample.confinedTo, null);
});

Deno.test("a channel that is to have a response thread, and a plan without one, are refused", async () => {
  const plan = await planProcesses({ driver: "worker", channel: { completion: "thread" } });
  assert.match(await failureOf(plan), /completion is thread, and the plan has no thread for it/);
  const threads = await machine();
  const links = plan.links.map((link) => ({ ...link, channel: DEFAULT_CHANNEL }));
  assert.match(await failureOf({ ...threads, links }), /completion is inline, and the plan has a thread for it/);
});

const misdeeds: Readonly<Record<string, RegExp>> = {
  "throw": /^The domain application-0-responses failed: no more of it$/,
  "end its worker": /^The domain application-0-responses has shown no sign of life for 1000 ms/,
  "hang": /^The domain application-0-responses has shown no sign of life for 1000 ms/,
};
for (const [does, cause] of Object.entries(misdeeds)) {
  const bad: PluginUse = { url: HELPER("misbehaving_policy"), options: { after: 20, does } };
  Deno.test(`a response thread that does this fails the machine with the cause, and nothing hangs: ${does}`, async () => {
    const plan = await planProcesses({ driver: "worker", hangTimeoutNs: 1e9 });
    assert.match(await failureOf(withResponseThreads(plan, () => bad)), cause);
  });
}

Deno.test("a client whose response thread fails is lost, and the others go on", async () => {
  const plan = await planProcesses({ driver: "worker", threads: 3 });
  const clients = plan.domains.map((domain, index): DomainPlan => {
    return domain.workload === undefined ? domain : {
      ...domain,
      workload: { ...domain.workload, thread: 0, threads: 1, client: { index, partition: { index, count: 3 } } },
    };
  });
  const bad: PluginUse = { url: HELPER("misbehaving_policy"), options: { after: 20, does: "throw" } };
  const machine = withResponseThreads({ ...plan, domains: clients }, ({ name, policy }) => {
    return name === "application-1" ? bad : policy;
  });
  const { results, hypervisor } = await runProcesses(machine, async (hypervisor, phases) => {
    await until(phases, () => hypervisor.losses.length > 0);
  });
  assert.deepEqual(hypervisor.losses, ["The domain application-1-responses failed: no more of it"]);
  assert(!results.has("application-1") && !results.has(responderOf("application-1")));
  for (const name of ["application-0", "application-2"]) assert(results.has(name) && results.has(responderOf(name)));
});

for (const submitSpinNs of [0, 20_000]) {
  for (const suppression of ["event-index", "sleep-flag"] as const) {
    const name =
      `a driver that is killed is followed by another under two response threads: ${suppression}, spin ${submitSpinNs} ns`;
    processTest(name, async () => {
      const plan = await planProcesses({ threads: 2, recovery: {}, channel: { suppression, submitSpinNs } });
      const outcome = await runProcesses(withResponseThreads(plan), async (hypervisor, phases) => {
        for (let killed = 1; killed <= 3; killed++) {
          Deno.kill(driverPid(hypervisor), "SIGKILL");
          await until(phases, () => hasResumed(hypervisor, killed));
        }
      });
      const results = new Map([...outcome.results].filter(([name]) => !name.endsWith("-responses")));
      assertUnharmed({ ...outcome, results });
    });
  }
}
