// Clients and their driver as processes, some of which are killed: what is lost, and what goes on.
import assert from "node:assert/strict";
import type { MachinePlan } from "../../core/domain/plan.ts";
import { Hypervisor } from "../../core/hypervisor.ts";
import { allowedCpus } from "../../core/measure/thread.ts";
import type { Conductor } from "../../core/phases.ts";
import { expandScenario } from "../../core/runner/expand.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import { planMachine } from "../../core/runner/plan.ts";
import { builtins } from "../../plugins/mod.ts";
import { mediumContext } from "../helpers/medium_context.ts";
import { testUnless } from "../helpers/test_unless.ts";
import { until } from "../e2e/command.ts";

// Opens the C library for good, before a sanitizer counts what a test opens.
const noFfi = allowedCpus() === null ? "without FFI no domain can be a process" : null;

const CLIENTS = 3;
const RANGE_SECTORS = 512;

/** A machine of processes, whose driver is started anew. */
async function machine(clients: Record<string, unknown>): Promise<MachinePlan> {
  const scenario = {
    apiVersion: "iddr/v1",
    kind: "Scenario",
    name: "test",
    device: { use: "ramdisk", with: { size: `${(CLIENTS * RANGE_SECTORS) / 2}KiB` } },
    policy: { use: "interrupt" },
    workload: { use: "verify" },
    clients: { count: CLIENTS, ...clients },
  };
  const { cells: [cell] } = await expandScenario(ScenarioDocument.parse("test", JSON.stringify(scenario)), builtins);
  const plan = planMachine(cell);
  return {
    ...plan,
    domains: plan.domains.map((domain) => ({ ...domain, kind: "process" })),
    recovery: { requests: "reissue", maxRestarts: 3, backoffNs: 0, standby: false },
  };
}

testUnless(
  noFfi,
  "a client that is killed is lost; the others go on, with another driver when theirs is killed",
  async () => {
    for (const clients of [{}, { rateLimit: { iops: 20_000, burst: "1ms" } }]) {
      const hypervisor = new Hypervisor(await machine(clients), mediumContext());
      const kill = (name: string): void => Deno.kill(hypervisor.domain(name).processId as number, "SIGKILL");
      const conduct: Conductor = async ({ measure, finish }) => {
        await measure();
        kill("client-1");
        await until(() => hypervisor.losses.length > 0);
        kill("driver");
        await until(() => hypervisor.domain("driver").restarts.some(({ resumedAtMs }) => resumedAtMs !== null));
        await finish();
      };
      const results = await hypervisor.run(conduct);
      assert.match(hypervisor.losses.join(), /^The domain client-1 [^,]*$/);
      assert.deepEqual([...results.keys()].sort(), ["client-0", "client-2", "driver"]);
      assert.equal(results.get("driver")?.restarts.length, 1);
      for (const name of ["client-0", "client-2"]) {
        const counters = results.get(name)?.counters ?? {};
        assert(counters.sectorsVerified >= RANGE_SECTORS, `${name} has read back all of its range`);
        assert.equal(results.get(name)?.sample.operations?.errors, 0);
      }
    }
  },
);
