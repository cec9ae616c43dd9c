/**
 * A domain as the hypervisor sees it: what it is handed, who carries it now, and what it has said.
 *
 * @module
 */

import { addUp, type Counters } from "./counters.ts";
import type { LinkBoot } from "./domain/boot.ts";
import { Command, DomainControl } from "./domain/control.ts";
import type { DomainHost, DomainListener } from "./domain/host.ts";
import type { DevicePlan, DomainPlan, PluginUse, RecoveryPlan } from "./domain/plan.ts";
import { ProcessHost } from "./domain/process_host.ts";
import { type DomainReport, type DomainSample, NOTHING_MEASURED } from "./domain/report.ts";
import { WorkerHost } from "./domain/worker_host.ts";
import { EventPage } from "./event_channel.ts";
import { EventFd } from "./event_fd.ts";
import { Incarnation } from "./incarnation.ts";
import type { LinkedDomain } from "./machine_link.ts";
import type { MachineMedia, OpenMedium } from "./machine_media.ts";
import type { MachineMemory } from "./machine_memory.ts";
import type { SharedMemory } from "./memory.ts";
import { unlessAborted } from "./phases.ts";
import type { Restarts } from "./restarts.ts";

/** How long a driver that is replaced has to end in order. */
const RETIRE_GRACE_MS = 1000;

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
  "restarts" | "processId" | "signal" | "links" | "events" | "saboteurPage"
>;

/** A device and the openings of its medium: that of the present driver, and that of the next. */
interface Driven {
  plan: DevicePlan;
  present: OpenMedium | undefined;
  next: OpenMedium | undefined;
  readonly flushes: SharedArrayBuffer | null;
}

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
  /** Settled with what it has counted. */
  readonly closed: PromiseWithResolvers<Counters> = Promise.withResolvers();
  /** Settled when the machine goes on without it. */
  readonly lost: PromiseWithResolvers<null> = Promise.withResolvers();
  /** How often it was started anew. */
  readonly restarts: Restart[] = [];
  /** Who carries it now. */
  current: Incarnation;
  readonly #context: MachineDomainContext;
  readonly #driven: Map<string, Driven>;
  /** By which its saboteur is told what to do; null where it has none. */
  readonly saboteurPage: SharedArrayBuffer | null;
  #standby: Incarnation | undefined;
  #counted: Counters = {};

  /** A domain that has nothing yet. A worker begins to load at once. */
  constructor(plan: DomainPlan, id: number, drives: readonly DevicePlan[], context: MachineDomainContext) {
    this.plan = plan;
    this.id = id;
    this.#context = context;
    this.eventMemory = context.memory.allocateFrames(1);
    this.eventFd = EventFd.create();
    this.events = new EventPage(this.eventMemory, this.eventFd);
    this.#driven = new Map(drives.map((device) => [device.name, {
      plan: device,
      present: undefined,
      next: undefined,
      flushes: context.restarts === null ? null : context.memory.allocateFrames(1).buffer,
    }]));
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

  /** Sends its process a signal, or that of the next driver that stands by, if there is one. */
  signal(signal: Deno.Signal, to: "present" | "standby" = "present"): void {
    const host = (to === "present" ? this.current : this.#standby)?.host;
    if (host instanceof ProcessHost) host.signal(signal);
  }

  /** Has it drive a device on a medium, if the device is one of its own. */
  useMedium(device: string, medium: OpenMedium): void {
    const driven = this.#driven.get(device);
    if (driven !== undefined) driven.present = medium;
  }

  /** Hands it what it may reach. */
  async boot(command: number): Promise<void> {
    await this.#openNext();
    this.current.control.send(command);
    this.#hand(this.current, false);
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
    this.closed.resolve(addUp([this.#counted, counters]));
  }

  /** The machine goes on without it: nobody waits for it. */
  lose(): void {
    this.current.over = true;
    this.current.control.send(Command.Stop);
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
    incarnation.over = true;
    this.#context.memory.forget(incarnation.control.memory.buffer);
    if (this.#standby !== incarnation) return; // It was replaced.
    this.#standby = undefined;
    if (!incarnation.isLoaded) return;
    this.#context.note(`${cause}, while it stood by`);
    this.#prepareStandby();
  }

  /**
   * Ends an incarnation for good.
   *
   * @param inOrder whether it is asked first
   * @returns settled when it is dead
   */
  async fence({ host, control }: Incarnation, inOrder: boolean): Promise<void> {
    if (inOrder) {
      control.send(Command.Stop);
      await Promise.race([host.ended, delay(RETIRE_GRACE_MS)]);
    }
    host.kill();
    await host.ended;
  }

  /** Loads another driver for a device, which stands by. */
  async prepareUpgrade(device: string, plugin: PluginUse | undefined): Promise<void> {
    const driven = this.#driven.get(device) as Driven;
    const before = driven.plan;
    const standby = this.#standby;
    if (plugin !== undefined) driven.plan = { ...before, plugin };
    this.#standby = this.#incarnate();
    this.#hand(this.#standby, true);
    try {
      await this.#standby.loaded.promise;
    } catch (thrown) {
      driven.plan = before;
      this.#standby = standby?.over ? undefined : standby;
      throw thrown;
    }
    standby?.host.kill();
  }

  /**
   * Lets another driver take over.
   *
   * @param fenced settled when the one before it is dead
   * @param begin makes everything ready for it; false: there is nothing to begin any more
   */
  async restart(
    { cause, counts }: { readonly cause: string; readonly counts: boolean },
    fenced: Promise<void>,
    signal: AbortSignal,
    begin: (next: Incarnation) => boolean,
  ): Promise<void> {
    const restarts = this.#context.restarts as Restarts;
    this.restarts.push({ cause, noticedAtMs: now(), resumedAtMs: null });
    const waitMs = counts ? restarts.next(this.current.useful, cause) : 0;
    await fenced;
    if (waitMs > 0) await unlessAborted(delay(waitMs), signal).catch(() => {});
    this.#advanceMedia();
    await this.#openNext();
    const standby = this.#standby;
    this.#standby = undefined;
    const next = standby ?? this.#incarnate();
    if (!begin(next)) return next.host.kill();
    this.#context.memory.forget(this.current.control.memory.buffer);
    this.current = next;
    next.watch();
    if (standby === undefined) this.#hand(next, false);
    else next.host.proceed();
    this.#prepareStandby();
  }

  /** Ends it at once. Whether it has ended: a worker may not. */
  async end(): Promise<boolean> {
    const processes = [this.current, this.#standby].filter((each) => each !== undefined);
    for (const { host } of processes) host.kill();
    if (this.plan.kind === "worker") return false;
    await Promise.all(processes.map(({ host }) => host.ended));
    return true;
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
    const incarnation = new Incarnation(host, control);
    return incarnation;
  }

  /** The medium of the next driver becomes that of the present one. */
  #advanceMedia(): void {
    for (const driven of this.#driven.values()) {
      const { present, next } = driven;
      driven.present = next;
      driven.next = undefined;
      if (present !== undefined && next !== undefined) this.#context.media.release(present, next);
    }
  }

  /** Opens the media for the next driver: before the present one begins, see `DevicePlugin.openAgain`. */
  async #openNext(): Promise<void> {
    if (!this.restartable) return;
    for (const driven of this.#driven.values()) {
      driven.next = await this.#context.media.openAgain(driven.plan, driven.present as OpenMedium);
    }
  }

  #prepareStandby(): void {
    if (this.#context.restarts?.plan.standby !== true || this.#standby !== undefined) return;
    this.#standby = this.#incarnate();
    this.#hand(this.#standby, true);
  }

  #hand({ host, control }: Incarnation, standby: boolean): void {
    const devices = [...this.#driven.values()].map(({ plan, present, next, flushes }) => {
      const opened = (standby ? next : present) as OpenMedium;
      return { opened, boot: { ...plan, medium: opened.medium, reopened: opened.reopened, flushes } };
    });
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
      devices: devices.map(({ boot }) => boot),
    }, devices.flatMap(({ opened }) => opened.descriptors));
  }
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
