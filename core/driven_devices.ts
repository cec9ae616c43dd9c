/**
 * The devices of one driver domain, and which opening of its medium each of its drivers is handed.
 *
 * @module
 */

import type { DeviceBoot } from "./domain/boot.ts";
import type { DevicePlan } from "./domain/plan.ts";
import type { MachineMedia, OpenMedium } from "./machine_media.ts";

/** A device and the openings of its medium: that of the present driver, and that of the next. */
interface Driven {
  plan: DevicePlan;
  present: OpenMedium | undefined;
  next: OpenMedium | undefined;
  readonly flushes: SharedArrayBuffer | null;
}

/** What a driver is handed of its devices. */
export interface HandedDevices {
  /** What it is told. */
  readonly boots: readonly DeviceBoot[];
  /** The descriptors that it inherits for them. */
  readonly descriptors: readonly number[];
}

/** The devices of one domain. */
export class DrivenDevices {
  readonly #media: MachineMedia;
  readonly #devices: ReadonlyMap<string, Driven>;

  /**
   * Devices without media.
   *
   * @param flushRecord makes the memory of a {@link FlushRecord}; null for drivers that have no successors
   */
  constructor(plans: readonly DevicePlan[], media: MachineMedia, flushRecord: (() => SharedArrayBuffer) | null) {
    this.#media = media;
    this.#devices = new Map(plans.map((plan) => {
      return [plan.name, { plan, present: undefined, next: undefined, flushes: flushRecord?.() ?? null }];
    }));
  }

  /** Gives a device its medium, if it is one of these. */
  use(device: string, medium: OpenMedium): void {
    const driven = this.#devices.get(device);
    if (driven !== undefined) driven.present = medium;
  }

  /** A device's plan with another driver. The driver that it has stays until {@link replace}. */
  planned(device: string, plugin: DevicePlan["plugin"] | undefined): DevicePlan {
    const { plan } = this.#devices.get(device) as Driven;
    return plugin === undefined ? plan : { ...plan, plugin };
  }

  /** From now on a device has another plan. */
  replace(plan: DevicePlan): void {
    (this.#devices.get(plan.name) as Driven).plan = plan;
  }

  /** Opens the media for the next driver: before the present one begins, see `DevicePlugin.openAgain`. */
  async openNext(): Promise<void> {
    for (const driven of this.#devices.values()) {
      driven.next = await this.#media.openAgain(driven.plan, driven.present as OpenMedium);
    }
  }

  /** The media of the next driver become those of the present one. The one before it must have ended. */
  advance(): void {
    for (const driven of this.#devices.values()) {
      const { present, next } = driven;
      driven.present = next;
      driven.next = undefined;
      if (present !== undefined && next !== undefined) this.#media.release(present, next);
    }
  }

  /**
   * What a driver is handed.
   *
   * @param next whether it is the next one, which stands by
   * @param replaced a plan in place of the one of its device
   */
  handed(next: boolean, replaced?: DevicePlan): HandedDevices {
    const devices = [...this.#devices.values()].map((driven) => {
      const opened = (next ? driven.next : driven.present) as OpenMedium;
      const plan = replaced?.name === driven.plan.name ? replaced : driven.plan;
      const { medium, reopened } = opened;
      return { opened, boot: { ...plan, medium, reopened, flushes: driven.flushes } };
    });
    return {
      boots: devices.map(({ boot }) => boot),
      descriptors: devices.flatMap(({ opened }) => opened.descriptors),
    };
  }
}
