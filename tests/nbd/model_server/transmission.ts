/**
 * The transmission of the model server: requests are taken, judged and done.
 *
 * @module
 */

import { Random } from "../../helpers/random.ts";
import { Command, CommandFlag, NbdError, PORTABLE_MAX_BYTES, REQUEST_BYTES, REQUEST_MAGIC } from "../protocol.ts";
import type { ModelConnection } from "./connection.ts";
import { sendReply } from "./replying.ts";

const { Read, Write, Disconnect, Flush, Trim, WriteZeroes, BlockStatus } = Command;
const { None, Perm, Invalid, NoSpace } = NbdError;
/** So many requests that have come together are done in any order. */
const MAX_BATCH = 16;

/** A request with its payload. */
export interface ModelRequest {
  readonly flags: number;
  readonly command: number;
  readonly cookie: bigint;
  readonly offset: bigint;
  readonly length: number;
  readonly payload: Uint8Array;
}

/** Serves requests until the client leaves, or must. */
export async function transmit(connection: ModelConnection): Promise<void> {
  const shared = connection.export.disk;
  const disk = connection.has("keeps writes from other connections") ? shared.slice() : shared;
  const random = new Random(disk.length, 0);
  for (let isOver = false; !isOver;) {
    const batch: ModelRequest[] = [];
    do {
      const request = await nextRequest(connection, disk);
      if (request === null || request.command === Disconnect && !connection.has("stays after DISC")) isOver = true;
      else batch.push(request);
    } while (!isOver && batch.length < MAX_BATCH && hasAnother(connection));
    while (batch.length > 0) {
      const [request] = batch.splice(random.below(batch.length), 1);
      const error = judge(connection, request);
      if (error === None || connection.has("writes what it refuses")) perform(connection, disk, request);
      await sendReply(connection, disk, request, error);
      if (error !== None && connection.has("ends the connection at an error")) return;
    }
  }
  if (disk !== shared) shared.set(disk);
}

/** Whether the next request has come as a whole: none may wait for the rest of another. */
function hasAnother({ received }: ModelConnection): boolean {
  if (received.length < REQUEST_BYTES) return false;
  const payloadBytes = received.u16(6) === Write ? received.u32(24) : 0;
  return received.length >= REQUEST_BYTES + payloadBytes;
}

/** The next request with all of its payload; null if there is none, or nothing that is one. */
async function nextRequest(connection: ModelConnection, disk: Uint8Array): Promise<ModelRequest | null> {
  const { received } = connection;
  if (!await connection.needs(REQUEST_BYTES)) return null;
  const stays = connection.has("stays when a request begins with something else");
  if (received.u32(0) !== REQUEST_MAGIC && !stays) return null;
  const [flags, command, length] = [received.u16(4), received.u16(6), received.u32(24)];
  const [cookie, offset] = [received.u64(8), received.u64(16)];
  received.skip(REQUEST_BYTES);
  const request = { flags, command, cookie, offset, length, payload: new Uint8Array() };
  if (command !== Write) return request;
  if (length > PORTABLE_MAX_BYTES) return null;
  const refused = judge(connection, request) !== None;
  if (refused && connection.has("does not skip the payload of a WRITE that it refuses")) return request;
  if (await connection.needs(length)) return { ...request, payload: received.take(length) };
  if (!refused && connection.has("writes half a payload elsewhere when the rest does not come")) {
    disk.set(received.take(Math.min(received.length, 512)), 0);
  }
  return null;
}

/** The error of a request, if it is refused. */
function judge(connection: ModelConnection, { command, flags, offset, length }: ModelRequest): number {
  const { disk, sectorSize, readOnly } = connection.export;
  const changes = command === Write || command === Trim || command === WriteZeroes;
  if (![Read, Write, Flush, Trim, WriteZeroes, BlockStatus].some((known) => known === command)) return Invalid;
  const takesFlags = connection.has("takes flags of requests that it does not know");
  if (flags & ~allowedFlags(connection, command) && !takesFlags) return Invalid;
  if (command === Flush) return offset === 0n && length === 0 ? None : Invalid;
  if (changes && readOnly && !connection.has("writes to a read-only export")) return Perm;
  const takesParts = connection.has("takes what is not of whole blocks");
  if ((offset % BigInt(sectorSize) !== 0n || length % sectorSize !== 0) && !takesParts) return Invalid;
  const end = offset + BigInt(length);
  const wraps = connection.has("looks at 64 bits of a request's end only");
  if ((wraps ? BigInt.asUintN(64, end) : end) > BigInt(disk.length)) return changes ? NoSpace : Invalid;
  if (length > PORTABLE_MAX_BYTES) return Invalid;
  if (command !== BlockStatus) return None;
  if (!connection.structured || !connection.selected) return Invalid;
  return length === 0 && !connection.has("takes a BLOCK_STATUS of nothing") ? Invalid : None;
}

function allowedFlags({ structured }: ModelConnection, command: number): number {
  const { Fua, NoHole, Df, ReqOne } = CommandFlag;
  if (command === Read) return Fua | (structured ? Df : 0);
  if (command === WriteZeroes) return Fua | NoHole;
  return command === BlockStatus ? Fua | ReqOne : Fua;
}

/** Changes the disk, if the request says so. */
function perform(
  connection: ModelConnection,
  disk: Uint8Array,
  { command, offset, length, payload }: ModelRequest,
): void {
  const start = Number(offset);
  if (start + length > disk.length) return;
  if (command === Write) {
    const at = connection.has("writes one block too far on") ? start + 512 : start;
    if (at + payload.length <= disk.length) disk.set(payload, at);
  } else if (command === WriteZeroes) {
    disk.fill(0, start, start + length - (connection.has("zeroes one byte too few") ? 1 : 0));
  } else if (command === Trim) {
    disk.fill(0, start, start + length + (connection.has("trims one block too many") ? 512 : 0));
  }
}
