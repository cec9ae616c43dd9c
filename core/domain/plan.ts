/**
 * The plan of a machine: which domains it has, which devices they drive, and what links them. Plain data, so that it can
 * be handed to a process.
 *
 * @module
 */

import type { ChannelOptions, SlotOptions } from "../link.ts";
import type { PermissionNeeds } from "../plugin.ts";
import type { PartitionPlan } from "../partition.ts";
import type { RateLimits } from "../rate_limit.ts";

/** A plugin to load inside a domain. */
export interface PluginUse {
  /** Its module. */
  readonly url: string;
  /** Its options, after the schema. */
  readonly options: unknown;
}

/**
 * Where a domain runs: in a worker, a thread with a heap of its own, or in a process, with an address space of its own,
 * which can be killed and started anew.
 */
export type DomainKind = "worker" | "process";

/**
 * What keeps a process from all but its work: the kernel (`strict`: Landlock, seccomp, limits, no new privileges, and what
 * `permissions` has), Deno (`permissions`: those that its plugins declare), or nothing.
 */
export type Sandbox = "strict" | "permissions" | "none";

/** One domain of a machine. */
export interface DomainPlan {
  /** Its name in the machine. */
  readonly name: string;
  /** Where it runs. */
  readonly kind: DomainKind;
  /** What keeps it from all but its work, where it is a process; `permissions` when absent. */
  readonly sandbox?: Sandbox;
  /** What its plugins need to touch; nothing when absent. Asked where it is a process. */
  readonly needs?: PermissionNeeds;
  /** The cores it is confined to; empty for all. */
  readonly cpus: readonly number[];
  /** How its thread waits. */
  readonly policy: PluginUse;
  /** What it does with its device; a driver domain has none. */
  readonly workload?: WorkloadPlan;
  /** Whose responses it takes, where it does that: it is a thread of that application. Neither it nor a driver has a workload. */
  readonly responder?: ResponderPlan;
  /** How much private memory it may take beyond what it begins with, where it is a process; no limit when absent. */
  readonly memoryBytes?: number;
  /** The module that does it harm, in campaigns of faults: see `saboteur.ts`. */
  readonly saboteur?: string;
}

/** A thread that takes an application's responses (`completion: thread`). */
export interface ResponderPlan {
  /** Name of the domain that submits. */
  readonly application: string;
  /** Which of the machine's clients that is. */
  readonly client: number;
}

/** One thread of a workload. */
export interface WorkloadPlan extends PluginUse {
  /** The slots of its queue. */
  readonly slots: SlotOptions;
  /** Which thread of the workload this is, from 0. */
  readonly thread: number;
  /** How many there are. */
  readonly threads: number;
  /** Whether operations are only counted and none is timed: for the bench of what that costs. No when absent. */
  readonly countsOnly?: boolean;
  /** Whose thread it is, where the machine has several clients, and what that may have of its device. */
  readonly client?: ClientPlan;
}

/** One of several applications, each of which has one or more domains. */
export interface ClientPlan {
  /** Which of the machine's clients, from 0. */
  readonly index: number;
  /** What it sees of its device; all of it when absent. */
  readonly partition?: PartitionPlan;
  /** How much it may have, all its threads together; as much as there is when absent. */
  readonly limits?: RateLimits;
}

/** One device. */
export interface DevicePlan {
  /** Its name in the machine. */
  readonly name: string;
  /**
   * Names of the domains that drive it: one when it is isolated; every application domain when each has a driver of its
   * own in place, all on the same medium.
   */
  readonly domains: readonly string[];
  /** Its plugin. */
  readonly plugin: PluginUse;
  /** What requests pass before it, the first of them nearest to the application; nothing when absent. */
  readonly filters?: readonly PluginUse[];
  /** Whether it may complete requests by events, as its plugin or a filter's says. The machine's process must be made for that. */
  readonly events?: boolean;
}

/** One ring between two domains. */
export interface LinkPlan {
  /** Name of the domain that asks. */
  readonly frontend: string;
  /** Name of the device that answers, in the one domain that drives it. */
  readonly device: string;
  /** How the two ends use it. */
  readonly channel: ChannelOptions;
}

/**
 * What becomes of requests that a dead driver has not answered, and of those that come before its successor is there (as
 * with Linux's ublk).
 *
 * | | in flight | new |
 * |---|---|---|
 * | `reissue` | done again by the successor | wait |
 * | `requeue` | fail | wait |
 * | `fail-io` | fail | fail |
 */
export type RequestRecovery = "reissue" | "requeue" | "fail-io";

/** What happens when a driver domain of kind `process` fails. */
export interface RecoveryPlan {
  /** See {@link RequestRecovery}. */
  readonly requests: RequestRecovery;
  /** Restarts after which one more failure is the machine's. */
  readonly maxRestarts: number;
  /**
   * How long a restart waits, in nanoseconds, after a driver that has answered nothing; twice as long each time that this
   * goes on. One that has is followed at once.
   */
  readonly backoffNs: number;
  /** Whether the next driver's process is kept ready. */
  readonly standby: boolean;
}

/** A machine: domains, devices and what links them. Plain data. */
export interface MachinePlan {
  /** All domains. */
  readonly domains: readonly DomainPlan[];
  /** All devices. */
  readonly devices: readonly DevicePlan[];
  /** All links. A workload without one uses a device of its own domain. */
  readonly links: readonly LinkPlan[];
  /** Seeds the workloads. */
  readonly seed: number;
  /** How long a domain may show no sign of life, in nanoseconds. */
  readonly hangTimeoutNs: number;
  /** How long a driver may answer nothing while an application's requests are in flight, in nanoseconds. */
  readonly requestTimeoutNs?: number;
  /** What happens when a driver that is a process fails; absent: the machine fails. */
  readonly recovery?: RecoveryPlan;
}

/** The modules of a device and its filters. */
export function modulesOf({ plugin, filters = [] }: DevicePlan): string[] {
  return [plugin, ...filters].map(({ url }) => url);
}

/** Whether a domain drives devices and does nothing else. */
export function isDriver({ workload, responder }: DomainPlan): boolean {
  return workload === undefined && responder === undefined;
}

/** Which of the machine's clients a domain is of; 0 for a driver. */
export function clientOf({ workload, responder }: DomainPlan): number {
  return responder?.client ?? workload?.client?.index ?? 0;
}

/** Which of all clients' threads a domain runs, from 0; 0 for a driver. */
export function threadNumber({ workload }: DomainPlan): number {
  return workload === undefined ? 0 : (workload.client?.index ?? 0) * workload.threads + workload.thread;
}
