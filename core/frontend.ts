/**
 * The frontend: the application domain's side of an isolated device.
 *
 * It turns operations into ring entries whose data lies in granted frames, keeps in a shadow table what it asked for,
 * and takes a response only if it answers something that was asked.
 *
 * What an operation becomes on the ring is in `request_issuer.ts` and `request_writer.ts`. Data is copied once, by the
 * device, and once more by the frontend where the workload's buffers are not the granted frames (`transfer: copy`).
 *
 * @module
 */

import { claimEntry, entryWord, type Operation, Status } from "./blkif.ts";
import type { DeviceInfo } from "./block_device.ts";
import { type BlockQueue, isTransfer, submissionError } from "./block_queue.ts";
import { BoundedPolicy } from "./bounded_policy.ts";
import type { Counterpart } from "./counterpart.ts";
import { DriverChange } from "./driver_change.ts";
import { ConnectionError } from "./errors.ts";
import { FrontendLink } from "./frontend_link.ts";
import type { FrontendOptions } from "./frontend_options.ts";
import { brokenBackend, type LinkEnd, pushAndNotify, type PushCounters } from "./link_end.ts";
import type { ChannelOptions } from "./link.ts";
import type { OperationMeter } from "./measure/meter.ts";
import { FRAME_SIZE, SECTOR_SIZE } from "./memory.ts";
import { Patience } from "./patience.ts";
import type { RequestIssuer } from "./request_issuer.ts";
import { type ResponseSource, slotOf, statusOf } from "./response_source.ts";
import type { Ring } from "./ring.ts";
import { NONE, type ShadowTable } from "./shadow_table.ts";
import { SlotBuffers } from "./slot_buffers.ts";
import type { Waiter, WaitSource } from "./waiter.ts";
import { stateName, XenbusState } from "./xenbus.ts";

/** A block queue whose device is in another domain. */
export class Frontend implements BlockQueue, WaitSource {
  readonly depth: number;
  readonly maxTransferBytes: number;
  /** Operations that were submitted and not yet returned. */
  inFlight = 0;
  /** How often a push notified the peer. */
  readonly pushes: PushCounters = { sent: 0, suppressed: 0 };

  readonly #end: LinkEnd;
  readonly #channel: ChannelOptions;
  readonly #waiter: Waiter;
  readonly #policy: BoundedPolicy;
  readonly #meter: OperationMeter;
  readonly #stopRequested: () => boolean;
  /** What to do without a driver; null where its loss is the end. */
  readonly #change: DriverChange | null;
  readonly #link: FrontendLink;
  readonly #ring: Ring;
  readonly #words: Int32Array;
  readonly #shadow: ShadowTable;
  readonly #responses: ResponseSource;
  readonly #issuer: RequestIssuer;
  /** Submissions after which to publish. */
  readonly #batch: number;
  readonly #buffers: SlotBuffers;
  readonly #patience: Patience;
  /** Operations that were submitted since the last push. */
  #unpublished = 0;
  /** The status of each slot's long operation so far: that of the last part that failed. */
  readonly #partStatus: Int8Array;
  /** Responses that were seen and not yet taken. */
  #responsesSeen = 0;
  /** The next slot of a merged request that was answered, and its status. */
  #answeredNext = NONE;
  #answeredStatus = 0;
  #info: DeviceInfo | undefined;
  /** Why no slot can be used, where the slots' states say that none can. */
  #unusable = new ConnectionError("The frontend is not connected yet");

  /** Lays out the ring and grants every frame for good (persistent grants); {@link connect} comes next. */
  constructor(options: FrontendOptions) {
    const { end, link } = options;
    this.#link = new FrontendLink(end, link);
    const { layout } = this.#link;
    this.#end = end;
    this.#channel = link.channel;
    // When every slot waits to be published, nothing can join them.
    this.#batch = Math.min(link.channel.batch, link.slots.count);
    this.#waiter = options.waiter;
    this.#policy = new BoundedPolicy(options.policy);
    this.#meter = options.meter;
    this.#stopRequested = options.stopRequested;
    this.depth = link.slots.count;
    this.maxTransferBytes = layout.slotFrameCount * FRAME_SIZE;
    this.#ring = this.#link.ring;
    this.#words = this.#link.words;
    this.#shadow = this.#link.shadow;
    this.#responses = this.#link.responses;
    this.#issuer = this.#link.issuer;
    this.#partStatus = new Int8Array(this.depth);
    this.#buffers = new SlotBuffers(end.memory, layout, this.depth, link.channel.transfer === "copy");
    this.#patience = new Patience(options.requestTimeoutMs ?? Infinity);
    this.#change = options.recovery === undefined ? null : new DriverChange(options.recovery, {
      ...{ link: this.#link, buffers: this.#buffers, end, stopRequested: options.stopRequested },
      connected: (info) => this.#connected(info),
      takeAll: () => this.#takeAll(),
      fail: (slot) => this.#fail(slot),
      publish: () => this.#publish(),
      waitOnce: () => this.#waitOnce(),
    });
    options.waiter.add(this);
  }

  /**
   * Goes through the handshake.
   * @throws {ConnectionError} when the backend does not answer, refuses, or lacks what the channel's options need
   */
  connect(): void {
    try {
      this.#connected(this.#link.connect(this.#stopRequested));
      this.#change?.begin();
    } catch (thrown) {
      if (this.#stopRequested() || !this.#lose(thrown)) throw thrown;
    }
  }

  /** Ends the connection; nothing may be in flight. Returns when the backend has let go of the frames, or is gone. */
  close(): void {
    this.#unusable = new ConnectionError("The frontend is closed");
    this.#shadow.setUsable(false);
    try {
      this.#link.close(this.#stopRequested);
    } catch (thrown) {
      if (this.#change === null || !(thrown instanceof ConnectionError)) throw thrown;
      this.#link.leave();
    } finally {
      this.#responses.end();
    }
  }

  get info(): DeviceInfo {
    if (this.#info === undefined) throw this.#unusable;
    return this.#info;
  }

  buffer(slot: number): Uint8Array<SharedArrayBuffer> {
    return this.#buffers.of(slot);
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
    if (this.#change?.isDown) return this.#fail(slot);
    if (this.#buffers.copies) this.#buffers.copyOut(slot, operation, byteLength);
    this.#issuer.issue(slot, operation, offsetBytes / SECTOR_SIZE, byteLength);
    if (++this.#unpublished >= this.#batch) this.#publishEarly();
  }

  /**
   * Takes one response. When none is left of those that were seen, it first pushes what was submitted meanwhile: so
   * requests are published together as the responses came together. On the hot path.
   */
  poll(): number {
    try {
      for (;;) {
        if (this.#answeredNext !== NONE) return this.#finishNext();
        if (this.#responsesSeen === 0) {
          const kept = this.#change?.takeKept() ?? NONE;
          if (kept !== NONE) {
            this.inFlight--;
            return kept;
          }
          if (!this.#shadow.usable) throw this.#unusable;
          if (this.#change?.isDown) return -1;
          this.#publish();
          if (!this.#seeResponses()) return -1;
        }
        const slot = this.#takeResponse();
        if (slot !== NONE) return slot;
      }
    } catch (thrown) {
      return this.#lose(thrown) ? this.poll() : -1;
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

  idle(atMostNs = Infinity): void {
    this.#policy.leftNs = atMostNs;
    // What was submitted must be seen before anything is waited for.
    if (this.#shadow.usable && !this.#change?.isDown) this.#publish();
    try {
      this.#waitOnce();
    } catch (thrown) {
      this.#lose(thrown);
    }
  }

  /**
   * Looks whether the driver is still there, and goes on with another if it is not: for a thread that waits for something
   * else than answers. Where a lost driver is the end, that shows when the queue is used.
   */
  attend(): void {
    if (this.#change === null) return;
    try {
      if (this.#change.isDown) this.#change.lookForDriver();
      else this.#checkDriver();
    } catch (thrown) {
      this.#lose(thrown);
    }
  }

  /** The policy at the other end; undefined where another thread takes the responses. */
  get counterpart(): Counterpart | undefined {
    return this.#link.counterpart;
  }

  /** Responses that were taken so far. */
  get taken(): number {
    return this.#responses.answered;
  }

  /** Whether a response seems to be there. */
  peek(): boolean {
    return this.#responses.peek() && !this.#change?.isDown;
  }

  /** Whether a response is there. */
  ready(): boolean {
    return this.#responses.ready() && !this.#change?.isDown;
  }

  /** Asks to be notified of responses; never of more than are to come. */
  arm(distance: number): boolean {
    this.#responses.arm(distance);
    return true;
  }

  /** Takes that back. */
  disarm(): void {
    this.#responses.disarm();
  }

  /** Publishes a full batch, and looks for a response before the workload goes on submitting. */
  #publishEarly(): void {
    this.#publish();
    if (this.#channel.submitSpinNs > 0) this.#waiter.spin(this.#channel.submitSpinNs);
  }

  #publish(): void {
    if (this.#channel.merge) this.#issuer.endRun();
    const ring = this.#ring;
    this.#unpublished = 0;
    if (!ring.unpushed) return;
    pushAndNotify(ring, this.#end.channel, this.pushes);
    if (this.#shadow.idsInUse < this.#shadow.idCount) claimEntry(this.#words, entryWord(ring.entryOf(ring.produced)));
  }

  /** Takes one response: the slot whose operation it ends, or {@link NONE} when more of that operation is to come. */
  #takeResponse(): number {
    const response = this.#responses.take();
    const slot = slotOf(response);
    const status = statusOf(response);
    this.#responsesSeen--;
    if (this.#issuer.waitingCount > 0) this.#issuer.issueWaiting();
    if (!this.#shadow.isAlone(slot)) return this.#answeredShared(slot, status);
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
    if (this.#buffers.copies && status === Status.Okay) this.#buffers.copyIn(slot, this.#shadow.operation(slot));
    this.inFlight--;
    this.#meter.completed(slot, status);
  }

  /** Looks how many responses there are. Returns whether there are any. On the hot path. */
  #seeResponses(): boolean {
    this.#responsesSeen = this.#responses.see();
    return this.#responsesSeen > 0;
  }

  #connected(info: DeviceInfo): void {
    this.#info = info;
    this.#unpublished = 0;
    this.#patience.restart();
    if (!this.#shadow.usable) this.#shadow.setUsable(true);
    this.#responses.begin();
  }

  #waitOnce(): void {
    this.#waiter.wait(this.#policy);
    if (!this.#change?.isDown && (!this.#responses.anyLeft() || this.#link.isReplaced)) this.#checkPeer();
  }

  /** Throws if the driver is lost, or has answered nothing for too long. Asked when a wait has ended without an answer. */
  #checkPeer(): void {
    this.#patience.check(this.inFlight > 0, this.#responses.answered);
    this.#checkDriver();
  }

  /** Throws if the driver is lost. */
  #checkDriver(): void {
    if (this.#link.isReplaced) throw new ConnectionError("Another driver takes over");
    const state = this.#link.peerState;
    if (state !== XenbusState.Connected) {
      throw brokenBackend(`left with ${this.inFlight} requests in flight: it is ${stateName(state)}`);
    }
  }

  /** The driver is lost, as `thrown` shows. Whether there is another, or what is asked fails; if not, it is to stop. */
  #lose(thrown: unknown): boolean {
    if (!(thrown instanceof ConnectionError)) throw thrown;
    if (this.#change !== null && thrown !== this.#unusable) return this.#change.lose(thrown);
    this.#unusable = thrown;
    this.#shadow.setUsable(false);
    this.#responsesSeen = 0;
    this.#answeredNext = NONE;
    throw thrown;
  }

  /** Takes all responses that are there, and keeps what they end until it is returned. */
  #takeAll(): void {
    if (!this.#shadow.usable) return;
    try {
      while (this.#answeredNext !== NONE || this.#responsesSeen > 0 || this.#seeResponses()) {
        const slot = this.#answeredNext !== NONE ? this.#finishNext() : this.#takeResponse();
        if (slot !== NONE) this.#keep(slot);
      }
    } catch (thrown) {
      this.#responsesSeen = 0;
      throw thrown;
    }
  }

  /** An operation is over, which the workload is told when it asks next: until then it is in flight. */
  #keep(slot: number): void {
    this.#change?.keep(slot);
    this.inFlight++;
  }

  /** A slot's operation fails for want of a driver. */
  #fail(slot: number): void {
    this.#partStatus[slot] = Status.Okay;
    this.#finish(slot, Status.Error);
    this.#keep(slot);
  }
}
