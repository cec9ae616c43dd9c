/**
 * The replies of the model server.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import {
  AllocationFlag,
  ChunkFlag,
  ChunkType,
  Command,
  CommandFlag,
  concat,
  NbdError,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_MAGIC,
  u16,
  u32,
  u64,
  utf8,
} from "../protocol.ts";
import type { ModelConnection } from "./connection.ts";
import type { ModelRequest } from "./transmission.ts";

const { Read, Flush, BlockStatus } = Command;
/** Content and extents are told in pieces that are all zero, or not. */
const PIECE_BYTES = 4096;
const ZEROES = Buffer.alloc(PIECE_BYTES);

/** Answers a request. */
export async function sendReply(
  connection: ModelConnection,
  disk: Uint8Array,
  request: ModelRequest,
  error: number,
): Promise<void> {
  if (request.command === Flush && connection.has("never answers a FLUSH")) return;
  const cookie = connection.has("answers with another cookie") ? request.cookie ^ 1n : request.cookie;
  const answer = replyOf(connection, disk, { ...request, cookie }, error);
  await connection.send(answer);
  if (connection.has("answers twice")) await connection.send(answer);
}

function replyOf(connection: ModelConnection, disk: Uint8Array, request: ModelRequest, error: number): Uint8Array {
  const { command, offset, length, cookie, flags } = request;
  const isStructured = connection.structured && !connection.has("answers a structured READ by a simple reply");
  const content = disk.subarray(Number(offset), Number(offset) + length);
  if (!isStructured) {
    const data = command === Read && error === NbdError.None ? content : new Uint8Array();
    return concat(u32(SIMPLE_REPLY_MAGIC), u32(error), u64(cookie), data);
  }
  const done = connection.has("forgets the last chunk's flag") ? 0 : ChunkFlag.Done;
  const chunk = (type: number, ends: boolean, ...payload: readonly Uint8Array[]): Uint8Array => {
    const all = concat(...payload);
    const header = [u32(STRUCTURED_REPLY_MAGIC), u16(ends ? done : 0), u16(type), u64(cookie), u32(all.length)];
    return concat(...header, all);
  };
  if (error !== NbdError.None) return chunk(ChunkType.Error, true, u32(error), u16(7), utf8("refused"));
  if (command === BlockStatus) {
    const one = (flags & CommandFlag.ReqOne) !== 0 && !connection.has("tells two extents where one was asked for");
    const found = extents(content, connection.has("calls everything zero"));
    const told = found.slice(0, one ? 1 : found.length).flatMap(([bytes, state]) => [u32(bytes), u32(state)]);
    return chunk(ChunkType.BlockStatus, true, u32(1), ...told);
  }
  if (command !== Read) return chunk(ChunkType.None, true);
  const inOne = flags & CommandFlag.Df && !connection.has("fragments in spite of DF");
  if (inOne && length > 0) return chunk(ChunkType.OffsetData, true, u64(offset), content);
  let at = offset;
  const pieces = extents(content, false).map(([bytes, state]) => {
    const start = Number(at - offset);
    at += BigInt(bytes);
    if (state !== 0) return chunk(ChunkType.OffsetHole, false, u64(at - BigInt(bytes)), u32(bytes));
    return chunk(ChunkType.OffsetData, false, u64(at - BigInt(bytes)), content.subarray(start, start + bytes));
  });
  if (connection.has("sends a chunk twice")) pieces.push(...pieces.slice(-1));
  if (connection.has("leaves out a chunk")) pieces.pop();
  // The client puts the pieces in their places.
  return concat(...pieces.reverse(), chunk(ChunkType.None, true));
}

/** A range in pieces that are zero, or not: their lengths and states. */
function extents(content: Uint8Array, allZero: boolean): [bytes: number, state: number][] {
  const found: [number, number][] = [];
  const { Hole, Zero } = AllocationFlag;
  for (let at = 0; at < content.length; at += PIECE_BYTES) {
    const piece = content.subarray(at, at + PIECE_BYTES);
    const isZero = allZero || ZEROES.subarray(0, piece.length).equals(piece);
    const state = isZero ? Hole | Zero : 0;
    const last = found[found.length - 1];
    if (last !== undefined && last[1] === state) last[0] += piece.length;
    else found.push([piece.length, state]);
  }
  return found;
}
