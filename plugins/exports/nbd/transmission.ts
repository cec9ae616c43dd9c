/**
 * From requests of clients to operations of the queue, and from what came of those to replies.
 *
 * A request that is longer than a slot is done in parts, each in a slot of its own, as slots get free: so the memory in
 * use does not depend on what clients ask for. What parts of a read have is sent as it comes where the client takes
 * structured replies, and else in order.
 *
 * @module
 */

import { Operation, Status } from "../../../core/blkif.ts";
import type { BlockQueue } from "../../../core/block_queue.ts";
import { CommandFlag, NbdCommand, NbdError } from "../../nbd/protocol.ts";
import type { ExportInfo } from "./export_info.ts";
import {
  writeBlockStatus,
  writeDataChunk,
  writeEmptyChunk,
  writeErrorChunk,
  writeErrorOffsetChunk,
  writeSimpleReply,
} from "./reply_heads.ts";
import { MAX_REPLIES, NO_SLOT } from "./reply_queue.ts";
import { NbdRequest, type Requester } from "./request.ts";
import type { SlotPool } from "./slot_pool.ts";

/** Bytes that one operation without data covers: as a device may have to write so many zeroes in one go. */
const MAX_ZEROES_BYTES = 16 * 2 ** 20;
const MAX_TRIM_BYTES = 2 ** 30;
const KNOWN_FLAGS = {
  [NbdCommand.Read]: CommandFlag.DontFragment,
  [NbdCommand.Write]: 0,
  [NbdCommand.Disconnect]: 0,
  [NbdCommand.Flush]: 0,
  [NbdCommand.Trim]: 0,
  [NbdCommand.WriteZeroes]: CommandFlag.NoHole,
  [NbdCommand.BlockStatus]: CommandFlag.RequestOne,
} as const;

/** The requests of all connections. */
export class Transmission {
  readonly #queue: BlockQueue;
  readonly #slots: SlotPool;
  readonly #export: ExportInfo;
  readonly #requestOf: NbdRequest[] = [];
  readonly #partOffset: Float64Array;
  readonly #partBytes: Float64Array;
  readonly #unused: NbdRequest[] = [];
  /** Requests that were looked at. */
  accepted = 0;
  /** Requests that were answered. */
  answered = 0;
  /** Those that were answered with an error. */
  errors = 0;
  /** How many connections share the slots. */
  sharers = 0;
  /** Whether anything was written. */
  wrote = false;

  /** Nothing is asked for yet. */
  constructor(queue: BlockQueue, slots: SlotPool, exported: ExportInfo) {
    this.#queue = queue;
    this.#slots = slots;
    this.#export = exported;
    this.#partOffset = new Float64Array(queue.depth);
    this.#partBytes = new Float64Array(queue.depth);
  }

  /** Bytes in each slot. */
  get slotBytes(): number {
    return this.#slots.slotBytes;
  }

  /** Whether there is anything to flush. */
  get canFlush(): boolean {
    return this.#queue.info.canFlush;
  }

  /** A request to fill in. On the hot path. */
  newRequest(requester: Requester): NbdRequest {
    const request = this.#unused.pop() ?? new NbdRequest();
    this.accepted++;
    request.requester = requester;
    request.issued = 0;
    request.parts = 0;
    request.error = NbdError.Okay;
    request.flushFollows = false;
    request.nextPart = 0;
    return request;
  }

  /** Whether one more operation of a connection is sure to find room for its reply. On the hot path. */
  hasRoom({ replies, inFlight, waiting }: Requester): boolean {
    return replies.count + inFlight + waiting < MAX_REPLIES - 2;
  }

  /** What is wrong with a request: 0 for nothing, or one of {@link NbdError}. On the hot path. */
  mistakeIn(request: NbdRequest): number {
    const { command, flags, offset, length } = request;
    const { sizeBytes, minimumBytes, maximumBytes, readOnly } = this.#export;
    const requester = request.requester as Requester;
    const known = KNOWN_FLAGS[command as keyof typeof KNOWN_FLAGS];
    if (known === undefined || (flags & ~(known | CommandFlag.Fua)) !== 0) return NbdError.Invalid;
    if (command === NbdCommand.Flush) return offset === 0 && length === 0 ? NbdError.Okay : NbdError.Invalid;
    const writes = command === NbdCommand.Write || command === NbdCommand.WriteZeroes;
    if (readOnly && (writes || command === NbdCommand.Trim)) return NbdError.NotPermitted;
    if (command === NbdCommand.Trim && !this.#queue.info.canDiscard) return NbdError.Invalid;
    if (offset + length > sizeBytes) return writes ? NbdError.NoSpace : NbdError.Invalid;
    if (offset % minimumBytes !== 0 || length % minimumBytes !== 0) return NbdError.Invalid;
    if (command === NbdCommand.Read) {
      if (length > maximumBytes) return NbdError.Invalid;
      if ((flags & CommandFlag.DontFragment) === 0) return NbdError.Okay;
      return !requester.structured ? NbdError.Invalid : length > this.slotBytes ? NbdError.Overflow : NbdError.Okay;
    }
    if (command === NbdCommand.Write) return length > maximumBytes ? NbdError.Invalid : NbdError.Okay;
    if (command === NbdCommand.BlockStatus) {
      return requester.baseAllocation && length > 0 ? NbdError.Okay : NbdError.Invalid;
    }
    return NbdError.Okay;
  }

  /** Decides how a request without mistakes becomes durable, if it is to be. */
  prepare(request: NbdRequest): void {
    const { command, flags, length } = request;
    if (command !== NbdCommand.Read && command !== NbdCommand.BlockStatus) this.wrote = true;
    if ((flags & CommandFlag.Fua) === 0 || command === NbdCommand.Read || !this.#queue.info.canFlush) return;
    request.flushFollows = command !== NbdCommand.Write || length > this.slotBytes;
  }

  /** A slot for the next part of a request, or −1 when it must wait. On the hot path. */
  takeSlot(requester: Requester): number {
    if (!this.hasRoom(requester)) return NO_SLOT;
    const slot = this.#slots.take(requester.held, this.sharers);
    if (slot !== NO_SLOT) requester.held++;
    return slot;
  }

  /** Gives a slot back that was taken and not submitted. */
  returnSlot(requester: Requester, slot: number): void {
    this.#slots.release(slot);
    requester.held--;
  }

  /** How many bytes the next part of a request has. On the hot path. */
  nextPartBytes({ command, length, issued }: NbdRequest): number {
    const most = command === NbdCommand.Trim
      ? MAX_TRIM_BYTES
      : command === NbdCommand.WriteZeroes
      ? MAX_ZEROES_BYTES
      : this.slotBytes;
    return Math.min(length - issued, most);
  }

  /** Submits the next part of a request in a slot that was taken for it. On the hot path. */
  submitPart(request: NbdRequest, slot: number): void {
    const bytes = this.nextPartBytes(request);
    const offset = request.offset + request.issued;
    request.issued += bytes;
    this.#submit(request, slot, this.#operationOf(request), offset, bytes);
  }

  /** Answers a request that no operation is needed for, or that is wrong. */
  answerAtOnce(request: NbdRequest, error: number): void {
    request.error = error;
    this.#answer(request);
  }

  /** An operation is over. On the hot path. */
  completed(slot: number): void {
    const request = this.#requestOf[slot];
    const requester = request.requester as Requester;
    const status = this.#queue.status(slot);
    request.parts--;
    requester.inFlight--;
    if (status !== Status.Okay && request.error === NbdError.Okay) {
      request.error = errorOf(status);
    }
    if (!requester.open) return this.#forget(request, requester, slot);
    const isLast = request.parts === 0 && request.issued === request.length;
    if (request.command === NbdCommand.Read) {
      if (requester.structured) this.#sendChunk(request, slot, status, isLast);
      else if (request.length <= this.slotBytes) this.#sendWhole(request, slot);
      else this.#sendInOrder(request, slot, isLast);
    } else if (isLast && request.flushFollows && request.error === NbdError.Okay) {
      request.flushFollows = false;
      this.#submit(request, slot, Operation.Flush, 0, 0);
    } else {
      this.returnSlot(requester, slot);
      if (isLast) this.#answer(request);
    }
  }

  /** Forgets a request that nobody waits for and that has no operation in flight. */
  drop(request: NbdRequest): void {
    request.requester = null;
    this.#unused.push(request);
  }

  #submit(request: NbdRequest, slot: number, operation: Operation, offset: number, byteLength: number): void {
    this.#requestOf[slot] = request;
    this.#partOffset[slot] = offset;
    this.#partBytes[slot] = byteLength;
    request.parts++;
    (request.requester as Requester).inFlight++;
    this.#queue.submit(slot, operation, offset, byteLength);
  }

  #operationOf({ command, flags, flushFollows }: NbdRequest): Operation {
    switch (command) {
      case NbdCommand.Read:
        return Operation.Read;
      case NbdCommand.Write: {
        const durable = (flags & CommandFlag.Fua) !== 0 && !flushFollows && this.#queue.info.canFlush;
        return durable ? Operation.WriteFua : Operation.Write;
      }
      case NbdCommand.Trim:
        return Operation.Discard;
      case NbdCommand.WriteZeroes:
        return Operation.WriteZeroes;
      default:
        return Operation.Flush;
    }
  }

  /** The client of a request has left: what it asked for was done, and nobody hears of it. */
  #forget(request: NbdRequest, requester: Requester, slot: number): void {
    this.returnSlot(requester, slot);
    this.#returnWaiting(request, requester); // What waits to be sent in order has slots, too.
    if (request.parts === 0) this.drop(request);
    if (requester.inFlight === 0) requester.isIdle();
  }

  /** Sends a part of a read as a chunk of its own. On the hot path. */
  #sendChunk(request: NbdRequest, slot: number, status: number, isLast: boolean): void {
    const requester = request.requester as Requester;
    const { replies } = requester;
    const { view, nextHead } = replies;
    const offset = this.#partOffset[slot];
    if (status === Status.Okay) {
      const bytes = this.#partBytes[slot];
      replies.add(writeDataChunk(view, nextHead, request, offset, bytes, isLast), slot, bytes);
    } else {
      replies.add(writeErrorOffsetChunk(view, nextHead, request, errorOf(status), offset, isLast), NO_SLOT, 0);
      this.returnSlot(requester, slot);
    }
    requester.hasReplies();
    if (isLast) this.#retire(request);
  }

  /** Sends a read of one part as a simple reply. On the hot path. */
  #sendWhole(request: NbdRequest, slot: number): void {
    const requester = request.requester as Requester;
    const { replies } = requester;
    if (request.error !== NbdError.Okay) {
      this.returnSlot(requester, slot);
      return this.#answer(request);
    }
    replies.add(writeSimpleReply(replies.view, replies.nextHead, request), slot, this.#partBytes[slot]);
    requester.hasReplies();
    this.#retire(request);
  }

  /** Sends what can be sent of a read of several parts as one simple reply, whose data must be in order. */
  #sendInOrder(request: NbdRequest, slot: number, isLast: boolean): void {
    const requester = request.requester as Requester;
    const { waiting } = request;
    const { replies } = requester;
    waiting[(this.#partOffset[slot] - request.offset) / this.slotBytes] = slot + 1;
    requester.waiting++;
    if (request.error !== NbdError.Okay) {
      // At once: parts that are still to be read may need these slots.
      this.#returnWaiting(request, requester);
      if (request.nextPart === 0) return isLast ? this.#answer(request) : undefined;
      // What was begun without an error cannot end with one. A request that was not submitted to its end the connection
      // has, and drops itself.
      if (isLast) this.drop(request);
      return requester.fail();
    }
    while (request.nextPart < waiting.length && waiting[request.nextPart] > 0) {
      const next = waiting[request.nextPart] - 1;
      waiting[request.nextPart] = 0;
      requester.waiting--;
      const bytes = this.#partBytes[next];
      if (request.nextPart === 0) replies.add(writeSimpleReply(replies.view, replies.nextHead, request), next, bytes);
      else replies.addData(next, bytes);
      request.nextPart++;
    }
    requester.hasReplies();
    if (!isLast) return;
    waiting.length = 0;
    this.#retire(request);
  }

  /** Gives back the slots of finished parts that were not sent. */
  #returnWaiting(request: NbdRequest, requester: Requester): void {
    for (const waiting of request.waiting.splice(0)) {
      if (!(waiting > 0)) continue;
      this.returnSlot(requester, waiting - 1);
      requester.waiting--;
    }
  }

  /** Answers a request without data, or with an error. */
  #answer(request: NbdRequest): void {
    const requester = request.requester as Requester;
    const { replies } = requester;
    const { view, nextHead } = replies;
    const { command, error } = request;
    const mayBeSimple = command !== NbdCommand.Read && command !== NbdCommand.BlockStatus;
    let headBytes: number;
    if (mayBeSimple || !requester.structured) headBytes = writeSimpleReply(view, nextHead, request);
    else if (error !== NbdError.Okay) headBytes = writeErrorChunk(view, nextHead, request);
    else if (command === NbdCommand.BlockStatus) headBytes = writeBlockStatus(view, nextHead, request);
    else headBytes = writeEmptyChunk(view, nextHead, request);
    replies.add(headBytes, NO_SLOT, 0);
    requester.hasReplies();
    this.#retire(request);
  }

  #retire(request: NbdRequest): void {
    this.answered++;
    if (request.error !== NbdError.Okay) this.errors++;
    this.drop(request);
  }
}

function errorOf(status: number): number {
  return status === Status.NotSupported ? NbdError.NotSupported : NbdError.InputOutput;
}
