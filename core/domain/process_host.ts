/**
 * A domain that is a process: a Deno of its own, with an address space of its own, the permissions that its plugins
 * declare, and the descriptors that it is handed.
 *
 * @module
 */

import { denoArguments, describeEnd, importedPaths, readLast, readMarkedLines } from "../deno_child.ts";
import { handingOn } from "../descriptor.ts";
import { DomainError, messageOf } from "../errors.ts";
import { strictAvailability } from "../sandbox/availability.ts";
import { confinementOf } from "../sandbox/confinement.ts";
import { confinedCommand } from "../sandbox/launch.ts";
import type { MachineMemory } from "../machine_memory.ts";
import { limitGrowth } from "../memory_limit.ts";
import type { DomainBoot } from "./boot.ts";
import { modulesOf } from "./plan.ts";
import type { DomainHost, DomainListener } from "./host.ts";
import { parseReport, RECORD } from "./report_text.ts";
import { isWithin } from "../within.ts";
import { encodeBoot } from "./transfer.ts";

/** Carries a domain of kind `process`. It is started when it is booted, as it inherits what it is handed. */
export class ProcessHost implements DomainHost {
  readonly ended: Promise<void>;
  readonly #listener: DomainListener;
  readonly #memory: MachineMemory;
  readonly #end = Promise.withResolvers<void>();
  #child: Deno.ChildProcess | undefined;
  #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>> | undefined;

  /**
   * A process that is not started yet.
   *
   * @param memory where the memory in its boot message comes from
   */
  constructor(listener: DomainListener, memory: MachineMemory) {
    this.#listener = listener;
    this.#memory = memory;
    this.ended = this.#end.promise;
  }

  /** Its process id; undefined before it was booted. */
  get processId(): number | undefined {
    return this.#child?.pid;
  }

  boot(boot: DomainBoot, inherited: readonly number[]): void {
    try {
      const { text, descriptors } = encodeBoot(boot, (memory) => this.#memory.descriptorOf(memory));
      const doorbells = [boot.eventFd, ...boot.links.map(({ peerEventFd }) => peerEventFd)];
      const handed = [...descriptors, ...doorbells.filter((each) => each !== null), ...inherited];
      if (boot.plan.sandbox === "strict") checkStrict(this.#listener);
      const child = startDomain(boot, [...new Set(handed)]);
      this.#child = child;
      this.#serve(child, text, boot.plan.memoryBytes);
    } catch (thrown) {
      this.#end.resolve();
      this.#listener.died(`could not be started: ${messageOf(thrown)}`);
    }
  }

  proceed(): void {
    this.#say("");
  }

  kill(): void {
    if (this.#child === undefined) return this.#end.resolve();
    this.signal("SIGKILL");
  }

  /** Sends it a signal, if it is there. */
  signal(signal: Deno.Signal): void {
    try {
      this.#child?.kill(signal);
    } catch {
      // It has ended already.
    }
  }

  #say(line: string): void {
    this.#input?.write(new TextEncoder().encode(`${line}\n`)).catch(() => {});
  }

  async #serve(child: Deno.ChildProcess, boot: string, memoryBytes: number | undefined): Promise<void> {
    // Standard input stays open: its end would mean that the hypervisor is gone.
    this.#input = child.stdin.getWriter();
    this.#say(boot);
    const errors = readLast(child.stderr);
    let unlimited = memoryBytes;
    const heard = readMarkedLines(child.stdout, RECORD, (line) => {
      // Its first word comes when it has what it needs.
      if (unlimited !== undefined) limitGrowth(child.pid, unlimited);
      unlimited = undefined;
      const report = parseReport(line);
      if (report !== null) return this.#listener.reported(report);
      this.#listener.died(`reported what is no report: ${line.slice(0, 200)}`);
    }, MAX_REPORT_CHARACTERS);
    const status = await child.status;
    // Its death counts from here on: a child of its own that has its standard output could keep that open.
    this.#end.resolve();
    // One that was killed says nothing more, and may be missed.
    if (status.signal === null) await isWithin(Promise.all([errors, heard]), LAST_WORDS_MS);
    this.#input.close().catch(() => {});
    this.#listener.died(describeEnd(status, "without saying why", await Promise.race([errors, ""])));
  }
}

/** Longest report: a sample with all buckets of its latencies has a tenth of that. */
const MAX_REPORT_CHARACTERS = 1 << 20;
/**
 * How long the last words of a dead process are waited for. They are there, and are read at once where nobody else has the
 * pipe; but this process may have to wait for a core.
 */
const LAST_WORDS_MS = 2000;

/** Starts the process of a domain, which inherits these descriptors, confined as its plan says. */
function startDomain(
  { plan, devices, scratchDirectory }: DomainBoot,
  descriptors: readonly number[],
): Deno.ChildProcess {
  const workload = plan.workload === undefined ? [] : [plan.workload.url];
  const plugins = [plan.policy.url, ...workload, ...devices.flatMap(modulesOf)];
  const needs = plan.needs ?? {};
  const program = Deno.execPath();
  const args = denoArguments({
    entry: import.meta.resolve("./process.ts"),
    ...{ plugins, needs, scratchDirectory },
    events: devices.some(({ events }) => events === true),
    unconfined: plan.sandbox === "none",
  });
  const command = plan.sandbox !== "strict" ? { program, args } : confinedCommand({
    confinement: confinementOf(needs, importedPaths({ plugins }), scratchDirectory),
    ...{ program, args, descriptors, keepEnv: needs.env ?? [] },
  });
  const piped = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  return handingOn(descriptors, () => new Deno.Command(command.program, { args: [...command.args], ...piped }).spawn());
}

/** A strict sandbox is never silently less. */
function checkStrict({ reported }: DomainListener): void {
  const { missing, notes } = strictAvailability();
  if (missing.length > 0) throw new DomainError(`A strict sandbox is not to be had here. ${missing.join(". ")}`);
  for (const text of notes) reported({ type: "note", text });
}
