/**
 * What a well-behaved client sends, chosen at random: the clay of the fuzzer.
 *
 * @module
 */

import {
  BASE_ALLOCATION,
  Command,
  CommandFlag,
  concat,
  encodeContextData,
  encodeInfoData,
  encodeOption,
  encodeRequest,
  HandshakeFlag,
  InfoType,
  Option,
  u32,
  utf8,
} from "../protocol.ts";
import type { NbdServerUnderTest } from "../server.ts";
import type { Random } from "../../helpers/random.ts";

/** One thing that a client sends. */
export interface Message {
  readonly kind: "flags" | "option" | "request";
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The server's export, as far as a session depends on it. */
export type Target = Pick<NbdServerUnderTest, "exportName" | "sizeBytes" | "sectorSize">;

const MAX_REQUESTS = 16;
/** Most requests meet in the first so many blocks. */
const HOT_BLOCKS = 256;

/** What a client has agreed on, if the server did. */
interface Agreed {
  readonly options: readonly Uint8Array<ArrayBuffer>[];
  readonly structured: boolean;
  readonly contexts: boolean;
}

/** All that a client sends in one session, in the order in which it does. */
export function validSession(random: Random, target: Target): Message[] {
  const { FixedNewstyle, NoZeroes } = HandshakeFlag;
  const flags = random.chance(0.9) ? FixedNewstyle | NoZeroes : FixedNewstyle;
  const agreed = handshake(random, target.exportName);
  const messages: Message[] = [{ kind: "flags", bytes: u32(flags) }];
  for (const bytes of agreed.options) messages.push({ kind: "option", bytes });
  let cookie = BigInt(random.u32()) << BigInt(random.pick([0, 8, 32]));
  for (let left = random.between(1, MAX_REQUESTS); left > 0; left--) {
    messages.push({ kind: "request", bytes: request(random, target, agreed, cookie++) });
  }
  if (random.chance(0.5)) {
    const goodbye = { command: Command.Disconnect, flags: 0, cookie, offset: 0n, length: 0 };
    messages.push({ kind: "request", bytes: encodeRequest(goodbye) });
  }
  return messages;
}

function handshake(random: Random, exportName: string): Agreed {
  const name = random.chance(0.7) ? exportName : "";
  const others = random.chance(0.6) ? 0 : random.between(1, 4);
  const options = Array.from({ length: others }, () => otherOption(random, exportName));
  const structured = random.chance(0.7);
  const contexts = structured && random.chance(0.7);
  if (structured) options.push(encodeOption(Option.StructuredReply));
  if (contexts) {
    const queries = random.pick([[BASE_ALLOCATION], [BASE_ALLOCATION], [BASE_ALLOCATION, "x-foreign:thing"], [
      "base:",
    ]]);
    options.push(encodeOption(Option.SetMetaContext, encodeContextData(name, queries)));
  }
  const entry = random.below(100);
  if (entry < 2) options.push(encodeOption(Option.Abort));
  else if (entry < 15) options.push(encodeOption(Option.ExportName, utf8(name)));
  else {options.push(
      encodeOption(Option.Go, encodeInfoData(name, random.pick([[], [InfoType.BlockSize], [0, 1, 2, 3]]))),
    );}
  return { options, structured, contexts };
}

function otherOption(random: Random, name: string): Uint8Array<ArrayBuffer> {
  switch (random.below(7)) {
    case 0:
      return encodeOption(Option.List);
    case 1:
      return encodeOption(Option.Info, encodeInfoData(name, [random.below(5)]));
    case 2:
      return encodeOption(random.pick([Option.Info, Option.Go]), encodeInfoData("no such export"));
    case 3:
      return encodeOption(Option.StartTls);
    case 4:
      return encodeOption(Option.ListMetaContext, encodeContextData(name, random.pick([[], ["base:"]])));
    case 5:
      return encodeOption(Option.StructuredReply);
    default:
      return encodeOption(random.u32(), random.bytes(random.below(100)));
  }
}

function request(random: Random, target: Target, agreed: Agreed, cookie: bigint): Uint8Array<ArrayBuffer> {
  const { Read, Write, Flush, Trim, WriteZeroes, BlockStatus } = Command;
  const { sizeBytes, sectorSize } = target;
  const last = agreed.contexts ? BlockStatus : Read;
  const command = random.pick([Read, Read, Read, Write, Write, Write, Write, Flush, Trim, WriteZeroes, last]);
  if (command === Flush) return encodeRequest({ command, flags: 0, cookie, offset: 0n, length: 0 });
  const block = Math.max(sectorSize, 512);
  const blocks = random.chance(0.8) ? Math.min(HOT_BLOCKS, sizeBytes / block) : sizeBytes / block;
  const first = random.below(blocks);
  const length = Math.min(blocks - first, random.chance(0.9) ? random.between(1, 16) : random.between(1, 256)) * block;
  const header = encodeRequest({
    command,
    flags: flagsFor(random, command, agreed),
    cookie,
    offset: BigInt(first * block),
    length,
  });
  return command === Write ? concat(header, payload(random, length, sizeBytes)) : header;
}

function flagsFor(random: Random, command: number, { structured }: Agreed): number {
  const { Fua, NoHole, Df, ReqOne } = CommandFlag;
  if (random.chance(0.7)) return 0;
  if (command === Command.Read) return structured ? Df : 0;
  if (command === Command.BlockStatus) return ReqOne;
  return command === Command.WriteZeroes ? random.pick([Fua, NoHole, Fua | NoHole]) : Fua;
}

/** What is written. Some of it looks like requests, for a server that loses its place in the stream. */
function payload(random: Random, length: number, sizeBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = random.bytes(length);
  if (random.chance(0.2)) {
    const offset = BigInt(random.below(sizeBytes / 4096) * 4096);
    const trap = encodeRequest({ command: Command.WriteZeroes, flags: 0, cookie: 1n, offset, length: 4096 });
    for (let at = random.pick([0, 28, 100]); at + trap.length <= length; at += trap.length) bytes.set(trap, at);
  }
  return bytes;
}
