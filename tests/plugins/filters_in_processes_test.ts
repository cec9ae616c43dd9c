// Filters in driver domains that are processes, held by Deno or by the kernel to what they declare; and that a driver
// which is killed behind them loses nothing that was acknowledged.
import assert from "node:assert/strict";
import type { MachinePlan, PluginUse, RecoveryPlan, Sandbox } from "../../core/domain/plan.ts";
import { mergeNeeds } from "../../core/permission_needs.ts";
import { loadPlugin } from "../../core/plugin.ts";
import { strictAvailability } from "../../core/sandbox/availability.ts";
import { builtins } from "../../plugins/mod.ts";
import { Trace } from "../../plugins/trace/format.ts";
import {
  assertUnharmed,
  driverPid,
  failureOf,
  hasResumed,
  planProcesses,
  type ProcessMachine,
  processTest,
  runProcesses,
  until,
} from "../helpers/process_machine.ts";

type Filters = readonly (readonly [name: string, given: Readonly<Record<string, unknown>>])[];

/** A machine with filters before its disk. */
async function planFiltered(wanted: ProcessMachine, filters: Filters): Promise<MachinePlan> {
  const { domains, devices: [device], ...others } = await planProcesses(wanted);
  const loaded = await Promise.all(filters.map(async ([name, given]) => {
    const plugin = await loadPlugin("filter", builtins.filter[name]);
    const options = plugin.options.parse(given);
    const use: PluginUse = { url: builtins.filter[name], options };
    return { use, needs: plugin.permissions?.(options) ?? {} };
  }));
  const needs = loaded.map(({ needs }) => needs);
  return {
    ...others,
    domains: domains.map((domain) => {
      return domain.name === "driver" ? { ...domain, needs: mergeNeeds([domain.needs ?? {}, ...needs]) } : domain;
    }),
    devices: [{ ...device, filters: loaded.map(({ use }) => use) }],
  };
}

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const stack = (directory: string): Filters => [
  ["trace", { directory }],
  ["rate", { iops: 50_000 }],
  ["delay", { time: "50us", distribution: "exponential", parallel: 4 }],
  ["delay", { time: "1us", by: "processor" }],
];
const DEVICES: Readonly<Record<string, ProcessMachine["device"]>> = {
  "a ramdisk": { url: builtins.device.ramdisk, given: { size: "1MiB" } },
  "a file by io_uring": { url: builtins.device["loop-file"], given: { size: "1MiB", engine: "io-uring" } },
};
const RECOVERY: Partial<RecoveryPlan> = { maxRestarts: 20 };
const lacksStrict = strictAvailability().missing.join(". ");

for (const [name, device] of Object.entries(DEVICES)) {
  for (const sandbox of ["permissions", "strict"] as Sandbox[]) {
    const test = sandbox === "strict" && lacksStrict !== "" ? Deno.test.ignore : processTest;

    test(`filters before ${name} in a process (${sandbox}) do what they do in a worker`, async () => {
      await withFolder(async (folder) => {
        const outcome = await runProcesses(
          await planFiltered({ device, sandbox }, stack(folder)),
          () => new Promise((resolve) => setTimeout(resolve, 50)),
        );
        assertUnharmed(outcome);
        const { counters = {} } = outcome.results.get("driver") ?? {};
        const { length } = new Trace(await Deno.readFile(`${folder}/trace-1.trace`));
        assert(length > 0);
        assert.equal(counters.tracedRequests, length);
        assert.equal(counters.delayedRequests, 2 * length, "both delays count");
      });
    });

    test(`nothing is lost when a driver with filters before ${name} (${sandbox}) is killed in mid-run`, async () => {
      await withFolder(async (folder) => {
        const plan = await planFiltered({ device, sandbox, recovery: RECOVERY }, stack(folder));
        const outcome = await runProcesses(plan, async (hypervisor, phases) => {
          for (let killed = 1; killed <= 3; killed++) {
            Deno.kill(driverPid(hypervisor), "SIGKILL");
            await until(phases, () => hasResumed(hypervisor, killed));
          }
        });
        assertUnharmed(outcome);
        assert.equal(outcome.results.get("driver")?.restarts.length, 3);
        const traces = [...Deno.readDirSync(folder)].length;
        assert.equal(traces, 4, "each driver has a trace of its own");
      });
    });
  }
}

processTest("a driver without the permission for a filter's file fails with a message that names it", async () => {
  await withFolder(async (folder) => {
    const plan = await planFiltered({}, [["trace", { directory: folder }]]);
    const domains = plan.domains.map((domain) => domain.name === "driver" ? { ...domain, needs: {} } : domain);
    await assert.rejects(runProcesses({ ...plan, domains }), (error: Error) => error.message.includes(folder));
  });
});

processTest("an operation that a filter makes fail fails for the application", async () => {
  const given = { mode: "rndrd", blockSize: "4KiB", totalSize: "512KiB", files: 1 };
  const workload = { url: builtins.workload["sysbench-fileio"], given };
  const plan = await planFiltered({ workload }, [["error", { operations: "reads", every: 2 }]]);
  assert.match(await failureOf(plan), /failed/);
});
