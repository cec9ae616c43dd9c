/**
 * What a domain is handed when it boots. What is not in it, the domain cannot reach.
 *
 * @module
 */

import type { SleepsOn } from "../event_channel.ts";
import type { LinkOptions } from "../link.ts";
import type { ClientPlan, DevicePlan, DomainPlan, RecoveryPlan } from "./plan.ts";

/** What one of an application's two threads is handed. */
export interface CompletionBoot {
  /** Their own memory. */
  readonly memory: SharedArrayBuffer;
  /** The other thread's event page. */
  readonly events: SharedArrayBuffer;
  /** The other thread's eventfd; null where there is none. */
  readonly eventFd: number | null;
}

/** One end of a link, as handed to a domain. */
export interface LinkBoot {
  /** Which end. */
  readonly side: "frontend" | "backend";
  /** Name of the device. */
  readonly device: string;
  /** How it is laid out and used. */
  readonly options: LinkOptions;
  /** The link's region. */
  readonly memory: SharedArrayBuffer;
  /** Id of the domain at the other end. */
  readonly peerDomainId: number;
  /** The peer's event page. */
  readonly peerEvents: SharedArrayBuffer;
  /** The peer's eventfd; null where there is none. */
  readonly peerEventFd: number | null;
  /** This side's port. */
  readonly port: number;
  /** The peer's port. */
  readonly peerPort: number;
  /** What two threads of the application share, where one takes the responses of the other's link. */
  readonly completion?: CompletionBoot;
  /** Whose link it is, where there are several clients. */
  readonly client?: ClientPlan;
}

/** A device, as handed to a domain that drives it. */
export interface DeviceBoot extends DevicePlan {
  /** What its plugin opened in the hypervisor. */
  readonly medium: unknown;
  /** What its drivers leave to their successors; null where there are none. See `flush_record.ts`. */
  readonly flushes: SharedArrayBuffer | null;
  /** Whether the medium was opened apart from the predecessor's. */
  readonly reopened: boolean;
}

/** All that a domain is handed: plain data, shared memory and the numbers of descriptors. */
export interface DomainBoot {
  /** Its plan. */
  readonly plan: DomainPlan;
  /** Its id, as grants name it. */
  readonly domainId: number;
  /** Seeds its workload. */
  readonly seed: number;
  /** Whether it is to load what it needs and then wait until it is told to go on. */
  readonly standby: boolean;
  /** A folder for this run alone; null where nothing asked for one. */
  readonly scratchDirectory: string | null;
  /** How long the driver behind its links may answer nothing while requests are in flight, in ms; null: for ever. */
  readonly requestTimeoutMs: number | null;
  /** What happens when the driver behind its links fails; null where that is the end. */
  readonly recovery: RecoveryPlan | null;
  /** The process that it must not outlive; null for a worker. */
  readonly parentProcess: number | null;
  /** Its {@link DomainControl}. */
  readonly control: SharedArrayBuffer;
  /** Its event page. */
  readonly events: SharedArrayBuffer;
  /** Its eventfd; null where libc may not be called. */
  readonly eventFd: number | null;
  /** What it sleeps on: a descriptor where a peer may be in another process. */
  readonly sleepsOn: SleepsOn;
  /** Its ends of links. */
  readonly links: readonly LinkBoot[];
  /** The frame by which its saboteur is told what to do; null where it has none. */
  readonly saboteurPage: SharedArrayBuffer | null;
  /** The devices that it drives, with their media. */
  readonly devices: readonly DeviceBoot[];
}
