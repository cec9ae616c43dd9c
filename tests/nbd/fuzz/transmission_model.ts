/**
 * The transmission of a session, as a right server would see it.
 *
 * @module
 */

import {
  Command,
  CommandFlag,
  nameOf,
  NbdError,
  PORTABLE_MAX_BYTES,
  REQUEST_BYTES,
  REQUEST_MAGIC,
  type RequestHeader,
} from "../protocol.ts";
import type { ReceiveBuffer } from "../receive_buffer.ts";
import { describeRequest, type Reply, ReplyReader } from "../replies.ts";
import { demand } from "../wire.ts";
import type { Operation } from "./effects.ts";
import { judgeRequest, REFUSALS, type TransmissionState } from "./judge.ts";
import type { SentStream } from "./sent_stream.ts";

/** Follows requests and their replies. */
export class TransmissionModel {
  /** All that the server has been asked, in order. */
  readonly operations: Operation[] = [];
  readonly #state: TransmissionState;
  readonly #sent: SentStream;
  readonly #received: ReceiveBuffer;
  readonly #replies: ReplyReader;
  readonly #unanswered = new Map<bigint, Operation>();
  /** The WRITE whose payload is not all there. */
  #writing: Operation | null = null;
  #over = "";
  #mayEnd = "";
  /** Replies cannot be told apart any more: two requests in flight have one cookie. */
  #blind = false;

  constructor(state: TransmissionState, contexts: readonly number[], sent: SentStream, received: ReceiveBuffer) {
    this.#state = state;
    this.#sent = sent;
    this.#received = received;
    const { structured, target: { sizeBytes, sectorSize } } = state;
    this.#replies = new ReplyReader({ structured, contexts, sizeBytes, minimumBlockSize: sectorSize }, received);
  }

  /** What the server must still do; null if nothing, or if nobody can tell. */
  get owed(): string | null {
    if (this.#over !== "") return `the connection's end: ${this.#over}`;
    if (this.#blind) return null;
    for (const operation of this.#unanswered.values()) {
      if (operation.complete) return `a reply to ${describeRequest(operation.request)}`;
    }
    return null;
  }

  /** Reads on in both streams. */
  advance(tick: number): void {
    while (this.#over === "" && this.#request());
    while (!this.#blind) {
      const reply = this.#replies.next();
      if (reply === null) return;
      this.#answered(reply, tick);
    }
  }

  /** The server has ended the connection; `reason` is why it might, beside those in the transmission. */
  end(reason: string): void {
    const allowed = this.#over + this.#mayEnd + reason !== "" || this.#blind;
    demand(allowed, () => `the server ended the connection; awaited was ${this.owed ?? "a request"}`);
  }

  /** Takes a request, or more of one's payload; returns whether there was enough to go on. */
  #request(): boolean {
    if (this.#writing !== null) return this.#payload(this.#writing);
    const sent = this.#sent;
    if (sent.length < REQUEST_BYTES) return false;
    const sentTick = sent.tickAt(REQUEST_BYTES - 1);
    const [magic, flags, command, length] = [sent.u32(0), sent.u16(4), sent.u16(6), sent.u32(24)];
    const request: RequestHeader = { flags, command, cookie: sent.u64(8), offset: sent.u64(16), length };
    const isRequest = magic === REQUEST_MAGIC;
    if (!isRequest) this.#over = "a request begins with something else";
    else if (command === Command.Disconnect) this.#over = "DISC was sent";
    if (isRequest && this.#over !== "") return false;
    sent.skip(REQUEST_BYTES);
    const operation: Operation = {
      request,
      // Some servers refuse what is no request before they end the connection.
      verdict: isRequest ? judgeRequest(request, this.#state) : "invalid",
      sentTick,
      payload: new Uint8Array(),
      complete: command !== Command.Write || length === 0,
      replyTick: Infinity,
      error: null,
      data: new Uint8Array(),
      extents: [],
    };
    this.operations.push(operation);
    if (!operation.complete) this.#writing = operation;
    if (command === Command.Write && length > PORTABLE_MAX_BYTES) this.#mayEnd = "a WRITE is too long";
    if (this.#replies.isInFlight(request.cookie)) this.#blind = true;
    if (this.#blind) return true;
    this.#replies.expect(request);
    this.#unanswered.set(request.cookie, operation);
    return true;
  }

  #payload(operation: Operation): boolean {
    const left = operation.request.length - operation.payload.length;
    const more = this.#sent.take(Math.min(left, this.#sent.length));
    if (more.length === 0) return false;
    const payload = new Uint8Array(operation.payload.length + more.length);
    payload.set(operation.payload);
    payload.set(more, operation.payload.length);
    operation.payload = payload;
    operation.complete = payload.length === operation.request.length;
    if (operation.complete) this.#writing = null;
    return operation.complete;
  }

  #answered({ request, error, data, extents }: Reply, tick: number): void {
    const operation = this.#unanswered.get(request.cookie) as Operation;
    this.#unanswered.delete(request.cookie);
    const what = `${describeRequest(request)}, which is ${operation.verdict}, has the error ${nameOf(NbdError, error)}`;
    operation.error = error;
    operation.replyTick = tick;
    operation.data = data;
    operation.extents = [...extents.values()].flat();
    if (error === NbdError.None) {
      demand(operation.verdict !== "invalid", what);
      demand(operation.complete, `${what} before it was sent`);
    } else {
      const isLate = error === NbdError.Shutdown && this.#over !== "";
      const mayOverflow = (request.flags & CommandFlag.Df) !== 0 && error === NbdError.Overflow;
      demand(isLate || mayOverflow || operation.verdict !== "valid" && REFUSALS.includes(error), what);
    }
  }
}
