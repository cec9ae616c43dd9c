/**
 * Turns what a domain is handed into what it works with: views of its regions, and its plugins' instances.
 *
 * @module
 */

import { DeviceGate } from "../device_gate.ts";
import type { DeviceBoot, DomainBoot, LinkBoot } from "./boot.ts";
import { DomainControl } from "./control.ts";
import type { DomainReport } from "./report.ts";
import { EventFd } from "../event_fd.ts";
import { EventChannel, EventPage } from "../event_channel.ts";
import { FlushRecord } from "../flush_record.ts";
import { type FilterUse, stackFilters } from "../filter.ts";
import { FdWaiter } from "../fd_waiter.ts";
import type { LinkEnd } from "../link_end.ts";
import { SharedMemory } from "../memory.ts";
import { type CreateContext, type DevicePlugin, loadPlugin, makeDevice } from "../plugin.ts";
import {
  allowedCpus,
  coreOffer,
  monotonicClock,
  pinThread,
  sleepExactly,
  threadCpuClock,
  threadUsage,
} from "../measure/thread.ts";
import { revokeFfi } from "../sandbox/revocation.ts";
import { AtomicsWaiter, type LookingWaiter } from "../waiter.ts";
import { loadSaboteur, type Saboteur } from "./saboteur.ts";
import type { DomainSetup } from "./setup.ts";

const NS_PER_MS = 1e6;

/** Whether the domain goes on: a promise for one that stands by. */
export type Proceed = () => Promise<void>;

/**
 * Makes everything that a domain needs, and pins its thread. One that stands by loads its plugins and makes nothing of
 * them until it is told to.
 */
export async function prepareDomain(
  boot: DomainBoot,
  report: (report: DomainReport) => void,
  proceed: Proceed,
): Promise<DomainSetup> {
  const { plan } = boot;
  const confinedTo = plan.cpus.length > 0 && pinThread(plan.cpus) ? allowedCpus() : null;
  sleepExactly();
  const transport = attachTransport(boot);
  const { events, eventFd, control } = transport;
  if (!mayKeepLibc(boot)) revokeFfi();

  const devices = await Promise.all(boot.devices.map(({ plugin }) => loadPlugin("device", plugin.url)));
  const filters = await Promise.all(boot.devices.map(loadFilters));
  const policy = await loadPlugin("policy", plan.policy.url);
  const workload = plan.workload && await loadPlugin("workload", plan.workload.url);
  const saboteur = await loadSaboteur(plan.saboteur, boot.saboteurPage);
  if (boot.standby) {
    report({ type: "standby" });
    await proceed();
  }
  // The first sign of life, and not sooner: until then a domain has time to load, as many may do at once.
  control.beat();
  if (boot.parentProcess !== null) control.watchHypervisor();
  const gates = new Map(boot.devices.map((device, index) => {
    return [device.name, openGate(device, devices[index], filters[index], { control, report, saboteur })];
  }));
  const waiter = makeWaiter(
    workload?.descriptors === true || [...gates.values()].some(({ descriptor }) => descriptor !== undefined),
    ...[events, eventFd, () => control.beat()] as const,
  );
  const setup: DomainSetup = {
    ...transport,
    report,
    waiter,
    policy: policy.create(plan.policy.options, {
      nowNs: () => performance.now() * NS_PER_MS,
      taken: () => waiter.taken,
      threadCpuNs: threadCpuClock() ?? (() => NaN),
      side: boot.devices.length > 0 ? "backend" : "frontend",
      counterparts: waiter.counterparts,
    }),
    gates,
    workload: plan.workload && workload
      ? { workload: workload.create(plan.workload.options), plan: plan.workload }
      : null,
    seed: boot.seed,
    scratchDirectory: boot.scratchDirectory,
    confinedTo,
    requestTimeoutMs: boot.requestTimeoutMs,
    recovery: boot.recovery,
  };
  return saboteur?.setup(setup) ?? setup;
}

/** What a domain shares with others. */
type Transport = Pick<DomainSetup, "control" | "events" | "links"> & { readonly eventFd: EventFd | null };

/** Makes views of all that is shared. Of libc everything is opened here that is needed later, but by plugins. */
function attachTransport(boot: DomainBoot): Transport {
  const eventFd = attachEventFd(boot.eventFd);
  if (boot.devices.some((device) => device.events === true)) eventFd?.prepareServing();
  const events = new EventPage(SharedMemory.attach(boot.events), eventFd, boot.sleepsOn, monotonicClock());
  const control = new DomainControl(SharedMemory.attach(boot.control), events);
  threadUsage();
  return {
    ...{ eventFd, events, control },
    links: boot.links.map((link) => ({ boot: link, end: linkEnd(boot, link, events, control) })),
  };
}

/** Whether the domain's plugins may call libc: in a worker the process's permissions are theirs. */
function mayKeepLibc({ parentProcess, plan: { sandbox, needs } }: DomainBoot): boolean {
  return parentProcess === null || sandbox === "none" || (needs?.ffi ?? []).length > 0;
}

async function loadFilters({ filters = [] }: DeviceBoot): Promise<FilterUse[]> {
  return await Promise.all(
    filters.map(async ({ url, options }) => ({ plugin: await loadPlugin("filter", url), options })),
  );
}

/** Makes a device, and its filters before it. */
function openGate(
  { name, plugin, medium, flushes, reopened }: DeviceBoot,
  definition: DevicePlugin,
  filters: readonly FilterUse[],
  { control, report, saboteur }: Pick<DomainSetup, "control" | "report"> & { readonly saboteur: Saboteur | null },
): DeviceGate {
  const noted = new Set<string>();
  let reported = false;
  const context: CreateContext = {
    alive: () => control.beat(),
    note(text) {
      if (!noted.has(text)) report({ type: "note", text: String(text) });
      noted.add(text);
    },
  };
  const device = stackFilters(makeDevice(definition, plugin.options, medium, context), filters, context);
  const failed = (message: string): void => {
    if (!reported) report({ type: "device-error", message: `The device ${name} failed: ${message}` });
    reported = true;
  };
  const record = flushes && new FlushRecord(SharedMemory.attach(flushes).words, reopened);
  return new DeviceGate(saboteur?.device(device) ?? device, failed, { flushes: record, calls: control });
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
): LookingWaiter {
  const watching = hasDescriptors && eventFd !== null;
  return (watching ? FdWaiter.create(events, eventFd, beat) : null) ?? new AtomicsWaiter(events, beat, coreOffer());
}

function linkEnd(boot: DomainBoot, link: LinkBoot, events: EventPage, control: DomainControl): LinkEnd {
  const pageOf = (memory: SharedArrayBuffer, eventFd: number | null): EventPage => {
    return new EventPage(SharedMemory.attach(memory), attachEventFd(eventFd), "word", monotonicClock());
  };
  const peerEvents = pageOf(link.peerEvents, link.peerEventFd);
  const completion = link.completion && {
    memory: SharedMemory.attach(link.completion.memory),
    events: pageOf(link.completion.events, link.completion.eventFd),
  };
  // The driver notifies the thread that takes responses.
  const notified = boot.plan.responder === undefined ? completion?.events ?? events : events;
  return {
    memory: SharedMemory.attach(link.memory),
    domainId: boot.domainId,
    peerDomainId: link.peerDomainId,
    events,
    port: link.port,
    channel: new EventChannel(notified, link.port, peerEvents, link.peerPort),
    generation: () => control.generation(link.port),
    completion,
  };
}
