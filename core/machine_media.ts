/**
 * The media of one machine: what outlives its drivers, opened by the hypervisor and handed to whichever driver is alive.
 *
 * @module
 */

import type { DevicePlan } from "./domain/plan.ts";
import { DomainError, messageOf } from "./errors.ts";
import type { MachineMemory } from "./machine_memory.ts";
import { type DevicePlugin, loadPlugin, type MachineContext, type MediumContext, openMedium } from "./plugin.ts";

/** One opening of a medium. */
export interface OpenMedium {
  /** What the plugin made of it. */
  readonly medium: unknown;
  /** The descriptors in it. */
  readonly descriptors: readonly number[];
  /** Whether it was opened apart from the opening before it. */
  readonly reopened: boolean;
}

/** What was opened and not closed. */
export class MachineMedia {
  readonly #context: MachineContext;
  readonly #memory: MachineMemory;
  #open: { readonly device: DevicePlugin; readonly medium: unknown }[] = [];
  #closed = false;

  /**
   * No media yet.
   *
   * @param memory where memory of media comes from
   */
  constructor(context: MachineContext, memory: MachineMemory) {
    this.#context = context;
    this.#memory = memory;
  }

  /**
   * Opens a device's medium.
   *
   * @throws {DomainError} when that is impossible
   */
  async open(plan: DevicePlan): Promise<OpenMedium> {
    const device = await loadPlugin("device", plan.plugin.url);
    return this.#opened(device, false, (context) => openMedium(device, plan.plugin.options, context));
  }

  /**
   * Opens the medium of a device once more, for the next driver; the same opening again where the plugin cannot.
   *
   * @throws {DomainError} when that is impossible
   */
  async openAgain(plan: DevicePlan, { medium, descriptors }: OpenMedium): Promise<OpenMedium> {
    const device = await loadPlugin("device", plan.plugin.url);
    if (device.openAgain === undefined) return { medium, descriptors, reopened: false };
    const { openAgain } = device;
    return this.#opened(device, true, (context) => openAgain.call(device, medium, plan.plugin.options, context));
  }

  /** Closes all. What was measured is not lost by a medium that cannot be closed. */
  close(): void {
    this.#closed = true;
    const all = new Map(this.#open.map(({ device, medium }) => [medium, device])); // Some are opened again as they are.
    this.#open = [];
    for (const [medium, device] of all) this.#close(device, medium);
  }

  /** Closes the opening of a driver that is dead, unless its successor has the same. */
  release({ medium }: OpenMedium, successor: OpenMedium): void {
    if (medium === successor.medium) return;
    const opening = this.#open.find((each) => each.medium === medium);
    this.#open = this.#open.filter((each) => each.medium !== medium);
    if (opening !== undefined) this.#close(opening.device, medium);
  }

  #close(device: DevicePlugin, medium: unknown): void {
    try {
      device.closeMedium?.(medium);
    } catch (thrown) {
      this.#context.note(`The medium of ${device.name} could not be closed: ${messageOf(thrown)}`);
    }
  }

  #opened(device: DevicePlugin, reopened: boolean, open: (context: MediumContext) => unknown): OpenMedium {
    const descriptors: number[] = [];
    try {
      const medium = open({
        ...this.#context,
        allocate: (byteLength) => this.#memory.allocate(byteLength),
        inherit: (descriptor) => void descriptors.push(descriptor),
      });
      this.#open.push({ device, medium });
      if (this.#closed) this.close(); // The machine has ended meanwhile, and nobody else will.
      return { medium, descriptors, reopened };
    } catch (thrown) {
      throw new DomainError(`The medium of ${device.name} cannot be opened: ${messageOf(thrown)}`, { cause: thrown });
    }
  }
}
