/**
 * The hypervisor: creates domains, hands each what it may reach, tells them when to work, and sees every death.
 *
 * @module
 */

import type { DomainBoot, LinkBoot } from "./domain/boot.ts";
import { Command, DomainControl } from "./domain/control.ts";
import type { DevicePlan, DomainPlan, LinkPlan, MachinePlan, WorkloadPlan } from "./domain/plan.ts";
import type { DomainReport, DomainSample } from "./domain/report.ts";
import { ClientLosses, closeFrontend } from "./client_losses.ts";
import type { Counters } from "./counters.ts";
import { DomainError, messageOf } from "./errors.ts";
import { EventFd } from "./event_fd.ts";
import { allocateEventPage, EventPage } from "./event_channel.ts";
import { allocateLink } from "./link.ts";
import type { SharedMemory } from "./memory.ts";
import { type Conductor, type Phases, unlessAborted } from "./phases.ts";
import { type DevicePlugin, loadPlugin, type MediumContext, openMedium } from "./plugin.ts";

const NS_PER_MS = 1e6;
/** How long a domain may take to start its worker and load its modules, before its first sign of life. */
const START_TIMEOUT_MS = 30_000;
/** How long domains have for an orderly end once they were told to stop. */
const STOP_GRACE_MS = 500;

interface Domain {
  readonly plan: DomainPlan;
  readonly id: number;
  readonly events: EventPage;
  readonly eventMemory: SharedMemory;
  /** For a thread that sleeps on descriptors; null where libc may not be called. */
  readonly eventFd: EventFd | null;
  readonly control: DomainControl;
  readonly links: LinkBoot[];
  readonly worker: Worker;
  readonly ready: PromiseWithResolvers<void>;
  readonly measuring: PromiseWithResolvers<void>;
  readonly sampled: PromiseWithResolvers<DomainSample | null>;
  readonly closed: PromiseWithResolvers<Counters>;
  /** Settled when the machine goes on without it. */
  readonly lost: PromiseWithResolvers<null>;
  /** Whether its sample has come. */
  measured: boolean;
  lastBeat: number;
  lastBeatAt: number;
}

/** What one domain measured and counted. */
export interface DomainResult {
  /** What it measured in the window. */
  readonly sample: DomainSample;
  /** What its workload and its devices counted from start to end. */
  readonly counters: Counters;
}

/** One machine: its domains and what they share. */
export class Hypervisor {
  readonly #plan: MachinePlan;
  readonly #context: MediumContext;
  readonly #domains: Domain[];
  /** What was opened and not closed. */
  readonly #media: { readonly device: DevicePlugin; readonly medium: unknown }[] = [];
  readonly #failed = Promise.withResolvers<never>();
  readonly #finishRequested = Promise.withResolvers<void>();
  readonly #ended = new AbortController();
  /** Settled when the conductor has nothing more to undo. */
  #conducted: Promise<unknown> = Promise.resolve();
  #deviceError: string | undefined;
  readonly #losses: ClientLosses;
  #watch: ReturnType<typeof setInterval> | undefined;
  /** Whether the domains were handed anything. */
  #booted = false;
  #stopped = false;

  /**
   * A machine whose domains are created and not yet booted.
   *
   * @param context where media may be made, what may be destroyed, and who is told what devices have to say
   */
  constructor(plan: MachinePlan, context: MediumContext) {
    this.#plan = plan;
    this.#context = context;
    this.#losses = new ClientLosses(plan, {
      fail: (message) => this.#fail(message),
      lose: ({ name }) => this.#lose(this.#domain(name)),
    });
    this.#failed.promise.catch(() => {}); // It is raced against; alone it must not end the process.
    this.#domains = plan.domains.map((domain, index) => this.#createDomain(domain, index + 1));
  }

  /**
   * Boots all domains, lets them work as long as the conductor says, and ends them.
   *
   * Where there are several clients, one that fails, hangs or ends is lost, and the others go on; see {@link losses}.
   *
   * @returns what each domain measured that was not lost, by name
   * @throws {DomainError} when another domain fails, hangs or ends; the other domains have been told to stop by then
   * @throws what the conductor throws
   */
  async run(conduct: Conductor): Promise<ReadonlyMap<string, DomainResult>> {
    let failure: unknown;
    try {
      return await Promise.race([this.#run(conduct), this.#failed.promise]);
    } catch (thrown) {
      failure = thrown;
    } finally {
      this.#ended.abort(failure);
      await this.#conducted; // Programs that use what a domain serves need it until they have ended.
      await this.#stop();
    }
    // Only now, as a device's words may arrive after those of the application whose operation failed by it.
    if (this.#deviceError === undefined) throw failure;
    throw new DomainError(`${messageOf(failure)}. ${this.#deviceError}`, { cause: failure });
  }

  /** Why clients were lost, in the order in which they were. */
  get losses(): readonly string[] {
    const cause = this.#deviceError === undefined ? "" : `. ${this.#deviceError}`;
    return this.#losses.messages.map((message) => message + cause);
  }

  /** Asks the conductor to finish, where it goes on until then. */
  requestFinish(): void {
    this.#finishRequested.resolve();
  }

  /** Ends the machine early: it then has failed with this error. */
  abort(reason: Error): void {
    this.#failed.reject(reason);
  }

  async #run(conduct: Conductor): Promise<ReadonlyMap<string, DomainResult>> {
    await this.#boot();
    await Promise.all(this.#domains.map(({ ready }) => ready.promise));
    this.#send(Command.WarmUp);
    const phases: Phases = {
      measure: () => this.#measure(),
      finish: async () => void await this.#finish(),
      finishRequested: this.#finishRequested.promise,
      signal: this.#ended.signal,
    };
    phases.signal.throwIfAborted();
    const conducting = conduct(phases);
    this.#conducted = conducting.catch(() => {});
    await conducting;
    const samples = await this.#finish();
    const counters = await Promise.all(this.#domains.map(({ closed, lost }) => {
      return Promise.race([lost.promise, closed.promise]);
    }));
    return new Map(this.#domains.flatMap(({ plan }, index) => {
      const [sample, counted] = [samples[index], counters[index]];
      return sample === null || counted === null ? [] : [[plan.name, { sample, counters: counted }] as const];
    }));
  }

  async #measure(): Promise<void> {
    this.#send(Command.Measure);
    // A domain that is busy, or whose core is, sees the command late; a short window could be over by then.
    await this.#unlessEnded(Promise.all(this.#domains.map(({ measuring }) => measuring.promise)));
  }

  async #finish(): Promise<(DomainSample | null)[]> {
    this.#send(Command.Finish);
    return await this.#unlessEnded(Promise.all(this.#domains.map(({ sampled }) => sampled.promise)));
  }

  /** A domain that fails or hangs keeps no conductor waiting. */
  #unlessEnded<T>(promise: Promise<T>): Promise<T> {
    return unlessAborted(promise, this.#ended.signal);
  }

  #createDomain(plan: DomainPlan, id: number): Domain {
    const eventMemory = allocateEventPage();
    const eventFd = EventFd.create();
    const events = new EventPage(eventMemory, eventFd);
    const domain: Domain = {
      plan,
      id,
      events,
      eventMemory,
      eventFd,
      control: DomainControl.allocate(events),
      links: [],
      worker: new Worker(import.meta.resolve("./domain/worker.ts"), { type: "module", name: plan.name }),
      ready: Promise.withResolvers(),
      measuring: Promise.withResolvers(),
      sampled: Promise.withResolvers(),
      closed: Promise.withResolvers(),
      lost: Promise.withResolvers(),
      measured: false,
      lastBeat: 0,
      lastBeatAt: performance.now(),
    };
    domain.worker.onmessage = ({ data }: MessageEvent<DomainReport>) => this.#reported(domain, data);
    domain.worker.onerror = (event) => {
      event.preventDefault();
      this.#losses.failed(domain.plan, `The domain ${plan.name} died: ${event.message}`);
      domain.closed.resolve({});
    };
    return domain;
  }

  async #boot(): Promise<void> {
    const { devices, links } = this.#plan;
    const media = new Map<string, unknown>();
    for (const device of devices) media.set(device.name, await this.#openMedium(device));
    if (this.#stopped) return; // A domain has died meanwhile: there is nothing to boot, or to watch.
    for (const link of links) this.#connect(link);
    this.#booted = true;
    for (const domain of this.#domains) {
      const boot: DomainBoot = {
        plan: domain.plan,
        domainId: domain.id,
        scratchDirectory: this.#context.scratchDirectory,
        seed: this.#plan.seed + threadNumber(domain.plan.workload),
        control: domain.control.memory.buffer,
        events: domain.eventMemory.buffer,
        eventFd: domain.eventFd?.descriptor ?? null,
        links: domain.links,
        devices: devices.filter((device) => device.domains.includes(domain.plan.name))
          .map((device) => ({ ...device, medium: media.get(device.name) })),
      };
      domain.worker.postMessage(boot);
    }
    this.#watchHeartbeats();
  }

  async #openMedium({ plugin }: DevicePlan): Promise<unknown> {
    const device = await loadPlugin("device", plugin.url);
    try {
      const medium = await openMedium(device, plugin.options, this.#context);
      this.#media.push({ device, medium });
      if (this.#stopped) this.#closeMedia(); // A domain has died meanwhile, and nobody else will.
      return medium;
    } catch (thrown) {
      throw new DomainError(`The medium of ${device.name} cannot be opened: ${messageOf(thrown)}`, { cause: thrown });
    }
  }

  /** Makes a link and hands each of its two domains its end. */
  #connect({ frontend, device, channel }: LinkPlan): void {
    const front = this.#domain(frontend);
    const back = this.#domain(this.#plan.devices.find(({ name }) => name === device)?.domains[0]);
    const { slots, client } = front.plan.workload ?? {};
    if (slots === undefined) throw new DomainError(`The domain ${frontend} has a link and no workload for it`);
    const options = { channel, slots };
    const memory = allocateLink(options).buffer;
    const port = front.links.length;
    const peerPort = back.links.length;
    const shared = { device, options, memory, client };
    front.links.push({
      ...shared,
      side: "frontend",
      port,
      peerPort,
      peerDomainId: back.id,
      peerEvents: back.eventMemory.buffer,
      peerEventFd: back.eventFd?.descriptor ?? null,
    });
    back.links.push({
      ...shared,
      side: "backend",
      port: peerPort,
      peerPort: port,
      peerDomainId: front.id,
      peerEvents: front.eventMemory.buffer,
      peerEventFd: front.eventFd?.descriptor ?? null,
    });
  }

  #domain(name: string | undefined): Domain {
    const domain = this.#domains.find(({ plan }) => plan.name === name);
    if (domain === undefined) throw new DomainError(`The plan names no domain ${name}`);
    return domain;
  }

  #reported(domain: Domain, report: DomainReport): void {
    switch (report.type) {
      case "ready":
        return domain.ready.resolve();
      case "measuring":
        return domain.measuring.resolve();
      case "sample":
        domain.measured = true;
        return domain.sampled.resolve(report.sample);
      case "closed":
        if (!domain.measured) {
          this.#losses.failed(domain.plan, `The domain ${domain.plan.name} ended before its measured window did`);
        }
        return domain.closed.resolve(report.counters);
      case "device-error":
        this.#deviceError ??= report.message;
        return;
      case "note":
        return this.#context.note(report.text);
      case "disconnected":
        return this.#disconnected(domain, report);
      case "failed":
        this.#losses.failed(domain.plan, `The domain ${domain.plan.name} failed: ${report.message}`);
        return domain.closed.resolve({});
    }
  }

  /** A domain that shows no sign of life for too long hangs, or has ended without a word; both look the same. */
  #watchHeartbeats(): void {
    const timeoutMs = this.#plan.hangTimeoutNs / NS_PER_MS;
    const open = new Set(this.#domains);
    for (const domain of this.#domains) {
      domain.lastBeatAt = performance.now();
      domain.closed.promise.then(() => open.delete(domain));
    }
    this.#watch = setInterval(() => {
      const now = performance.now();
      for (const domain of open) {
        const beat = domain.control.heartbeat;
        if (beat !== domain.lastBeat) {
          domain.lastBeat = beat;
          domain.lastBeatAt = now;
          continue;
        }
        const limitMs = beat === 0 ? Math.max(timeoutMs, START_TIMEOUT_MS) : timeoutMs;
        if (now - domain.lastBeatAt > limitMs && !this.#losses.has(domain.plan)) {
          this.#losses.failed(
            domain.plan,
            `The domain ${domain.plan.name} has shown no sign of life for ${limitMs} ms: ` +
              "it hangs in an endless loop or a blocking call, or its worker has ended",
          );
        }
      }
    }, Math.max(10, timeoutMs / 10));
  }

  /** A driver has ended a connection, as its frontend broke the protocol. */
  #disconnected(driver: Domain, { message, peerDomainId }: Extract<DomainReport, { type: "disconnected" }>): void {
    const client = this.#domains.find(({ id }) => id === peerDomainId) ?? driver;
    this.#losses.failed(client.plan, `The domain ${client.plan.name} lost its connection: ${message}`);
  }

  /** The machine goes on without a client's domain: nobody waits for it, and its driver lets go of its links. */
  #lose(domain: Domain): void {
    domain.control.send(Command.Stop);
    for (const link of domain.links) {
      closeFrontend(link);
      this.#domains.find(({ id }) => id === link.peerDomainId)?.events.wake();
    }
    domain.ready.resolve();
    domain.measuring.resolve();
    domain.sampled.resolve(null);
    domain.lost.resolve(null);
  }

  /** Ends the machine. Of several failures the first is its cause; what follows is as a rule what came of it. */
  #fail(message: string): void {
    this.#failed.reject(new DomainError(message));
  }

  #send(command: number): void {
    for (const { control } of this.#domains) control.send(command);
  }

  /**
   * Ends all workers, and lets go of what they used. One that spins in a plugin's code cannot be ended; it goes with the
   * process, and so does what it may still use: were a descriptor closed, its number could be another file's by the time
   * that the worker writes to it.
   */
  async #stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#watch);
    this.#send(Command.Stop);
    const grace = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => grace.resolve(false), STOP_GRACE_MS);
    const used = this.#booted ? this.#domains : [];
    const ended = Promise.all(used.map(({ closed }) => closed.promise)).then(() => true);
    const allEnded = await Promise.race([ended, grace.promise]);
    clearTimeout(timer);
    for (const { worker, eventFd } of this.#domains) {
      worker.terminate();
      if (allEnded) eventFd?.close();
      else eventFd?.detach();
    }
    if (allEnded) this.#closeMedia();
  }

  /** What was measured is not lost by a medium that cannot be closed. */
  #closeMedia(): void {
    for (const { device, medium } of this.#media.splice(0)) {
      try {
        device.closeMedium?.(medium);
      } catch (thrown) {
        this.#context.note(`The medium of ${device.name} could not be closed: ${messageOf(thrown)}`);
      }
    }
  }
}

/** Which of all clients' threads one is, from 0. */
function threadNumber(workload: WorkloadPlan | undefined): number {
  return workload === undefined ? 0 : (workload.client?.index ?? 0) * workload.threads + workload.thread;
}
