/**
 * The backend: the driver domain's side of a link.
 *
 * It trusts nothing that the frontend writes. A request is copied out of the ring once, the copy is checked, its grant
 * references are looked up, and only then does the device see it. Every request is answered exactly once.
 *
 * @module
 */

import type { Allowance } from "./allowance.ts";
import {
  carriesData,
  claimResponse,
  entryWord,
  FIRST_SEGMENT,
  MAX_SEGMENTS,
  Operation,
  RequestCopy,
  SEGMENT_WORDS,
  segmentFirstSector,
  segmentLastSector,
  segmentReference,
  Status,
  writeResponse,
} from "./blkif.ts";
import { BlockRequest, type RequestOwner } from "./block_device.ts";
import { type Counterpart, RingCounterpart } from "./counterpart.ts";
import type { DeviceView } from "./device_gate.ts";
import { writeDeviceInfo } from "./device_keys.ts";
import { ConnectionError } from "./errors.ts";
import { GrantMapper, GrantStatus } from "./grant_table.ts";
import {
  awaitGeneration,
  awaitPeerState,
  type LinkEnd,
  preloadEntries,
  pushAndNotify,
  type PushCounters,
} from "./link_end.ts";
import { type LinkLayout, linkLayout, type LinkOptions, MAX_INDIRECT_SEGMENTS } from "./link.ts";
import { FRAME_SIZE, SECTOR_SIZE, SECTORS_PER_FRAME } from "./memory.ts";
import { MAX_RING_ORDER, Ring } from "./ring.ts";
import type { WaitSource } from "./waiter.ts";
import {
  BACKEND_SLEEP_WORD,
  type BackendKey,
  FRONTEND_SLEEP_WORD,
  type FrontendKey,
  XenbusState,
  XenbusStore,
} from "./xenbus.ts";

const INDIRECT_WORDS = MAX_INDIRECT_SEGMENTS * SEGMENT_WORDS;

/**
 * Requests that a device that completes later is given at once: it is asked for completions after that, so that the
 * frontend has them to go on with while the device has the next.
 */
const LATER_AT_ONCE = 8;

/** Serves one frontend. The thread that runs it also runs the device. */
export class Backend implements WaitSource, RequestOwner {
  /** Pushes that notified the peer, and those that did not need to. */
  readonly pushes: PushCounters = { sent: 0, suppressed: 0 };
  /** See {@link WaitSource.counterpart}. */
  readonly counterpart: Counterpart;
  readonly #end: LinkEnd;
  readonly #gate: DeviceView;
  readonly #layout: LinkLayout;
  readonly #control: Int32Array;
  readonly #store: XenbusStore<BackendKey, FrontendKey>;
  readonly #grants: GrantMapper;
  readonly #words: Int32Array;
  readonly #ring: Ring;
  readonly #copy = new RequestCopy();
  /** The segments of an indirect request, copied. */
  readonly #indirect = new Int32Array(INDIRECT_WORDS);
  /** One request for each entry of the ring. */
  readonly #requests: readonly BlockRequest[];
  /** Slots of the requests that are not in use: a stack. */
  readonly #idle: Int32Array;
  #idleCount: number;
  #abandoned = false;
  /** Whether answers wait to be published together. */
  #holding = false;
  /** See {@link preloadEntries}. */
  #preloaded = 0;
  /** Slots of the requests that were taken from the ring in this turn. */
  readonly #taken: Int32Array;

  /**
   * The backend of one link to a device; {@link offer} and {@link connect} come next.
   *
   * @param link how the link was laid out
   * @param gate the device, or the part of it that the frontend may use; it checks every request once more
   */
  constructor(end: LinkEnd, link: LinkOptions, gate: DeviceView) {
    const layout = linkLayout(link);
    this.#end = end;
    this.#gate = gate;
    this.#layout = layout;
    this.#control = end.memory.frameWords(layout.controlFrame, 1);
    this.#store = XenbusStore.backend(this.#control);
    this.#words = end.memory.frameWords(layout.ringFrame, layout.ringFrameCount);
    this.#ring = Ring.back(this.#words, layout.entryCount);
    this.counterpart = RingCounterpart.ofBack(this.#words);
    this.#grants = new GrantMapper(
      end.memory.frameWords(layout.grantFrame, layout.grantFrameCount),
      end.domainId,
      end.memory.frameCount,
    );
    const slots = Array.from({ length: layout.entryCount }, (_, slot) => slot);
    this.#requests = slots.map((slot) => new BlockRequest(this, slot, end.memory, MAX_INDIRECT_SEGMENTS));
    this.#idle = Int32Array.from(slots);
    this.#idleCount = slots.length;
    this.#taken = new Int32Array(slots.length);
  }

  /** Begins the handshake: says what there is, so that the frontend can begin too. */
  offer(): void {
    const store = this.#store;
    const info = this.#gate.info;
    store.switchTo(XenbusState.Initialising);
    store.write("max-ring-page-order", MAX_RING_ORDER);
    store.write("event-channel", this.#end.port);
    store.write("feature-persistent", 1);
    store.write("feature-max-indirect-segments", MAX_INDIRECT_SEGMENTS);
    store.write("feature-write-zeroes", 1);
    store.write("feature-fua", 1);
    store.write("feature-sleep-flag", 1);
    store.write("feature-flush-cache", info.canFlush ? 1 : 0);
    store.write("feature-discard", info.canDiscard ? 1 : 0);
    store.switchTo(XenbusState.InitWait);
    this.#end.channel.wakePeer();
  }

  /**
   * Goes through the rest of the handshake.
   *
   * @throws {ConnectionError} when the frontend does not answer, or what it offers cannot be used
   */
  connect(stopRequested: () => boolean): void {
    const store = this.#store;
    // Who has left asks for nothing any more: what is in the ring was asked of the driver before this one.
    if (!awaitGeneration(this.#end, store, stopRequested)) return this.abandon();
    awaitPeerState(this.#end, store, XenbusState.Initialised, stopRequested);
    this.#mapRing();
    if (store.read("feature-sleep-flag") === 1) {
      this.#ring.useSleepFlags(this.#control, BACKEND_SLEEP_WORD, FRONTEND_SLEEP_WORD);
    }
    writeDeviceInfo(store, this.#gate.info);
    store.switchTo(XenbusState.Connected);
    this.#end.channel.wakePeer();
    awaitPeerState(this.#end, store, XenbusState.Connected, stopRequested);
  }

  /** Id of the frontend's domain. */
  get peerDomainId(): number {
    return this.#end.peerDomainId;
  }

  /** Whether the frontend still uses the link. */
  get connected(): boolean {
    return !this.#abandoned && this.#store.peerState() === XenbusState.Connected;
  }

  /** Whether the device has requests of this frontend. */
  get busy(): boolean {
    return this.#idleCount < this.#requests.length;
  }

  /** Takes no more requests, as the frontend broke the protocol. Those that the device has are finished. */
  abandon(): void {
    this.#abandoned = true;
  }

  /** Lets go of everything shared. No request is at the device. */
  close(): void {
    if (this.#store.state === XenbusState.Closed) return;
    this.#abandoned = true;
    this.#grants.unmapAll();
    this.#store.switchTo(XenbusState.Closed);
    this.#end.channel.wakePeer();
  }

  /**
   * Takes the requests that are there to the device.
   *
   * @param allowance how many of them, which is at least one; null: all
   * @returns whether there were any
   * @throws {ConnectionError} when the frontend's index is impossible
   */
  service(allowance: Allowance | null = null): boolean {
    const ring = this.#ring;
    const claimed = this.peek() ? ring.available() : 0;
    if (claimed === 0) return false;
    if (claimed > this.#idleCount) {
      throw new ConnectionError(
        `The connection is broken: the frontend claims ${claimed} new requests, the ring has room for ` +
          this.#idleCount,
      );
    }
    let available = this.#gate.asynchronous && claimed > LATER_AT_ONCE ? LATER_AT_ONCE : claimed;
    if (allowance !== null) available = Math.min(available, allowance.most);
    if (available > 1) this.#preloaded = preloadEntries(ring, this.#words, available, true);
    // All are fetched before the first is started: starting them takes the cache for their data.
    for (let i = 0; i < available; i++) {
      const slot = this.#take();
      this.#taken[i] = slot;
      if (allowance !== null && !allowance.take(this.#requests[slot])) available = i + 1;
    }
    // Answers are published in two halves: each publication costs both sides a cache miss, which is dear beside a fast
    // device; and while the second half is at the device, the frontend has the first to go on with.
    this.#holding = true;
    for (let i = 0; i < available; i++) {
      if (i === available >> 1) this.#publish();
      const request = this.#requests[this.#taken[i]];
      if (request.status === Status.Okay) this.#gate.submit(request);
      else this.completed(request);
    }
    this.#holding = false;
    this.#publish();
    return true;
  }

  /** Answers a request. */
  completed(request: BlockRequest): void {
    const ring = this.#ring;
    const at = entryWord(ring.entryOf(ring.produced));
    writeResponse(this.#words, at, request.idLow, request.idHigh, request.operation, request.status);
    ring.produce();
    this.#idle[this.#idleCount++] = request.slot;
    if (!this.#holding) this.#publish();
  }

  /** Keeps answers until {@link release}, which publishes them together: each publication costs both sides a cache miss. */
  hold(): void {
    this.#holding = true;
  }

  /** See {@link hold}. */
  release(): void {
    this.#holding = false;
    this.#publish();
  }

  #publish(): void {
    if (this.#ring.unpushed) pushAndNotify(this.#ring, this.#end.channel, this.pushes);
  }

  /** Requests that were taken off the ring so far. */
  get taken(): number {
    return this.#ring.consumed;
  }

  /** Whether there seem to be requests. */
  peek(): boolean {
    return !this.#abandoned && this.#ring.peek();
  }

  /** Whether there are requests. */
  ready(): boolean {
    return !this.#abandoned && this.#ring.available() > 0;
  }

  /** Asks to be notified of requests. */
  arm(distance: number): boolean {
    this.#end.channel.clear();
    // A policy that asks for less than the next request would never be told of it, nor of more than the ring holds.
    this.#ring.arm(Math.max(1, Math.min(distance, this.#layout.entryCount)));
    return true;
  }

  /** See {@link Ring.disarm}. */
  disarm(): void {
    this.#ring.disarm();
  }

  /** Copies the next request out of the ring, to the slot that is returned. Its status says whether it may go on. */
  #take(): number {
    const ring = this.#ring;
    const at = entryWord(ring.entryOf(ring.consumed));
    this.#copy.fetch(this.#words, at);
    ring.consume();
    claimResponse(this.#words, at);
    const slot = this.#idle[--this.#idleCount];
    const request = this.#requests[slot];
    request.status = this.#translate(this.#copy, request);
    return slot;
  }

  /** Turns a copied request into the device's terms. Refuses what the protocol or the grants do not allow. */
  #translate(copy: RequestCopy, request: BlockRequest): Status {
    const operation = copy.operation;
    request.operation = operation;
    request.idLow = copy.idLow;
    request.idHigh = copy.idHigh;
    request.offsetBytes = copy.sector * SECTOR_SIZE;
    request.byteLength = 0;
    request.extentCount = 0;
    if (carriesData(operation)) {
      const { segmentCount } = copy;
      if (segmentCount === 0 || segmentCount > MAX_SEGMENTS) return Status.Error;
      return this.#gatherSegments(copy.words, FIRST_SEGMENT, segmentCount, request);
    }
    if (operation === Operation.Indirect) return this.#fetchIndirect(copy, request);
    if (operation === Operation.Discard || operation === Operation.WriteZeroes) {
      request.byteLength = copy.discardSectors * SECTOR_SIZE;
      // What was asked to be erased securely must not be answered as if it was.
      return operation === Operation.Discard && copy.discardFlag !== 0 ? Status.NotSupported : Status.Okay;
    }
    return operation === Operation.Flush ? Status.Okay : Status.NotSupported;
  }

  /** Copies the segments of an indirect request once, and goes on with the copy. */
  #fetchIndirect(copy: RequestCopy, request: BlockRequest): Status {
    const { indirectOperation, indirectSegmentCount, indirectReference } = copy;
    request.operation = indirectOperation;
    if (!carriesData(indirectOperation)) return Status.NotSupported;
    if (indirectSegmentCount === 0 || indirectSegmentCount > MAX_INDIRECT_SEGMENTS) return Status.Error;
    const segments = this.#indirect;
    const wordCount = indirectSegmentCount * SEGMENT_WORDS;
    const copied = this.#grants.copyWordsOut(this.#end.memory.words, indirectReference, segments, wordCount);
    if (copied !== GrantStatus.Okay) return Status.Error;
    return this.#gatherSegments(segments, 0, indirectSegmentCount, request);
  }

  /** Finds the frames of a read's or a write's segments. Those that touch are joined: devices like long pieces. */
  #gatherSegments(words: Int32Array, firstWord: number, segmentCount: number, request: BlockRequest): Status {
    const intoFrames = request.operation === Operation.Read;
    let byteLength = 0;
    let extentStart = -1;
    let extentEnd = -1;
    for (let i = 0; i < segmentCount; i++) {
      const word = firstWord + i * SEGMENT_WORDS;
      const first = segmentFirstSector(words[word + 1]);
      const last = segmentLastSector(words[word + 1]);
      if (first > last || last >= SECTORS_PER_FRAME) return Status.Error;
      const frame = this.#grants.map(segmentReference(words[word]), intoFrames);
      if (frame < 0) return Status.Error;
      const start = frame * FRAME_SIZE + first * SECTOR_SIZE;
      const length = (last - first + 1) * SECTOR_SIZE;
      if (start !== extentEnd) {
        if (extentStart >= 0) request.addExtent(extentStart, extentEnd);
        extentStart = start;
        extentEnd = start;
      }
      extentEnd += length;
      byteLength += length;
    }
    request.addExtent(extentStart, extentEnd);
    request.byteLength = byteLength;
    return Status.Okay;
  }

  /** Maps the frames that the frontend granted for the ring. They must be where the link's layout has the ring. */
  #mapRing(): void {
    const layout = this.#layout;
    const order = this.#store.read("ring-page-order");
    if (order !== layout.ringOrder) {
      throw new ConnectionError(
        `The frontend offers a ring of order ${order}; the link is made for ${layout.ringOrder}`,
      );
    }
    for (let i = 0; i < layout.ringFrameCount; i++) {
      const reference = this.#store.read("ring-ref0", i);
      const frame = this.#grants.map(reference, true);
      if (frame !== layout.ringFrame + i) {
        throw new ConnectionError(
          `The frontend's ring reference ${reference} grants ${
            frame < 0 ? `nothing (status ${frame})` : `frame ${frame}`
          }` +
            `; frame ${layout.ringFrame + i} is expected`,
        );
      }
    }
  }
}
