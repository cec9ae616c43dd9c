/**
 * Both ends of a link on one thread. A handshake blocks, so each side goes through it against a script that plays the
 * other: the script runs in the question whether to stop, which every wait asks.
 *
 * @module
 */

import { Backend } from "../../core/backend.ts";
import type { BlockDevice } from "../../core/block_device.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { allocateEventPage, EventChannel, EventPage } from "../../core/event_channel.ts";
import { Frontend } from "../../core/frontend.ts";
import type { LinkEnd } from "../../core/link_end.ts";
import { allocateLink, linkLayout } from "../../core/link.ts";
import type { SharedMemory } from "../../core/memory.ts";
import { OperationMeter } from "../../core/measure/meter.ts";
import type { NotificationPolicy } from "../../core/notification.ts";
import type { WaitCounters, Waiter, WaitSource } from "../../core/waiter.ts";
import { Ring } from "../../core/ring.ts";
import { XenbusState } from "../../core/xenbus.ts";

export const FRONT_DOMAIN = 1;
export const BACK_DOMAIN = 2;
const FRONT_PORT = 3;
const BACK_PORT = 5;

/** Words of the control frame that hold the states (Xen's `state` keys, laid out in `xenbus.ts`). */
export const FRONT_STATE = 0;
export const BACK_STATE = 256;

/** A policy that sleeps at once. */
export const interrupt: NotificationPolicy = { plan() {} };

/** A link's region and its two ends. */
export interface LinkEnds {
  readonly memory: SharedMemory;
  readonly front: LinkEnd;
  readonly back: LinkEnd;
}

export function linkEnds(ringOrder: number): LinkEnds {
  const memory = allocateLink(ringOrder);
  const frontEvents = new EventPage(allocateEventPage());
  const backEvents = new EventPage(allocateEventPage());
  return {
    memory,
    front: {
      memory,
      domainId: FRONT_DOMAIN,
      peerDomainId: BACK_DOMAIN,
      events: frontEvents,
      port: FRONT_PORT,
      channel: new EventChannel(frontEvents, FRONT_PORT, backEvents, BACK_PORT),
    },
    back: {
      memory,
      domainId: BACK_DOMAIN,
      peerDomainId: FRONT_DOMAIN,
      events: backEvents,
      port: BACK_PORT,
      channel: new EventChannel(backEvents, BACK_PORT, frontEvents, FRONT_PORT),
    },
  };
}

/** A waiter that, instead of sleeping, lets the other side work. */
export class PumpWaiter implements Waiter {
  readonly counters: WaitCounters = { spinHits: 0, spinMisses: 0, sleeps: 0, spunNs: 0, sleptNs: 0 };
  readonly sources: WaitSource[] = [];
  /** What happens in a wait. */
  pump: () => void = () => {
    throw new Error("the test has nothing to wait for");
  };

  add(source: WaitSource): void {
    this.sources.push(source);
  }

  wait(): void {
    for (const source of this.sources) source.arm(1);
    this.pump();
  }
}

/** What a frontend that has written its keys does next, seeing its backend's state. */
export function stepFrontend({ memory, back }: LinkEnds): void {
  const words = memory.frameWords(0, 1);
  if (words[FRONT_STATE] === XenbusState.Unknown) words[FRONT_STATE] = XenbusState.Initialising;
  if (words[BACK_STATE] === XenbusState.InitWait) words[FRONT_STATE] = XenbusState.Initialised;
  if (words[BACK_STATE] === XenbusState.Connected) words[FRONT_STATE] = XenbusState.Connected;
  back.events.wake();
}

/** Answers {@link Backend.connect} as a frontend would that has written its keys. */
export function connectBackend(backend: Backend, ends: LinkEnds): void {
  backend.connect(() => {
    stepFrontend(ends);
    return false;
  });
}

/** A frontend and what answers its question whether to stop. */
export interface FrontendUnderTest {
  readonly frontend: Frontend;
  readonly waiter: PumpWaiter;
  readonly meter: OperationMeter;
  /** Asked in every wait. */
  stop: () => boolean;
}

export function makeFrontend(ends: LinkEnds, ringOrder: number): FrontendUnderTest {
  const waiter = new PumpWaiter();
  const meter = new OperationMeter(512);
  const test = { waiter, meter, stop: () => false };
  const stopRequested = () => test.stop();
  const frontend = new Frontend({ end: ends.front, ringOrder, waiter, policy: interrupt, meter, stopRequested });
  return Object.assign(test, { frontend });
}

/** Answers {@link Frontend.connect} as a backend would that has written its keys. */
export function connectFrontend(test: FrontendUnderTest, { memory, front }: LinkEnds): void {
  const words = memory.frameWords(0, 1);
  words[BACK_STATE] = XenbusState.InitWait;
  test.stop = () => {
    if (words[FRONT_STATE] === XenbusState.Initialised) words[BACK_STATE] = XenbusState.Connected;
    front.events.wake();
    return false;
  };
  test.frontend.connect();
  test.stop = () => false;
}

/** A connected pair. */
export interface LinkedPair extends FrontendUnderTest {
  readonly ends: LinkEnds;
  readonly backend: Backend;
  readonly gate: DeviceGate;
  /** What the gate reported. */
  readonly reports: string[];
  /** Lets the backend and its device work until nothing moves; returns whether anything did. */
  serve(): boolean;
}

/** Lets rings that `make` creates begin at an index, as if they had been in use for long. */
function withRingsAt<T>(start: number, make: () => T): T {
  const { front, back } = Ring;
  const moved = (ring: Ring): Ring => {
    ring.produced = ring.consumed = start | 0;
    if (ring.unpushed) ring.push();
    return ring;
  };
  Ring.front = (words, entryCount) => moved(front(words, entryCount));
  Ring.back = (words, entryCount) => moved(back(words, entryCount));
  try {
    return make();
  } finally {
    Object.assign(Ring, { front, back });
  }
}

/** @param startIndex where the ring's free-running indices begin */
export function connectPair(device: BlockDevice, ringOrder = 0, startIndex = 0): LinkedPair {
  const ends = linkEnds(ringOrder);
  const reports: string[] = [];
  const gate = new DeviceGate(device, (message) => reports.push(message));
  const { test, backend } = withRingsAt(startIndex, () => ({
    test: makeFrontend(ends, ringOrder),
    backend: new Backend(ends.back, ringOrder, gate),
  }));
  // The frontend has initialised the ring for indices from 0: producers there, events one further.
  ends.memory.frameWords(linkLayout(ringOrder).ringFrame, 1).set([0, 1, 0, 1].map((word) => word + startIndex));
  connectBackend(backend, ends);
  ends.memory.frameWords(0, 1)[FRONT_STATE] = XenbusState.Unknown;
  connectFrontend(test, ends);
  const serve = (): boolean => {
    let worked = false;
    while (backend.service() || gate.reap()) worked = true;
    return worked;
  };
  test.waiter.pump = serve;
  return Object.assign(test, { ends, backend, gate, reports, serve });
}
