/**
 * The frontend: the application domain's side of an isolated device.
 *
 * It turns operations into ring entries whose data lies in granted frames, keeps in a shadow table what it asked for,
 * and takes a response only if it answers something that was asked.
 *
 * What an operation becomes on the ring is in `request_issuer.ts` and `request_writer.ts`. Data is copied once only, by
 * the device, where the workload's buffers are the granted frames; with `transfer: copy` they are not, and the frontend
 * copies it again.
 *
 * @module
 */

import { carriesData, claimEntry, entryWord, Operation, responseOperation, responseStatus, Status } from "./blkif.ts";
import type { DeviceInfo } from "./block_device.ts";
import { type BlockQueue, isTransfer, submissionError } from "./block_queue.ts";
import { readDeviceInfo } from "./device_keys.ts";
import { ConnectionError } from "./errors.ts";
import { GrantTable } from "./grant_table.ts";
import { awaitPeerState, type LinkEnd, preloadEntries, pushAndNotify, type PushCounters } from "./link_end.ts";
import { type ChannelOptions, linkLayout, type LinkOptions } from "./link.ts";
import type { OperationMeter } from "./measure/meter.ts";
import { FRAME_SIZE, SECTOR_SIZE, SharedMemory } from "./memory.ts";
import type { NotificationPolicy } from "./notification.ts";
import { RequestIssuer } from "./request_issuer.ts";
import { RequestWriter } from "./request_writer.ts";
import { initialiseRing, Ring } from "./ring.ts";
import { NONE, ShadowTable } from "./shadow_table.ts";
import type { Waiter, WaitSource } from "./waiter.ts";
import {
  BACKEND_SLEEP_WORD,
  type BackendKey,
  FRONTEND_SLEEP_WORD,
  type FrontendKey,
  XenbusState,
  XenbusStore,
} from "./xenbus.ts";

/** How an application uses its frontend. */
export interface FrontendOptions {
  /** This side of the link. */
  readonly end: LinkEnd;
  /** How the link is laid out and used. */
  readonly link: LinkOptions;
  /** How the thread waits. */
  readonly waiter: Waiter;
  /** What decides about each wait. */
  readonly policy: NotificationPolicy;
  /** Counts the operations. */
  readonly meter: OperationMeter;
  /** Whether the domain was told to stop: ends every wait. */
  readonly stopRequested: () => boolean;
}

/** A block queue whose device is in another domain. */
export class Frontend implements BlockQueue, WaitSource {
  readonly depth: number;
  readonly maxTransferBytes: number;
  /** Operations that were submitted and not yet returned. */
  inFlight = 0;
  /** Pushes that notified the peer, and those that did not need to. */
  readonly pushes: PushCounters = { sent: 0, suppressed: 0 };

  readonly #end: LinkEnd;
  readonly #channel: ChannelOptions;
  readonly #waiter: Waiter;
  readonly #policy: NotificationPolicy;
  readonly #meter: OperationMeter;
  readonly #stopRequested: () => boolean;
  readonly #store: XenbusStore<FrontendKey, BackendKey>;
  readonly #control: Int32Array;
  readonly #ring: Ring;
  readonly #words: Int32Array;
  readonly #shadow: ShadowTable;
  readonly #issuer: RequestIssuer;
  /** Submissions after which to publish. */
  readonly #batch: number;
  /** Whether adjacent operations are merged. */
  readonly #merges: boolean;
  /** Whether the workload's buffers are something else than the granted frames. */
  readonly #copies: boolean;
  /** The memory that the workload reads and writes in each slot, where that is not the granted frames. */
  readonly #copied: SharedMemory[] = [];
  /** See {@link buffer}. */
  readonly #buffers: Uint8Array<SharedArrayBuffer>[] = [];
  /** The granted frames of each slot. */
  readonly #granted: Uint8Array<SharedArrayBuffer>[] = [];
  /** Operations that were submitted since the last push. */
  #unpublished = 0;
  /** Bytes of each slot's operation, where they are copied. */
  readonly #lengths: Float64Array;
  /** The status of each slot's long operation so far: that of the last part that failed. */
  readonly #partStatus: Int8Array;
  /** Responses that were seen in the ring and not yet consumed. */
  #responsesSeen = 0;
  /** The next slot of a merged request that was answered, and its status. */
  #answeredNext = NONE;
  #answeredStatus = 0;
  /** See {@link preloadEntries}. */
  #preloaded = 0;
  #info: DeviceInfo | undefined;
  /** Why no slot can be used, where the slots' states say that none can. */
  #unusable = new ConnectionError("The frontend is not connected yet");

  /** Lays out the ring and grants every frame for good (persistent grants); {@link connect} comes next. */
  constructor(options: FrontendOptions) {
    const { end, link } = options;
    const layout = linkLayout(link);
    this.#end = end;
    this.#channel = link.channel;
    // When every slot waits to be published, nothing can join them.
    this.#batch = Math.min(link.channel.batch, link.slots.count);
    this.#merges = link.channel.merge;
    this.#copies = link.channel.transfer === "copy";
    this.#waiter = options.waiter;
    this.#policy = options.policy;
    this.#meter = options.meter;
    this.#stopRequested = options.stopRequested;
    this.depth = link.slots.count;
    this.maxTransferBytes = layout.slotFrameCount * FRAME_SIZE;
    this.#control = end.memory.frameWords(layout.controlFrame, 1);
    this.#store = XenbusStore.frontend(this.#control);
    this.#words = end.memory.frameWords(layout.ringFrame, layout.ringFrameCount);
    this.#ring = Ring.front(this.#words, layout.entryCount);
    this.#shadow = new ShadowTable(layout.entryCount, this.depth);
    this.#lengths = new Float64Array(this.depth);
    this.#partStatus = new Int8Array(this.depth);

    const grants = new GrantTable(end.memory.frameWords(layout.grantFrame, layout.grantFrameCount));
    const grant = (frame: number): number => grants.grantAccess(end.peerDomainId, frame, false);
    initialiseRing(this.#words);
    this.#store.write("ring-page-order", layout.ringOrder);
    for (let i = 0; i < layout.ringFrameCount; i++) this.#store.write("ring-ref0", grant(layout.ringFrame + i), i);
    const writer = new RequestWriter(end.memory, layout, grant);
    this.#issuer = new RequestIssuer(this.#ring, this.#shadow, writer, link.channel.merge);
    for (let slot = 0; slot < this.depth; slot++) {
      const start = (layout.dataFrame + slot * layout.slotFrameCount) * FRAME_SIZE;
      const frames = new Uint8Array(end.memory.buffer, start, this.maxTransferBytes);
      this.#granted.push(frames);
      if (this.#copies) this.#copied.push(SharedMemory.allocate(layout.slotFrameCount));
      this.#buffers.push(this.#copies ? this.#copied[slot].bytes : frames);
    }
    options.waiter.add(this);
  }

  /**
   * Goes through the handshake.
   *
   * @throws {ConnectionError} when the backend does not answer, refuses, or lacks what the channel's options need
   */
  connect(): void {
    const store = this.#store;
    store.switchTo(XenbusState.Initialising);
    awaitPeerState(this.#end, store, XenbusState.InitWait, this.#stopRequested);
    store.write("event-channel", this.#end.port);
    store.write("feature-persistent", 1);
    if (this.#channel.suppression === "sleep-flag") {
      if (store.read("feature-sleep-flag") !== 1) throw this.#broken("does not know sleep flags");
      store.write("feature-sleep-flag", 1);
      this.#ring.useSleepFlags(this.#control, FRONTEND_SLEEP_WORD, BACKEND_SLEEP_WORD);
    }
    const indirect = Math.min(this.#channel.indirectSegments, store.read("feature-max-indirect-segments"));
    store.switchTo(XenbusState.Initialised);
    this.#end.channel.wakePeer();
    awaitPeerState(this.#end, store, XenbusState.Connected, this.#stopRequested);
    const info = readDeviceInfo(store);
    this.#info = info;
    this.#issuer.limit(indirect, info);
    store.switchTo(XenbusState.Connected);
    this.#end.channel.wakePeer();
    this.#shadow.setUsable(true);
  }

  /** Ends the connection; nothing may be in flight. Returns when the backend has let go of the frames. */
  close(): void {
    const store = this.#store;
    this.#unusable = new ConnectionError("The frontend is closed");
    this.#shadow.setUsable(false);
    store.switchTo(XenbusState.Closing);
    this.#end.channel.wakePeer();
    awaitPeerState(this.#end, store, XenbusState.Closed, this.#stopRequested);
    store.switchTo(XenbusState.Closed);
    this.#end.channel.wakePeer();
  }

  get info(): DeviceInfo {
    if (this.#info === undefined) throw this.#unusable;
    return this.#info;
  }

  buffer(slot: number): Uint8Array<SharedArrayBuffer> {
    return this.#buffers[slot];
  }

  status(slot: number): number {
    return this.#shadow.status(slot);
  }

  /** Puts an operation on the ring; {@link poll} or a full batch publishes it. On the hot path. */
  submit(slot: number, operation: Operation, offsetBytes: number, byteLength: number): void {
    if (
      slot >= this.depth || !this.#shadow.isIdle(slot) ||
      !isTransfer(operation, offsetBytes, byteLength, this.maxTransferBytes)
    ) {
      if (!this.#shadow.usable) throw this.#unusable;
      throw submissionError(this, slot, offsetBytes, byteLength);
    }
    this.inFlight++;
    this.#meter.submitted(slot, byteLength);
    if (this.#copies) this.#copyOut(slot, operation, byteLength);
    this.#issuer.issue(slot, operation, offsetBytes / SECTOR_SIZE, byteLength);
    if (++this.#unpublished >= this.#batch) this.#publishEarly();
  }

  /**
   * Takes one response. When none is left of those that were seen, it first pushes what was submitted meanwhile: so
   * requests are published together as the responses came together. On the hot path.
   */
  poll(): number {
    for (;;) {
      if (this.#answeredNext !== NONE) return this.#finishNext();
      if (this.#responsesSeen === 0) {
        if (!this.#shadow.usable) throw this.#unusable;
        this.#publish();
        this.#responsesSeen = this.#ring.available();
        if (this.#responsesSeen === 0) return -1;
        const asked = this.#shadow.idsInUse;
        if (this.#responsesSeen > asked) {
          throw this.#broken(`answered ${this.#responsesSeen} requests where ${asked} were in flight`);
        }
        if (this.#responsesSeen > 1) {
          this.#preloaded = preloadEntries(this.#ring, this.#words, this.#responsesSeen, false);
        }
      }
      this.#responsesSeen--;
      const slot = this.#takeResponse();
      if (slot !== NONE) return slot;
    }
  }

  wait(): number {
    for (;;) {
      const slot = this.poll();
      if (slot >= 0) return slot;
      if (this.inFlight === 0 || this.#stopRequested()) return -1;
      this.idle();
    }
  }

  idle(): void {
    // What was submitted must be seen before anything is waited for.
    if (this.#shadow.usable) this.#publish();
    this.#waiter.wait(this.#policy);
    if (!this.peek()) this.#checkPeer();
  }

  /** Whether a response seems to be there. */
  peek(): boolean {
    return this.#ring.peek();
  }

  /** Whether a response is there. */
  ready(): boolean {
    return this.#ring.available() > 0;
  }

  /** Asks to be notified of responses; never of more than are to come. */
  arm(distance: number): boolean {
    this.#end.channel.clear();
    this.#ring.arm(Math.max(1, Math.min(distance, this.#shadow.idsInUse)));
    return true;
  }

  /** See {@link Ring.disarm}. */
  disarm(): void {
    this.#ring.disarm();
  }

  /** Publishes a full batch, and looks for a response before the workload goes on submitting. */
  #publishEarly(): void {
    this.#publish();
    if (this.#channel.submitSpinNs > 0) this.#waiter.spin(this.#channel.submitSpinNs);
  }

  #publish(): void {
    if (this.#merges) this.#issuer.endRun();
    const ring = this.#ring;
    this.#unpublished = 0;
    if (!ring.unpushed) return;
    pushAndNotify(ring, this.#end.channel, this.pushes);
    if (this.#shadow.idsInUse < this.#shadow.idCount) claimEntry(this.#words, entryWord(ring.entryOf(ring.produced)));
  }

  /** Takes one response: the slot whose operation it ends, or {@link NONE} when more of that operation is to come. */
  #takeResponse(): number {
    const ring = this.#ring;
    const words = this.#words;
    const shadow = this.#shadow;
    const at = entryWord(ring.entryOf(ring.consumed));
    // Each word is fetched once: the peer may change it at any time.
    const id = words[at];
    const idHigh = words[at + 1];
    const outcome = words[at + 2];
    ring.consume();
    if (id < 0 || id >= shadow.idCount) throw this.#broken(`answered the unknown id ${id >>> 0}`);
    const slot = shadow.slotOf(id);
    if (slot === NONE) throw this.#broken(`answered id ${id}, not in flight`);
    if (idHigh !== shadow.sequence(id)) throw this.#broken(`answered id ${id} of an earlier request`);
    const operation = responseOperation(outcome);
    if (operation !== shadow.operation(slot)) {
      throw this.#broken(`answered id ${id} as operation ${operation}`);
    }
    const status = responseStatus(outcome);
    if (status > 0 || status < -2) throw this.#broken(`answered id ${id} with the unknown status ${status}`);
    shadow.release(id);
    if (this.#issuer.waitingCount > 0) this.#issuer.issueWaiting();
    if (!shadow.isAlone(slot)) return this.#answeredShared(slot, status);
    this.#finish(slot, status);
    return slot;
  }

  /** A request was answered that carries part of a slot's operation, or several slots'. */
  #answeredShared(slot: number, status: number): number {
    if (status !== Status.Okay) this.#partStatus[slot] = status;
    if (!this.#shadow.endPart(slot)) return NONE;
    this.#answeredNext = this.#shadow.next(slot);
    this.#answeredStatus = status;
    this.#finish(slot, this.#partStatus[slot]);
    this.#partStatus[slot] = Status.Okay;
    return slot;
  }

  /** The next slot of a merged request. */
  #finishNext(): number {
    const slot = this.#answeredNext;
    this.#answeredNext = this.#shadow.next(slot);
    this.#finish(slot, this.#answeredStatus);
    return slot;
  }

  /** A slot's operation is over. On the hot path. */
  #finish(slot: number, status: number): void {
    this.#shadow.finish(slot, status);
    if (this.#copies && status === Status.Okay) this.#copyIn(slot);
    this.inFlight--;
    this.#meter.completed(slot, status);
  }

  #copyOut(slot: number, operation: number, byteLength: number): void {
    this.#lengths[slot] = byteLength;
    if (carriesData(operation) && operation !== Operation.Read) {
      this.#granted[slot].set(this.#copied[slot].view(0, byteLength));
    }
  }

  #copyIn(slot: number): void {
    if (this.#shadow.operation(slot) !== Operation.Read) return;
    const start = this.#granted[slot].byteOffset;
    this.#buffers[slot].set(this.#end.memory.view(start, start + this.#lengths[slot]));
  }

  #checkPeer(): void {
    let state: number;
    try {
      state = this.#store.peerState();
    } catch (thrown) {
      throw this.#ended(thrown as ConnectionError); // A state that cannot be ends the connection as any other lie does.
    }
    if (state !== XenbusState.Connected) throw this.#broken(`left with ${this.inFlight} requests in flight`);
  }

  #broken(what: string): ConnectionError {
    return this.#ended(new ConnectionError(`The connection is broken: the backend ${what}`));
  }

  /** What is in flight will not be answered any more, and nothing new can be. */
  #ended(why: ConnectionError): ConnectionError {
    this.#unusable = why;
    this.#shadow.setUsable(false);
    this.#responsesSeen = 0;
    this.#answeredNext = NONE;
    return why;
  }
}
