/**
 * Turns what a domain is handed into what it works with: views of its regions, and its plugins' instances.
 *
 * @module
 */

import { DeviceGate } from "../device_gate.ts";
import type { DomainBoot, LinkBoot } from "./boot.ts";
import { DomainControl } from "./control.ts";
import type { WorkloadPlan } from "./plan.ts";
import type { DomainReport } from "./report.ts";
import { EventFd } from "../event_fd.ts";
import { EventChannel, EventPage } from "../event_channel.ts";
import { FdWaiter } from "../fd_waiter.ts";
import type { LinkEnd } from "../link_end.ts";
import { SharedMemory } from "../memory.ts";
import type { NotificationPolicy } from "../notification.ts";
import { loadPlugin, makeDevice } from "../plugin.ts";
import { allowedCpus, coreOffer, pinThread } from "../measure/thread.ts";
import { AtomicsWaiter, type Waiter } from "../waiter.ts";
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
}

/** Makes everything that a domain needs, and pins its thread. */
export async function prepareDomain(
  boot: DomainBoot,
  report: (report: DomainReport) => void,
): Promise<DomainSetup> {
  const { plan } = boot;
  const confinedTo = plan.cpus.length > 0 && pinThread(plan.cpus) ? allowedCpus() : null;
  const eventFd = attachEventFd(boot.eventFd);
  const events = new EventPage(SharedMemory.attach(boot.events), eventFd);
  const control = new DomainControl(SharedMemory.attach(boot.control), events);

  const devices = await Promise.all(boot.devices.map(({ plugin }) => loadPlugin("device", plugin.url)));
  const policy = await loadPlugin("policy", plan.policy.url);
  const workload = plan.workload && await loadPlugin("workload", plan.workload.url);
  // The first sign of life, and not sooner: until then a domain has time to load, as many may do at once.
  control.beat();

  const gates = new Map<string, DeviceGate>();
  const noted = new Set<string>();
  let reported = false;
  for (const [index, device] of boot.devices.entries()) {
    const made = makeDevice(devices[index], device.plugin.options, device.medium, {
      alive: () => control.beat(),
      note(text) {
        if (!noted.has(text)) report({ type: "note", text: String(text) });
        noted.add(text);
      },
    });
    gates.set(
      device.name,
      new DeviceGate(made, (message) => {
        if (!reported) report({ type: "device-error", message: `The device ${device.name} failed: ${message}` });
        reported = true;
      }),
    );
  }
  return {
    control,
    report,
    waiter: makeWaiter(
      workload?.descriptors === true || [...gates.values()].some(({ descriptor }) => descriptor !== undefined),
      ...[events, eventFd, () => control.beat()] as const,
    ),
    policy: policy.create(plan.policy.options),
    events,
    links: boot.links.map((link) => ({ boot: link, end: linkEnd(boot, link, events) })),
    gates,
    workload: plan.workload && workload
      ? { workload: workload.create(plan.workload.options), plan: plan.workload }
      : null,
    seed: boot.seed,
    scratchDirectory: boot.scratchDirectory,
    confinedTo,
  };
}

function attachEventFd(descriptor: number | null): EventFd | null {
  return descriptor === null ? null : EventFd.attach(descriptor);
}

/** The waiter for what a thread waits for: only one that has descriptors to watch needs more than shared words. */
function makeWaiter(
  hasDescriptors: boolean,
  events: EventPage,
  eventFd: EventFd | null,
  beat: () => void,
): Waiter {
  const watching = hasDescriptors && eventFd !== null;
  return (watching ? FdWaiter.create(events, eventFd, beat) : null) ?? new AtomicsWaiter(events, beat, coreOffer());
}

function linkEnd(boot: DomainBoot, link: LinkBoot, events: EventPage): LinkEnd {
  const peerEvents = new EventPage(SharedMemory.attach(link.peerEvents), attachEventFd(link.peerEventFd));
  return {
    memory: SharedMemory.attach(link.memory),
    domainId: boot.domainId,
    peerDomainId: link.peerDomainId,
    events,
    port: link.port,
    channel: new EventChannel(events, link.port, peerEvents, link.peerPort),
  };
}
