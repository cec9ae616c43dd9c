/**
 * The machine process: one repetition of one cell, in a process of its own.
 *
 * A worker that hangs cannot be ended from outside, but a process can. It takes a job on its standard input, answers on
 * its standard output, and ends; it also ends when its standard input does, as then the runner is gone.
 *
 * @module
 */

import type { DomainPlan } from "../domain/plan.ts";
import { messageOf } from "../errors.ts";
import { Hypervisor } from "../hypervisor.ts";
import { allowedCpus, peakMemoryBytes } from "../measure/thread.ts";
import { type MachineAnswer, type MachineJob, RECORD } from "./machine_protocol.ts";

/** Exit status after the runner has gone. */
const ORPHANED = 3;

let scratchDirectory: string | null = null;
// Ctrl-C and the terminal's end reach every process of the terminal; what they mean is the runner's decision.
for (const signal of ["SIGINT", "SIGHUP"] as const) Deno.addSignalListener(signal, () => {});
const job = await readJob();
try {
  const domains = Object.fromEntries(await new Hypervisor(withCpus(job), job).run(job.window));
  answer({ type: "results", results: { domains, peakMemoryBytes: peakMemoryBytes() } });
} catch (thrown) {
  answer({ type: "failed", message: messageOf(thrown) });
}
Deno.exit(0); // Not by running out of work: a domain may still spin.

async function readJob(): Promise<MachineJob> {
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { done, value } = await lines.read();
    if (done) Deno.exit(ORPHANED);
    text += value;
  }
  lines.read().then(({ done }) => {
    if (done) endOrphaned();
  });
  const received: MachineJob = JSON.parse(text);
  scratchDirectory = received.scratchDirectory;
  return received;
}

/** The runner would have removed the folder. */
function endOrphaned(): never {
  if (scratchDirectory !== null) Deno.removeSync(scratchDirectory, { recursive: true });
  Deno.exit(ORPHANED);
}

function answer(message: MachineAnswer): void {
  let bytes = new TextEncoder().encode(`\n${RECORD}${JSON.stringify(message)}\n`);
  while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
}

/**
 * The plan with cores for each domain. A driver gets a core first and application threads share the others: a thread
 * that spins on the driver's core would take the time that it waits for.
 */
function withCpus({ plan, affinity }: MachineJob): MachineJob["plan"] {
  const cpus = allowedCpus();
  if (affinity === "none" || cpus === null) return plan;
  const isolated = plan.domains.some(({ workload }) => workload === undefined);
  const forThreads = isolated && cpus.length > 1 ? cpus.filter((_, index) => index !== 1) : cpus;
  const cpusOf = (domain: DomainPlan): readonly number[] => {
    if (affinity === "same") return [cpus[0]];
    const { workload } = domain;
    if (affinity === "spread") {
      return [workload === undefined ? cpus[1 % cpus.length] : forThreads[workload.thread % forThreads.length]];
    }
    return workload === undefined ? affinity.driver : affinity.application;
  };
  return { ...plan, domains: plan.domains.map((domain) => ({ ...domain, cpus: cpusOf(domain) })) };
}
