/**
 * A domain: isolated code with its own heap and its own failure. Here is what the hypervisor and a domain say to each
 * other, and the words in shared memory through which a running domain is told what to do.
 *
 * A domain that spins never gets to read a message, so commands are a shared word, and so is the sign of life. What a
 * domain reports it posts as messages: posting needs no event loop.
 *
 * @module
 */

import type { EventPage } from "./event_channel.ts";
import { SharedMemory } from "./memory.ts";

/** What a domain is to do. Each value includes that the ones before it are over. */
export const Command = {
  /** Get ready. */
  Boot: 0,
  /** Work, unmeasured. */
  WarmUp: 1,
  /** Work, measured. */
  Measure: 2,
  /** Finish what is in flight and end. */
  Finish: 3,
  /** End at once. */
  Stop: 4,
} as const;

const COMMAND = 0;
// On a cache line of its own: the domain writes it all the time.
const HEARTBEAT = 16;

/** The words between the hypervisor and one domain. */
export class DomainControl {
  /** The words' region: one frame that only the hypervisor and the domain have. */
  readonly memory: SharedMemory;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #events: EventPage;

  /**
   * A view of existing words.
   *
   * @param events the domain's event page, whose bell rings at every command
   */
  constructor(memory: SharedMemory, events: EventPage) {
    this.memory = memory;
    this.#words = memory.frameWords(0, 1);
    this.#events = events;
  }

  /** New words. */
  static allocate(events: EventPage): DomainControl {
    return new DomainControl(SharedMemory.allocate(1), events);
  }

  /** One of {@link Command}'s values. */
  get command(): number {
    return Atomics.load(this.#words, COMMAND);
  }

  /**
   * The same by a plain load, for the hot path: it may be late, but in a loop that has atomic accesses it is read anew
   * at every turn.
   */
  peekCommand(): number {
    return this.#words[COMMAND];
  }

  /** The hypervisor's side: commands, and wakes the domain to see it. */
  send(command: number): void {
    Atomics.store(this.#words, COMMAND, command);
    this.#events.wake();
  }

  /** A number that changes as long as the domain lives. */
  get heartbeat(): number {
    return Atomics.load(this.#words, HEARTBEAT);
  }

  /** The domain's side: shows that it lives. On the hot path, so a plain store: nothing is ordered by it. */
  beat(): void {
    this.#words[HEARTBEAT] = (this.#words[HEARTBEAT] + 1) | 0;
  }

  /** Whether to give up whatever is being waited for. Shows a sign of life, as who asks is alive. */
  stopRequested(): boolean {
    this.beat();
    return this.command === Command.Stop;
  }
}

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
  /** What it does with its devices; a driver domain has none. */
  readonly workload?: PluginUse & { readonly queueDepth: number };
}

/** One device, in the domain that drives it. */
export interface DevicePlan {
  /** Its name in the machine. */
  readonly name: string;
  /** Name of the domain that drives it. */
  readonly domain: string;
  /** Its plugin. */
  readonly plugin: PluginUse;
}

/** One ring between two domains. */
export interface LinkPlan {
  /** Name of the domain that asks. */
  readonly frontend: string;
  /** Name of the device that answers, in whatever domain drives it. */
  readonly device: string;
  /** Base-2 logarithm of the ring's frames, 0 to 4. */
  readonly ringOrder: number;
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

/** One end of a link, as handed to a domain. */
export interface LinkBoot {
  /** Which end. */
  readonly side: "frontend" | "backend";
  /** Name of the device. */
  readonly device: string;
  /** See {@link LinkPlan.ringOrder}. */
  readonly ringOrder: number;
  /** The link's region. */
  readonly memory: SharedArrayBuffer;
  /** Id of the domain at the other end. */
  readonly peerDomainId: number;
  /** The peer's event page. */
  readonly peerEvents: SharedArrayBuffer;
  /** This side's port. */
  readonly port: number;
  /** The peer's port. */
  readonly peerPort: number;
}

/** All that a domain is handed. What is not in it, it cannot reach. */
export interface DomainBoot {
  /** Its plan. */
  readonly plan: DomainPlan;
  /** Its id, as grants name it. */
  readonly domainId: number;
  /** See {@link MachinePlan.seed}. */
  readonly seed: number;
  /** Its {@link DomainControl}. */
  readonly control: SharedArrayBuffer;
  /** Its event page. */
  readonly events: SharedArrayBuffer;
  /** Its ends of links. */
  readonly links: readonly LinkBoot[];
  /** The devices that it drives, with their media. */
  readonly devices: readonly (DevicePlan & { readonly medium: unknown })[];
}

/** What a domain measured of itself between the commands Measure and Finish. */
export interface DomainSample {
  /** Length of the window by this domain's clock. */
  readonly durationNs: number;
  /** CPU time used. */
  readonly cpuNs: number | null;
  /** Context switches. */
  readonly contextSwitches: { readonly voluntary: number; readonly involuntary: number } | null;
  /** Cores that the thread was seen on, at the start and at the end. */
  readonly cpus: readonly number[] | null;
  /** Growth of the domain's own heap in bytes, garbage included. */
  readonly heapGrowthBytes: number;
  /** Notifications; null without a link. */
  readonly notifications: { readonly sent: number; readonly suppressed: number } | null;
  /** How its waits went; null without a link. */
  readonly waits: {
    readonly spinHits: number;
    readonly spinMisses: number;
    readonly sleeps: number;
    readonly spunNs: number;
    readonly sleptNs: number;
  } | null;
  /** What its workload did; null for a driver. */
  readonly operations: OperationSample | null;
}

/** What a workload did. */
export interface OperationSample {
  /** Finished operations. */
  readonly operations: number;
  /** Bytes of them. */
  readonly bytes: number;
  /** Operations that were timed. */
  readonly timedOperations: number;
  /** Latencies in nanoseconds; null if none was timed. */
  readonly latencyNs: {
    readonly min: number;
    readonly mean: number;
    readonly p50: number;
    readonly p95: number;
    readonly p99: number;
    readonly p999: number;
    readonly max: number;
  } | null;
}

/** What a domain tells the hypervisor. */
export type DomainReport =
  /** It is connected and waits for the command to work. */
  | { readonly type: "ready" }
  /** The measured window is over. */
  | { readonly type: "sample"; readonly sample: DomainSample }
  /** A device threw; the request failed, the domain lives. Sent for the first time only. */
  | { readonly type: "device-error"; readonly message: string }
  /** It ended in order. */
  | { readonly type: "closed" }
  /** It ended with an error. */
  | { readonly type: "failed"; readonly message: string };
