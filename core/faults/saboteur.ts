/**
 * The saboteur of a driver domain: stands between the driver and its device, its doorbells and its waiter, and does what
 * the campaign's page says, at the step that it says.
 *
 * @module
 */

import type { BlockDevice } from "../block_device.ts";
import type { DeviceGate } from "../device_gate.ts";
import type { Saboteur } from "../domain/saboteur.ts";
import type { DomainSetup, LinkSetup } from "../domain/setup.ts";
import type { LinkEnd } from "../link_end.ts";
import type { Waiter } from "../waiter.ts";
import { XenbusState } from "../xenbus.ts";
import { doDeed, type Scene, sleepUntil } from "./deeds.ts";
import { Step } from "./kinds.ts";
import { FaultPage } from "./page.ts";
import { RingView } from "./ring_view.ts";
import { SabotagedDevice } from "./sabotaged_device.ts";

/** How long a frontend is waited for that goes through the handshake. */
const FRONTEND_WAIT_MS = 10_000;

/** The step at which a driver rings for a change of its state. */
const STEP_OF_STATE: Readonly<Record<number, Step>> = {
  [XenbusState.InitWait]: Step.Offered,
  [XenbusState.Connected]: Step.Connected,
  [XenbusState.Closed]: Step.Closed,
};

/** The saboteur that obeys a page. */
export function sabotage(page: SharedArrayBuffer): Saboteur {
  return new PageSaboteur(new FaultPage(page));
}

class PageSaboteur implements Saboteur {
  readonly #page: FaultPage;
  #rings: readonly RingView[] = [];
  #gates: readonly DeviceGate[] = [];

  constructor(page: FaultPage) {
    this.#page = page;
  }

  device(device: BlockDevice): BlockDevice {
    return new SabotagedDevice(device, this.#page, (_step, request) => this.#do({ request }));
  }

  setup(setup: DomainSetup): DomainSetup {
    this.#rings = setup.links.map(({ boot, end }) => new RingView(end.memory, boot.options));
    this.#gates = [...setup.gates.values()];
    this.#pass(Step.Setup);
    const links = setup.links.map(({ boot, end }, index): LinkSetup => {
      return { boot, end: { ...end, channel: this.#channel(end.channel, this.#rings[index]) } };
    });
    return { ...setup, links, waiter: this.#waiter(setup.waiter) };
  }

  #do(scene: Pick<Scene, "request" | "notify"> = {}): boolean {
    const busy = this.#gates.some(({ inFlight }) => inFlight > 0);
    return doDeed({ page: this.#page, rings: this.#rings, busy, ...scene });
  }

  /** The driver passes a step: does what is due. Returns whether what comes next must not be done. */
  #pass(step: Step, notify?: () => void): boolean {
    return this.#page.isDue(step) && this.#do({ notify });
  }

  /** The driver's end of a channel. It is used at the steps of the handshake, too. */
  #channel(channel: LinkEnd["channel"], ring: RingView): LinkEnd["channel"] {
    const notify = (): void => channel.notify();
    return {
      clear: () => {
        if (ring.backendState === XenbusState.InitWait && this.#page.isArmed(Step.Initialised)) {
          // The driver looks once more after this, and may be past the step then.
          sleepUntil(() => ring.frontendState === XenbusState.Initialised, FRONTEND_WAIT_MS);
          this.#pass(Step.Initialised);
        }
        channel.clear();
      },
      wakePeer: () => {
        const step = STEP_OF_STATE[ring.backendState];
        if (step !== undefined) this.#pass(step);
        channel.wakePeer();
      },
      notify: () => {
        if (this.#pass(Step.Published)) return;
        notify();
        this.#pass(Step.Notified, notify);
      },
      reset: () => channel.reset(),
    };
  }

  /** The driver's waiter. It waits when there is nothing to do, and returns when the frontend leaves. */
  #waiter(waiter: Waiter): Waiter {
    const before = (): void => void this.#pass(Step.Idle);
    const after = (): void => {
      if (this.#rings.some(({ frontendState }) => frontendState === XenbusState.Closing)) this.#pass(Step.Closing);
    };
    return {
      counters: waiter.counters,
      add: (source) => waiter.add(source),
      spin: (spinNs) => waiter.spin(spinNs),
      wait(policy): void {
        before();
        waiter.wait(policy);
        after();
      },
      async waitServingEvents(policy): Promise<void> {
        before();
        await waiter.waitServingEvents(policy);
        after();
      },
    };
  }
}
