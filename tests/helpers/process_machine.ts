/**
 * Machines whose domains are processes, and what tests do to them while they run.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { DomainKind, DomainPlan, MachinePlan, PluginUse, RecoveryPlan, Sandbox } from "../../core/domain/plan.ts";
import { Hypervisor } from "../../core/hypervisor.ts";
import type { DomainResult } from "../../core/hypervisor.ts";
import { type ChannelOptions, DEFAULT_CHANNEL } from "../../core/link.ts";
import { threadUsage } from "../../core/measure/thread.ts";
import { driverNeeds } from "../../core/permissions.ts";
import { type Conductor, type Phases, unlessAborted } from "../../core/phases.ts";
import { loadPlugin, type MachineContext } from "../../core/plugin.ts";
import { builtins } from "../../plugins/mod.ts";
import { mediumContext } from "./medium_context.ts";

threadUsage(); // Opens the C library for good, before a sanitizer counts what a test opens.

/** A plugin among the helpers. */
export const HELPER = (name: string): string => new URL(`./plugins/${name}.ts`, import.meta.url).href;
/** Reissues requests, five times. */
export const RECOVERY: RecoveryPlan = { requests: "reissue", maxRestarts: 5, backoffNs: 1e6, standby: false };

/** What a test says of its machine. */
export interface ProcessMachine {
  readonly application?: DomainKind;
  readonly driver?: DomainKind;
  readonly sandbox?: Sandbox;
  readonly device?: { readonly url: string; readonly given: Readonly<Record<string, unknown>> };
  /** The workload's plugin and its options; `verify` by default, which checks all that it reads. */
  readonly workload?: { readonly url: string; readonly given: Readonly<Record<string, unknown>> };
  readonly threads?: number;
  readonly recovery?: Partial<RecoveryPlan>;
  readonly hangTimeoutNs?: number;
  readonly channel?: Partial<ChannelOptions>;
}

/** A saboteur's disk: `fault` and so on are its options. */
export function saboteur(given: Readonly<Record<string, unknown>>): ProcessMachine["device"] {
  return { url: HELPER("saboteur"), given };
}

/** Plans a machine: applications, called application-0 and so on, and a driver, which is a process by default. */
export async function planProcesses(wanted: ProcessMachine = {}): Promise<MachinePlan> {
  const { threads = 1, device = { url: builtins.device.ramdisk, given: { size: "1MiB" } } } = wanted;
  const plugin = await loadPlugin("device", device.url);
  const options = plugin.options.parse(device.given);
  const { url, given } = wanted.workload ??
    { url: builtins.workload.verify, given: { size: "256KiB", threads, fuaShare: 0.02 } };
  const workload = await loadPlugin("workload", url);
  const settings = workload.options.parse(given);
  const { queueDepth, transferBytes } = workload.needs(settings);
  const policy: PluginUse = { url: builtins.policy.interrupt, options: {} };
  const common = { cpus: [], policy, ...(wanted.sandbox === undefined ? {} : { sandbox: wanted.sandbox }) };
  const applications = Array.from({ length: threads }, (_, thread): DomainPlan => ({
    ...{ name: `application-${thread}`, kind: wanted.application ?? "worker", ...common },
    needs: workload.permissions?.(settings) ?? {},
    workload: { url, options: settings, slots: { count: queueDepth, bytes: transferBytes }, thread, threads },
  }));
  const channel = { ...DEFAULT_CHANNEL, ...wanted.channel };
  const driver = { name: "driver", kind: wanted.driver ?? "process", ...common, needs: driverNeeds(plugin, options) };
  return {
    domains: [...applications, driver],
    devices: [{ name: "disk", domains: ["driver"], plugin: { url: device.url, options }, events: plugin.events }],
    links: applications.map(({ name }) => ({ frontend: name, device: "disk", channel })),
    ...{ seed: 7, hangTimeoutNs: wanted.hangTimeoutNs ?? 10e9 },
    ...(wanted.recovery === undefined ? {} : { recovery: { ...RECOVERY, ...wanted.recovery } }),
  };
}

/** What a test does while its machine runs. */
export type Deed = (hypervisor: Hypervisor, phases: Phases) => Promise<void>;

/** What became of a machine. */
export interface MachineOutcome {
  readonly results: ReadonlyMap<string, DomainResult>;
  readonly hypervisor: Hypervisor;
}

/** Runs a machine, and a deed in its measured window. */
export async function runProcesses(
  plan: MachinePlan,
  deed: Deed = async () => {},
  context: Partial<MachineContext> = {},
): Promise<MachineOutcome> {
  return await conduct(plan, (hypervisor) => async (phases) => {
    await phases.measure();
    await deed(hypervisor, phases);
    await phases.finish();
  }, context);
}

/** Runs a machine as a conductor has it, with a folder of its own. */
export async function conduct(
  plan: MachinePlan,
  conductor: (hypervisor: Hypervisor) => Conductor,
  context: Partial<MachineContext> = {},
): Promise<MachineOutcome> {
  const scratchDirectory = await Deno.makeTempDir();
  try {
    const hypervisor = new Hypervisor(plan, mediumContext({ scratchDirectory, ...context }));
    return { hypervisor, results: await hypervisor.run(conductor(hypervisor)) };
  } finally {
    await Deno.remove(scratchDirectory, { recursive: true });
  }
}

/** Why a machine failed. */
export async function failureOf(plan: MachinePlan, deed: Deed = never): Promise<string> {
  try {
    await runProcesses(plan, deed);
  } catch (thrown) {
    return (thrown as Error).message;
  }
  assert.fail("the machine did not fail");
}

/** Goes on until the machine fails. */
export const never: Deed = async (_, { signal }) => {
  await unlessAborted(new Promise(() => {}), signal);
};

/** Every application did its work, and noticed nothing. */
export function assertUnharmed({ results }: MachineOutcome): void {
  const applications = [...results].filter(([name]) => name !== "driver");
  assert(applications.length > 0);
  for (const [name, { sample, counters }] of applications) {
    assert((counters.sectorsVerified ?? sample.operations?.operations ?? 0) > 0, `${name} did something`);
    assert.equal(sample.operations?.errors, 0, `${name} saw errors`);
  }
}

/** Waits for something that will happen while a machine runs; its failure ends the wait. */
export async function until(phases: Pick<Phases, "signal">, condition: () => boolean): Promise<void> {
  for (let look = 0; look < 12_000; look++) {
    if (condition()) return;
    await unlessAborted(new Promise((resolve) => setTimeout(resolve, 5)), phases.signal);
  }
  assert.fail(`never happened: ${condition}`);
}

/** The driver's process. */
export function driverPid(hypervisor: Hypervisor, name = "driver"): number {
  return hypervisor.domain(name).processId ?? assert.fail(`${name} is no process`);
}

/** Whether the driver was started anew so many times, and the last of them has answered. */
export function hasResumed(hypervisor: Hypervisor, restarts: number, name = "driver"): boolean {
  return (hypervisor.domain(name).restarts[restarts - 1]?.resumedAtMs ?? null) !== null;
}

/** Whether a process is there, and no zombie. */
export function isAlive(pid: number): boolean {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1][0] !== "Z";
  } catch {
    return false;
  }
}

/** Registers a test. The last words of a process that was killed may still be awaited when it is over. */
export function processTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, sanitizeOps: false, sanitizeResources: false, fn });
}
