/**
 * Which bytes the operations of a session may have left where: the fuzzer's oracle.
 *
 * Operations may overlap and be done in any order, unless one was answered before another was sent. So each byte has
 * candidates: what it was, and what each operation makes of it, without those that a later one has certainly replaced.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { AllocationFlag, Command, NbdError, type RequestHeader } from "../protocol.ts";
import { describeRequest, type Extent } from "../replies.ts";
import { demand } from "../wire.ts";
import type { Verdict } from "./judge.ts";

/** A request as the server has seen it, and what came of it. */
export interface Operation {
  readonly request: RequestHeader;
  readonly verdict: Verdict;
  /** When the server could begin with it, on the session's clock. */
  readonly sentTick: number;
  /** What a WRITE brought; less than its length if the client never sent the rest. */
  payload: Uint8Array;
  /** Whether all of it was sent. */
  complete: boolean;
  /** When its reply came; infinite if none did. */
  replyTick: number;
  /** The reply's error; null if none came. */
  error: number | null;
  /** What a READ has read. */
  data: Uint8Array;
  /** What a BLOCK_STATUS has told. */
  extents: readonly Extent[];
}

/** A change of some bytes, by an operation that may have been done, or certainly was. */
interface Change {
  readonly start: number;
  readonly end: number;
  /** What is written; absent for zeroes. */
  readonly data?: Uint8Array;
  /** Whether none of the bytes can be as before. */
  readonly certain: boolean;
  readonly sentTick: number;
  readonly replyTick: number;
}

/** What an operation may have changed, or nothing. */
function changeOf({ request, verdict, sentTick, replyTick, payload, complete, error }: Operation): Change | null {
  const refused = error !== null && error !== NbdError.None && error !== NbdError.Shutdown;
  if (verdict === "invalid" || refused || request.length === 0) return null;
  const start = Number(request.offset);
  const end = start + request.length;
  const certain = complete && error === NbdError.None;
  const timing = { sentTick, replyTick };
  switch (request.command) {
    case Command.Write:
      return payload.length === 0 ? null : { start, end: start + payload.length, data: payload, certain, ...timing };
    case Command.WriteZeroes:
      return { start, end, certain, ...timing };
    case Command.Trim:
      return { start, end, certain: false, ...timing };
    default:
      return null;
  }
}

/** The ranges that a session may have changed: sorted, and none touching another. */
export function changedRanges(operations: readonly Operation[]): (readonly [start: number, end: number])[] {
  const changes = operations.map(changeOf).filter((change) => change !== null);
  const ranges: [number, number][] = [];
  for (const { start, end } of changes.sort((one, other) => one.start - other.start)) {
    const last = ranges[ranges.length - 1];
    if (last !== undefined && start <= last[1]) last[1] = Math.max(last[1], end);
    else ranges.push([start, end]);
  }
  return ranges;
}

/**
 * Demands that what was read in a session, or called zero, is what can have been there.
 *
 * @param disk the export before the session
 */
export function checkReads(disk: Uint8Array, operations: readonly Operation[]): void {
  const changes = operations.map(changeOf).filter((change) => change !== null);
  for (const { request, data, extents, sentTick, replyTick } of operations) {
    // What was sent after the answer cannot be in it.
    const seen = changes.filter((change) => change.sentTick <= replyTick);
    let at = Number(request.offset);
    if (data.length > 0) check(disk, seen, data, at, sentTick, () => describeRequest(request));
    for (const { length, flags } of extents) {
      const zeroes = new Uint8Array(flags & AllocationFlag.Zero ? length : 0);
      check(disk, seen, zeroes, at, sentTick, () => describeRequest(request));
      at += length;
    }
  }
}

/**
 * Demands that a range of the export is what a session can have made of it.
 *
 * @param disk the export before the session
 * @param found the range as it is now
 */
export function checkRange(disk: Uint8Array, operations: readonly Operation[], found: Uint8Array, start: number): void {
  const changes = operations.map(changeOf).filter((change) => change !== null);
  check(disk, changes, found, start, Infinity, () => "the export after the session");
}

function check(
  disk: Uint8Array,
  changes: readonly Change[],
  found: Uint8Array,
  start: number,
  readTick: number,
  what: () => string,
): void {
  const end = start + found.length;
  const near = changes.filter((change) => change.start < end && start < change.end);
  const edges = near.flatMap((change) => [Math.max(start, change.start), Math.min(end, change.end)]);
  const points = [...new Set([start, end, ...edges])].sort((one, other) => one - other);
  for (let index = 0; index + 1 < points.length; index++) {
    const [from, to] = [points[index], points[index + 1]];
    const here = near.filter((change) => change.start <= from && to <= change.end);
    const bytes = found.subarray(from - start, to - start);
    const candidates = candidatesOf(disk, here, from, to, readTick);
    if (candidates.some((candidate) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).equals(candidate))) {
      continue;
    }
    for (const [at, byte] of bytes.entries()) {
      demand(candidates.some((candidate) => candidate[at] === byte), () => {
        const allowed = [...new Set(candidates.map((candidate) => candidate[at]))].join(" or ");
        return `${what()}: byte ${from + at} is ${byte}, expected ${allowed}`;
      });
    }
  }
}

/** All that bytes can be which the same changes cover. */
function candidatesOf(
  disk: Uint8Array,
  here: readonly Change[],
  from: number,
  to: number,
  readTick: number,
): Uint8Array[] {
  // A change that was certain before the reading began replaces all that was answered before it was sent.
  const certain = here.filter((change) => change.certain && change.replyTick < readTick);
  const left = here.filter((change) => !certain.some((later) => change.replyTick < later.sentTick));
  const candidates = left.map(({ data, start }) =>
    data?.subarray(from - start, to - start) ?? new Uint8Array(to - from)
  );
  if (certain.length === 0) candidates.push(disk.subarray(from, to));
  return candidates;
}
