/**
 * The frontend's end of a link: lays out the ring, grants its frames, and goes through the handshake; once for each driver
 * that the link has.
 *
 * @module
 */

import type { DeviceInfo } from "./block_device.ts";
import { type Counterpart, RingCounterpart } from "./counterpart.ts";
import { readDeviceInfo } from "./device_keys.ts";
import { GrantTable } from "./grant_table.ts";
import { HandedResponses } from "./handed_responses.ts";
import { type LinkLayout, linkLayout, type LinkOptions } from "./link.ts";
import { awaitPeerState, brokenBackend, type LinkEnd } from "./link_end.ts";
import { RequestIssuer } from "./request_issuer.ts";
import { RequestWriter } from "./request_writer.ts";
import type { ResponseSource } from "./response_source.ts";
import { initialiseRing, Ring } from "./ring.ts";
import { RingResponses } from "./ring_responses.ts";
import { ShadowTable } from "./shadow_table.ts";
import {
  BACKEND_SLEEP_WORD,
  type BackendKey,
  FRONTEND_SLEEP_WORD,
  type FrontendKey,
  hasOffered,
  XenbusState,
  XenbusStore,
} from "./xenbus.ts";

/** The frontend's end of one link, as the thread uses it that submits. */
export class FrontendLink {
  /** Where everything lies in the link's region. */
  readonly layout: LinkLayout;
  /** The ring. */
  readonly ring: Ring;
  /** The ring's frames. */
  readonly words: Int32Array<SharedArrayBuffer>;
  /** What was asked for. */
  readonly shadow: ShadowTable;
  /** The policy at the other end, where this thread is the one that waits for responses. */
  readonly counterpart: Counterpart | undefined;
  /** Where responses come from. */
  readonly responses: ResponseSource;
  /** What writes requests. */
  readonly issuer: RequestIssuer;
  /** Which of the link's drivers it is used with, from 0. */
  generation = 0;
  readonly #end: LinkEnd;
  readonly #options: LinkOptions;
  readonly #control: Int32Array;
  readonly #grants: Int32Array;
  readonly #store: XenbusStore<FrontendKey, BackendKey>;
  #info: DeviceInfo | undefined;

  /** Lays out the ring and grants every frame for good (persistent grants); {@link connect} comes next. */
  constructor(end: LinkEnd, options: LinkOptions) {
    const layout = linkLayout(options);
    this.layout = layout;
    this.#end = end;
    this.#options = options;
    this.#control = end.memory.frameWords(layout.controlFrame, 1);
    this.#grants = end.memory.frameWords(layout.grantFrame, layout.grantFrameCount);
    this.words = end.memory.frameWords(layout.ringFrame, layout.ringFrameCount);
    this.ring = Ring.front(this.words, layout.entryCount);
    if (end.completion === undefined) {
      this.counterpart = RingCounterpart.ofFront(this.words);
      this.shadow = ShadowTable.create(layout.entryCount, options.slots.count);
      this.responses = new RingResponses(end, this.ring, this.words, this.shadow);
    } else {
      const handed = new HandedResponses(end, end.completion, options, this.ring, this.words);
      this.shadow = handed.shadow;
      this.responses = handed;
    }
    this.#store = XenbusStore.frontend(this.#control);
    this.issuer = new RequestIssuer(this.ring, this.shadow, this.#layOut(), options.channel.merge);
  }

  /** The generation that is to be used. It is another than {@link generation} when another driver takes over. */
  get wantedGeneration(): number {
    return this.#end.generation?.() ?? 0;
  }

  /**
   * Whether another driver takes over. To be asked after every wait, also of one that brought an answer: the ring that
   * tells of it may have ended the same wait, and comes once.
   */
  get isReplaced(): boolean {
    return this.wantedGeneration !== this.generation;
  }

  /** The backend's state. Throws as {@link XenbusStore.peerState} does. */
  get peerState(): number {
    return this.#store.peerState();
  }

  /**
   * Begins anew with another driver: an empty ring, and all grants as if nobody had used them. The driver before it is
   * dead, so what it has written does not matter and cannot change any more.
   */
  renew(generation: number): void {
    this.generation = generation;
    this.#store.reset();
    this.#grants.fill(0);
    this.ring.reset();
    this.shadow.releaseAll();
    this.responses.reset();
    this.issuer.reset(this.#layOut());
    this.#end.channel.reset();
  }

  /**
   * Goes through the handshake.
   *
   * @param stopRequested whether to give up
   * @returns what the device is
   * @throws {ConnectionError} when the backend does not answer, refuses, lacks what the channel's options need, or drives
   * another device than the one before it
   */
  connect(stopRequested: () => boolean): DeviceInfo {
    const store = this.#store;
    const { channel } = this.#options;
    const giveUp = (): boolean => this.isReplaced || stopRequested();
    store.write("generation", this.generation);
    store.switchTo(XenbusState.Initialising);
    awaitPeerState(this.#end, store, XenbusState.InitWait, giveUp);
    store.write("event-channel", this.#end.port);
    store.write("feature-persistent", 1);
    if (channel.suppression === "sleep-flag") {
      if (store.read("feature-sleep-flag") !== 1) throw brokenBackend("does not know sleep flags");
      store.write("feature-sleep-flag", 1);
      this.ring.useSleepFlags(this.#control, FRONTEND_SLEEP_WORD, BACKEND_SLEEP_WORD);
    }
    const indirect = Math.min(channel.indirectSegments, store.read("feature-max-indirect-segments"));
    store.switchTo(XenbusState.Initialised);
    this.#end.channel.wakePeer();
    awaitPeerState(this.#end, store, XenbusState.Connected, giveUp);
    const info = readDeviceInfo(store);
    this.#info ??= info;
    if (!isSameDevice(info, this.#info)) {
      throw brokenBackend(`offers another device: ${JSON.stringify(info)} in place of ${JSON.stringify(this.#info)}`);
    }
    this.issuer.limit(indirect, info);
    store.switchTo(XenbusState.Connected);
    this.#end.channel.wakePeer();
    return info;
  }

  /** Ends the connection; nothing may be in flight. Returns when the backend has let go of the frames. */
  close(stopRequested: () => boolean): void {
    const store = this.#store;
    store.switchTo(XenbusState.Closing);
    this.#end.channel.wakePeer();
    const giveUp = (): boolean => this.isReplaced || stopRequested();
    awaitPeerState(this.#end, store, XenbusState.Closed, giveUp);
    store.switchTo(XenbusState.Closed);
    this.#end.channel.wakePeer();
  }

  /** Leaves a connection whose backend is gone; nothing may be in flight. The next one sees that nobody is here. */
  leave(): void {
    this.#store.reset();
    this.#store.switchTo(XenbusState.Closed);
  }

  /** Whether another driver takes over, and waits for this side of the handshake. */
  get isOffered(): boolean {
    return this.isReplaced && hasOffered(this.#control);
  }

  /** Writes the ring's header and grants all frames, always with the same references. */
  #layOut(): RequestWriter {
    const { layout } = this;
    const grants = new GrantTable(this.#grants);
    const grant = (frame: number): number => grants.grantAccess(this.#end.peerDomainId, frame, false);
    initialiseRing(this.words);
    this.#store.write("ring-page-order", layout.ringOrder);
    for (let i = 0; i < layout.ringFrameCount; i++) this.#store.write("ring-ref0", grant(layout.ringFrame + i), i);
    return new RequestWriter(this.#end.memory, layout, grant);
  }
}

/** Whether what a device is has not changed, and what it can do is no less. */
function isSameDevice(now: DeviceInfo, before: DeviceInfo): boolean {
  return now.sizeBytes === before.sizeBytes && now.sectorSize === before.sectorSize &&
    now.readOnly === before.readOnly && now.canFlush === before.canFlush && now.canDiscard === before.canDiscard;
}
