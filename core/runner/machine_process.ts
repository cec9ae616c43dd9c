/**
 * The runner's side of a machine process: starts it with the permissions that its plugins need, gives it its job, and
 * makes sure that it ends.
 *
 * @module
 */

import { modulesOf } from "../domain/plan.ts";
import { DomainError } from "../errors.ts";
import type { FaultedMachine } from "../faults/conductor.ts";
import type { FaultRecord } from "../faults/injector.ts";
import { type Consent, NO_CONSENT, type PermissionNeeds } from "../plugin.ts";
import { denoArguments, describeEnd, readLast, readMarkedLines } from "../deno_child.ts";
import { missingPermissions, permissionFlags, permissionsOf } from "../permissions.ts";
import {
  ABORT,
  FINISH,
  type MachineAnswer,
  type MachineJob,
  type MachineResults,
  RECORD,
  UPGRADE,
} from "./machine_protocol.ts";
import { withScratchDirectory } from "./scratch.ts";

const NS_PER_MS = 1e6;
/** How long a machine process may take beyond its window: to start, to open media, to end. */
const OVERHEAD_MS = 120_000;
/** How long a machine process whose workload has a conductor may take to undo what it did, once it was interrupted. */
const UNDO_MS = 30_000;
/** A machine process that runs. */
export interface RunningMachine {
  /**
   * Replaces the drivers by their modules as they are now on the disk, while applications go on. Whether that was done is
   * told by a note.
   */
  upgrade(): void;
}

/** What a machine process is to do. */
export type WantedJob = Omit<MachineJob, "scratchDirectory" | "consent">;
/** What one says in the end that did it. */
type FinalAnswer = Extract<MachineAnswer, { type: "results" | "faulted" }>;

/** How to run a machine process. */
export interface MachineProcessOptions {
  /** What its plugins need. */
  readonly needs: PermissionNeeds;
  /** Options of V8, for who measures it. */
  readonly v8Flags?: readonly string[];
  /** Where the folder for its media is made. */
  readonly scratchParent?: string;
  /** What may be destroyed, and what programs may run; nothing by default. */
  readonly consent?: Consent;
  /** The longest time that its workload's conductor may take, in nanoseconds, if it has one. */
  readonly conductNs?: number;
  /** Told at once what devices and workloads have to say that is no error, whether or not the repetition succeeds. */
  readonly onNote?: (text: string) => void;
  /** Told how to command it, once it is started. */
  readonly onStarted?: (machine: RunningMachine) => void;
  /** Told at once what came of each fault, in a campaign of them. */
  readonly onFault?: (record: FaultRecord) => void;
  /** Ends it early. */
  readonly signal?: AbortSignal;
  /** Asks it to finish in order, where it has no window and works until then. */
  readonly finish?: AbortSignal;
}

/**
 * Runs one repetition of one cell.
 *
 * @returns what was measured
 * @throws {DomainError} when the repetition failed, with its cause
 * @throws the signal's reason when it was aborted
 */
export async function runMachineProcess(wanted: WantedJob, options: MachineProcessOptions): Promise<MachineResults> {
  const answer = await askMachineProcess(wanted, options);
  if (answer.type !== "results") throw new DomainError(`The machine process answered with ${answer.type}`);
  return answer.results;
}

/**
 * Runs one machine of a campaign of faults. It is told to `onFault` at once what came of each.
 *
 * @returns what came of the machine
 * @throws as {@link runMachineProcess}
 */
export async function runFaultedMachine(
  wanted: WantedJob & Required<Pick<MachineJob, "faults">>,
  options: MachineProcessOptions,
): Promise<FaultedMachine> {
  const answer = await askMachineProcess(wanted, options);
  if (answer.type !== "faulted") throw new DomainError(`The machine process answered with ${answer.type}`);
  return answer.machine;
}

async function askMachineProcess(wanted: WantedJob, options: MachineProcessOptions): Promise<FinalAnswer> {
  options.signal?.throwIfAborted();
  const missing = missingPermissions(permissionsOf(options.needs));
  if (missing.length > 0) {
    throw new DomainError(
      `Its plugins need what this process may not do itself. Add: ${permissionFlags(missing).join(" ")}`,
    );
  }
  const job = { ...wanted, consent: options.consent ?? NO_CONSENT };
  if (!options.needs.scratch) return await run({ ...job, scratchDirectory: null }, options);
  return await withScratchDirectory(options.scratchParent, (scratchDirectory) => {
    return run({ ...job, scratchDirectory }, options);
  });
}

async function run(job: MachineJob, options: MachineProcessOptions): Promise<FinalAnswer> {
  const { conductNs } = options;
  const limitMs = workingMs(job, conductNs) + OVERHEAD_MS;
  const child = new Deno.Command(Deno.execPath(), {
    args: denoArguments({
      entry: import.meta.resolve("./machine.ts"),
      plugins: pluginUrls(job),
      needs: options.needs,
      scratchDirectory: job.scratchDirectory,
      events: job.plan.devices.some(({ events }) => events === true),
      v8Flags: options.v8Flags,
    }),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const end = (): void => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  };
  let expired = false;
  const timers: ReturnType<typeof setTimeout>[] = [];
  if (limitMs < Infinity) {
    timers.push(setTimeout(() => {
      expired = true;
      end();
    }, limitMs));
  }
  const input = child.stdin.getWriter();
  const say = (line: string): Promise<void> => input.write(new TextEncoder().encode(`${line}\n`)).catch(() => {});
  const abort = (): void => {
    // Nothing outlives a process that only measures.
    if (conductNs === undefined) return end();
    say(ABORT);
    timers.push(setTimeout(end, UNDO_MS));
  };
  const finish = (): void => void say(FINISH);
  try {
    const given = say(JSON.stringify(job));
    whenAborted(options.signal, abort);
    whenAborted(options.finish, finish);
    options.onStarted?.({ upgrade: () => void say(UPGRADE) });
    let answer: FinalAnswer | Extract<MachineAnswer, { type: "failed" }> | undefined;
    const listened = readMarkedLines(child.stdout, RECORD, (line) => {
      const said: MachineAnswer = JSON.parse(line);
      if (said.type === "note") options.onNote?.(said.text);
      else if (said.type === "fault") options.onFault?.(said.record);
      else answer ??= said;
    });
    const [errors, status] = await Promise.all([readLast(child.stderr), child.status, listened]);
    await given;
    await input.close().catch(() => {});
    options.signal?.throwIfAborted();
    if (expired) throw new DomainError(`The machine process did not end within ${limitMs / 1000} s and was killed`);
    if (answer === undefined) {
      throw new DomainError(`The machine process ${describeEnd(status, "before it had measured anything", errors)}`);
    }
    if (answer.type === "failed") throw new DomainError(answer.message);
    return answer;
  } finally {
    for (const timer of timers) clearTimeout(timer);
    options.signal?.removeEventListener("abort", abort);
    options.finish?.removeEventListener("abort", finish);
  }
}

/** How long a job works at most: for ever, if it goes on until it is told to finish. */
function workingMs({ window }: MachineJob, conductNs: number | undefined): number {
  if (conductNs !== undefined) return conductNs / NS_PER_MS;
  return window === null ? Infinity : (window.warmupNs + window.durationNs) / NS_PER_MS;
}

function whenAborted(signal: AbortSignal | undefined, act: () => void): void {
  if (signal?.aborted) act();
  else signal?.addEventListener("abort", act);
}

function pluginUrls({ plan }: MachineJob): string[] {
  return [
    ...plan.devices.flatMap(modulesOf),
    ...plan.domains.flatMap(({ policy, workload }) => workload === undefined ? policy.url : [policy.url, workload.url]),
  ];
}
