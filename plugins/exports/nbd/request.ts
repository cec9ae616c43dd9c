/**
 * One request of a client, and the client as far as its requests see it.
 *
 * @module
 */

import { NbdError } from "../../nbd/protocol.ts";
import type { ReplyQueue } from "./reply_queue.ts";

/** The client's end, as far as requests see it. */
export interface Requester {
  /** Its replies. */
  readonly replies: ReplyQueue;
  /** Whether it can still be answered. */
  readonly open: boolean;
  /** Whether it takes structured replies. */
  readonly structured: boolean;
  /** Whether it may ask for the block status. */
  readonly baseAllocation: boolean;
  /** Operations of the queue that are in flight for it. */
  inFlight: number;
  /** Slots that it has, in flight or waiting to be sent. */
  held: number;
  /** Parts of reads that are over, and not among the replies as an earlier one is not: see {@link NbdRequest.waiting}. */
  waiting: number;
  /** It has something to send. */
  hasReplies(): void;
  /** The last operation in flight of one that is not open is over. */
  isIdle(): void;
  /** It cannot be answered in a way that it understands: end the connection. */
  fail(): void;
}

/** One request of a client. Made once and used again and again. */
export class NbdRequest {
  /** Whose it is. */
  requester: Requester | null = null;
  /** What it wants: one of {@link NbdCommand}, or something unknown. */
  command = 0;
  /** Bits of {@link CommandFlag}. */
  flags = 0;
  /** The client's name for it, in two words. */
  cookieHigh = 0;
  /** See {@link cookieHigh}. */
  cookieLow = 0;
  /** First byte on the export. */
  offset = 0;
  /** Bytes. */
  length = 0;
  /** For how many bytes operations were submitted. */
  issued = 0;
  /** Operations in flight. */
  parts = 0;
  /** The first error. */
  error: number = NbdError.Okay;
  /** Whether a flush follows before it is answered. */
  flushFollows = false;
  /** Slots of finished parts that wait for an earlier one, each plus 1; only for long reads in order. */
  readonly waiting: number[] = [];
  /** The part that is sent next. */
  nextPart = 0;
}
