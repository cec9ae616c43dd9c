/**
 * The heads of replies, as bytes. Each function writes one at `at` and returns its length.
 *
 * @module
 */

import {
  Chunk,
  CHUNK_BYTES,
  CHUNK_DONE,
  SIMPLE_REPLY_BYTES,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_MAGIC,
} from "../../nbd/protocol.ts";
import { BASE_ALLOCATION_ID } from "./handshake.ts";
import type { NbdRequest } from "./request.ts";

/** An error, and the length of a message of which there is none. */
const ERROR_BYTES = 6;
const OFFSET_BYTES = 8;
/** The context, and the length and the flags of one extent. */
const ONE_EXTENT_BYTES = 12;

/** A simple reply, with the request's error; data follows that of a read without one. On the hot path. */
export function writeSimpleReply(view: DataView, at: number, { error, cookieHigh, cookieLow }: NbdRequest): number {
  view.setUint32(at, SIMPLE_REPLY_MAGIC);
  view.setUint32(at + 4, error);
  view.setInt32(at + 8, cookieHigh);
  view.setInt32(at + 12, cookieLow);
  return SIMPLE_REPLY_BYTES;
}

/** A chunk with data, which follows. On the hot path. */
export function writeDataChunk(
  view: DataView,
  at: number,
  request: NbdRequest,
  offset: number,
  byteLength: number,
  isLast: boolean,
): number {
  writeChunk(view, at, request, Chunk.OffsetData, OFFSET_BYTES + byteLength, isLast);
  writeOffset(view, at + CHUNK_BYTES, offset);
  return CHUNK_BYTES + OFFSET_BYTES;
}

/** A chunk that says that the data from `offset` on cannot be read. */
export function writeErrorOffsetChunk(
  view: DataView,
  at: number,
  request: NbdRequest,
  error: number,
  offset: number,
  isLast: boolean,
): number {
  writeChunk(view, at, request, Chunk.ErrorOffset, ERROR_BYTES + OFFSET_BYTES, isLast);
  writeError(view, at + CHUNK_BYTES, error);
  writeOffset(view, at + CHUNK_BYTES + ERROR_BYTES, offset);
  return CHUNK_BYTES + ERROR_BYTES + OFFSET_BYTES;
}

/** The one chunk of a request that failed altogether. */
export function writeErrorChunk(view: DataView, at: number, request: NbdRequest): number {
  writeChunk(view, at, request, Chunk.Error, ERROR_BYTES, true);
  writeError(view, at + CHUNK_BYTES, request.error);
  return CHUNK_BYTES + ERROR_BYTES;
}

/** The one chunk of a request that has nothing to say. */
export function writeEmptyChunk(view: DataView, at: number, request: NbdRequest): number {
  writeChunk(view, at, request, Chunk.None, 0, true);
  return CHUNK_BYTES;
}

/** The block status of a request's bytes: all of them allocated, as far as anybody here knows, in one extent. */
export function writeBlockStatus(view: DataView, at: number, request: NbdRequest): number {
  writeChunk(view, at, request, Chunk.BlockStatus, ONE_EXTENT_BYTES, true);
  view.setUint32(at + CHUNK_BYTES, BASE_ALLOCATION_ID);
  view.setUint32(at + CHUNK_BYTES + 4, request.length);
  view.setUint32(at + CHUNK_BYTES + 8, 0);
  return CHUNK_BYTES + ONE_EXTENT_BYTES;
}

function writeChunk(
  view: DataView,
  at: number,
  { cookieHigh, cookieLow }: NbdRequest,
  type: number,
  payloadBytes: number,
  isLast: boolean,
): void {
  view.setUint32(at, STRUCTURED_REPLY_MAGIC);
  view.setUint16(at + 4, isLast ? CHUNK_DONE : 0);
  view.setUint16(at + 6, type);
  view.setInt32(at + 8, cookieHigh);
  view.setInt32(at + 12, cookieLow);
  view.setUint32(at + 16, payloadBytes);
}

function writeError(view: DataView, at: number, error: number): void {
  view.setUint32(at, error);
  view.setUint16(at + 4, 0);
}

function writeOffset(view: DataView, at: number, offset: number): void {
  view.setUint32(at, offset / 2 ** 32);
  view.setUint32(at + 4, offset);
}
