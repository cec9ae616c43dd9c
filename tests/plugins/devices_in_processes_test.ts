// Each device in a driver domain that is a process, held by Deno or by the kernel to what its plugin declares: it keeps
// what it is given, and a driver that is killed loses nothing that was acknowledged.
import assert from "node:assert/strict";
import type { DomainPlan, MachinePlan, PluginUse, RecoveryPlan, Sandbox } from "../../core/domain/plan.ts";
import { Hypervisor } from "../../core/hypervisor.ts";
import { DEFAULT_CHANNEL } from "../../core/link.ts";
import { threadUsage } from "../../core/measure/thread.ts";
import { type Conductor, type Phases, timedWindow, unlessAborted } from "../../core/phases.ts";
import { driverNeeds } from "../../core/permissions.ts";
import { loadPlugin } from "../../core/plugin.ts";
import { strictAvailability } from "../../core/sandbox/availability.ts";
import { builtins } from "../../plugins/mod.ts";
import { loopDevice, loopDeviceRefusal } from "../helpers/loop_device.ts";
import { mediumContext } from "../helpers/medium_context.ts";
import { NbdProgram, programRefusal } from "../helpers/nbd_programs.ts";

threadUsage(); // Opens the C library for good, before a sanitizer counts what a test opens.

const SIZE = 1 << 20;
const DEPTH = 4;
const BLOCK = 4096;
const RECOVERY: RecoveryPlan = { requests: "reissue", maxRestarts: 5, backoffNs: 1e6, standby: false };

/** A device to test, and what to undo afterwards. */
interface Case extends AsyncDisposable {
  readonly url: string;
  readonly given: Readonly<Record<string, unknown>>;
}

/** A machine whose driver is a process, and which checks all that it reads. */
async function machine(
  { url, given }: Case,
  recovery?: RecoveryPlan,
  sandbox: Sandbox = "permissions",
): Promise<MachinePlan> {
  const device = await loadPlugin("device", url);
  const options = device.options.parse(given);
  const verify = await loadPlugin("workload", builtins.workload.verify);
  // Where the medium is not opened again, a durable write in whose midst a driver dies fails, as it must.
  const fuaShare = recovery === undefined || device.openAgain !== undefined ? 0.1 : 0;
  const wanted = verify.options.parse({ size: "256KiB", queueDepth: DEPTH, blockSize: "4KiB", fuaShare });
  const policy: PluginUse = { url: builtins.policy.interrupt, options: {} };
  const application: DomainPlan = {
    ...{ name: "application", kind: "worker", cpus: [], policy },
    workload: {
      ...{ url: builtins.workload.verify, options: wanted },
      ...{ slots: { count: DEPTH, bytes: BLOCK }, thread: 0, threads: 1 },
    },
  };
  const needs = driverNeeds(device, options);
  return {
    domains: [application, { name: "driver", kind: "process", sandbox, cpus: [], policy, needs }],
    devices: [{ name: "disk", domains: ["driver"], plugin: { url, options } }],
    links: [{ frontend: "application", device: "disk", channel: DEFAULT_CHANNEL }],
    ...{ seed: 7, hangTimeoutNs: 10e9 },
    ...(recovery === undefined ? {} : { recovery }),
  };
}

/** Runs a machine, and makes sure that all was as it was written. How often its driver was started anew. */
async function verified(plan: MachinePlan, conduct: (hypervisor: Hypervisor) => Conductor): Promise<number> {
  const scratchDirectory = await Deno.makeTempDir();
  const allowDestructive = plan.devices.map(({ plugin }) => (plugin.options as { path?: string }).path ?? "");
  try {
    const hypervisor = new Hypervisor(plan, mediumContext({ scratchDirectory, allowDestructive }));
    const results = await hypervisor.run(conduct(hypervisor));
    const application = results.get("application");
    assert.equal(application?.sample.operations?.errors, 0);
    assert((application?.counters.sectorsVerified ?? 0) >= (256 << 10) / 512);
    return results.get("driver")?.restarts.length ?? 0;
  } finally {
    await Deno.remove(scratchDirectory, { recursive: true });
  }
}

/** Kills the driver while it works, so many times, and goes on after each until another has answered. */
function killing(hypervisor: Hypervisor, times: number): Conductor {
  return async ({ measure, finish, signal }: Phases) => {
    await measure();
    for (let killed = 0; killed < times; killed++) {
      const { processId } = hypervisor.domain("driver");
      assert(processId !== undefined);
      Deno.kill(processId, "SIGKILL");
      while (!isAnswering(hypervisor, killed + 1)) await pause(signal);
    }
    await finish();
  };
}

/** Whether the driver was started anew so many times, and the last of them has answered. */
function isAnswering(hypervisor: Hypervisor, restarts: number): boolean {
  return (hypervisor.domain("driver").restarts[restarts - 1]?.resumedAtMs ?? null) !== null;
}

async function pause(signal: AbortSignal): Promise<void> {
  await unlessAborted(new Promise((resolve) => setTimeout(resolve, 5)), signal);
}

const plain = (url: string, given: Readonly<Record<string, unknown>>): () => Case => () => ({
  ...{ url, given },
  [Symbol.asyncDispose]: () => Promise.resolve(),
});
const onDisk = (engine: string): () => Case => () => {
  const disk = loopDevice({ sizeBytes: SIZE });
  return {
    ...{ url: builtins.device.sata, given: { path: disk.path, destructive: true, engine } },
    [Symbol.asyncDispose]: () => Promise.resolve(disk[Symbol.dispose]()),
  };
};
const remote = (): Case => {
  const server = NbdProgram.nbdkit("memory", "1M");
  return {
    ...{ url: builtins.device.nbd, given: { uri: server.uri } },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
};

const disks = loopDeviceRefusal();
const CASES: Readonly<Record<string, readonly [refusal: string | null, make: () => Case]>> = {
  "ramdisk": [null, plain(builtins.device.ramdisk, { size: "1MiB" })],
  "loop-file (sync)": [null, plain(builtins.device["loop-file"], { size: "1MiB", engine: "sync" })],
  "loop-file (io-uring)": [null, plain(builtins.device["loop-file"], { size: "1MiB", engine: "io-uring" })],
  "loop-file (direct)": [null, plain(builtins.device["loop-file"], { size: "1MiB", direct: true })],
  "sata (sync)": [disks, onDisk("sync")],
  "sata (io-uring)": [disks, onDisk("io-uring")],
  "nbd": [programRefusal("nbdkit"), remote],
};

/** Registers a test. The last words of a process that was killed may still be awaited when it is over. */
function test(refusal: string | null, name: string, fn: () => Promise<void>): void {
  const what = refusal === null ? name : `${name} (skipped: ${refusal})`;
  Deno.test({ name: what, ignore: refusal !== null, sanitizeOps: false, sanitizeResources: false, fn });
}

const SANDBOXES: Readonly<Partial<Record<Sandbox, string | null>>> = {
  permissions: null,
  strict: strictAvailability().missing.join(". ") || null,
};

for (const [name, [lacksDevice, make]] of Object.entries(CASES)) {
  for (const [sandbox, lacksSandbox] of Object.entries(SANDBOXES) as [Sandbox, string | null][]) {
    const refusal = lacksDevice ?? lacksSandbox;
    test(refusal, `${name} in a process (${sandbox}) keeps what it is given`, async () => {
      await using made = make();
      const plan = await machine(made, undefined, sandbox);
      assert.equal(await verified(plan, () => timedWindow({ warmupNs: 0, durationNs: 50e6 })), 0);
    });

    test(refusal, `${name} (${sandbox}) loses nothing when its driver is killed in mid-run`, async () => {
      await using made = make();
      const plan = await machine(made, RECOVERY, sandbox);
      assert.equal(await verified(plan, (hypervisor) => killing(hypervisor, 3)), 3);
    });
  }
}

const SABOTEUR = new URL("../helpers/plugins/saboteur.ts", import.meta.url).href;
for (const fault of ["exit", "crash", "kill", "torn"]) {
  test(null, `a driver that dies of ${fault} at a request is followed by one that does it`, async () => {
    await using made = plain(SABOTEUR, { fault, of: "write", at: 50, times: 2 })();
    const plan = await machine(made, RECOVERY);
    const conduct = (hypervisor: Hypervisor): Conductor => async ({ measure, finish, signal }) => {
      await measure();
      while (!isAnswering(hypervisor, 2)) await pause(signal);
      await finish();
    };
    assert.equal(await verified(plan, conduct), 2);
  });
}
