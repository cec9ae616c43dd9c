/**
 * What a frontend does when its driver is lost and another takes over: it keeps what was answered, begins the link anew,
 * and has the next driver do what was in flight, before anything that comes later.
 *
 * A request is so executed at least once, and completed exactly once. What was answered is never asked again, as to do it
 * again could turn a failure into a success.
 *
 * @module
 */

import type { DeviceInfo } from "./block_device.ts";
import type { RequestRecovery } from "./domain/plan.ts";
import { ConnectionError } from "./errors.ts";
import type { FrontendLink } from "./frontend_link.ts";
import type { LinkEnd } from "./link_end.ts";
import { NONE } from "./shadow_table.ts";
import type { SlotBuffers } from "./slot_buffers.ts";

/** What a frontend does when its driver is lost, and another will come. */
export interface FrontendRecovery {
  /** What becomes of requests. */
  readonly requests: RequestRecovery;
  /** Told that the driver of this generation broke the protocol, left, or was replaced. */
  lost(generation: number, message: string): void;
  /** Told that the driver of this generation has answered something, or that there was nothing to answer. */
  resumed(generation: number): void;
}

/** What a change of drivers needs of the frontend. */
export interface ChangingFrontend {
  /** Its end of the link. */
  readonly link: FrontendLink;
  /** The slots' memory. */
  readonly buffers: SlotBuffers;
  /** The domain's end. */
  readonly end: LinkEnd;
  /** Whether the domain was told to stop: ends every wait. */
  readonly stopRequested: () => boolean;
  /** The handshake is done. */
  connected(info: DeviceInfo): void;
  /** Takes all responses that are there, and keeps what they end for the workload. Throws what is wrong with them. */
  takeAll(): void;
  /** Ends a slot's operation with an error, and keeps that for the workload. */
  fail(slot: number): void;
  /** Publishes requests. */
  publish(): void;
  /** Waits once, and throws if the driver is lost. */
  waitOnce(): void;
}

/** Longest sleep between two looks for another driver. */
const LOOK_MS = 20;

/** Changes the driver of one frontend, as often as that is needed. */
export class DriverChange {
  /**
   * Whether operations fail, because there is no driver and none is waited for. The ring is not looked at then: a broken
   * driver that lives on could still answer what has failed.
   */
  isDown = false;
  readonly #recovery: FrontendRecovery;
  readonly #frontend: ChangingFrontend;
  /** Slots whose operation ended while the driver was changed, and was not returned yet. */
  readonly #kept: number[] = [];

  /** No driver is lost yet. */
  constructor(recovery: FrontendRecovery, frontend: ChangingFrontend) {
    this.#recovery = recovery;
    this.#frontend = frontend;
  }

  /**
   * The driver is lost. Returns when another has done what was in flight; at once, if operations are to fail meanwhile.
   *
   * @param why what showed it
   * @returns false when the domain was told to stop first: there is no driver, and none is to come
   */
  lose({ message }: ConnectionError): boolean {
    const { requests } = this.#recovery;
    const { link, fail } = this.#frontend;
    this.#recovery.lost(link.generation, message);
    this.#salvage();
    if (requests !== "reissue") link.shadow.busySlots().forEach(fail);
    // Before the first handshake nothing can fail yet: nobody knows the device.
    if (requests !== "fail-io" || !link.shadow.usable) return this.#resume();
    this.isDown = true;
    return true;
  }

  /** The first driver is connected, and has nothing to answer. */
  begin(): void {
    this.#recovery.resumed(this.#frontend.link.generation);
  }

  /** Keeps a slot whose operation is over until it is asked for. */
  keep(slot: number): void {
    this.#kept.push(slot);
  }

  /**
   * The next slot that was kept, or {@link NONE}. While operations fail it first looks for a driver: a workload for which
   * something has always failed would never do so else.
   */
  takeKept(): number {
    if (this.isDown) this.lookForDriver();
    return this.#kept.length === 0 ? NONE : this.#kept.shift() as number;
  }

  /** While operations fail: goes on with the next driver as soon as that waits for the handshake. Whether it has. */
  lookForDriver(): boolean {
    return this.#frontend.link.isOffered && this.#resume();
  }

  /** Takes what the lost driver has answered. Of one that broke the protocol, up to there. */
  #salvage(): void {
    this.#frontend.link.responses.pause();
    try {
      this.#frontend.takeAll();
    } catch (thrown) {
      if (!(thrown instanceof ConnectionError)) throw thrown;
    }
  }

  /**
   * Waits for the next driver, and for the one after it if that is lost, too, until one has done what was in flight; false
   * when the domain is told to stop.
   */
  #resume(): boolean {
    const { link, connected, stopRequested } = this.#frontend;
    while (this.#awaitNextDriver()) {
      const slots = link.shadow.busySlots();
      link.renew(link.wantedGeneration);
      try {
        connected(link.connect(stopRequested));
        this.#reissue(slots);
        this.isDown = false;
        return !stopRequested();
      } catch (thrown) {
        if (!(thrown instanceof ConnectionError)) throw thrown;
        if (!stopRequested()) this.#recovery.lost(link.generation, thrown.message);
        this.#salvage();
      }
    }
    return false;
  }

  /** Whether another driver is there, or being started; false when the domain is told to stop. */
  #awaitNextDriver(): boolean {
    const { link, end: { events }, stopRequested } = this.#frontend;
    for (;;) {
      const { bell } = events;
      if (stopRequested()) return false;
      if (link.isReplaced) return true;
      events.sleep(bell, LOOK_MS);
    }
  }

  /** Does operations again, in the order in which they began, and waits for all. */
  #reissue(slots: readonly number[]): void {
    const { link: { shadow, issuer, generation }, buffers, publish, takeAll, waitOnce, stopRequested } = this.#frontend;
    for (const slot of slots) {
      const operation = shadow.operation(slot);
      const byteLength = shadow.byteLength(slot);
      // The workload's own data: the driver before it could write to the frames that it was copied to.
      if (buffers.copies) buffers.copyOut(slot, operation, byteLength);
      issuer.issue(slot, operation, shadow.sector(slot), byteLength);
    }
    publish();
    const asked = shadow.idsInUse;
    for (let told = false; asked > 0 || !told;) {
      takeAll();
      if (!told && (asked === 0 || shadow.busySlots().length < slots.length)) {
        this.#recovery.resumed(generation);
        told = true;
      }
      publish(); // What had found no entry of the ring.
      if (shadow.idsInUse === 0 || stopRequested()) return;
      waitOnce();
    }
  }
}
