/**
 * The words of the NBD protocol, for the server and the client alike: network byte order, fixed newstyle.
 *
 * From the protocol's document, `doc/proto.md` of the NetworkBlockDevice project; names are its own without `NBD_`.
 *
 * @module
 */

/** `NBDMAGIC`: the first 64 bits that a server sends, as two words. */
export const NBD_MAGIC = [0x4e42444d, 0x41474943] as const;
/** `IHAVEOPT`: follows it, and begins every option of the client. */
export const OPTION_MAGIC = [0x49484156, 0x454f5054] as const;
/** Begins every reply to an option. */
export const OPTION_REPLY_MAGIC = [0x0003e889, 0x045565a9] as const;
/** Begins every request. */
export const REQUEST_MAGIC = 0x25609513;
/** Begins every simple reply. */
export const SIMPLE_REPLY_MAGIC = 0x67446698;
/** Begins every chunk of a structured reply. */
export const STRUCTURED_REPLY_MAGIC = 0x668e33ef;

/** Bytes of a request without its data: magic, flags, type, cookie, offset, length. */
export const REQUEST_BYTES = 28;
/** Bytes of a simple reply without its data: magic, error, cookie. */
export const SIMPLE_REPLY_BYTES = 16;
/** Bytes of a chunk without its payload: magic, flags, type, cookie, length. */
export const CHUNK_BYTES = 20;
/** Bytes of an option without its data: magic, number, length. */
export const OPTION_BYTES = 16;
/** Bytes of an option's reply without its data: magic, option, type, length. */
export const OPTION_REPLY_BYTES = 20;
/** Zeroes after the export's size and flags, unless both sides agreed to do without. */
export const EXPORT_NAME_ZEROES = 124;

/** What the server offers at the start (16 bits), and what the client takes of it (32 bits). */
export const HandshakeFlag = { FixedNewstyle: 1, NoZeroes: 2 } as const;

/** What a client asks for before it transmits. */
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
  ExtendedHeaders: 11,
} as const;

const ERROR = 2 ** 31;

/** How a server answers an option; errors have the highest bit. */
export const OptionReply = {
  Ack: 1,
  Server: 2,
  Info: 3,
  MetaContext: 4,
  Unsupported: ERROR + 1,
  Policy: ERROR + 2,
  Invalid: ERROR + 3,
  Platform: ERROR + 4,
  TlsRequired: ERROR + 5,
  Unknown: ERROR + 6,
  Shutdown: ERROR + 7,
  BlockSizeRequired: ERROR + 8,
  TooBig: ERROR + 9,
} as const;

/** What a server tells of an export. */
export const Info = { Export: 0, Name: 1, Description: 2, BlockSize: 3 } as const;

/** What an export can do. */
export const TransmissionFlag = {
  HasFlags: 1 << 0,
  ReadOnly: 1 << 1,
  SendFlush: 1 << 2,
  SendFua: 1 << 3,
  Rotational: 1 << 4,
  SendTrim: 1 << 5,
  SendWriteZeroes: 1 << 6,
  SendDontFragment: 1 << 7,
  CanMultiConn: 1 << 8,
  SendResize: 1 << 9,
  SendCache: 1 << 10,
  SendFastZero: 1 << 11,
} as const;

/** What a request wants done. */
export const NbdCommand = {
  Read: 0,
  Write: 1,
  Disconnect: 2,
  Flush: 3,
  Trim: 4,
  Cache: 5,
  WriteZeroes: 6,
  BlockStatus: 7,
} as const;

/** How a request wants it done. */
export const CommandFlag = {
  Fua: 1 << 0,
  NoHole: 1 << 1,
  DontFragment: 1 << 2,
  RequestOne: 1 << 3,
  FastZero: 1 << 4,
} as const;

/** The last chunk of a structured reply. */
export const CHUNK_DONE = 1;
/** What a chunk of a structured reply is; errors have bit 15. */
export const Chunk = {
  None: 0,
  OffsetData: 1,
  OffsetHole: 2,
  BlockStatus: 5,
  Error: 2 ** 15 + 1,
  ErrorOffset: 2 ** 15 + 2,
} as const;

/** Errors of requests: Linux's numbers, whatever the machine. */
export const NbdError = {
  Okay: 0,
  NotPermitted: 1,
  InputOutput: 5,
  NoMemory: 12,
  Invalid: 22,
  NoSpace: 28,
  Overflow: 75,
  NotSupported: 95,
  Shutdown: 108,
} as const;

/** The one context of block status that every server knows. */
export const BASE_ALLOCATION = "base:allocation";
/** Longest name of an export or a context, in bytes of UTF-8. */
export const MAX_NAME_BYTES = 4096;
/** Most data of one request, unless both sides agreed upon another limit. */
export const MAX_PAYLOAD_BYTES = 32 * 2 ** 20;
