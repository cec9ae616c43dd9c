/**
 * A scripted NBD server of a disk in memory, which answers in all the ways that the protocol allows.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Chunk, NbdCommand } from "../../plugins/nbd/protocol.ts";
import { fillPattern } from "./devices.ts";
import {
  chunk,
  dataChunk,
  type ExportModel,
  holeChunk,
  nextRequest,
  type ReceivedRequest,
  type Script,
  shakeHands,
  simpleReply,
} from "./nbd_script.ts";

/**
 * A server of a disk in memory.
 *
 * @param random decides how each is answered
 * @param log gets every request but the last, which disconnects
 */
export function diskScript(
  disk: Uint8Array,
  model: Partial<ExportModel>,
  random: () => number = inOnePiece,
  log: ReceivedRequest[] = [],
): Script {
  const structured = model.structured ?? true;
  return function* (connection) {
    yield* shakeHands(connection, { sizeBytes: disk.length, ...model });
    for (;;) {
      const request = yield* nextRequest();
      if (request.type === NbdCommand.Disconnect) return connection.close();
      log.push(request);
      const { type, offset, length, data, cookie } = request;
      assert(offset + length <= disk.length);
      if (type === NbdCommand.Write) disk.set(data, offset);
      if (type === NbdCommand.Trim || type === NbdCommand.WriteZeroes) disk.fill(0, offset, offset + length);
      if (type !== NbdCommand.Read) {
        const empty = chunk(cookie, Chunk.None, new Uint8Array());
        connection.send(structured && random() < 0.5 ? empty : simpleReply(cookie));
      } else if (!structured) {
        connection.send(simpleReply(cookie, 0, disk.slice(offset, offset + length)));
      } else {
        readReply(disk, request, random).forEach((bytes) => connection.send(bytes));
      }
    }
  };
}

/** A read's reply in chunks of odd lengths in any order, holes where the disk is zero, and maybe an empty one at the end. */
function readReply(disk: Uint8Array, { cookie, offset, length }: ReceivedRequest, random: () => number): Uint8Array[] {
  const pieces: { from: number; to: number }[] = [];
  for (let from = offset; from < offset + length;) {
    const to = Math.min(offset + length, from + 1 + Math.floor(random() * length));
    pieces.push({ from, to });
    from = to;
  }
  if (random() < 0.5) pieces.reverse();
  const emptyLast = random() < 0.3;
  const chunks = pieces.map(({ from, to }, index) => {
    const flags = index === pieces.length - 1 && !emptyLast ? 1 : 0;
    const data = disk.slice(from, to);
    return data.every((byte) => byte === 0)
      ? holeChunk(cookie, from, to - from, flags)
      : dataChunk(cookie, from, data, flags);
  });
  return emptyLast ? [...chunks, chunk(cookie, Chunk.None, new Uint8Array())] : chunks;
}

/** In place of random numbers: every read is answered in one piece, all else simply. */
export function inOnePiece(): number {
  return 1 - Number.EPSILON;
}

/** Numbers from 0 to 1 that a seed decides. */
export function randomFrom(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** A disk with a pattern all over it, but for holes. */
export function patterned(seed: number, sizeBytes = 256 * 1024): Uint8Array {
  const disk = new Uint8Array(sizeBytes);
  fillPattern(disk, seed);
  for (let start = 700; start < sizeBytes; start += 4096) disk.fill(0, start, start + 1500);
  return disk;
}
