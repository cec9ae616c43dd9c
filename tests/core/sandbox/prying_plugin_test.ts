// A malicious device in a machine, in a driver domain of each sandbox: what docs/threat-model.md says of them.
import assert from "node:assert/strict";
import type { MachinePlan, PluginUse, Sandbox } from "../../../core/domain/plan.ts";
import { Hypervisor } from "../../../core/hypervisor.ts";
import { DEFAULT_CHANNEL } from "../../../core/link.ts";
import { threadUsage } from "../../../core/measure/thread.ts";
import { driverNeeds } from "../../../core/permissions.ts";
import { type Conductor, unlessAborted } from "../../../core/phases.ts";
import { loadPlugin } from "../../../core/plugin.ts";
import { strictAvailability } from "../../../core/sandbox/availability.ts";
import { builtins } from "../../../plugins/mod.ts";
import { mediumContext } from "../../helpers/medium_context.ts";
import type { Targets } from "../../helpers/sandbox/attempts.ts";
import { DONE, type Findings } from "../../helpers/sandbox/prober.ts";
import { withTargets } from "../../helpers/sandbox/targets.ts";
import { testUnless } from "../../helpers/test_unless.ts";

threadUsage(); // Opens the C library for good, before a sanitizer counts what a test opens.

/** What the device found. */
interface Pried {
  readonly byDeno: Findings;
  /** Why it could make none where it is a text. */
  readonly bySystemCalls: Findings | string;
}

/** Runs a machine with the device until it has tried everything. */
async function pry(targets: Targets, sandbox: Sandbox, declaresFfi: boolean): Promise<Pried> {
  const url = import.meta.resolve("../../helpers/sandbox/prying_disk.ts");
  const device = await loadPlugin("device", url);
  const options = device.options.parse({ targets, declaresFfi });
  const policy: PluginUse = { url: builtins.policy.interrupt, options: {} };
  const workload = {
    url: import.meta.resolve("../../helpers/plugins/threads.ts"),
    options: { threads: 1, transferBytes: 4096 },
    ...{ slots: { count: 2, bytes: 4096 }, thread: 0, threads: 1 },
  };
  const driver = { kind: "process", sandbox, needs: driverNeeds(device, options), cpus: [], policy } as const;
  const plan: MachinePlan = {
    domains: [{ name: "application", kind: "worker", cpus: [], policy, workload }, { name: "driver", ...driver }],
    devices: [{ name: "disk", domains: ["driver"], plugin: { url, options }, events: true }],
    links: [{ frontend: "application", device: "disk", channel: DEFAULT_CHANNEL }],
    ...{ seed: 7, hangTimeoutNs: 60e9 },
  };
  const noted = Promise.withResolvers<string>();
  const untilNoted: Conductor = async ({ measure, finish, signal }) => {
    await measure();
    await unlessAborted(noted.promise, signal);
    await finish();
  };
  await new Hypervisor(plan, mediumContext({ note: noted.resolve })).run(untilNoted);
  return JSON.parse(await noted.promise);
}

function outcomes(findings: Findings): { readonly done: string[]; readonly refused: string[] } {
  const names = Object.keys(findings);
  return {
    done: names.filter((name) => findings[name] === DONE),
    refused: names.filter((name) => findings[name] !== DONE),
  };
}

Deno.test("a malicious device under `none` does all that the user may do", async () => {
  await withTargets(async (targets) => {
    const { byDeno, bySystemCalls } = await pry(targets, "none", true);
    assert.deepEqual(outcomes(byDeno).refused, []);
    assert.deepEqual(outcomes(bySystemCalls as Findings).refused, []);
  });
});

Deno.test("under `permissions` it does nothing of it where it does not declare FFI", async () => {
  await withTargets(async (targets) => {
    const { byDeno, bySystemCalls } = await pry(targets, "permissions", false);
    assert.deepEqual(outcomes(byDeno).done, []);
    assert.equal(bySystemCalls, "The attempts take the C library");
  });
});

Deno.test("under `permissions` with FFI declared it does all by system calls, which is the documented limit", async () => {
  await withTargets(async (targets) => {
    const { byDeno, bySystemCalls } = await pry(targets, "permissions", true);
    assert.deepEqual(outcomes(byDeno).done, []);
    assert.deepEqual(outcomes(bySystemCalls as Findings).refused, []);
  });
});

const { missing } = strictAvailability();
testUnless(missing.join(". ") || null, "under `strict` it does nothing of it, with FFI declared", async () => {
  await withTargets(async (targets) => {
    const { byDeno, bySystemCalls } = await pry(targets, "strict", true);
    assert.deepEqual(outcomes(byDeno).done, []);
    assert.deepEqual(outcomes(bySystemCalls as Findings).done, []);
    assert.ok(outcomes(bySystemCalls as Findings).refused.length >= 50);
  });
});
