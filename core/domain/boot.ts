/**
 * What a domain is handed when it boots. What is not in it, the domain cannot reach.
 *
 * @module
 */

import type { LinkOptions } from "../link.ts";
import type { ClientPlan, DevicePlan, DomainPlan } from "./plan.ts";

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
  /** Whose link it is, where there are several clients. */
  readonly client?: ClientPlan;
}

/** All that a domain is handed. */
export interface DomainBoot {
  /** Its plan. */
  readonly plan: DomainPlan;
  /** Its id, as grants name it. */
  readonly domainId: number;
  /** Seeds its workload. */
  readonly seed: number;
  /** A folder for this run alone; null where nothing asked for one. */
  readonly scratchDirectory: string | null;
  /** Its {@link DomainControl}. */
  readonly control: SharedArrayBuffer;
  /** Its event page. */
  readonly events: SharedArrayBuffer;
  /** Its eventfd; null where libc may not be called. */
  readonly eventFd: number | null;
  /** Its ends of links. */
  readonly links: readonly LinkBoot[];
  /** The devices that it drives, with their media. */
  readonly devices: readonly (DevicePlan & { readonly medium: unknown })[];
}
