/**
 * One client: what it sends is taken apart here, byte by byte as it comes, into options and requests.
 *
 * @module
 */

import type { Sockets } from "../../../core/socket.ts";
import {
  HandshakeFlag,
  NBD_MAGIC,
  NbdCommand,
  NbdError,
  OPTION_BYTES,
  OPTION_MAGIC,
  REQUEST_BYTES,
  REQUEST_MAGIC,
} from "../../nbd/protocol.ts";
import type { ExportInfo } from "./export_info.ts";
import { Handshake, MAX_OPTION_BYTES, Outcome, readOption } from "./handshake.ts";
import { Intake } from "./intake.ts";
import { NO_SLOT, ReplyQueue } from "./reply_queue.ts";
import type { SlotPool } from "./slot_pool.ts";
import type { NbdRequest, Requester } from "./request.ts";
import type { Transmission } from "./transmission.ts";

/** What is awaited next. */
const State = {
  /** The client's flags, 4 bytes. */
  Greeting: 0,
  /** An option. */
  Option: 1,
  /** The rest of an option that is too long. */
  SkipOption: 2,
  /** A request. */
  Request: 3,
  /** Slots for the parts of a request that has no data. */
  Slots: 4,
  /** The data of a write. */
  Data: 5,
  /** The data of a write that cannot be done. */
  SkipData: 6,
  /** Nothing more: what is in flight is answered, then it ends. */
  End: 7,
} as const;

/** Bytes of requests that are looked at in one go, each counted with its head: their data fits into the core's cache. */
const BYTES_AT_ONCE = 128 * 1024;
/** What a request counts beside its data. */
const HEAD_COUNTS = 2048;
const KNOWN_CLIENT_FLAGS = HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes;

/** What connections of one server share. */
export interface Shared {
  /** The kernel's sockets. */
  readonly sockets: Sockets;
  /** All slots. */
  readonly slots: SlotPool;
  /** All requests. */
  readonly transmission: Transmission;
  /** What is exported. */
  readonly exported: ExportInfo;
  /** A connection has replies that were not sent. */
  hasReplies(connection: Connection): void;
  /** A connection is about to close. */
  closes(connection: Connection): void;
  /** A connection is closed and nothing of it is in flight. */
  isIdle(connection: Connection): void;
}

/** One connection. Used for one client after another. */
export class Connection implements Requester {
  readonly replies: ReplyQueue;
  /** What it sends. */
  readonly intake: Intake;
  open: boolean = false;
  inFlight: number = 0;
  held: number = 0;
  waiting: number = 0;
  /** The socket. */
  descriptor: number = -1;
  /** What the set of descriptors watches it for: see the server. */
  watched: number = 0;
  /** Whether it is on the list of those that have something to send. */
  listed: boolean = false;
  /** Whether it waits for something else than bytes: a slot, room among its replies, its next turn. */
  paused: boolean = false;
  /** When it last got on, by `performance.now`. Kept up by the server for who is paused, or has replies to send. */
  lastProgress: number = 0;
  readonly #shared: Shared;
  #handshake: Handshake;
  #state: number = State.Greeting;
  /** Bytes still to skip. */
  #skip = 0;
  #option = 0;
  #request: NbdRequest | null = null;
  /** Whether nothing more is received than what the present request needs. */
  #finishing = false;
  /** Bytes of requests that may still be looked at before others have their turn. */
  #budget = 0;

  /** A connection that is not open. */
  constructor(shared: Shared) {
    this.#shared = shared;
    this.replies = new ReplyQueue(shared.sockets, shared.slots);
    this.intake = new Intake(shared.sockets, shared.slots);
    this.#handshake = new Handshake(shared.exported);
  }

  get structured(): boolean {
    return this.#handshake.structured;
  }

  get baseAllocation(): boolean {
    return this.#handshake.baseAllocation;
  }

  /** Begins with a client, and greets it. */
  start(descriptor: number): void {
    this.descriptor = descriptor;
    this.open = true;
    this.paused = false;
    this.#finishing = false;
    this.held = 0;
    this.waiting = 0;
    this.replies.open(descriptor);
    this.intake.open(descriptor);
    this.#handshake = new Handshake(this.#shared.exported);
    this.#state = State.Greeting;
    const greeting = new DataView(new ArrayBuffer(18));
    for (const [index, word] of [...NBD_MAGIC, ...OPTION_MAGIC].entries()) greeting.setUint32(index * 4, word);
    greeting.setUint16(16, KNOWN_CLIENT_FLAGS);
    this.replies.addText(new Uint8Array(greeting.buffer));
    this.hasReplies();
  }

  /** Whether more bytes of the client would be looked at now. */
  get wantsInput(): boolean {
    return !this.paused && this.#state !== State.End;
  }

  /** Whether nothing of what the client asked for is left to do. */
  get done(): boolean {
    return this.inFlight === 0 && this.replies.count === 0;
  }

  /** Whether the client is between two requests, or has not begun to transmit. */
  get betweenRequests(): boolean {
    return this.#state <= State.Request;
  }

  /** Whether it only ends, now. */
  get ending(): boolean {
    return this.#state === State.End;
  }

  hasReplies(): void {
    if (!this.listed) this.#shared.hasReplies(this);
  }

  isIdle(): void {
    // Not sooner: who sees the descriptor closed may rely on it that no write of this client is still to come.
    this.#shared.sockets.close(this.descriptor);
    this.#shared.isIdle(this);
  }

  fail(): void {
    this.close();
  }

  /** Takes no more requests; the connection ends when those that are there are answered. */
  end(): void {
    this.#state = State.End;
    this.paused = false;
  }

  /** Takes only those requests that were received already, the last of them to its end; then it ends. */
  finish(): void {
    if (this.#finishing) return;
    this.#finishing = true;
    this.intake.finish();
    if (this.#state < State.Request) this.end();
    else this.advance();
  }

  /**
   * Looks at what was received, as far as that goes, but at no more than some requests: what they ask for is then begun
   * with, and answers are sent, before the next are looked at. On the hot path.
   */
  advance(): void {
    this.paused = false;
    this.#budget = BYTES_AT_ONCE;
    while (this.open && this.#step());
  }

  /** Sends what is to be sent. On the hot path. Returns whether anything went. */
  send(): boolean {
    const before = this.replies.pendingBytes;
    const released = this.replies.send();
    if (released < 0) {
      this.close();
      return true;
    }
    this.held -= released;
    return this.replies.pendingBytes !== before;
  }

  /** Ends the connection. What is in flight is done, and nobody hears of it. */
  close(): void {
    if (!this.open) return;
    this.open = this.paused = false;
    this.#shared.closes(this);
    this.#shared.sockets.shutdown(this.descriptor);
    this.held -= this.replies.abandon();
    const { transmission } = this.#shared;
    if (this.intake.slot !== NO_SLOT) transmission.returnSlot(this, this.intake.takeSlot());
    if (this.#request !== null && this.#request.parts === 0) transmission.drop(this.#request);
    this.#request = null;
    if (this.inFlight === 0) this.isIdle();
  }

  /** One step further. Whether there may be another at once. */
  #step(): boolean {
    switch (this.#state) {
      case State.Greeting:
        return this.#greeted();
      case State.Option:
        return this.#takeOption();
      case State.SkipOption:
        if (!this.#skipped()) return false;
        return this.#settle(this.#handshake.refuse(this.#option, (bytes) => this.replies.addText(bytes)));
      case State.Request:
        return this.#takeRequest();
      case State.Slots:
        return this.#submitParts();
      case State.Data:
        return this.#takeData();
      case State.SkipData:
        if (!this.#skipped()) return false;
        return this.#refuse(this.#request as NbdRequest);
      default:
        this.intake.input.clear();
        return false;
    }
  }

  #greeted(): boolean {
    const { input } = this.intake;
    if (input.length < 4) return false;
    const flags = input.view.getUint32(input.start);
    input.start += 4;
    // A client of before the fixed newstyle has no flags, and goes on with EXPORT_NAME.
    if ((flags & ~KNOWN_CLIENT_FLAGS) !== 0) return this.#endNow();
    this.#handshake.noZeroes = (flags & HandshakeFlag.NoZeroes) !== 0;
    this.#state = State.Option;
    return true;
  }

  #takeOption(): boolean {
    const { input } = this.intake;
    // One after another: their replies share one piece of memory.
    if (input.length < OPTION_BYTES || this.replies.count > 0) return this.#pauseFor(input.length >= OPTION_BYTES);
    const head = readOption(input.view, input.start);
    if (head === null) return this.#endNow();
    const { option, byteLength } = head;
    if (byteLength > MAX_OPTION_BYTES) {
      if (!this.#handshake.accepts(byteLength)) return this.#endNow();
      input.start += OPTION_BYTES;
      this.#option = option;
      this.#skip = byteLength;
      this.#state = State.SkipOption;
      return true;
    }
    if (input.length < OPTION_BYTES + byteLength) return false;
    if (!this.#handshake.accepts(byteLength)) return this.#endNow();
    const at = input.start + OPTION_BYTES;
    input.start = at + byteLength;
    const data = input.bytes.slice(at, at + byteLength);
    return this.#settle(this.#handshake.take(option, data, (bytes) => this.replies.addText(bytes)));
  }

  #settle(outcome: Outcome): boolean {
    if (this.replies.count > 0) this.hasReplies();
    if (outcome === Outcome.Close) return this.#endNow();
    this.#state = outcome === Outcome.Transmit ? State.Request : State.Option;
    return true;
  }

  /** Ends the connection when what was asked for is answered: also who then breaks the protocol learns what was done. */
  #endNow(): boolean {
    this.end();
    if (this.done) this.close();
    return false;
  }

  /** Skips bytes. Whether all are skipped. */
  #skipped(): boolean {
    const { input } = this.intake;
    const bytes = Math.min(this.#skip, input.length);
    input.start += bytes;
    this.#skip -= bytes;
    return this.#skip === 0;
  }

  #takeRequest(): boolean {
    const { input } = this.intake;
    if (input.length < REQUEST_BYTES) return this.#finishing ? this.#endNow() : false;
    const { transmission } = this.#shared;
    if (this.#budget <= 0 || !transmission.hasRoom(this)) return this.#pauseFor(true);
    const { view, start } = input;
    if (view.getUint32(start) !== REQUEST_MAGIC) return this.#endNow();
    const request = transmission.newRequest(this);
    request.flags = view.getUint16(start + 4);
    request.command = view.getUint16(start + 6);
    request.cookieHigh = view.getInt32(start + 8);
    request.cookieLow = view.getInt32(start + 12);
    request.offset = view.getUint32(start + 16) * 2 ** 32 + view.getUint32(start + 20);
    request.length = view.getUint32(start + 24);
    input.start = start + REQUEST_BYTES;
    this.#budget -= HEAD_COUNTS + request.length;
    this.intake.expectData(request.command === NbdCommand.Write);
    return this.#begin(request);
  }

  #begin(request: NbdRequest): boolean {
    const { transmission } = this.#shared;
    const { command, length } = request;
    if (command === NbdCommand.Disconnect) {
      transmission.drop(request);
      return this.#endNow();
    }
    const error = transmission.mistakeIn(request);
    if (error !== NbdError.Okay) {
      request.error = error;
      if (command !== NbdCommand.Write) return this.#refuse(request);
      this.#request = request;
      this.#skip = length;
      this.intake.expectData(false);
      this.#state = State.SkipData;
      return true;
    }
    if (command === NbdCommand.BlockStatus || (length === 0 && command !== NbdCommand.Flush)) {
      transmission.answerAtOnce(request, NbdError.Okay);
      return true;
    }
    if (command === NbdCommand.Flush && !transmission.canFlush) {
      transmission.answerAtOnce(request, NbdError.Okay);
      return true;
    }
    transmission.prepare(request);
    this.#request = request;
    this.#state = command === NbdCommand.Write ? State.Data : State.Slots;
    return true;
  }

  #refuse(request: NbdRequest): boolean {
    this.#request = null;
    this.#state = State.Request;
    this.#shared.transmission.answerAtOnce(request, request.error);
    return true;
  }

  /** Submits the parts of a request for which there are slots. */
  #submitParts(): boolean {
    const { transmission } = this.#shared;
    const request = this.#request as NbdRequest;
    do {
      const slot = transmission.takeSlot(this);
      if (slot === NO_SLOT) return this.#pauseFor(true);
      transmission.submitPart(request, slot);
      if (!this.open) return false;
    } while (request.issued < request.length);
    this.#request = null;
    this.#state = State.Request;
    return true;
  }

  /** Fills a slot with the data of a write, and submits it when it is full. */
  #takeData(): boolean {
    const { transmission } = this.#shared;
    const { intake } = this;
    const request = this.#request as NbdRequest;
    if (intake.slot === NO_SLOT) {
      const slot = transmission.takeSlot(this);
      if (slot === NO_SLOT) return this.#pauseFor(true);
      intake.beginSlot(slot, transmission.nextPartBytes(request));
    }
    if (!intake.slotIsFull()) return false;
    transmission.submitPart(request, intake.takeSlot());
    if (request.issued < request.length) return true;
    this.#request = null;
    this.#state = State.Request;
    return true;
  }

  /** Goes on later, if something else than bytes of the client is missing. */
  #pauseFor(isMissing: boolean): boolean {
    this.paused = isMissing;
    return false;
  }
}
