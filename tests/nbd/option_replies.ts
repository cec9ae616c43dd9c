/**
 * The strict reader of replies to options: their headers, and what each type carries.
 *
 * @module
 */

import {
  InfoType,
  isOptionError,
  MAX_STRING_BYTES,
  nameOf,
  Option,
  OPTION_REPLY_HEADER_BYTES,
  OPTION_REPLY_MAGIC,
  OptionReplyType,
} from "./protocol.ts";
import type { ReceiveBuffer } from "./receive_buffer.ts";
import { demandText } from "./replies.ts";
import { demand } from "./wire.ts";

/** What an INFO reply may carry at most: the longest string and the fields before it. */
const MAX_REPLY_BYTES = 2 * MAX_STRING_BYTES + 8;

/** Which replies, beside errors and the acknowledgement, an option may have. */
const CARRIED: Readonly<Record<number, number>> = {
  [Option.List]: OptionReplyType.Server,
  [Option.Info]: OptionReplyType.Info,
  [Option.Go]: OptionReplyType.Info,
  [Option.ListMetaContext]: OptionReplyType.MetaContext,
  [Option.SetMetaContext]: OptionReplyType.MetaContext,
};

/** Sizes in bytes. */
export interface BlockSize {
  readonly minimum: number;
  readonly preferred: number;
  readonly maximum: number;
}

/** What a server tells of an export. */
export interface Export {
  readonly sizeBytes: number;
  /** Transmission flags. */
  readonly flags: number;
  readonly blockSize?: BlockSize;
  readonly name?: string;
  readonly description?: string;
}

/** A reply to an option. */
export interface OptionReply {
  readonly type: number;
  /** An error's message, or an export's name. */
  readonly text?: string;
  readonly context?: { readonly id: number; readonly name: string };
  /** Which item of information it is, and what it says. */
  readonly item?: number;
  readonly info?: Partial<Export>;
}

/** Takes one reply to an option, or nothing if more bytes must come first. Throws at anything malformed. */
export function takeOptionReply(received: ReceiveBuffer, option: number): OptionReply | null {
  if (received.length < OPTION_REPLY_HEADER_BYTES) return null;
  demand(
    received.u64(0) === OPTION_REPLY_MAGIC,
    () => `an option's reply begins with 0x${received.u64(0).toString(16)}`,
  );
  const [answered, type, length] = [received.u32(8), received.u32(12), received.u32(16)];
  const what = `a reply ${nameOf(OptionReplyType, type)} of ${length} bytes to ${nameOf(Option, option)}`;
  demand(answered === option, `${what} says that it answers ${nameOf(Option, answered)}`);
  demand(length <= MAX_REPLY_BYTES, what);
  demand(isOptionError(type) || type === OptionReplyType.Ack || type === CARRIED[option], what);
  if (received.length < OPTION_REPLY_HEADER_BYTES + length) return null;
  received.skip(OPTION_REPLY_HEADER_BYTES);
  const data = received.take(length);
  if (isOptionError(type)) {
    demand(length <= MAX_STRING_BYTES, what);
    return { type, text: demandText(data, what) };
  }
  if (type === OptionReplyType.Ack) {
    demand(length === 0, what);
    return { type };
  }
  const view = new DataView(data.buffer);
  if (type === OptionReplyType.Info) return infoReply(view, data, what);
  demand(length >= 4, what);
  if (type === OptionReplyType.MetaContext) {
    return { type, context: { id: view.getUint32(0), name: demandText(data.subarray(4), what) } };
  }
  const nameBytes = view.getUint32(0);
  demand(nameBytes <= length - 4, what);
  demandText(data.subarray(4 + nameBytes), what);
  return { type, text: demandText(data.subarray(4, 4 + nameBytes), what) };
}

function infoReply(view: DataView, data: Uint8Array, what: string): OptionReply {
  const type = OptionReplyType.Info;
  demand(data.length >= 2, what);
  const item = view.getUint16(0);
  switch (item) {
    case InfoType.Export:
      demand(data.length === 12, what);
      return { type, item, info: { sizeBytes: Number(view.getBigUint64(2)), flags: view.getUint16(10) } };
    case InfoType.Name:
      return { type, item, info: { name: demandText(data.subarray(2), what) } };
    case InfoType.Description:
      return { type, item, info: { description: demandText(data.subarray(2), what) } };
    case InfoType.BlockSize: {
      demand(data.length === 14, what);
      const [minimum, preferred, maximum] = [view.getUint32(2), view.getUint32(6), view.getUint32(10)];
      return { type, item, info: { blockSize: { minimum, preferred, maximum } } };
    }
    default:
      return { type, item };
  }
}

/** What replies to INFO or GO say together. The export's size and flags must be among it, once. */
export function exportOf(replies: readonly OptionReply[]): Export {
  const items = replies.map(({ item }) => item);
  for (const item of new Set(items)) {
    demand(items.indexOf(item) === items.lastIndexOf(item), `the item of information ${item} comes twice`);
  }
  const all: Partial<Export> = Object.assign({}, ...replies.map(({ info }) => info));
  demand(all.sizeBytes !== undefined && all.flags !== undefined, "there is no information on the export");
  return { ...all, sizeBytes: all.sizeBytes, flags: all.flags };
}
