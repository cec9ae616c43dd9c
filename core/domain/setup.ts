/**
 * What a domain works with.
 *
 * @module
 */

import type { DeviceGate } from "../device_gate.ts";
import type { LinkBoot } from "./boot.ts";
import type { DomainControl } from "./control.ts";
import type { RecoveryPlan, WorkloadPlan } from "./plan.ts";
import type { DomainReport } from "./report.ts";
import type { EventPage } from "../event_channel.ts";
import type { LinkEnd } from "../link_end.ts";
import type { NotificationPolicy } from "../notification.ts";
import type { Waiter } from "../waiter.ts";
import type { Workload } from "../workload.ts";

/** A domain's workload, ready to run. */
export interface WorkloadSetup {
  /** The workload. */
  readonly workload: Workload;
  /** Its slots, and which thread it is. */
  readonly plan: WorkloadPlan;
}

/** One end of a link, ready to connect. */
export interface LinkSetup {
  /** Which end, which device. */
  readonly boot: LinkBoot;
  /** The end. */
  readonly end: LinkEnd;
}

/** What a domain works with. */
export interface DomainSetup {
  /** The hypervisor's words. */
  readonly control: DomainControl;
  /** Tells the hypervisor. */
  readonly report: (report: DomainReport) => void;
  /** The thread's one waiter. */
  readonly waiter: Waiter;
  /** How the thread waits. */
  readonly policy: NotificationPolicy;
  /** The domain's event page. */
  readonly events: EventPage;
  /** Its ends of links. */
  readonly links: readonly LinkSetup[];
  /** The devices that it drives, by name. */
  readonly gates: ReadonlyMap<string, DeviceGate>;
  /** Its workload; null for a driver. */
  readonly workload: WorkloadSetup | null;
  /** Seeds the workload. */
  readonly seed: number;
  /** A folder for this run alone; null where nothing asked for one. */
  readonly scratchDirectory: string | null;
  /** The cores that the thread was confined to; null where it was not. */
  readonly confinedTo: readonly number[] | null;
  /** How long the driver behind its links may answer nothing while requests are in flight, in ms; null: for ever. */
  readonly requestTimeoutMs: number | null;
  /** What happens when the driver behind its links fails; null where that is the end. */
  readonly recovery: RecoveryPlan | null;
}
