/**
 * The hypervisor: creates domains, hands each what it may reach, tells them when to work, sees every death, and starts
 * drivers anew.
 *
 * @module
 */

import { ClientLosses, closeFrontend } from "./client_losses.ts";
import type { Counters } from "./counters.ts";
import { Command } from "./domain/control.ts";
import { type DomainPlan, type LinkPlan, type MachinePlan, type PluginUse, threadNumber } from "./domain/plan.ts";
import type { DomainReport, DomainSample, LinkReport } from "./domain/report.ts";
import { DomainError, messageOf } from "./errors.ts";
import type { Incarnation } from "./incarnation.ts";
import { LifeWatch } from "./life_watch.ts";
import { MachineDomain, type MachineDomainView, type Restart, type RestartReason } from "./machine_domain.ts";
import { MachineLink } from "./machine_link.ts";
import { MachineMedia } from "./machine_media.ts";
import { MachineMemory } from "./machine_memory.ts";
import { type Conductor, type Phases, unlessAborted } from "./phases.ts";
import type { MachineContext } from "./plugin.ts";
import { recoveryOf } from "./restarts.ts";
import { isWithin } from "./within.ts";

const NS_PER_MS = 1e6;
/** How long domains have for an orderly end once they were told to stop. */
const STOP_GRACE_MS = 500;

/** What one domain measured and counted. */
export interface DomainResult {
  /** What it measured in the window. */
  readonly sample: DomainSample;
  /** What its workload and its devices counted from start to end; of a driver that was started anew, the last one. */
  readonly counters: Counters;
  /** How often it was started anew, and why. */
  readonly restarts: readonly Restart[];
}

/** A link and the domains at its ends. */
interface Connection {
  readonly link: MachineLink;
  readonly front: MachineDomain;
  readonly back: MachineDomain;
}

/** One machine: its domains and what they share. */
export class Hypervisor {
  readonly #plan: MachinePlan;
  readonly #context: MachineContext;
  readonly #memory: MachineMemory;
  readonly #media: MachineMedia;
  readonly #domains: MachineDomain[];
  readonly #connections: Connection[] = [];
  readonly #failed = Promise.withResolvers<never>();
  readonly #finishRequested = Promise.withResolvers<void>();
  readonly #ended = new AbortController();
  /** Settled when the conductor has nothing more to undo. */
  #conducted: Promise<unknown> = Promise.resolve();
  #command: number = Command.Boot;
  #deviceError: string | undefined;
  readonly #losses: ClientLosses;
  readonly #watch: LifeWatch<MachineDomain>;
  /** Whether the domains were handed anything. */
  #booted = false;
  #stopped = false;

  /**
   * A machine whose domains are created and not yet booted.
   *
   * @param context where media may be made, what may be destroyed, and who is told what devices have to say
   * @throws {DomainError} when a domain is a process and libc may not be called
   */
  constructor(plan: MachinePlan, context: MachineContext) {
    this.#plan = plan;
    this.#context = context;
    this.#memory = new MachineMemory(plan.domains.some(({ kind }) => kind === "process"));
    this.#media = new MachineMedia(context, this.#memory);
    this.#losses = new ClientLosses(plan, {
      fail: (message) => this.#fail(message),
      lose: ({ name }) => this.#lose(this.#domain(name)),
    });
    this.#failed.promise.catch(() => {}); // It is raced against; alone it must not end the process.
    this.#domains = plan.domains.map((domain, index) => this.#createDomain(domain, index + 1));
    this.#watch = new LifeWatch(this.#domains, plan.hangTimeoutNs / NS_PER_MS, (domain, incarnation, silentMs) => {
      const what = domain.plan.kind === "worker" ? "its worker has ended" : "it was stopped";
      const message =
        `has shown no sign of life for ${silentMs} ms: it hangs in an endless loop or a blocking call, or `;
      this.#died(domain, incarnation, message + what);
    });
  }

  /**
   * Boots all domains, lets them work as long as the conductor says, and ends them.
   *
   * A driver that is a process is started anew when it fails, if the plan says so. Where there are several clients, one
   * that fails, hangs or ends is lost, and the others go on; see {@link losses}.
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

  /** Begins another piece of the measured window: its number, 1 … `MAX_PIECES` − 1. Each domain sees it in its own time. */
  beginPiece(piece: number): void {
    for (const { current } of this.#domains) current.control.beginPiece(piece);
  }

  /** Asks the conductor to finish, where it goes on until then. */
  requestFinish(): void {
    this.#finishRequested.resolve();
  }

  /** Ends the machine early: it then has failed with this error. */
  abort(reason: Error): void {
    this.#failed.reject(reason);
  }

  /** What can be told of a domain while the machine runs. */
  domain(name: string): MachineDomainView {
    return this.#domain(name);
  }

  /**
   * Replaces the driver of a device by another, while applications use it: for a new version of its module. The new
   * driver is loaded first; then the old one ends, and what it has not answered is done by the new one.
   *
   * @param plugin the new driver; the same module, as it is now on the disk, when absent
   * @throws {DomainError} when the driver is no process that may be started anew, or the new one cannot be loaded; the old
   * one then goes on
   */
  async upgrade(device: string, plugin?: PluginUse): Promise<void> {
    const planned = this.#plan.devices.find(({ name }) => name === device);
    const domain = this.#domain(planned?.domains[0]);
    if (!this.#mayRestart(domain) || !this.#booted) {
      throw new DomainError(`The driver of ${device} cannot be replaced: it is no process, or there is no recovery`);
    }
    await domain.prepareUpgrade(device, plugin);
    await this.#restart(domain, domain.current, { cause: "upgrade", counts: false, inOrder: true });
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
    return new Map(this.#domains.flatMap(({ plan, restarts }, index) => {
      const [sample, counted] = [samples[index], counters[index]];
      return sample === null || counted === null ? [] : [[plan.name, { sample, counters: counted, restarts }] as const];
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

  #createDomain(plan: DomainPlan, id: number): MachineDomain {
    const drives = this.#plan.devices.filter((device) => device.domains.includes(plan.name));
    const domain = new MachineDomain(plan, id, drives, {
      memory: this.#memory,
      media: this.#media,
      seed: this.#plan.seed + threadNumber(plan),
      scratchDirectory: this.#context.scratchDirectory,
      requestTimeoutMs: toMs(this.#plan.requestTimeoutNs),
      ...recoveryOf(plan, this.#plan),
      note: this.#context.note,
      reported: (incarnation, report) => this.#reported(domain, incarnation, report),
      died: (incarnation, message) => this.#died(domain, incarnation, message),
    });
    return domain;
  }

  async #boot(): Promise<void> {
    const { devices, links } = this.#plan;
    for (const device of devices) {
      const opened = await this.#media.open(device);
      for (const domain of this.#domains) domain.useMedium(device.name, opened);
    }
    if (this.#stopped) return; // A domain has died meanwhile: there is nothing to boot, or to watch.
    for (const link of links) this.#connect(link);
    this.#booted = true;
    this.#watch.beat();
    for (const domain of this.#domains) await domain.boot(this.#command);
    this.#watch.watch();
  }

  /** Makes a link and hands each of its two domains its end. */
  #connect({ frontend, device, channel }: LinkPlan): void {
    const front = this.#domain(frontend);
    const back = this.#domain(this.#plan.devices.find(({ name }) => name === device)?.domains[0]);
    const { slots, client } = front.plan.workload ?? {};
    if (slots === undefined) throw new DomainError(`The domain ${frontend} has a link and no workload for it`);
    const shared = { device, options: { channel, slots }, client };
    const responder = this.#domains.find(({ plan }) => plan.responder?.application === frontend) ?? null;
    this.#connections.push({ front, back, link: new MachineLink(shared, front, back, this.#memory, responder) });
  }

  #domain(name: string | undefined): MachineDomain {
    const domain = this.#domains.find(({ plan }) => plan.name === name);
    if (domain === undefined) throw new DomainError(`The plan names no domain ${name}`);
    return domain;
  }

  #reported(domain: MachineDomain, incarnation: Incarnation, report: DomainReport): void {
    if (report.type === "standby") return incarnation.standsBy();
    if (report.type === "failed") return this.#died(domain, incarnation, `failed: ${report.message}`);
    // One that stands by has nothing to say yet.
    if (incarnation.over || incarnation !== domain.current) return;
    switch (report.type) {
      case "closed":
        return this.#closed(domain, incarnation, report.counters);
      case "device-error":
        this.#deviceError ??= report.message;
        return;
      case "note":
        return incarnation.mayNote() ? this.#context.note(report.text) : undefined;
      case "lost":
        return this.#lost(domain, report);
      case "resumed":
        return this.#connectionOf(domain, report)?.back.resumed();
      case "disconnected":
        return this.#disconnected(domain, report);
      default:
        return domain.reported(report);
    }
  }

  /** A domain ended in order. A driver that does so while others have work for it has not done what it is for. */
  #closed(domain: MachineDomain, incarnation: Incarnation, counters: Counters): void {
    const isNeeded = this.#connections.some(({ back, front: { current } }) => {
      return back === domain && !current.over && !current.closed;
    });
    if (this.#command < Command.Finish && (isNeeded || !this.#mayRestart(domain))) {
      return this.#died(domain, incarnation, "ended before its measured window did");
    }
    incarnation.closed = true;
    domain.ended(counters);
  }

  /** A domain ended, or failed. */
  #died(domain: MachineDomain, incarnation: Incarnation, message: string): void {
    const cause = `The domain ${domain.plan.name} ${message}`;
    incarnation.loaded.reject(new DomainError(cause));
    if (incarnation.over || incarnation.closed || this.#stopped) return;
    if (incarnation !== domain.current) return domain.lostStandby(incarnation, cause);
    if (this.#mayRestart(domain)) {
      this.#restart(domain, incarnation, { cause, counts: true, inOrder: false }).catch((thrown) =>
        this.#fail(messageOf(thrown))
      );
      return;
    }
    incarnation.over = true;
    this.#losses.failed(domain.plan, cause);
    domain.closed.resolve({});
  }

  /** An application has lost the driver behind one of its links, even if that has ended in order. */
  #lost(domain: MachineDomain, report: Extract<DomainReport, { type: "lost" }>): void {
    const back = this.#connectionOf(domain, report)?.back;
    if (back === undefined) return;
    back.current.closed = false;
    this.#died(back, back.current, `was found broken by ${domain.plan.name}: ${report.message}`);
  }

  /** The link of an application's port; none if it speaks of an earlier generation: what became of that is known. */
  #connectionOf(front: MachineDomain, said: LinkReport): Connection | undefined {
    return this.#connections.find(({ front: each, link: { frontPort, generation } }) => {
      return each === front && frontPort === said.port && generation === said.generation;
    });
  }

  #mayRestart({ restartable }: MachineDomain): boolean {
    return restartable && !this.#stopped;
  }

  /**
   * Another driver in place of one that failed. The old one is dead before the new one reaches anything: it could still
   * write to the rings and to the medium.
   *
   * @throws {DomainError} when it was started anew too often
   */
  async #restart(domain: MachineDomain, old: Incarnation, why: RestartReason): Promise<void> {
    if (old.over) return;
    await domain.restart(why, (next) => {
      if (this.#stopped) return false;
      domain.events.reset();
      for (const { link, front, back } of this.#connections) {
        if (back === domain) link.renew(front.current.control, next.control);
      }
      next.control.send(this.#command);
      return true;
    });
    for (const { front, back } of this.#connections) {
      if (back === domain) front.events.wake();
    }
  }

  /** A driver has ended a connection, as its frontend broke the protocol. */
  #disconnected(
    driver: MachineDomain,
    { message, peerDomainId }: Extract<DomainReport, { type: "disconnected" }>,
  ): void {
    // Of other drivers' clients it has nothing to say.
    const client = this.#connections.find(({ back, front }) => back === driver && front.id === peerDomainId)?.front ??
      driver;
    this.#losses.failed(client.plan, `The domain ${client.plan.name} lost its connection: ${message}`);
  }

  /** The machine goes on without a client's domain: nobody waits for it, and its driver lets go of its links. */
  #lose(domain: MachineDomain): void {
    domain.lose();
    for (const link of domain.links) {
      closeFrontend(link);
      this.#domains.find(({ id }) => id === link.peerDomainId)?.events.wake();
    }
  }

  /** Ends the machine. Of several failures the first is its cause; what follows is as a rule what came of it. */
  #fail(message: string): void {
    this.#failed.reject(new DomainError(message));
  }

  #send(command: number): void {
    this.#command = Math.max(this.#command, command);
    for (const { current } of this.#domains) current.control.send(command);
  }

  /**
   * Ends all domains, and lets go of what they used. A worker that spins in a plugin's code cannot be ended; it goes with
   * the process, and so does what it may still use: were a descriptor closed, its number could be another file's by the
   * time that the worker writes to it.
   */
  async #stop(): Promise<void> {
    this.#stopped = true;
    this.#watch.stop();
    this.#send(Command.Stop);
    const used = this.#booted ? this.#domains : [];
    const allEnded = await isWithin(Promise.all(used.map(({ current }) => current.host.ended)), STOP_GRACE_MS);
    const killed = await Promise.all(this.#domains.map((domain) => domain.end()));
    const nobodyLeft = allEnded || !this.#booted || killed.every((dead) => dead);
    for (const domain of this.#domains) domain.release(nobodyLeft);
    if (nobodyLeft) {
      this.#media.close();
      this.#memory.close();
    }
  }
}

function toMs(ns: number | undefined): number | null {
  return ns === undefined ? null : ns / NS_PER_MS;
}
