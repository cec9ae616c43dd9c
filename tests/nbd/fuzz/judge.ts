/**
 * What a server may make of options and requests, be they what they may.
 *
 * @module
 */

import {
  BASE_ALLOCATION,
  Command,
  CommandFlag,
  NbdError,
  Option,
  PORTABLE_MAX_BYTES,
  type RequestHeader,
  TransmissionFlag,
} from "../protocol.ts";
import type { Target } from "./session.ts";

/** Whether something must be done, must be refused, or may be either. */
export type Verdict = "valid" | "invalid" | "either";

/** How a request is refused. */
export const REFUSALS: readonly number[] = [
  ...[NbdError.Perm, NbdError.Invalid, NbdError.NoSpace, NbdError.Overflow, NbdError.NotSupported],
];

/** Longer options may end the connection. Servers differ in how much longer. */
export const EVERY_SERVER_TAKES_BYTES = 8192;

/** What the handshake has come to so far. */
export interface HandshakeState {
  readonly structured: boolean;
}

/** What a transmission depends on. */
export interface TransmissionState {
  readonly target: Target;
  /** Transmission flags. */
  readonly flags: number;
  readonly structured: boolean;
  /** Whether BLOCK_STATUS can be used: metadata contexts were selected for this export. */
  readonly contexts: Verdict;
}

/** Judges an option with all of its data. EXPORT_NAME and ABORT are not judged here. */
export function judgeOption(option: number, data: Uint8Array, target: Target, state: HandshakeState): Verdict {
  switch (option) {
    case Option.List:
      // A server may keep its list to itself.
      return data.length === 0 ? "either" : "invalid";
    case Option.StructuredReply:
      return data.length > 0 ? "invalid" : state.structured ? "either" : "valid";
    case Option.Info:
    case Option.Go:
      return judgeInfo(data, target);
    case Option.ListMetaContext:
    case Option.SetMetaContext:
      if (!state.structured) return option === Option.SetMetaContext ? "invalid" : "either";
      return judgeContexts(data, target);
    default:
      return "invalid";
  }
}

/** Whether a name is the export's. Servers differ in how they see a name with a NUL, or one that is not a text. */
export function judgeName(name: Uint8Array, { exportName }: Target): Verdict {
  if (name.length === 0) return "valid";
  const text = new TextDecoder().decode(name);
  if (text === exportName) return "valid";
  return name.includes(0) || text.includes("\ufffd") || name.length > 255 ? "either" : "invalid";
}

/** The export's name in the data of an option that has one in front; null if it is not all there. */
export function nameIn(data: Uint8Array): Uint8Array | null {
  if (data.length < 4) return null;
  const length = new DataView(data.buffer, data.byteOffset).getUint32(0);
  return length <= data.length - 4 ? data.subarray(4, 4 + length) : null;
}

function judgeInfo(data: Uint8Array, target: Target): Verdict {
  const name = nameIn(data);
  if (name === null || data.length < name.length + 6) return "invalid";
  const view = new DataView(data.buffer, data.byteOffset);
  const count = view.getUint16(4 + name.length);
  if (data.length !== 6 + name.length + 2 * count) return "invalid";
  const items = Array.from({ length: count }, (_, index) => view.getUint16(6 + name.length + 2 * index));
  const verdict = judgeName(name, target);
  // An item must not be asked for twice, but not every server looks.
  return verdict === "valid" && new Set(items).size < items.length ? "either" : verdict;
}

function judgeContexts(data: Uint8Array, target: Target): Verdict {
  const name = nameIn(data);
  if (name === null || data.length < name.length + 8) return "invalid";
  const view = new DataView(data.buffer, data.byteOffset);
  let at = 4 + name.length;
  let left = view.getUint32(at);
  at += 4;
  let usual = judgeName(name, target) === "valid";
  for (; left > 0; left--) {
    if (data.length < at + 4) return "invalid";
    const length = view.getUint32(at);
    at += 4;
    if (data.length < at + length) return "invalid";
    const query = new TextDecoder().decode(data.subarray(at, at + length));
    at += length;
    usual &&= [BASE_ALLOCATION, "base:", "x-foreign:thing"].includes(query);
  }
  // Servers differ in what they make of strange names and queries, and of what follows them.
  return usual && at === data.length ? "valid" : "either";
}

/** Judges a request. */
export function judgeRequest(request: RequestHeader, state: TransmissionState): Verdict {
  const { Read, Write, Flush, Trim, Cache, WriteZeroes, BlockStatus } = Command;
  const { command, flags, offset, length } = request;
  const { target, flags: offered } = state;
  const has = (flag: number): boolean => (offered & flag) !== 0;
  if (command === Cache && has(TransmissionFlag.SendCache)) return "either";
  const known: readonly number[] = [Read, Write, Flush, Trim, WriteZeroes, BlockStatus];
  if (!known.includes(command)) return "invalid";
  if (flags & ~allowedFlags(command, offered)) return "invalid";
  if (command === Flush) return offset === 0n && length === 0 ? "valid" : "either";
  const changes = command === Write || command === Trim || command === WriteZeroes;
  if (changes && has(TransmissionFlag.ReadOnly)) return "invalid";
  if (command === BlockStatus && (length === 0 || state.contexts === "invalid")) return "invalid";
  if (offset + BigInt(length) > BigInt(target.sizeBytes)) return "invalid";
  if (offset % BigInt(target.sectorSize) !== 0n || length % target.sectorSize !== 0) return "invalid";
  if (length > PORTABLE_MAX_BYTES) return command === Read || command === Write ? "invalid" : "either";
  if (length === 0 || flags & CommandFlag.FastZero) return "either";
  return command === BlockStatus ? state.contexts : "valid";
}

function allowedFlags(command: number, offered: number): number {
  const { Fua, NoHole, Df, ReqOne, FastZero } = CommandFlag;
  const own: Readonly<Record<number, number>> = {
    [Command.Read]: offered & TransmissionFlag.SendDf ? Df : 0,
    [Command.WriteZeroes]: NoHole | (offered & TransmissionFlag.SendFastZero ? FastZero : 0),
    [Command.BlockStatus]: ReqOne,
  };
  return (own[command] ?? 0) | (offered & TransmissionFlag.SendFua ? Fua : 0);
}
