/**
 * What comes from the server: simple and structured replies, in any order, in pieces of any length.
 *
 * The data of reads goes straight into the application's frames; only heads pass through a buffer. While a read is in
 * flight no more than the next head is asked for behind a payload, so that no data lands in that buffer, either.
 *
 * Everything is checked before it is believed: a server that breaks the protocol loses the connection, and nothing else.
 *
 * @module
 */

import { ConnectionError } from "../../../core/errors.ts";
import { PlaceList, type Sockets } from "../../../core/socket.ts";
import {
  Chunk,
  CHUNK_BYTES,
  CHUNK_DONE,
  MAX_NAME_BYTES,
  NbdCommand,
  NbdError,
  SIMPLE_REPLY_BYTES,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_MAGIC,
} from "../../nbd/protocol.ts";
import type { Commands } from "./commands.ts";
import { addPlaces, clear } from "./extents.ts";
import { quoted } from "./handshake.ts";
import type { Staging } from "./staging.ts";

/** Bytes of an offset. */
const OFFSET_BYTES = 8;
/** Bytes of a hole's payload: an offset and a length. */
const HOLE_BYTES = 12;
/** Bytes of an error's payload without its text and its offset: an error and the text's length. */
const ERROR_BYTES = 6;
/** Of an error chunk's payload, text included. */
const MAX_ERROR_BYTES = ERROR_BYTES + MAX_NAME_BYTES + OFFSET_BYTES;
const ERROR_BIT = 2 ** 15;
const TWO_32 = 2 ** 32;
const SIMPLE_MAGIC = SIMPLE_REPLY_MAGIC | 0;
const STRUCTURED_MAGIC = STRUCTURED_REPLY_MAGIC | 0;

/** The receiving half of a connection. */
export class ReplyStream {
  /** Reads that wait for an answer on this connection. */
  reads = 0;
  /** Commands that were answered. */
  answered = 0;
  readonly #commands: Commands;
  readonly #connection: number;
  readonly #staging: Staging;
  readonly #isUnsent: (slot: number) => boolean;
  readonly #list = new PlaceList();
  #structured = false;
  /** Bytes of a head that must be there before more can be understood. */
  #needed = SIMPLE_REPLY_BYTES;
  /** The read whose data comes next, the byte of its request that is next, how much is left, whether the reply ends so. */
  #payloadOwner = -1;
  #payloadAt = 0;
  #payloadLeft = 0;
  #payloadEnds = false;

  /**
   * A stream for the connection of this number.
   *
   * @param isUnsent whether a command was not wholly sent yet
   */
  constructor(commands: Commands, connection: number, staging: Staging, isUnsent: (slot: number) => boolean) {
    this.#commands = commands;
    this.#connection = connection;
    this.#staging = staging;
    this.#isUnsent = isUnsent;
  }

  /** Begins with a new connection. What the staging buffer has already is looked at first. */
  reset(structured: boolean): void {
    this.#structured = structured;
    this.#needed = this.#headBytes;
    this.#payloadLeft = 0;
    this.reads = 0;
    this.answered = 0;
  }

  /**
   * Takes what has come, by one call to the kernel. On the hot path.
   *
   * @returns whether there may be more
   * @throws {ConnectionError} when the connection is over, or the server has broken the protocol
   */
  receive(sockets: Pick<Sockets, "receive">, descriptor: number): boolean {
    const list = this.#list;
    const staging = this.#staging;
    list.clear();
    const left = this.#payloadLeft;
    let direct = 0;
    if (left > 0) {
      direct = addPlaces(list, this.#commands.requestOf(this.#payloadOwner), this.#payloadAt, left, 1);
    }
    if (direct === left) {
      const wanted = this.#needed - staging.byteLength;
      staging.addFreeTo(list, this.reads > 0 ? wanted : staging.bytes.length);
    }
    const received = sockets.receive(descriptor, list);
    if (received < 0) return false;
    if (received === 0) throw new ConnectionError("the server closed it");
    const data = received < direct ? received : direct;
    staging.end += received - data;
    if (data > 0) this.#payloadCame(data);
    this.#understand();
    return received === list.byteLength;
  }

  get #headBytes(): number {
    return this.#structured ? CHUNK_BYTES + OFFSET_BYTES : SIMPLE_REPLY_BYTES;
  }

  /** Goes through the staged bytes as far as they can be understood. */
  #understand(): void {
    const staging = this.#staging;
    for (;;) {
      if (this.#payloadLeft > 0) {
        // No more than heads was asked for while a read was in flight: see receive.
        if (staging.byteLength > 0) this.#refuse("data came with its head");
        break;
      }
      if (staging.byteLength < SIMPLE_REPLY_BYTES) {
        this.#needed = this.#headBytes;
        break;
      }
      const at = staging.start;
      const magic = staging.word(at);
      const used = magic === SIMPLE_MAGIC
        ? this.#simpleReply(at)
        : magic === STRUCTURED_MAGIC && this.#structured
        ? this.#chunk(at, staging.byteLength)
        : this.#refuse(`a reply begins with 0x${(magic >>> 0).toString(16).padStart(8, "0")}`);
      if (used === 0) break;
      staging.start += used;
    }
    if (staging.start === staging.end) staging.clear();
  }

  #simpleReply(at: number): number {
    const slot = this.#find(at + 8);
    const error = this.#staging.word(at + 4);
    const isRead = this.#commands.typeOf(slot) === NbdCommand.Read;
    if (isRead && this.#structured) this.#refuse("a read got a simple reply where structured ones were agreed");
    if (error !== 0) this.#fail(slot, error, "");
    if (isRead && error === 0) this.#expect(slot, 0, this.#commands.lengthOf(slot), true);
    else this.#finish(slot);
    return SIMPLE_REPLY_BYTES;
  }

  /** Takes a chunk's head, and its payload unless that is data. How many bytes; 0 when there are too few. */
  #chunk(at: number, there: number): number {
    if (there < CHUNK_BYTES) return this.#need(this.#headBytes);
    const staging = this.#staging;
    const ends = (staging.half(at + 4) & CHUNK_DONE) !== 0;
    const type = staging.half(at + 6);
    const slot = this.#find(at + 8);
    const length = staging.word(at + 16) >>> 0;
    if (type === Chunk.OffsetData) {
      if (length <= OFFSET_BYTES) this.#refuse(`a chunk of data has a payload of ${length} bytes`);
      if (there < CHUNK_BYTES + OFFSET_BYTES) return this.#need(CHUNK_BYTES + OFFSET_BYTES);
      const dataLength = length - OFFSET_BYTES;
      const from = this.#placeOf(slot, at + CHUNK_BYTES, dataLength, "data");
      this.#commands.receive(slot, dataLength);
      this.#expect(slot, from, dataLength, ends);
      return CHUNK_BYTES + OFFSET_BYTES;
    }
    if (type === Chunk.None) {
      if (length !== 0 || !ends) {
        this.#refuse(`an empty chunk has ${length} bytes${ends ? "" : " and is not the last"}`);
      }
    } else if (type === Chunk.OffsetHole) {
      if (length !== HOLE_BYTES) this.#refuse(`a hole's payload has ${length} bytes where ${HOLE_BYTES} are due`);
      if (there < CHUNK_BYTES + length) return this.#need(CHUNK_BYTES + length);
      const holeLength = staging.word(at + CHUNK_BYTES + OFFSET_BYTES) >>> 0;
      const from = this.#placeOf(slot, at + CHUNK_BYTES, holeLength, "a hole");
      this.#commands.receive(slot, holeLength);
      clear(this.#commands.requestOf(slot), this.#commands.fromOf(slot) + from, holeLength);
    } else if ((type & ERROR_BIT) !== 0) {
      if (length < ERROR_BYTES || length > MAX_ERROR_BYTES) this.#refuse(`an error's payload has ${length} bytes`);
      if (there < CHUNK_BYTES + length) return this.#need(CHUNK_BYTES + length);
      this.#errorChunk(slot, at + CHUNK_BYTES, length);
    } else {
      this.#refuse(`a chunk has type ${type}, which was not asked for`);
    }
    if (ends) this.#finish(slot);
    return CHUNK_BYTES + length;
  }

  #errorChunk(slot: number, at: number, length: number): void {
    const { bytes } = this.#staging;
    const error = this.#staging.word(at);
    const textLength = this.#staging.half(at + 4);
    if (ERROR_BYTES + textLength > length) {
      this.#refuse(`an error's text of ${textLength} bytes is longer than its chunk, of ${length}`);
    }
    if (error === 0) this.#refuse("a chunk reports error 0");
    this.#fail(slot, error, quoted(new DataView(bytes.buffer, at + ERROR_BYTES, textLength)));
  }

  /** The byte of a read's data at which a chunk's lies, which must be within what was asked for. */
  #placeOf(slot: number, at: number, byteLength: number, what: string): number {
    const commands = this.#commands;
    if (commands.typeOf(slot) !== NbdCommand.Read) this.#refuse(`${what} came for a command that reads nothing`);
    const offset = (this.#staging.word(at) >>> 0) * TWO_32 + (this.#staging.word(at + 4) >>> 0);
    const from = offset - commands.requestOf(slot).offsetBytes - commands.fromOf(slot);
    const length = commands.lengthOf(slot);
    if (from < 0 || from + byteLength > length || commands.receivedOf(slot) + byteLength > length) {
      this.#refuse(
        `${byteLength} bytes of ${what} at byte ${offset} are more than a read of ${length} bytes asked for`,
      );
    }
    return from;
  }

  /** The command that the cookie at `at` names. */
  #find(at: number): number {
    const uses = this.#staging.word(at);
    const number = this.#staging.word(at + 4);
    const slot = this.#commands.find(uses, number, this.#connection);
    if (slot >= 0 && !this.#isUnsent(slot)) return slot;
    return this.#refuse(`a reply to a request that was not sent, or was answered before: cookie ${uses}:${number}`);
  }

  #expect(slot: number, from: number, byteLength: number, ends: boolean): void {
    this.#payloadOwner = slot;
    this.#payloadAt = this.#commands.fromOf(slot) + from;
    this.#payloadLeft = byteLength;
    this.#payloadEnds = ends;
    this.#needed = this.#headBytes;
  }

  /** Data of the read that is next has come to its place. */
  #payloadCame(byteLength: number): void {
    this.#payloadAt += byteLength;
    this.#payloadLeft -= byteLength;
    if (this.#payloadLeft === 0 && this.#payloadEnds) this.#finish(this.#payloadOwner);
  }

  #fail(slot: number, error: number, words: string): void {
    // Not the request's failure: the server wants to be asked again, once it is back.
    if (error === NbdError.Shutdown) throw new ConnectionError(`the server is shutting down${words}`);
    this.#commands.fail(slot, error, words);
  }

  #finish(slot: number): void {
    const commands = this.#commands;
    if (commands.typeOf(slot) === NbdCommand.Read) {
      this.reads--;
      if (this.#structured && !commands.hasFailed(slot) && commands.receivedOf(slot) !== commands.lengthOf(slot)) {
        this.#refuse(`a read of ${commands.lengthOf(slot)} bytes got ${commands.receivedOf(slot)}`);
      }
    }
    this.answered++;
    commands.finish(slot);
  }

  /** Asks for so many bytes of a head. */
  #need(byteLength: number): 0 {
    this.#needed = byteLength;
    return 0;
  }

  #refuse(what: string): never {
    throw new ConnectionError(`the server breaks the protocol: ${what}`);
  }
}
