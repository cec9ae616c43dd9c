/**
 * The frontend: the application domain's side of an isolated device.
 *
 * It turns operations into ring entries whose data lies in granted frames, keeps in a shadow table what it asked for,
 * and takes a response only if it answers something that was asked. The workload fills and reads the granted frames
 * directly, so that data is copied once only: by the device.
 *
 * @module
 */

import {
  claimEntry,
  entryWord,
  MAX_SEGMENTS,
  Operation,
  responseOperation,
  responseStatus,
  writeDiscard,
  writeRequest,
  writeSegment,
} from "./blkif.ts";
import { type DeviceInfo, mistakeIn } from "./block_device.ts";
import { type BlockQueue, isTransfer, submissionError } from "./block_queue.ts";
import { ConnectionError } from "./errors.ts";
import { GrantTable } from "./grant_table.ts";
import { awaitPeerState, type LinkEnd, pushAndNotify, type PushCounters } from "./link_end.ts";
import { linkLayout } from "./link.ts";
import { FRAME_SIZE, SECTOR_SIZE, SECTORS_PER_FRAME, SharedMemory } from "./memory.ts";
import type { OperationMeter } from "./meter.ts";
import type { NotificationPolicy } from "./notification.ts";
import { initialiseRing, Ring } from "./ring.ts";
import type { Waiter, WaitSource } from "./waiter.ts";
import { type BackendKey, type FrontendKey, VDISK_READONLY, XenbusState, XenbusStore } from "./xenbus.ts";

/** The device number that guests see; every link has one device, so it is constant (Xen's first virtual disk). */
const VIRTUAL_DEVICE = 0xca00;
const SLOT_BYTES = MAX_SEGMENTS * FRAME_SIZE;
const TWO_32 = 2 ** 32;

// Words of a slot in the shadow table; four of them, so that a slot lies within a cache line.
const SHADOW_WORDS = 4;
const SHADOW_STATE = 0;
const SHADOW_OPERATION = 1;
const SHADOW_STATUS = 2;
const IDLE = 0;
const IN_FLIGHT = 1;

/** How an application uses its frontend. */
export interface FrontendOptions {
  /** This side of the link. */
  readonly end: LinkEnd;
  /** Base-2 logarithm of the ring's frames, 0 to 4. */
  readonly ringOrder: number;
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
  readonly maxTransferBytes: number = SLOT_BYTES;
  /** Pushes that notified the peer, and those that did not need to. */
  readonly pushes: PushCounters = { sent: 0, suppressed: 0 };

  readonly #end: LinkEnd;
  readonly #waiter: Waiter;
  readonly #policy: NotificationPolicy;
  readonly #meter: OperationMeter;
  readonly #stopRequested: () => boolean;
  readonly #store: XenbusStore<FrontendKey, BackendKey>;
  readonly #ring: Ring;
  readonly #words: Int32Array;
  readonly #buffers: Uint8Array<SharedArrayBuffer>[] = [];
  /** First grant reference of each slot; the references of its other frames follow. */
  readonly #references: Int32Array;
  /** What each slot asked for. It lies in memory that no peer has: what a response says is held against it. */
  readonly #shadow: Int32Array;
  /** Responses that were seen in the ring and not yet consumed. */
  #responsesSeen = 0;
  #info: DeviceInfo | undefined;

  /** Lays out the ring and grants every frame for good (persistent grants); {@link connect} comes next. */
  constructor(options: FrontendOptions) {
    const { end } = options;
    const layout = linkLayout(options.ringOrder);
    this.#end = end;
    this.#waiter = options.waiter;
    this.#policy = options.policy;
    this.#meter = options.meter;
    this.#stopRequested = options.stopRequested;
    this.depth = layout.entryCount;
    this.#words = end.memory.frameWords(layout.ringFrame, layout.ringFrameCount);
    this.#ring = Ring.front(this.#words, layout.entryCount);
    this.#references = new Int32Array(layout.entryCount);
    const shadowBytes = layout.entryCount * SHADOW_WORDS * 4;
    this.#shadow = SharedMemory.allocate(Math.ceil(shadowBytes / FRAME_SIZE)).words;
    this.#store = XenbusStore.frontend(end.memory.frameWords(layout.controlFrame, 1));

    const grants = new GrantTable(end.memory.frameWords(layout.grantFrame, layout.grantFrameCount));
    initialiseRing(this.#words);
    this.#store.write("ring-page-order", layout.ringOrder);
    for (let i = 0; i < layout.ringFrameCount; i++) {
      this.#store.write("ring-ref0", grants.grantAccess(end.peerDomainId, layout.ringFrame + i, false), i);
    }
    for (let slot = 0; slot < this.depth; slot++) {
      const frame = layout.dataFrame + slot * MAX_SEGMENTS;
      for (let i = 0; i < MAX_SEGMENTS; i++) {
        const reference = grants.grantAccess(end.peerDomainId, frame + i, false);
        if (i === 0) this.#references[slot] = reference;
      }
      this.#buffers.push(new Uint8Array(end.memory.buffer, frame * FRAME_SIZE, SLOT_BYTES));
    }
    options.waiter.add(this);
  }

  /**
   * Goes through the handshake.
   *
   * @throws {ConnectionError} when the backend does not answer or refuses
   */
  connect(): void {
    const store = this.#store;
    store.switchTo(XenbusState.Initialising);
    awaitPeerState(this.#end, store, XenbusState.InitWait, this.#stopRequested);
    store.write("event-channel", this.#end.port);
    store.write("feature-persistent", 1);
    store.switchTo(XenbusState.Initialised);
    this.#end.channel.wakePeer();
    awaitPeerState(this.#end, store, XenbusState.Connected, this.#stopRequested);
    const info: DeviceInfo = {
      sizeBytes: (store.read("sectors") + store.read("sectors-high") * TWO_32) * SECTOR_SIZE,
      sectorSize: store.read("sector-size"),
      readOnly: (store.read("info") & VDISK_READONLY) !== 0,
      canFlush: store.read("feature-flush-cache") === 1,
      canDiscard: store.read("feature-discard") === 1,
    };
    const mistake = mistakeIn(info);
    if (mistake !== null) throw this.#broken(`offers a device that cannot be: ${mistake}`);
    this.#info = info;
    store.switchTo(XenbusState.Connected);
    this.#end.channel.wakePeer();
  }

  /** Ends the connection; nothing may be in flight. Returns when the backend has let go of the frames. */
  close(): void {
    this.#store.switchTo(XenbusState.Closing);
    this.#end.channel.wakePeer();
    awaitPeerState(this.#end, this.#store, XenbusState.Closed, this.#stopRequested);
    this.#store.switchTo(XenbusState.Closed);
  }

  get info(): DeviceInfo {
    if (this.#info === undefined) throw new ConnectionError("The frontend is not connected");
    return this.#info;
  }

  get inFlight(): number {
    return (this.#ring.produced - this.#ring.consumed) >>> 0;
  }

  buffer(slot: number): Uint8Array<SharedArrayBuffer> {
    return this.#buffers[slot];
  }

  status(slot: number): number {
    return this.#shadow[slot * SHADOW_WORDS + SHADOW_STATUS];
  }

  /** Writes the ring entry. On the hot path: about 30 ns. */
  submit(slot: number, operation: Operation, offsetBytes: number, byteLength: number): void {
    const shadow = slot * SHADOW_WORDS;
    if (
      this.#shadow[shadow + SHADOW_STATE] !== IDLE || slot >= this.depth ||
      !isTransfer(operation, offsetBytes, byteLength, SLOT_BYTES)
    ) {
      throw submissionError(this, slot, offsetBytes, byteLength);
    }
    const ring = this.#ring;
    const at = entryWord(ring.entryOf(ring.produced));
    const sector = offsetBytes / SECTOR_SIZE;
    if (operation === Operation.Discard) {
      writeDiscard(this.#words, at, 0, VIRTUAL_DEVICE, slot, sector, byteLength / SECTOR_SIZE);
    } else {
      const segmentCount = Math.ceil(byteLength / FRAME_SIZE);
      writeRequest(this.#words, at, operation, segmentCount, VIRTUAL_DEVICE, slot, sector);
      let sectorsLeft = byteLength / SECTOR_SIZE;
      for (let i = 0; i < segmentCount; i++) {
        const last = sectorsLeft < SECTORS_PER_FRAME ? sectorsLeft - 1 : SECTORS_PER_FRAME - 1;
        writeSegment(this.#words, at, i, this.#references[slot] + i, 0, last);
        sectorsLeft -= SECTORS_PER_FRAME;
      }
    }
    this.#shadow[shadow + SHADOW_OPERATION] = operation;
    this.#shadow[shadow + SHADOW_STATE] = IN_FLIGHT;
    this.#meter.submitted(slot, byteLength);
    ring.produce();
  }

  /**
   * Takes one response. When none is left of those that were seen, it first pushes what was submitted meanwhile: so
   * requests are published together as the responses came together. On the hot path.
   */
  poll(): number {
    if (this.#responsesSeen === 0) {
      this.#publish();
      this.#responsesSeen = this.#ring.available();
      if (this.#responsesSeen === 0) return -1;
      if (this.#responsesSeen > this.inFlight) {
        throw this.#broken(`answered ${this.#responsesSeen} requests where ${this.inFlight} were in flight`);
      }
    }
    this.#responsesSeen--;
    return this.#takeResponse();
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
    this.#ring.arm(Math.min(distance, this.inFlight));
    return true;
  }

  #publish(): void {
    const ring = this.#ring;
    if (!ring.unpushed) return;
    pushAndNotify(ring, this.#end.channel, this.pushes);
    if (this.inFlight < this.depth) claimEntry(this.#words, entryWord(ring.entryOf(ring.produced)));
  }

  #takeResponse(): number {
    const ring = this.#ring;
    const words = this.#words;
    const at = entryWord(ring.entryOf(ring.consumed));
    // Each word is fetched once: the peer may change it at any time.
    const slot = words[at];
    const idHigh = words[at + 1];
    const outcome = words[at + 2];
    ring.consume();
    if (idHigh !== 0 || slot < 0 || slot >= this.depth) throw this.#broken(`answered the unknown id ${slot >>> 0}`);
    const shadow = slot * SHADOW_WORDS;
    if (this.#shadow[shadow + SHADOW_STATE] !== IN_FLIGHT) throw this.#broken(`answered id ${slot}, not in flight`);
    const operation = responseOperation(outcome);
    if (operation !== this.#shadow[shadow + SHADOW_OPERATION]) {
      throw this.#broken(`answered id ${slot} as operation ${operation}`);
    }
    const status = responseStatus(outcome);
    if (status > 0 || status < -2) throw this.#broken(`answered id ${slot} with the unknown status ${status}`);
    this.#shadow[shadow + SHADOW_STATUS] = status;
    this.#shadow[shadow + SHADOW_STATE] = IDLE;
    this.#meter.completed(slot, status);
    return slot;
  }

  #checkPeer(): void {
    const state = this.#store.peerState();
    if (state !== XenbusState.Connected) throw this.#broken(`left with ${this.inFlight} requests in flight`);
  }

  #broken(what: string): ConnectionError {
    return new ConnectionError(`The connection is broken: the backend ${what}`);
  }
}
