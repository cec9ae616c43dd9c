/**
 * A domain as the hypervisor sees it: what it is handed, who carries it now, and what it has said.
 *
 * @module
 */

import type { Counters } from "./counters.ts";
import type { LinkBoot } from "./domain/boot.ts";
import { Command, DomainControl } from "./domain/control.ts";
import type { DomainHost, DomainListener } from "./domain/host.ts";
import { DrivenDevices, type HandedDevices } from "./driven_devices.ts";
import type { DevicePlan, DomainPlan, PluginUse, RecoveryPlan } from "./domain/plan.ts";
import { ProcessHost } from "./domain/process_host.ts";
import { type DomainReport, type DomainSample, NOTHING_MEASURED } from "./domain/report.ts";
import { WorkerHost } from "./domain/worker_host.ts";
import { DomainError } from "./errors.ts";
import { EventPage } from "./event_channel.ts";
import { EventFd } from "./event_fd.ts";
import { Incarnation, START_TIMEOUT_MS } from "./incarnation.ts";
import type { LinkedDomain } from "./machine_link.ts";
import type { MachineMedia, OpenMedium } from "./machine_media.ts";
import type { MachineMemory } from "./machine_memory.ts";
import type { SharedMemory } from "./memory.ts";
import type { Restarts } from "./restarts.ts";
import { isWithin, rest } from "./within.ts";

/** How long a driver that is replaced has to end in order. */
const RETIRE_GRACE_MS = 1000;
/** How long a process that was killed may take to be gone: the kernel first ends what it has at a disk. */
const KILL_TIMEOUT_MS = 120_000;

/** Why a driver is replaced, and how. */
export interface RestartReason {
  /** Why. */
  readonly cause: string;
  /** Whether it counts as one of those that are allowed. */
  readonly counts: boolean;
  /** Whether the present driver is asked to end before it is killed. */
  readonly inOrder: boolean;
}

/** One time that a driver was started anew. Times in ms since 1970, with fractions. */
export interface Restart {
  /** Why. */
  readonly cause: string;
  /** When its failure was noticed. */
  readonly noticedAtMs: number;
  /** When the first request was answered by its successor; null as long as none was. */
  resumedAtMs: number | null;
}

/** What a domain needs of its machine. */
export interface MachineDomainContext {
  /** Where regions come from. */
  readonly memory: MachineMemory;
  /** The machine's media. */
  readonly media: MachineMedia;
  /** Seeds its workload. */
  readonly seed: number;
  /** A folder for this run alone. */
  readonly scratchDirectory: string | null;
  /** How long the driver behind its links may answer nothing, in ms; null: for ever. */
  readonly requestTimeoutMs: number | null;
  /** What happens when the driver behind its links fails; null where that is the end. */
  readonly recovery: RecoveryPlan | null;
  /** Counts its restarts; null where it is not started anew. */
  readonly restarts: Restarts | null;
  /** Told what is no failure yet. */
  readonly note: (text: string) => void;
  /** Told what it says. */
  readonly reported: (incarnation: Incarnation, report: DomainReport) => void;
  /** Told that it ended. */
  readonly died: (incarnation: Incarnation, message: string) => void;
}

/** What can be told of a domain from outside, and done to it. */
export type MachineDomainView = Pick<
  MachineDomain,
  "restarts" | "processId" | "hasStandby" | "signal" | "links" | "events" | "saboteurPage"
>;

/** One domain of a machine. */
export class MachineDomain implements LinkedDomain {
  /** What it is. */
  readonly plan: DomainPlan;
  readonly id: number;
  readonly events: EventPage;
  readonly eventMemory: SharedMemory;
  readonly eventFd: EventFd | null;
  readonly links: LinkBoot[] = [];
  /** Settled when it is ready to work. */
  readonly ready: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Settled when it measures. */
  readonly measuring: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Settled with what it has measured; null where it was lost. */
  readonly sampled: PromiseWithResolvers<DomainSample | null> = Promise.withResolvers();
  /** Settled with what it has counted; of a driver that was started anew, the last one. */
  readonly closed: PromiseWithResolvers<Counters> = Promise.withResolvers();
  /** Settled when the machine goes on without it. */
  readonly lost: PromiseWithResolvers<null> = Promise.withResolvers();
  /** How often it was started anew. */
  readonly restarts: Restart[] = [];
  /** Who carries it now. */
  current: Incarnation;
  readonly #context: MachineDomainContext;
  /** By which its saboteur is told what to do; null where it has none. */
  readonly saboteurPage: SharedArrayBuffer | null;
  readonly #devices: DrivenDevices;
  /** The next driver, which has loaded or is loading. */
  #standby: Incarnation | undefined;
  /** One that is to replace the driver once it has loaded. */
  #candidate: Incarnation | undefined;
  #upgrading = false;
  /** Settled when no driver is being started anew. */
  #restarted: Promise<unknown> = Promise.resolve();
  /** Aborted when the domain has ended for good. */
  readonly #ended = new AbortController();

  /** A domain that has nothing yet. A worker begins to load at once. */
  constructor(plan: DomainPlan, id: number, drives: readonly DevicePlan[], context: MachineDomainContext) {
    this.plan = plan;
    this.id = id;
    this.#context = context;
    this.eventMemory = context.memory.allocateFrames(1);
    this.eventFd = EventFd.create();
    this.events = new EventPage(this.eventMemory, this.eventFd);
    if (context.memory.betweenProcesses && this.eventFd === null) {
      throw new DomainError(`The domain ${plan.name} cannot have a doorbell: no descriptor is left for it`);
    }
    this.#devices = new DrivenDevices(
      drives,
      context.media,
      context.restarts === null ? null : () => context.memory.allocateFrames(1).buffer,
    );
    this.saboteurPage = plan.saboteur === undefined ? null : context.memory.allocateFrames(1).buffer;
    this.current = this.#incarnate();
  }

  /** Whether it is started anew when it fails. */
  get restartable(): boolean {
    return this.#context.restarts !== null;
  }

  /** Its process's id; undefined where it has none of its own. */
  get processId(): number | undefined {
    const { host } = this.current;
    return host instanceof ProcessHost ? host.processId : undefined;
  }

  /** Whether the next driver has loaded and stands by. */
  get hasStandby(): boolean {
    return this.#standby?.isLoaded === true;
  }

  /** Sends its process a signal, or that of the next driver that stands by, if there is one. */
  signal(signal: Deno.Signal, to: "present" | "standby" = "present"): void {
    const host = (to === "present" ? this.current : this.#standby)?.host;
    if (host instanceof ProcessHost) host.signal(signal);
  }

  /** Has it drive a device on a medium, if the device is one of its own. */
  useMedium(device: string, medium: OpenMedium): void {
    this.#devices.use(device, medium);
  }

  /** Hands it what it may reach. */
  async boot(command: number): Promise<void> {
    if (this.restartable) await this.#devices.openNext();
    if (this.#ended.signal.aborted) return;
    this.current.control.send(command);
    this.#hand(this.current, this.#devices.handed(false), false);
    this.#prepareStandby();
  }

  /** What it says of its phases. */
  reported(report: DomainReport): void {
    if (report.type === "ready") return this.ready.resolve();
    if (report.type === "measuring") return this.measuring.resolve();
    if (report.type === "sample") this.sampled.resolve(report.sample);
  }

  /** It has ended in order. */
  ended(counters: Counters): void {
    this.sampled.resolve(NOTHING_MEASURED); // A driver that took over after the window has measured nothing of it.
    this.closed.resolve(counters);
  }

  /** The machine goes on without it: nobody waits for it. */
  lose(): void {
    this.current.over = true;
    this.current.control.send(Command.Stop);
    // A process can be fenced; a worker is asked, and may still write to its links.
    if (this.plan.kind === "process") this.current.host.kill();
    this.ready.resolve();
    this.measuring.resolve();
    this.sampled.resolve(null);
    this.lost.resolve(null);
  }

  /** A frontend of it goes on. */
  resumed(): void {
    this.current.useful = true;
    const last = this.restarts.at(-1);
    if (last !== undefined) last.resumedAtMs ??= now();
  }

  /**
   * One that stood by has died. Another is made in its place, unless it could not even load: then the next driver is started
   * when it is needed, and fails by itself if that goes on.
   */
  lostStandby(incarnation: Incarnation, cause: string): void {
    if (incarnation.over) return;
    incarnation.over = true;
    if (this.#standby !== incarnation) return; // It was replaced, or was to replace another.
    this.#standby = undefined;
    this.#forget(incarnation);
    this.#context.note(`${cause}, while it stood by`);
    if (incarnation.isLoaded) this.#prepareStandby();
  }

  /**
   * Loads another driver for a device, which stands by.
   *
   * @throws {DomainError} when it cannot be loaded, or not within 30 s: all is as it was then
   */
  async prepareUpgrade(device: string, plugin: PluginUse | undefined): Promise<void> {
    if (this.#upgrading) throw new DomainError(`The driver of ${device} is being replaced already`);
    this.#upgrading = true;
    const planned = this.#devices.planned(device, plugin);
    try {
      for (;;) {
        await this.#restarted;
        const { length } = this.restarts;
        if (this.#ended.signal.aborted) throw new DomainError("The machine has ended");
        const candidate = this.#candidate = this.#incarnate();
        this.#hand(candidate, this.#devices.handed(true, planned), true);
        if (!await isWithin(candidate.loaded.promise, START_TIMEOUT_MS)) {
          throw new DomainError(`The new driver of ${device} was not loaded within ${START_TIMEOUT_MS / 1000} s`);
        }
        if (candidate.over) throw new DomainError(`The new driver of ${device} has died as soon as it was loaded`);
        // Where the driver was started anew meanwhile, that has the opening of the medium that this one was handed.
        if (length === this.restarts.length) break;
        this.#discard(candidate);
      }
    } catch (thrown) {
      if (this.#candidate !== undefined) this.#discard(this.#candidate);
      throw thrown;
    } finally {
      this.#upgrading = false;
      if (this.#candidate?.over) this.#candidate = undefined;
    }
    const before = this.#standby;
    this.#standby = this.#candidate;
    this.#candidate = undefined;
    this.#devices.replace(planned);
    if (before !== undefined) this.#discard(before);
  }

  /**
   * Lets another driver take over, once the present one is dead.
   *
   * @param begin makes everything ready for it; false: there is nothing to begin any more
   * @throws {DomainError} when it was started anew too often, or the present one cannot be killed
   */
  async restart(why: RestartReason, begin: (next: Incarnation) => boolean): Promise<void> {
    const restarting = this.#restart(why, begin);
    this.#restarted = restarting.catch(() => {});
    await restarting;
  }

  async #restart({ cause, counts, inOrder }: RestartReason, begin: (next: Incarnation) => boolean): Promise<void> {
    const restarts = this.#context.restarts as Restarts;
    const before = this.current;
    before.over = true;
    this.restarts.push({ cause, noticedAtMs: now(), resumedAtMs: null });
    const fenced = this.#fence(before, inOrder);
    fenced.catch(() => {}); // It is awaited below, unless this is one restart too many.
    const waitMs = counts ? restarts.next(before.useful, cause) : 0;
    await fenced;
    if (waitMs > 0) await rest(waitMs, this.#ended.signal);
    this.#devices.advance();
    await this.#devices.openNext();
    const standby = this.#standby;
    this.#standby = undefined;
    const next = standby ?? this.#incarnate();
    if (!begin(next)) return this.#discard(next);
    this.#forget(before);
    this.current = next;
    next.watch();
    if (standby === undefined) this.#hand(next, this.#devices.handed(false), false);
    else next.host.proceed();
    this.#prepareStandby();
  }

  /** Ends an incarnation for good. Resolves when it is dead. */
  async #fence({ host, control }: Incarnation, inOrder: boolean): Promise<void> {
    if (inOrder) {
      control.send(Command.Stop);
      await isWithin(host.ended, RETIRE_GRACE_MS);
    }
    host.kill();
    if (await isWithin(host.ended, KILL_TIMEOUT_MS)) return;
    throw new DomainError(
      `The domain ${this.plan.name} is still alive ${KILL_TIMEOUT_MS / 1000} s after it was killed`,
    );
  }

  /** Ends it at once. Whether it has ended: a worker may not. */
  async end(): Promise<boolean> {
    this.#ended.abort();
    const processes = [this.current, this.#standby, this.#candidate].filter((each) => each !== undefined);
    for (const { host } of processes) host.kill();
    if (this.plan.kind === "worker") return false;
    return await isWithin(Promise.all(processes.map(({ host }) => host.ended)), KILL_TIMEOUT_MS);
  }

  /** Lets go of its doorbell; closes it where nobody can ring it any more. */
  release(nobodyLeft: boolean): void {
    if (nobodyLeft) this.eventFd?.close();
    else this.eventFd?.detach();
  }

  #incarnate(): Incarnation {
    const listener: DomainListener = {
      reported: (report) => this.#context.reported(incarnation, report),
      died: (message) => this.#context.died(incarnation, message),
    };
    const host: DomainHost = this.plan.kind === "worker"
      ? new WorkerHost(this.plan.name, listener)
      : new ProcessHost(listener, this.#context.memory);
    const control = new DomainControl(this.#context.memory.allocateFrames(1), this.events);
    const incarnation = new Incarnation(host, control); // The listener names it, before it has anything to say.
    return incarnation;
  }

  #prepareStandby(): void {
    if (this.#context.restarts?.plan.standby !== true) return;
    if (this.#standby !== undefined || this.#ended.signal.aborted) return;
    this.#standby = this.#incarnate();
    this.#hand(this.#standby, this.#devices.handed(true), true);
  }

  /** Ends one that drives nothing. */
  #discard(incarnation: Incarnation): void {
    incarnation.over = true;
    incarnation.host.kill();
    this.#forget(incarnation);
  }

  #forget({ control }: Incarnation): void {
    this.#context.memory.forget(control.memory.buffer);
  }

  #hand({ host, control }: Incarnation, { boots, descriptors }: HandedDevices, standby: boolean): void {
    host.boot({
      plan: this.plan,
      domainId: this.id,
      scratchDirectory: this.#context.scratchDirectory,
      seed: this.#context.seed,
      standby,
      requestTimeoutMs: this.#context.requestTimeoutMs,
      recovery: this.#context.recovery,
      parentProcess: this.plan.kind === "process" ? Deno.pid : null,
      control: control.memory.buffer,
      events: this.eventMemory.buffer,
      eventFd: this.eventFd?.descriptor ?? null,
      sleepsOn: this.#context.memory.betweenProcesses ? "descriptor" : "word",
      links: this.links,
      saboteurPage: this.saboteurPage,
      devices: boots,
    }, descriptors);
  }
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
