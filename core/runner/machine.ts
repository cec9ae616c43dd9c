/**
 * The machine process: one repetition of one cell, in a process of its own.
 *
 * A worker that hangs cannot be ended from outside, but a process can. It takes a job on its standard input, answers on
 * its standard output, and ends; it also ends when its standard input does, as then the runner is gone.
 *
 * @module
 */

import { type DomainPlan, isDriver } from "../domain/plan.ts";
import type { Counters } from "../counters.ts";
import { printMarkedLine } from "../deno_child.ts";
import { DomainError, messageOf } from "../errors.ts";
import type { FaultJob } from "../faults/conductor.ts";
import { type DomainResult, Hypervisor } from "../hypervisor.ts";
import { type HostUse, watchHost } from "../measure/host.ts";
import { allowedCpus, peakMemoryBytes } from "../measure/thread.ts";
import { type Conductor, timedWindow, untilFinished } from "../phases.ts";
import { checkConsent, loadPlugin, type MachineContext } from "../plugin.ts";
import { clientsOf } from "./clients.ts";
import { ABORT, FINISH, type MachineAnswer, type MachineJob, RECORD, UPGRADE } from "./machine_protocol.ts";

/** Exit status after the runner has gone. */
const ORPHANED = 3;

let scratchDirectory: string | null = null;
/** For what the runner says, which may be at any time. */
const started = Promise.withResolvers<Hypervisor>();
/** What the conductor has counted. */
let conducted: Counters = {};
/** What the whole machine did in the window. */
let host: HostUse | null = null;
// Ctrl-C, the terminal's end and a service's end reach every process; what they mean is the runner's decision.
for (const signal of ["SIGINT", "SIGHUP", "SIGTERM"] as const) Deno.addSignalListener(signal, () => {});
const job = await readJob();
const context: MachineContext = {
  ...job.consent,
  scratchDirectory,
  note: (text) => answer({ type: "note", text: String(text) }),
};
try {
  const hypervisor = new Hypervisor(withCpus(job), context);
  started.resolve(hypervisor);
  answer(job.faults === undefined ? await measured(hypervisor) : await faulted(hypervisor, job.faults));
} catch (thrown) {
  answer({ type: "failed", message: messageOf(thrown) });
}
Deno.exit(0); // Not by running out of work: a domain may still spin.

async function measured(hypervisor: Hypervisor): Promise<MachineAnswer> {
  const domains = Object.fromEntries(await hypervisor.run(watched(await conductorOf(job, hypervisor))));
  const { losses } = hypervisor;
  const clients = clientsOf(job.plan);
  return {
    type: "results",
    results: {
      domains,
      clients,
      losses,
      counters: conducted,
      peakMemoryBytes: peakMemoryBytes(),
      host: withoutDomains(domains),
    },
  };
}

/** A machine of a campaign of faults. What that takes is loaded for it alone. */
async function faulted(hypervisor: Hypervisor, faults: FaultJob): Promise<MachineAnswer> {
  const { FaultConductor } = await import("../faults/conductor.ts");
  const conductor = new FaultConductor(hypervisor, faults, (record) => answer({ type: "fault", record }));
  return { type: "faulted", machine: await conductor.run() };
}

async function readJob(): Promise<MachineJob> {
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { done, value } = await lines.read();
    if (done) Deno.exit(ORPHANED);
    text += value;
  }
  const end = text.indexOf("\n");
  obey(lines, text.slice(end));
  const received: MachineJob = JSON.parse(text.slice(0, end));
  scratchDirectory = received.scratchDirectory;
  return received;
}

/** Does what the runner says later, until it is gone. */
async function obey(lines: ReadableStreamDefaultReader<string>, first: string): Promise<void> {
  for (let said = first;;) {
    const complete = said.split("\n");
    said = complete.pop() ?? "";
    for (const line of complete) {
      if (line === FINISH) started.promise.then((hypervisor) => hypervisor.requestFinish());
      if (line === UPGRADE) started.promise.then(upgrade);
      if (line === ABORT) started.promise.then((machine) => machine.abort(new DomainError("It was interrupted")));
    }
    const { done, value } = await lines.read();
    if (done) return endOrphaned();
    said += value;
  }
}

/** Replaces all drivers. What comes of it is told: the machine goes on with the old ones where it cannot be done. */
async function upgrade(hypervisor: Hypervisor): Promise<void> {
  for (const { name } of job.plan.devices) {
    try {
      await hypervisor.upgrade(name);
      context.note(`the driver of ${name} was replaced`);
    } catch (thrown) {
      context.note(`the driver of ${name} was not replaced: ${messageOf(thrown)}`);
    }
  }
}

/** Who decides how long the machine works: its workload, if that wants to. */
async function conductorOf({ plan, window }: MachineJob, hypervisor: Hypervisor): Promise<Conductor> {
  const workload = plan.domains.find((domain) => domain.workload !== undefined)?.workload;
  const plugin = workload && await loadPlugin("workload", workload.url);
  if (workload !== undefined && plugin !== undefined) checkConsent(plugin, workload.options, context);
  if (workload === undefined || plugin?.conduct === undefined) {
    return window === null ? untilFinished : timedWindow(window, (piece) => hypervisor.beginPiece(piece));
  }
  const conduct = plugin.conduct.bind(plugin);
  return async (phases) => {
    conducted = await conduct(workload.options, { ...phases, scratchDirectory, note: context.note });
  };
}

/** What the machine did, without what domains used that are processes of their own: they are no others. */
function withoutDomains(domains: Readonly<Record<string, DomainResult>>): HostUse | null {
  if (host === null) return null;
  const used = job.plan.domains.filter(({ kind }) => kind === "process")
    .reduce((sum, { name }) => sum + (domains[name]?.sample.cpuNs ?? 0), 0);
  return { ...host, othersNs: Math.max(0, host.othersNs - used) };
}

/** The same conductor, while it is noted what the whole machine does in the window. */
function watched(conduct: Conductor): Conductor {
  return async (phases) => {
    let used: () => HostUse | null = () => null;
    await conduct({
      ...phases,
      async measure() {
        await phases.measure();
        used = watchHost();
      },
      async finish() {
        host ??= used();
        await phases.finish();
      },
    });
  };
}

/** The runner would have removed the folder. */
function endOrphaned(): never {
  if (scratchDirectory !== null) Deno.removeSync(scratchDirectory, { recursive: true });
  Deno.exit(ORPHANED);
}

function answer(message: MachineAnswer): void {
  printMarkedLine(RECORD, JSON.stringify(message));
}

/**
 * The plan with cores for each domain. Drivers get cores first and application threads share the others, of which one is
 * left for them: a thread that spins on a driver's core would take the time that it waits for.
 */
function withCpus({ plan, affinity }: MachineJob): MachineJob["plan"] {
  const cpus = allowedCpus();
  const confine = (cpusOf: (domain: DomainPlan) => readonly number[]): MachineJob["plan"] => {
    return { ...plan, domains: plan.domains.map((domain) => ({ ...domain, cpus: cpusOf(domain) })) };
  };
  if (typeof affinity === "object") {
    const { application, driver } = affinity;
    return confine((domain) => checkedCpus(isDriver(domain) ? driver : application, cpus));
  }
  if (affinity === "none" || cpus === null) return plan;
  if (affinity === "same") return confine(() => [cpus[0]]);
  const drivers = plan.domains.filter(isDriver);
  const threads = plan.domains.filter((domain) => !isDriver(domain));
  const taken = Math.min(drivers.length, cpus.length - 1);
  const forDrivers = taken === 0 ? cpus : cpus.slice(1, 1 + taken);
  const forThreads = taken === 0 ? cpus : cpus.filter((cpu) => !forDrivers.includes(cpu));
  return confine((domain) => {
    const [alike, theirs] = isDriver(domain) ? [drivers, forDrivers] : [threads, forThreads];
    return [theirs[alike.indexOf(domain) % theirs.length]];
  });
}

/** Cores that somebody lists must be had: what is measured on others would be something else. */
function checkedCpus(listed: readonly number[], allowed: readonly number[] | null): readonly number[] {
  if (allowed === null) {
    throw new DomainError("affinity lists cores, which only the C library can give: allow --allow-ffi");
  }
  const missing = listed.filter((cpu) => !allowed.includes(cpu));
  if (missing.length === 0) return listed;
  throw new DomainError(
    `affinity lists the cores ${missing.join(", ")}, on which this process may not run; allowed are ${
      allowed.join(", ")
    }`,
  );
}
