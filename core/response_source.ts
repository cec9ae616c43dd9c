/**
 * Where a frontend gets responses from, and what a response must be to count as one.
 *
 * The thread that submits takes them off the ring itself (`ring_responses.ts`), or another thread of its domain does and
 * hands them over (`handed_responses.ts`).
 *
 * @module
 */

import { responseOperation, responseStatus } from "./blkif.ts";
import type { ConnectionError } from "./errors.ts";
import { brokenBackend } from "./link_end.ts";
import { NONE, type ShadowTable } from "./shadow_table.ts";

/** What a frontend asks of its responses. Those that it took were checked, and their ids can be used again. */
export interface ResponseSource {
  /** How many were taken, modulo 2³²: it changes with every answer. */
  readonly answered: number;
  /**
   * Looks how many are there that {@link take} can return. On the hot path.
   *
   * @throws {ConnectionError} when what comes next breaks the protocol
   */
  see(): number;
  /**
   * Takes one of those that were seen. On the hot path.
   *
   * @returns the slot and the status: see {@link slotOf} and {@link statusOf}
   * @throws {ConnectionError} when it breaks the protocol: then it stays, and what comes after it does not count either
   */
  take(): number;
  /** Whether there seems to be one, as {@link WaitSource.peek}. */
  peek(): boolean;
  /** Whether there is one, as {@link WaitSource.ready}. */
  ready(): boolean;
  /** Whether there may be one that was not taken: until there is none, the peer is not asked why none comes. */
  anyLeft(): boolean;
  /** Asks to be woken once `distance` more are there. */
  arm(distance: number): void;
  /** Takes that back. */
  disarm(): void;
  /** From now on responses come, of a driver that is connected. */
  begin(): void;
  /** From now on nobody else takes responses; those that were taken, and are still there, can be seen. */
  pause(): void;
  /** Forgets all responses, for a connection that begins anew. To be called while nobody else takes any. */
  reset(): void;
  /** The connection has ended for good. */
  end(): void;
}

// A response that was checked, as one number: slot, id and status. Constants of this module, as V8 folds those.
const STATUS_BITS = 2;
const STATUS_MASK = (1 << STATUS_BITS) - 1;
/** The largest ring has 512 entries, and as many ids. */
const ID_BITS = 9;
const ID_MASK = (1 << ID_BITS) - 1;

/** The slot that a response is for. */
export function slotOf(response: number): number {
  return response >> (STATUS_BITS + ID_BITS);
}

/** The id of the request that it answers. */
export function idOf(response: number): number {
  return (response >> STATUS_BITS) & ID_MASK;
}

/** Its status: 0, −1 or −2. */
export function statusOf(response: number): number {
  return 0 - (response & STATUS_MASK);
}

/**
 * Reads a response and holds it against what was asked. On the hot path.
 *
 * @param words the ring's frames
 * @param at the word at which the response begins
 * @returns what {@link slotOf}, {@link idOf} and {@link statusOf} read
 * @throws {ConnectionError} when nothing was asked that it could answer
 */
export function checkedResponse(words: Int32Array, at: number, shadow: ShadowTable): number {
  // Each word is fetched once: the peer may change it at any time.
  const id = words[at];
  const idHigh = words[at + 1];
  const outcome = words[at + 2];
  if (id < 0 || id >= shadow.idCount) throw brokenBackend(`answered the unknown id ${id >>> 0}`);
  const slot = shadow.slotOf(id);
  if (slot === NONE) throw brokenBackend(`answered id ${id}, not in flight`);
  if (idHigh !== shadow.sequence(id)) throw brokenBackend(`answered id ${id} of an earlier request`);
  const operation = responseOperation(outcome);
  if (operation !== shadow.operation(slot)) {
    throw brokenBackend(`answered id ${id} as operation ${operation}`);
  }
  const status = responseStatus(outcome);
  if (status > 0 || status < -2) throw brokenBackend(`answered id ${id} with the unknown status ${status}`);
  return (slot << (STATUS_BITS + ID_BITS)) | (id << STATUS_BITS) | -status;
}

/** The error for more responses than there are requests that they could answer. */
export function tooManyResponses(found: number, asked: number): ConnectionError {
  return brokenBackend(`answered ${found} requests where ${asked} were in flight`);
}
