/**
 * A frontend whose driver dies and is followed by another, as often as the test likes: both ends on one thread, and the
 * test in the hypervisor's place.
 *
 * @module
 */

import { Backend } from "../../core/backend.ts";
import type { BlockDevice } from "../../core/block_device.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import type { RequestRecovery } from "../../core/domain/plan.ts";
import { FlushRecord } from "../../core/flush_record.ts";
import { Frontend } from "../../core/frontend.ts";
import { linkLayout } from "../../core/link.ts";
import { OperationMeter } from "../../core/measure/meter.ts";
import { clearBackend, XenbusState } from "../../core/xenbus.ts";
import { answerOnThisThread } from "./completions.ts";
import { FRONT_STATE, interrupt, type LinkChanges, type LinkEnds, linkEnds, linkOptions, PumpWaiter } from "./link.ts";

/** Word of the ring's first frame in which the backend publishes (`rsp_prod`). */
export const RESPONSES_PUBLISHED = 2;
/** Word of the control frame in which the frontend says which driver it is for (the key `generation`). */
const FRONT_GENERATION = 5;
/** Every way of the link to carry operations. */
export const LINKS: Readonly<Record<string, LinkChanges>> = {
  "as usual": {},
  "merged": { merge: true, batch: 4 },
  "split, without indirect requests": { indirectSegments: 0, slots: { bytes: 256 * 1024, count: 8 } },
  "indirect": { indirectSegments: 64, slots: { bytes: 256 * 1024, count: 8 } },
  "copied": { transfer: "copy" },
  "by sleep flags": { suppression: "sleep-flag" },
  "merged, split, copied, by sleep flags": {
    ...{ merge: true, batch: 8, transfer: "copy", suppression: "sleep-flag", indirectSegments: 0, ringOrder: 1 },
    slots: { bytes: 128 * 1024, count: 32 },
  },
};

/** Looks without end are a hang of the frontend. */
const MAX_LOOKS = 100_000;

/** What the test wants of its frontend and its drivers. */
export interface ChangingOptions {
  /** What becomes of requests. */
  readonly requests?: RequestRecovery;
  /** The link. */
  readonly link?: LinkChanges;
  /** Whether flushes are recorded, and each driver's medium opened apart from the one before it. */
  readonly flushes?: { readonly reopened: boolean };
}

/** A driver: one generation of the link's backend. */
export interface Driver {
  readonly backend: Backend;
  readonly gate: DeviceGate;
  connected: boolean;
}

/** A frontend that goes on with another driver, and the drivers. */
export class ChangingDriver {
  readonly ends: LinkEnds;
  readonly frontend: Frontend;
  readonly waiter = new PumpWaiter();
  readonly meter: OperationMeter;
  /** Generations whose loss the frontend has told of, and by what it noticed. */
  readonly lost: { readonly generation: number; readonly message: string }[] = [];
  /** Generations that the frontend has told to have answered. */
  readonly resumed: number[] = [];
  /** What the gates have told. */
  readonly reports: string[] = [];
  /** The link's generation, by the hypervisor's word. */
  generation = 0;
  /** Who drives; null while nobody does. */
  driver: Driver | null = null;
  /** What happens when the frontend looks whether to stop, as it does in every wait for a driver. */
  look: () => void = () => this.revive();
  /** What happens when the frontend waits for answers. */
  pump: () => void = () => this.revive() || this.serve();
  /** Whether the domain is to stop. */
  stopped = false;
  readonly #device: () => BlockDevice;
  readonly #control: Int32Array;
  readonly #record = new Int32Array(2);
  readonly #options: ChangingOptions;
  #looks = 0;

  /** A frontend that is not connected. `device` is asked for the device of each driver. */
  constructor(device: () => BlockDevice, options: ChangingOptions = {}) {
    this.#device = device;
    this.#options = options;
    this.ends = linkEnds(linkOptions(options.link));
    this.#control = this.ends.memory.frameWords(0, 1);
    this.meter = new OperationMeter(this.ends.options.slots.count);
    this.waiter.pump = () => this.pump();
    this.frontend = new Frontend({
      ...{ waiter: this.waiter, policy: interrupt, meter: this.meter, link: this.ends.options },
      end: { ...this.ends.front, generation: () => this.generation },
      stopRequested: () => this.#look(),
      recovery: {
        requests: options.requests ?? "reissue",
        lost: (generation, message) => void this.lost.push({ generation, message }),
        resumed: (generation) => void this.resumed.push(generation),
      },
    });
    answerOnThisThread(this.frontend, this.waiter, this.ends.responder, this.ends.options);
  }

  /** With its first driver, and connected. */
  static connected(device: () => BlockDevice, options: ChangingOptions = {}): ChangingDriver {
    const changing = new ChangingDriver(device, options);
    changing.start();
    changing.frontend.connect();
    return changing;
  }

  /** The ring's words. */
  get ring(): Int32Array {
    return this.ends.memory.frameWords(linkLayout(this.ends.options).ringFrame, 1);
  }

  /** A driver begins. */
  start(): Driver {
    const { generation } = this;
    const { flushes } = this.#options;
    const record = flushes === undefined ? null : new FlushRecord(this.#record, flushes.reopened && generation > 0);
    const gate = new DeviceGate(this.#device(), (message) => this.reports.push(message), { flushes: record });
    const backend = new Backend({ ...this.ends.back, generation: () => generation }, this.ends.options, gate);
    backend.offer();
    return this.driver = { backend, gate, connected: false };
  }

  /** The driver dies: nothing of it happens any more. */
  kill(): void {
    this.driver = null;
  }

  /** Another driver takes over. */
  replace(): Driver {
    this.kill();
    this.generation++;
    clearBackend(this.#control);
    return this.start();
  }

  /** Another driver takes over where there is none, or a broken one. Whether one does. */
  revive(): boolean {
    if (this.driver !== null && this.lost.at(-1)?.generation !== this.generation) return false;
    this.replace();
    return true;
  }

  /** Lets the driver work until nothing moves. Whether anything did. */
  serve(): boolean {
    let worked = false;
    while (this.driver?.connected === true && (this.driver.backend.service() || this.driver.gate.reap())) worked = true;
    return worked;
  }

  /** The driver goes through its part of the handshake as far as it can. */
  shakeHands(): void {
    const { driver } = this;
    if (driver === null || driver.connected || this.#control[FRONT_STATE] !== XenbusState.Initialised) return;
    if (this.#control[FRONT_GENERATION] !== this.generation) return; // It is in the handshake with one that is gone.
    driver.backend.connect(() => {
      this.#control[FRONT_STATE] = XenbusState.Connected;
      this.ends.back.events.wake();
      return false;
    });
    this.#control[FRONT_STATE] = XenbusState.Initialised; // The frontend goes on by itself.
    driver.connected = true;
  }

  #look(): boolean {
    if (++this.#looks > MAX_LOOKS) throw new Error("The frontend looks for a driver for ever");
    this.ends.front.events.wake(); // No sleep lasts.
    this.look();
    this.shakeHands();
    return this.stopped;
  }
}
