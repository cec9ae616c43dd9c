/**
 * The NBD protocol's numbers and the messages of its client (NetworkBlockDevice/nbd, doc/proto.md). Written apart from
 * the server's own, so that both cannot be wrong in the same way.
 *
 * @module
 */

/** First of the greeting: "NBDMAGIC". */
export const GREETING_MAGIC = 0x4e42444d41474943n;
/** Second of the greeting, and first of every option: "IHAVEOPT". */
export const OPTION_MAGIC = 0x49484156454f5054n;
export const OPTION_REPLY_MAGIC = 0x0003e889045565a9n;
export const REQUEST_MAGIC = 0x25609513;
export const SIMPLE_REPLY_MAGIC = 0x67446698;
export const STRUCTURED_REPLY_MAGIC = 0x668e33ef;

export const GREETING_BYTES = 18;
export const OPTION_HEADER_BYTES = 16;
export const OPTION_REPLY_HEADER_BYTES = 20;
export const REQUEST_BYTES = 28;
/** What follows size and flags after EXPORT_NAME, unless the client asked for no zeroes. */
export const RESERVED_ZEROES = 124;
/** No string of the protocol is longer. */
export const MAX_STRING_BYTES = 4096;
/** The longest read or write that every server should take. */
export const PORTABLE_MAX_BYTES = 32 << 20;

/** Of the server's greeting, and of the client's answer to it, where both have the same meaning. */
export const HandshakeFlag = { FixedNewstyle: 1, NoZeroes: 2 } as const;

export const TransmissionFlag = {
  HasFlags: 1 << 0,
  ReadOnly: 1 << 1,
  SendFlush: 1 << 2,
  SendFua: 1 << 3,
  Rotational: 1 << 4,
  SendTrim: 1 << 5,
  SendWriteZeroes: 1 << 6,
  SendDf: 1 << 7,
  CanMultiConn: 1 << 8,
  SendResize: 1 << 9,
  SendCache: 1 << 10,
  SendFastZero: 1 << 11,
} as const;

export const Option = {
  ExportName: 1,
  Abort: 2,
  List: 3,
  StartTls: 5,
  Info: 6,
  Go: 7,
  StructuredReply: 8,
  ListMetaContext: 9,
  SetMetaContext: 10,
} as const;

/** Types of a reply to an option. Those with bit 31 are errors. */
export const OptionReplyType = {
  Ack: 1,
  Server: 2,
  Info: 3,
  MetaContext: 4,
  ErrUnsup: 0x80000001,
  ErrPolicy: 0x80000002,
  ErrInvalid: 0x80000003,
  ErrPlatform: 0x80000004,
  ErrTlsRequired: 0x80000005,
  ErrUnknown: 0x80000006,
  ErrShutdown: 0x80000007,
  ErrBlockSizeRequired: 0x80000008,
  ErrTooBig: 0x80000009,
} as const;

export const InfoType = { Export: 0, Name: 1, Description: 2, BlockSize: 3 } as const;

export const Command = {
  Read: 0,
  Write: 1,
  Disconnect: 2,
  Flush: 3,
  Trim: 4,
  Cache: 5,
  WriteZeroes: 6,
  BlockStatus: 7,
} as const;

export const CommandFlag = { Fua: 1, NoHole: 2, Df: 4, ReqOne: 8, FastZero: 16 } as const;

export const ChunkFlag = { Done: 1 } as const;

export const ChunkType = {
  None: 0,
  OffsetData: 1,
  OffsetHole: 2,
  BlockStatus: 5,
  Error: 0x8001,
  ErrorOffset: 0x8002,
} as const;

/** Errors of a reply, and zero for none. */
export const NbdError = {
  None: 0,
  Perm: 1,
  Io: 5,
  NoMemory: 12,
  Invalid: 22,
  NoSpace: 28,
  Overflow: 75,
  NotSupported: 95,
  Shutdown: 108,
} as const;

/** Flags of an extent in the context `base:allocation`. */
export const AllocationFlag = { Hole: 1, Zero: 2 } as const;

/** The only context that the protocol itself defines. */
export const BASE_ALLOCATION = "base:allocation";

/** How a value of one of the tables is called, for messages. */
export function nameOf(table: Readonly<Record<string, number>>, value: number): string {
  return Object.entries(table).find(([, known]) => known === value)?.[0] ?? `0x${value.toString(16)}`;
}

/** Whether a reply to an option is an error. */
export function isOptionError(type: number): boolean {
  return type >= 0x80000000;
}

/** A request's header, as sent: any field may be anything that fits. */
export interface RequestHeader {
  readonly flags: number;
  readonly command: number;
  readonly cookie: bigint;
  readonly offset: bigint;
  readonly length: number;
}

/** An export's name in the protocol's encoding. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** 16 bits, big-endian as all of the protocol. */
export function u16(value: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(value >>> 8, value);
}

/** 32 bits, unsigned. */
export function u32(value: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** 64 bits, unsigned. */
export function u64(value: number | bigint): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

/** One after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** An option, whose header can be made to lie. */
export function encodeOption(
  option: number,
  data: Uint8Array = new Uint8Array(),
  { magic = OPTION_MAGIC, length = data.length }: { readonly magic?: bigint; readonly length?: number } = {},
): Uint8Array<ArrayBuffer> {
  return concat(u64(magic), u32(option), u32(length), data);
}

/** The data of INFO and GO. */
export function encodeInfoData(name: string, items: readonly number[] = []): Uint8Array<ArrayBuffer> {
  const encoded = utf8(name);
  return concat(u32(encoded.length), encoded, u16(items.length), ...items.map(u16));
}

/** The data of LIST_META_CONTEXT and SET_META_CONTEXT. */
export function encodeContextData(name: string, queries: readonly string[]): Uint8Array<ArrayBuffer> {
  const [encoded, ...others] = [name, ...queries].map(utf8);
  const lengthsAndQueries = others.flatMap((query) => [u32(query.length), query]);
  return concat(u32(encoded.length), encoded, u32(others.length), ...lengthsAndQueries);
}

/** A request's header. */
export function encodeRequest(
  { flags, command, cookie, offset, length }: RequestHeader,
  magic: number = REQUEST_MAGIC,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(REQUEST_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic);
  view.setUint16(4, flags);
  view.setUint16(6, command);
  view.setBigUint64(8, cookie);
  view.setBigUint64(16, offset);
  view.setUint32(24, length);
  return bytes;
}
