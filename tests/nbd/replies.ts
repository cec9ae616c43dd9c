/**
 * The strict reader of a server's replies: it knows what is in flight, and takes nothing that the protocol forbids.
 *
 * @module
 */

import {
  ChunkFlag,
  ChunkType,
  Command,
  CommandFlag,
  MAX_STRING_BYTES,
  nameOf,
  NbdError,
  type RequestHeader,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_MAGIC,
} from "./protocol.ts";
import type { ReceiveBuffer } from "./receive_buffer.ts";
import { demand } from "./wire.ts";

const SIMPLE_REPLY_BYTES = 16;
const CHUNK_HEADER_BYTES = 20;
const ERRORS: readonly number[] = Object.values(NbdError);

/** What a connection has agreed on, as far as its replies depend on it. */
export interface Agreement {
  readonly structured: boolean;
  /** Metadata contexts that were selected, by id. */
  readonly contexts: readonly number[];
  readonly sizeBytes: number;
  /** The smallest block that the server speaks of, in bytes. */
  readonly minimumBlockSize: number;
}

/** Some bytes of the export in the same state. */
export interface Extent {
  readonly length: number;
  readonly flags: number;
}

/** A complete reply. */
export interface Reply {
  readonly request: RequestHeader;
  /** Zero, or one of {@link NbdError}. */
  readonly error: number;
  /** What a READ without an error has read. */
  readonly data: Uint8Array;
  /** What a BLOCK_STATUS without an error has told, by context. */
  readonly extents: ReadonlyMap<number, readonly Extent[]>;
  /** How many chunks carried content. */
  readonly contentChunks: number;
}

interface Pending {
  readonly request: RequestHeader;
  /** Where content has come, as `[start, end)` from the request's offset, not overlapping. */
  readonly content: (readonly [start: number, end: number])[];
  readonly extents: Map<number, readonly Extent[]>;
  readonly errorOffsets: number[];
  data: Uint8Array;
  error: number;
}

const NOTHING = new Uint8Array();

/** Reads replies to requests that were announced to it. */
export class ReplyReader {
  readonly #agreement: Agreement;
  readonly #received: ReceiveBuffer;
  readonly #pending = new Map<bigint, Pending>();

  constructor(agreement: Agreement, received: ReceiveBuffer) {
    this.#agreement = agreement;
    this.#received = received;
  }

  /** How many requests have no complete reply yet. */
  get inFlight(): number {
    return this.#pending.size;
  }

  /** Whether a request with this cookie has no complete reply yet. */
  isInFlight(cookie: bigint): boolean {
    return this.#pending.has(cookie);
  }

  /** Announces a request, before its reply can come. */
  expect(request: RequestHeader): void {
    if (this.#pending.has(request.cookie)) throw new Error(`the cookie ${request.cookie} is in flight already`);
    const pending = { request, content: [], extents: new Map(), errorOffsets: [], data: NOTHING, error: 0 };
    this.#pending.set(request.cookie, pending);
  }

  /** The next complete reply, or null if more bytes must come first. Throws at anything malformed. */
  next(): Reply | null {
    const received = this.#received;
    while (received.length >= 4) {
      const magic = received.u32(0);
      demand(
        magic === SIMPLE_REPLY_MAGIC || magic === STRUCTURED_REPLY_MAGIC && this.#agreement.structured,
        () => `a reply begins with 0x${magic.toString(16)}`,
      );
      const isSimple = magic === SIMPLE_REPLY_MAGIC;
      if (received.length < (isSimple ? SIMPLE_REPLY_BYTES : CHUNK_HEADER_BYTES)) return null;
      const reply = isSimple ? this.#simple() : this.#chunk();
      if (reply === "incomplete") return null;
      if (reply !== null) return reply;
    }
    return null;
  }

  #simple(): Reply | "incomplete" {
    const received = this.#received;
    const error = received.u32(4);
    const pending = this.#pendingOf(received.u64(8));
    const { command, length } = pending.request;
    const reads = command === Command.Read;
    demand(ERRORS.includes(error), () => `a reply has the error ${error}`);
    demand(!(reads && this.#agreement.structured), "a READ has a simple reply, though structured ones were agreed on");
    demand(command !== Command.BlockStatus || error !== 0, "a BLOCK_STATUS succeeds by a simple reply");
    demand(pending.content.length + pending.extents.size === 0, "a simple reply follows the request's chunks");
    const dataBytes = reads && error === 0 ? length : 0;
    if (received.length < SIMPLE_REPLY_BYTES + dataBytes) return "incomplete";
    received.skip(SIMPLE_REPLY_BYTES);
    pending.error = error;
    if (dataBytes > 0) {
      pending.data = received.take(dataBytes);
      pending.content.push([0, dataBytes]);
    }
    return this.#finish(pending);
  }

  #chunk(): Reply | "incomplete" | null {
    const received = this.#received;
    const [flags, type, payloadBytes] = [received.u16(4), received.u16(6), received.u32(16)];
    const pending = this.#pendingOf(received.u64(8));
    const what = `a chunk ${nameOf(ChunkType, type)} of ${payloadBytes} bytes`;
    demand((flags & ~ChunkFlag.Done) === 0, `${what} has the flags ${flags}`);
    demandLength(type, payloadBytes, pending.request, this.#agreement, what);
    if (received.length < CHUNK_HEADER_BYTES + payloadBytes) return "incomplete";
    received.skip(CHUNK_HEADER_BYTES);
    if (type === ChunkType.None) demand(flags === ChunkFlag.Done, `${what} is not the last`);
    else if (type === ChunkType.OffsetData) this.#data(pending, payloadBytes - 8);
    else if (type === ChunkType.OffsetHole) this.#hole(pending);
    else if (type === ChunkType.BlockStatus) this.#status(pending, payloadBytes);
    else this.#error(pending, type, payloadBytes, what);
    return flags === ChunkFlag.Done ? this.#finish(pending) : null;
  }

  #data(pending: Pending, length: number): void {
    const start = this.#content(pending, this.#received.u64(0), length);
    this.#received.skip(8);
    const data = this.#received.take(length);
    if (length === pending.request.length) pending.data = data;
    else dataOf(pending).set(data, start);
  }

  #hole(pending: Pending): void {
    this.#content(pending, this.#received.u64(0), this.#received.u32(8));
    this.#received.skip(12);
    dataOf(pending); // What no chunk fills is zero.
  }

  /** Notes where content has come, and returns where that is in the request. */
  #content({ request, content, errorOffsets }: Pending, offset: bigint, length: number): number {
    const start = Number(offset - request.offset);
    const end = start + length;
    const what = `content of ${length} bytes at ${offset}`;
    demand(request.command === Command.Read, () => `${what} answers ${nameOf(Command, request.command)}`);
    demand(length > 0, what);
    demand(start >= 0 && end <= request.length, () => `${what} is not in the request: ${describeRequest(request)}`);
    demand(!content.some((other) => start < other[1] && other[0] < end), `${what} comes twice`);
    demand(!errorOffsets.some((at) => start <= at && at < end), `${what} follows an error in it`);
    demand(!(request.flags & CommandFlag.Df) || content.length === 0, `${what} is a fragment, which DF forbids`);
    content.push([start, end]);
    return start;
  }

  #status({ request, extents }: Pending, payloadBytes: number): void {
    const received = this.#received;
    const { contexts, minimumBlockSize, sizeBytes } = this.#agreement;
    const context = received.u32(0);
    demand(request.command === Command.BlockStatus, () => `extents answer ${nameOf(Command, request.command)}`);
    demand(contexts.includes(context), `extents of the context ${context}, which was not selected`);
    demand(!extents.has(context), `extents of the context ${context} come twice`);
    const list: Extent[] = [];
    let total = 0;
    for (let at = 4; at < payloadBytes; at += 8) {
      const extent = { length: received.u32(at), flags: received.u32(at + 4) };
      demand(extent.length > 0, "an extent is empty");
      demand(extent.length % minimumBlockSize === 0, `an extent has ${extent.length} bytes: no whole blocks`);
      demand(total < request.length, "an extent begins after the range that was asked for");
      total += extent.length;
      list.push(extent);
    }
    const one = (request.flags & CommandFlag.ReqOne) !== 0;
    demand(!one || list.length === 1, `${list.length} extents, where one was asked for`);
    demand(!one || total <= request.length, `the one extent has ${total} of ${request.length} bytes asked for`);
    demand(Number(request.offset) + total <= sizeBytes, "the extents end after the export");
    extents.set(context, list);
    received.skip(payloadBytes);
  }

  #error(pending: Pending, type: number, payloadBytes: number, what: string): void {
    const received = this.#received;
    const [error, messageBytes] = [received.u32(0), received.u16(4)];
    const fieldBytes = type === ChunkType.ErrorOffset ? 14 : 6;
    demand(error !== 0 && ERRORS.includes(error), `${what} has the error ${error}`);
    demand(messageBytes === payloadBytes - fieldBytes, `${what} has a message of ${messageBytes} bytes`);
    demand(messageBytes <= MAX_STRING_BYTES, `${what} has a message of ${messageBytes} bytes`);
    demandText(received.peek(6, messageBytes), what);
    if (type === ChunkType.ErrorOffset) {
      const offset = Number(received.u64(6 + messageBytes) - pending.request.offset);
      demand(offset >= 0 && offset < pending.request.length, `${what} is at an offset that is not in the request`);
      pending.errorOffsets.push(offset);
    }
    received.skip(payloadBytes);
    if (pending.error === 0) pending.error = error;
  }

  #finish({ request, content, extents, data, error }: Pending): Reply {
    this.#pending.delete(request.cookie);
    if (error === 0 && request.command === Command.Read) {
      const bytes = content.reduce((sum, [start, end]) => sum + end - start, 0);
      demand(bytes === request.length, () => `${bytes} bytes have come: ${describeRequest(request)}`);
    }
    if (error === 0 && request.command === Command.BlockStatus) {
      demand(extents.size > 0, "a BLOCK_STATUS succeeds without extents");
      demand(extents.size === this.#agreement.contexts.length, "a BLOCK_STATUS succeeds without all of its contexts");
    }
    return { request, error, data, extents, contentChunks: content.length };
  }

  #pendingOf(cookie: bigint): Pending {
    const pending = this.#pending.get(cookie);
    demand(pending !== undefined, () => `a reply has the cookie 0x${cookie.toString(16)}, of which none is in flight`);
    return pending;
  }
}

/** Where the content of a READ is put together. */
function dataOf(pending: Pending): Uint8Array {
  if (pending.data.length === 0) pending.data = new Uint8Array(pending.request.length);
  return pending.data;
}

/** A request, for messages. */
export function describeRequest({ command, flags, offset, length, cookie }: RequestHeader): string {
  const suffix = flags === 0 ? "" : ` with flags 0x${flags.toString(16)}`;
  return `${nameOf(Command, command)} of ${length} bytes at ${offset}${suffix}, cookie 0x${cookie.toString(16)}`;
}

/** Demands the length that a type of chunk has, before the payload is waited for. */
function demandLength(
  type: number,
  length: number,
  request: RequestHeader,
  { contexts }: Agreement,
  what: string,
): void {
  if (type === ChunkType.None) demand(length === 0, what);
  else if (type === ChunkType.OffsetData) demand(length >= 9 && length <= request.length + 8, what);
  else if (type === ChunkType.OffsetHole) demand(length === 12, what);
  else if (type === ChunkType.BlockStatus) {
    demand(length >= 12 && length % 8 === 4 && contexts.length > 0 && length <= 4 + request.length * 8, what);
  } else if (type === ChunkType.Error) demand(length >= 6 && length <= 6 + MAX_STRING_BYTES, what);
  else if (type === ChunkType.ErrorOffset) demand(length >= 14 && length <= 14 + MAX_STRING_BYTES, what);
  else demand(false, what);
}

/** Demands what the protocol says of its strings: UTF-8 without a NUL. */
export function demandText(bytes: Uint8Array, what: string): string {
  let text = "\0";
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    // As a text that has a NUL.
  }
  demand(!text.includes("\0"), `${what} has a text that is not one`);
  return text;
}
