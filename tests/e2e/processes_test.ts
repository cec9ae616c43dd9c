// Runs whose domains are processes: whoever dies, nobody is left behind.
import assert from "node:assert/strict";
import { strictAvailability } from "../../core/sandbox/availability.ts";
import { testUnless } from "../helpers/test_unless.ts";
import { flags, outcome, processesAlive, savedResult, start, until, withDirectory, writeScenario } from "./command.ts";

const PROCESSES = {
  domains: { application: { kind: "process" }, driver: { kind: "process" } },
  workload: { use: "verify", with: { size: "256KiB" } },
  recovery: { hangTimeout: "10s", onFailure: "restart" },
};
/** Runs long enough to be disturbed. */
const LONG = { ...PROCESSES, run: { warmup: "10ms", duration: "1s", repetitions: 50 } };

/** Processes of this test that run a module. */
async function running(module: string): Promise<number[]> {
  return (await processesAlive()).filter((pid) => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes(module);
    } catch {
      return false; // It has ended.
    }
  });
}

/** Whether a process has come as far as to decide what SIGINT is to it (proc(5)). */
function catchesInterrupts(pid: number): boolean {
  try {
    const caught = /^SigCgt:\s*([0-9a-f]+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1] ?? "0";
    return (BigInt(`0x${caught}`) & 2n) !== 0n;
  } catch {
    return false; // It has ended.
  }
}

/** The domains of a machine process that are processes: under `strict` they have no environment to be known by. */
function domainsOf(machine: number): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1].split(" ")[1] === String(machine) &&
        Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes("/domain/process.ts\0");
    } catch {
      return false; // It has ended, or is no process.
    }
  });
}

/** Whether a process is there, and no zombie. */
function isAlive(pid: number): boolean {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1][0] !== "Z";
  } catch {
    return false;
  }
}

/** A long run, with its machine and both of its domains at work. */
async function startLong(
  directory: string,
  sandbox = "permissions",
): Promise<{ child: Deno.ChildProcess; machine: number; domains: number[] }> {
  const [application, driver] = [{ kind: "process", sandbox }, { kind: "process", sandbox }];
  const scenario = await writeScenario(directory, { ...LONG, domains: { application, driver } });
  const child = start([scenario, "--out", directory], flags(directory));
  let domains: number[] = [];
  let machines: number[] = [];
  await until(async () => {
    machines = await running("/runner/machine.ts");
    domains = machines.length === 1 ? domainsOf(machines[0]) : [];
    return machines.length === 1 && domains.length === 2 && [...machines, ...domains].every(catchesInterrupts);
  });
  return { child, machine: machines[0], domains };
}

async function assertNobodyLeft(): Promise<void> {
  await until(async () => (await processesAlive()).length === 0);
}

Deno.test("a run with both domains in processes ends with 0, and says what kinds they were", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory, PROCESSES);
    const { code, stdout, stderr } = await outcome(start([scenario, "--out", directory], flags(directory)));
    assert.equal(code, 0, stdout + stderr);
    const { cells: [{ status, samples }], scenario: expanded } = await savedResult(directory);
    assert.equal(status, "ok");
    assert.deepEqual([expanded.domains.application.kind, expanded.domains.driver.kind], ["process", "process"]);
    for (const { operations, errors, cpuCores, notifications } of samples) {
      assert(operations > 0);
      assert.equal(errors, 0);
      assert(cpuCores.application > 0 && cpuCores.driver > 0, "each process has measured itself");
      assert(notifications.frontend !== null && notifications.backend !== null);
    }
    await assertNobodyLeft();
  });
});

const { missing } = strictAvailability();
for (const sandbox of ["none", "permissions", "strict"]) {
  const refusal = sandbox === "strict" && missing.length > 0 ? missing.join(". ") : null;
  testUnless(refusal, `when the machine process is killed its domains end, whose sandbox is ${sandbox}`, async () => {
    await withDirectory(async (directory) => {
      const { child, machine, domains } = await startLong(directory, sandbox);
      Deno.kill(machine, "SIGKILL");
      await until(() => !domains.some(isAlive));
      const { code, stdout } = await outcome(child);
      assert.equal(code, 1);
      assert.match(stdout, /The machine process was killed by SIGKILL/);
      await assertNobodyLeft();
    });
  });

  testUnless(refusal, `when the command line is killed nobody is left, though the sandbox is ${sandbox}`, async () => {
    await withDirectory(async (directory) => {
      const { child, domains } = await startLong(directory, sandbox);
      child.kill("SIGKILL");
      await child.output();
      await until(() => !domains.some(isAlive));
      await assertNobodyLeft();
    });
  });
}

Deno.test("Ctrl-C, which reaches every process, ends the run in order", async () => {
  await withDirectory(async (directory) => {
    const { child, machine, domains } = await startLong(directory);
    for (const pid of [...domains, machine]) Deno.kill(pid, "SIGINT");
    // They are still there, and at work: what Ctrl-C means is the command line's to say.
    await until(() => [...Deno.readDirSync(directory)].some(({ name }) => /^test-.*\.json$/.test(name)));
    child.kill("SIGINT");
    const { code, stderr } = await outcome(child);
    assert.equal(code, 130, stderr);
    const { cells: [{ samples, error }] } = await savedResult(directory);
    assert.equal(error, undefined);
    assert(samples.length >= 1);
    for (const { restarts = [] } of samples) assert.equal(restarts.length ?? 0, 0);
    await assertNobodyLeft();
  });
});
