/**
 * The frontend: the application domain's side of an isolated device.
 *
 * It turns operations into ring entries whose data lies in granted frames, keeps in a shadow table what it asked for,
 * and takes a response only if it answers something that was asked.
 *
 * A slot's operation is usually one request. It becomes several when it is longer than a request can be, and part of one
 * when adjacent operations are merged (`request_writer.ts` writes them). Data is copied once only, by the device, where
 * the workload's buffers are the granted frames; with `transfer: copy` they are not, and the frontend copies it again.
 *
 * @module
 */

import { carriesData, claimEntry, entryWord, Operation, responseOperation, responseStatus, Status } from "./blkif.ts";
import type { DeviceInfo } from "./block_device.ts";
import { type BlockQueue, isTransfer, submissionError } from "./block_queue.ts";
import { readDeviceInfo } from "./device_keys.ts";
import { ConnectionError } from "./errors.ts";
import { GrantTable } from "./grant_table.ts";
import { awaitPeerState, type LinkEnd, pushAndNotify, type PushCounters } from "./link_end.ts";
import { type ChannelOptions, type LinkLayout, linkLayout, type LinkOptions } from "./link.ts";
import type { OperationMeter } from "./measure/meter.ts";
import { FRAME_SIZE, SECTOR_SIZE, SharedMemory } from "./memory.ts";
import { MergeRun } from "./merge_run.ts";
import type { NotificationPolicy } from "./notification.ts";
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
  readonly #layout: LinkLayout;
  readonly #waiter: Waiter;
  readonly #policy: NotificationPolicy;
  readonly #meter: OperationMeter;
  readonly #stopRequested: () => boolean;
  readonly #store: XenbusStore<FrontendKey, BackendKey>;
  readonly #control: Int32Array;
  readonly #ring: Ring;
  readonly #words: Int32Array;
  readonly #shadow: ShadowTable;
  readonly #writer: RequestWriter;
  /** What the workload reads and writes. */
  readonly #buffers: Uint8Array<SharedArrayBuffer>[] = [];
  /** The granted frames of each slot, where they are something else; else empty. */
  readonly #granted: Uint8Array<SharedArrayBuffer>[] = [];
  /** Bytes that one request can carry. */
  #requestBytes = 0;
  /** Operations that were submitted since the last push. */
  #unpublished = 0;
  /** Slots that wait for an entry of the ring; the first may have been issued in part. */
  readonly #waiting: number[] = [];
  /** What is being merged; null without `merge`. */
  #run: MergeRun | null = null;
  /** Responses that were seen in the ring and not yet consumed. */
  #responsesSeen = 0;
  /** The next slot of a merged request that was answered, and its status. */
  #answeredNext = NONE;
  #answeredStatus = 0;
  #info: DeviceInfo | undefined;

  /** Lays out the ring and grants every frame for good (persistent grants); {@link connect} comes next. */
  constructor(options: FrontendOptions) {
    const { end, link } = options;
    const layout = linkLayout(link);
    this.#end = end;
    this.#channel = link.channel;
    this.#layout = layout;
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

    const grants = new GrantTable(end.memory.frameWords(layout.grantFrame, layout.grantFrameCount));
    const grant = (frame: number): number => grants.grantAccess(end.peerDomainId, frame, false);
    initialiseRing(this.#words);
    this.#store.write("ring-page-order", layout.ringOrder);
    for (let i = 0; i < layout.ringFrameCount; i++) this.#store.write("ring-ref0", grant(layout.ringFrame + i), i);
    this.#writer = new RequestWriter(end.memory, layout, grant);
    for (let slot = 0; slot < this.depth; slot++) {
      const start = (layout.dataFrame + slot * layout.slotFrameCount) * FRAME_SIZE;
      const frames = new Uint8Array(end.memory.buffer, start, this.maxTransferBytes);
      if (this.#channel.transfer === "copy") {
        this.#granted.push(frames);
        this.#buffers.push(SharedMemory.allocate(layout.slotFrameCount).bytes);
      } else {
        this.#buffers.push(frames);
      }
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
    const agreed = Math.min(this.#channel.indirectSegments, store.read("feature-max-indirect-segments"));
    this.#requestBytes = this.#writer.limitSegments(agreed) * FRAME_SIZE;
    store.switchTo(XenbusState.Initialised);
    this.#end.channel.wakePeer();
    awaitPeerState(this.#end, store, XenbusState.Connected, this.#stopRequested);
    const info = readDeviceInfo(store);
    this.#info = info;
    if (this.#channel.merge) this.#run = new MergeRun(this.#shadow, info, this.#requestBytes);
    store.switchTo(XenbusState.Connected);
    this.#end.channel.wakePeer();
  }

  /** Ends the connection; nothing may be in flight. Returns when the backend has let go of the frames. */
  close(): void {
    const store = this.#store;
    store.switchTo(XenbusState.Closing);
    this.#end.channel.wakePeer();
    awaitPeerState(this.#end, store, XenbusState.Closed, this.#stopRequested);
    store.switchTo(XenbusState.Closed);
    this.#end.channel.wakePeer();
  }

  get info(): DeviceInfo {
    if (this.#info === undefined) throw new ConnectionError("The frontend is not connected yet");
    return this.#info;
  }

  buffer(slot: number): Uint8Array<SharedArrayBuffer> {
    return this.#buffers[slot];
  }

  status(slot: number): number {
    return this.#shadow.slotStatus[slot];
  }

  /** Puts an operation on the ring; {@link poll} or a full batch publishes it. On the hot path. */
  submit(slot: number, operation: Operation, offsetBytes: number, byteLength: number): void {
    const shadow = this.#shadow;
    if (
      slot >= this.depth || shadow.slotBusy[slot] !== 0 ||
      !isTransfer(operation, offsetBytes, byteLength, this.maxTransferBytes)
    ) {
      throw submissionError(this, slot, offsetBytes, byteLength);
    }
    shadow.take(slot, operation, offsetBytes / SECTOR_SIZE, byteLength);
    this.inFlight++;
    this.#meter.submitted(slot, byteLength);
    if (this.#granted.length > 0 && carriesData(operation) && operation !== Operation.Read) {
      this.#granted[slot].set(this.#buffers[slot].subarray(0, byteLength));
    }
    if (this.#run !== null) this.#merge(this.#run, slot);
    else if (this.#waiting.length === 0 && this.#fits(operation, byteLength) && shadow.idsLeft > 0) this.#issue(slot);
    else this.#enqueue(slot);
    if (++this.#unpublished >= this.#channel.batch) this.#publishEarly();
  }

  /**
   * Takes one response. When none is left of those that were seen, it first pushes what was submitted meanwhile: so
   * requests are published together as the responses came together. On the hot path.
   */
  poll(): number {
    for (;;) {
      if (this.#answeredNext !== NONE) return this.#finishNext();
      if (this.#responsesSeen === 0) {
        this.#publish();
        this.#responsesSeen = this.#ring.available();
        if (this.#responsesSeen === 0) return -1;
        const asked = this.#shadow.idsInUse;
        if (this.#responsesSeen > asked) {
          throw this.#broken(`answered ${this.#responsesSeen} requests where ${asked} were in flight`);
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
      this.#waiter.wait(this.#policy);
      if (!this.peek()) this.#checkPeer();
    }
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

  /** Whether one request can carry an operation. */
  #fits(operation: number, byteLength: number): boolean {
    return byteLength <= this.#requestBytes || !carriesData(operation);
  }

  /** Writes a slot's whole operation as one request. On the hot path. */
  #issue(slot: number): void {
    const id = this.#shadow.assign(slot);
    this.#writer.write(this.#entry(), id, slot, this.#shadow);
  }

  #entry(): number {
    const ring = this.#ring;
    const at = entryWord(ring.entryOf(ring.produced));
    ring.produce();
    return at;
  }

  /** Puts a slot behind those that wait for entries, and issues as many as there are entries for. */
  #enqueue(slot: number): void {
    this.#waiting.push(slot);
    this.#issueWaiting();
  }

  #issueWaiting(): void {
    const shadow = this.#shadow;
    while (this.#waiting.length > 0 && shadow.idsLeft > 0) {
      const slot = this.#waiting[0];
      if (shadow.slotNext[slot] !== NONE || this.#fits(shadow.slotOperation[slot], shadow.slotBytes[slot])) {
        this.#issue(slot);
        this.#waiting.shift();
        continue;
      }
      const from = shadow.slotIssued[slot];
      const byteLength = Math.min(this.#requestBytes, shadow.slotBytes[slot] - from);
      const id = shadow.assign(slot);
      this.#writer.writePart(this.#entry(), id, slot, shadow, from, byteLength);
      shadow.slotIssued[slot] = from + byteLength;
      if (from + byteLength === shadow.slotBytes[slot]) this.#waiting.shift();
    }
  }

  /** Adds a slot to the run that is being merged if it continues it; else ends that and begins another. */
  #merge(run: MergeRun, slot: number): void {
    if (run.join(slot)) return;
    this.#endRun(run);
    if (!run.begin(slot)) this.#enqueue(slot);
  }

  #endRun(run: MergeRun): void {
    const first = run.end();
    if (first !== NONE) this.#enqueue(first);
  }

  /** Publishes a full batch, and looks for a response before the workload goes on submitting. */
  #publishEarly(): void {
    this.#publish();
    if (this.#channel.submitSpinNs > 0) this.#waiter.spin(this.#channel.submitSpinNs);
  }

  #publish(): void {
    if (this.#run !== null) this.#endRun(this.#run);
    const ring = this.#ring;
    this.#unpublished = 0;
    if (!ring.unpushed) return;
    pushAndNotify(ring, this.#end.channel, this.pushes);
    if (this.#shadow.idsLeft > 0) claimEntry(this.#words, entryWord(ring.entryOf(ring.produced)));
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
    if (idHigh !== 0 || id < 0 || id >= this.#layout.entryCount) {
      throw this.#broken(`answered the unknown id ${id >>> 0}`);
    }
    const slot = shadow.slotOf(id);
    if (slot === NONE) throw this.#broken(`answered id ${id}, not in flight`);
    const operation = responseOperation(outcome);
    if (operation !== shadow.slotOperation[slot]) throw this.#broken(`answered id ${id} as operation ${operation}`);
    const status = responseStatus(outcome);
    if (status > 0 || status < -2) throw this.#broken(`answered id ${id} with the unknown status ${status}`);
    shadow.release(id);
    if (this.#waiting.length > 0) this.#issueWaiting();
    return this.#answered(slot, status);
  }

  #answered(slot: number, status: number): number {
    const shadow = this.#shadow;
    if (status !== Status.Okay) shadow.slotStatus[slot] = status;
    // Of a long operation more may be in flight. What was still to be issued is: this answer has freed an entry for it.
    if (--shadow.slotParts[slot] > 0) return NONE;
    this.#answeredNext = shadow.slotNext[slot];
    this.#answeredStatus = status;
    this.#finish(slot);
    return slot;
  }

  /** The next slot of a merged request. */
  #finishNext(): number {
    const slot = this.#answeredNext;
    this.#answeredNext = this.#shadow.slotNext[slot];
    this.#shadow.slotStatus[slot] = this.#answeredStatus;
    this.#finish(slot);
    return slot;
  }

  #finish(slot: number): void {
    const shadow = this.#shadow;
    const status = shadow.slotStatus[slot];
    if (this.#granted.length > 0 && shadow.slotOperation[slot] === Operation.Read && status === Status.Okay) {
      const byteLength = shadow.slotBytes[slot];
      this.#buffers[slot].set(this.#granted[slot].subarray(0, byteLength));
    }
    shadow.slotBusy[slot] = 0;
    this.inFlight--;
    this.#meter.completed(slot, status);
  }

  #checkPeer(): void {
    const state = this.#store.peerState();
    if (state !== XenbusState.Connected) throw this.#broken(`left with ${this.inFlight} requests in flight`);
  }

  #broken(what: string): ConnectionError {
    return new ConnectionError(`The connection is broken: the backend ${what}`);
  }
}
