/**
 * The plan of a machine: which domains it has, which devices they drive, and what links them. Plain data, so that it can
 * be handed to a process.
 *
 * @module
 */

import type { ChannelOptions, SlotOptions } from "../link.ts";
import type { PartitionPlan } from "../partition.ts";
import type { RateLimits } from "../rate_limit.ts";

/** A plugin to load inside a domain. */
export interface PluginUse {
  /** Its module. */
  readonly url: string;
  /** Its options, after the schema. */
  readonly options: unknown;
}

/** Where a domain runs. Later kinds join here. */
export type DomainKind = "worker";

/** One domain of a machine. */
export interface DomainPlan {
  /** Its name in the machine. */
  readonly name: string;
  /** Where it runs. */
  readonly kind: DomainKind;
  /** The cores it is confined to; empty for all. */
  readonly cpus: readonly number[];
  /** How its thread waits. */
  readonly policy: PluginUse;
  /** What it does with its device; a driver domain has none. */
  readonly workload?: WorkloadPlan;
}

/** One thread of a workload. */
export interface WorkloadPlan extends PluginUse {
  /** The slots of its queue. */
  readonly slots: SlotOptions;
  /** Which thread of the workload this is, from 0. */
  readonly thread: number;
  /** How many there are. */
  readonly threads: number;
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
  /** Whether it may complete requests by events, as its plugin says. The machine's process must be made for that. */
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
}
