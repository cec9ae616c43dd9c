/**
 * Both ends of a link on one thread. A handshake blocks, so one side goes through it within the other's waits: in the
 * question whether to stop, which every wait asks. There a script may also play the other side.
 *
 * @module
 */

import { Backend } from "../../core/backend.ts";
import type { BlockDevice } from "../../core/block_device.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { allocateEventPage, EventChannel, EventPage } from "../../core/event_channel.ts";
import { Frontend } from "../../core/frontend.ts";
import type { LinkEnd } from "../../core/link_end.ts";
import {
  allocateLink,
  type ChannelOptions,
  DEFAULT_CHANNEL,
  linkLayout,
  type LinkOptions,
  type SlotOptions,
} from "../../core/link.ts";
import { ENTRY_BYTES, MAX_SEGMENTS } from "../../core/blkif.ts";
import { FRAME_SIZE, type SharedMemory } from "../../core/memory.ts";
import { OperationMeter } from "../../core/measure/meter.ts";
import type { NotificationPolicy } from "../../core/notification.ts";
import type { WaitCounters, Waiter, WaitSource } from "../../core/waiter.ts";
import { Ring, ringEntryCount } from "../../core/ring.ts";
import { XenbusState } from "../../core/xenbus.ts";
import { answerOnThisThread, currentCompletion, newEventPage, sharedByThreads } from "./completions.ts";

export const FRONT_DOMAIN = 1;
export const BACK_DOMAIN = 2;
const FRONT_PORT = 3;
const BACK_PORT = 5;

/** Words of the control frame that hold the states (Xen's `state` keys, laid out in `xenbus.ts`). */
export const FRONT_STATE = 0;
export const BACK_STATE = 256;

/** A policy that sleeps at once. */
export const interrupt: NotificationPolicy = { plan() {} };

/** What a test says of a link; the rest is as usual, with a slot of 11 frames for each entry of the ring. */
export type LinkChanges = Partial<ChannelOptions> & { readonly slots?: Partial<SlotOptions> };

export function linkOptions({ slots, ...channel }: LinkChanges = {}): LinkOptions {
  const count = ringEntryCount(channel.ringOrder ?? 0, ENTRY_BYTES);
  return {
    channel: { ...DEFAULT_CHANNEL, completion: currentCompletion(), ...channel },
    slots: { count, bytes: MAX_SEGMENTS * FRAME_SIZE, ...slots },
  };
}

/** A link's region and its two ends. */
export interface LinkEnds {
  readonly options: LinkOptions;
  readonly memory: SharedMemory;
  readonly front: LinkEnd;
  readonly back: LinkEnd;
  /** The end of the thread that takes responses; null where it is the one that submits. */
  readonly responder: LinkEnd | null;
}

export function linkEnds(
  options: LinkOptions,
  frontEvents = new EventPage(allocateEventPage()),
  backEvents = new EventPage(allocateEventPage()),
  responds = newEventPage(),
): LinkEnds {
  const memory = allocateLink(options);
  const { submitter, responder } = sharedByThreads(options, frontEvents, responds);
  // The driver notifies whoever takes responses.
  const notified = responder === undefined ? frontEvents : responds;
  const front = { memory, domainId: FRONT_DOMAIN, peerDomainId: BACK_DOMAIN, port: FRONT_PORT };
  const channel = new EventChannel(notified, FRONT_PORT, backEvents, BACK_PORT);
  return {
    options,
    memory,
    front: { ...front, events: frontEvents, channel, completion: submitter },
    responder: responder === undefined ? null : { ...front, events: responds, channel, completion: responder },
    back: {
      memory,
      domainId: BACK_DOMAIN,
      peerDomainId: FRONT_DOMAIN,
      events: backEvents,
      port: BACK_PORT,
      channel: new EventChannel(backEvents, BACK_PORT, notified, FRONT_PORT),
    },
  };
}

/** A waiter that, instead of sleeping, lets the other side work. */
export class PumpWaiter implements Waiter {
  readonly counters: WaitCounters = { spinHits: 0, spinMisses: 0, sleeps: 0, spunNs: 0, lostNs: 0, sleptNs: 0 };
  readonly sources: WaitSource[] = [];
  /** How long each spin was to be. */
  readonly spins: number[] = [];
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
    for (const source of this.sources) source.disarm?.();
  }

  waitServingEvents(): Promise<void> {
    this.wait();
    return Promise.resolve();
  }

  spin(spinNs: number): void {
    this.spins.push(spinNs);
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
  backend.offer();
  backend.connect(() => {
    stepFrontend(ends);
    return false;
  });
}

/** A frontend and what answers its question whether to stop. */
export interface FrontendUnderTest<W extends Waiter = PumpWaiter> {
  readonly frontend: Frontend;
  readonly waiter: W;
  readonly meter: OperationMeter;
  /** Asked in every wait. */
  stop: () => boolean;
}

export function makeFrontend<W extends Waiter>(ends: LinkEnds, waiter: W): FrontendUnderTest<W> {
  const meter = new OperationMeter(ends.options.slots.count);
  const test = { waiter, meter, stop: () => false };
  const stopRequested = () => test.stop();
  const common = { waiter, policy: interrupt, meter, stopRequested };
  const frontend = new Frontend({ ...common, end: ends.front, link: ends.options });
  answerOnThisThread(frontend, waiter, ends.responder, ends.options);
  return Object.assign(test, { frontend });
}

/** Answers {@link Frontend.connect} as a backend would that has written its keys. */
export function connectFrontend(test: FrontendUnderTest<Waiter>, { memory, front }: LinkEnds): void {
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
export interface LinkedPair<W extends Waiter = PumpWaiter> extends FrontendUnderTest<W> {
  readonly ends: LinkEnds;
  readonly backend: Backend;
  readonly gate: DeviceGate;
  /** What the gate reported. */
  readonly reports: string[];
  /** Lets the backend and its device work until nothing moves; returns whether anything did. */
  serve(): boolean;
}

/** Lets rings that `make` creates begin at an index, as if they had been in use for long. */
export function withRingsAt<T>(start: number, make: () => T): T {
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

/**
 * A frontend and a backend on one thread that have shaken hands.
 *
 * @param startIndex where the ring's free-running indices begin
 */
export function connectEnds<W extends Waiter>(
  ends: LinkEnds,
  device: BlockDevice,
  waiter: W,
  startIndex = 0,
): LinkedPair<W> {
  const { memory, options } = ends;
  const reports: string[] = [];
  const gate = new DeviceGate(device, (message) => reports.push(message));
  const { test, backend } = withRingsAt(startIndex, () => ({
    test: makeFrontend(ends, waiter),
    backend: new Backend(ends.back, options, gate),
  }));
  // The frontend has initialised the ring for indices from 0: producers there, events one further.
  memory.frameWords(linkLayout(options).ringFrame, 1).set([0, 1, 0, 1].map((word) => word + startIndex));
  const control = memory.frameWords(0, 1);
  backend.offer();
  test.stop = () => {
    if (control[FRONT_STATE] === XenbusState.Initialised) {
      backend.connect(() => {
        control[FRONT_STATE] = XenbusState.Connected;
        ends.back.events.wake();
        return false;
      });
      control[FRONT_STATE] = XenbusState.Initialised; // It goes on by itself.
    }
    ends.front.events.wake();
    return false;
  };
  test.frontend.connect();
  test.stop = () => false;
  const serve = (): boolean => {
    let worked = false;
    while (backend.service() || gate.reap()) worked = true;
    return worked;
  };
  return Object.assign(test, { ends, backend, gate, reports, serve });
}

/** As {@link connectEnds}, with a waiter that lets the backend work instead of sleeping. */
export function connectPair(device: BlockDevice, changes: LinkChanges = {}, startIndex = 0): LinkedPair {
  const pair = connectEnds(linkEnds(linkOptions(changes)), device, new PumpWaiter(), startIndex);
  pair.waiter.pump = pair.serve;
  return pair;
}
