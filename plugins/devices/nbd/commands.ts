/**
 * What a device has in hand: requests, and the NBD commands that they are cut into.
 *
 * A request becomes one command, or several where it is longer than the server takes. A command has a slot here from when
 * it is cut until it is answered; its cookie names the slot, and how often that was used, so that no answer passes for
 * another's. Tables are made once: nothing is allocated for a request.
 *
 * @module
 */

import { carriesData, Operation, Status } from "../../../core/blkif.ts";
import type { BlockRequest } from "../../../core/block_device.ts";
import { addressOf, describeErrno } from "../../../core/libc.ts";
import { Queue, Stack } from "./numbers.ts";
import { CommandFlag, NbdCommand, NbdError, REQUEST_BYTES, REQUEST_MAGIC } from "../../nbd/protocol.ts";

/** Requests that are in hand at once; others wait in order. */
const REQUESTS = 512;
/** Commands in flight at once on all connections. */
export const COMMANDS = 1024;
/** Bytes of a command that carries no data, discards and write-zeroes: lengths have 32 bits, and some servers 31. */
const MAX_DATALESS_BYTES = 2 ** 30;

const REQUEST_WORDS = REQUEST_BYTES / 4;
const TWO_32 = 2 ** 32;
const WIRE_REQUEST_MAGIC = swap32(REQUEST_MAGIC);
const NOWHERE = -1;

/** Requests and commands of one device. */
export class Commands {
  /** Requests that are over and were not taken. */
  doneCount = 0;
  /** Commands that were on a connection that was lost, and went out again. */
  reissued = 0;
  /** Address of the first command's head as it is sent. */
  readonly #headsAddress: number;
  readonly #heads: Int32Array<SharedArrayBuffer>;
  readonly #maxPayloadBytes: number;
  readonly #server: string;

  // Requests, by their slot here.
  readonly #requests: (BlockRequest | null)[] = Array(REQUESTS).fill(null);
  /** Bytes that were made commands. */
  readonly #cut = new Float64Array(REQUESTS);
  /** Commands that are not over, and one more while the request is not wholly cut. */
  readonly #open = new Int32Array(REQUESTS);
  readonly #idleRequests = new Stack(REQUESTS);
  readonly #toCut = new Queue(REQUESTS);
  readonly #done = new Queue(REQUESTS);
  /** Requests beyond those, oldest first. */
  readonly #waiting: BlockRequest[] = [];

  // Commands, by their slot.
  readonly #owner = new Int32Array(COMMANDS);
  readonly #from = new Float64Array(COMMANDS);
  readonly #length = new Float64Array(COMMANDS);
  readonly #type = new Uint8Array(COMMANDS);
  readonly #uses = new Int32Array(COMMANDS);
  /** The number of the connection, or {@link NOWHERE}. */
  readonly #connection = new Int32Array(COMMANDS).fill(NOWHERE);
  /** In which order they were cut. */
  readonly #sequence = new Float64Array(COMMANDS);
  readonly #failed = new Uint8Array(COMMANDS);
  readonly #received = new Float64Array(COMMANDS);
  readonly #idleCommands = new Stack(COMMANDS);
  #cutCount = 0;
  /** Commands whose connection was lost, and that wait for another; in the order in which they were cut. */
  #lost: number[] = [];

  /**
   * Empty tables.
   *
   * @param server what it is called in messages
   * @param maxPayloadBytes most data of a command, a multiple of the sector size
   */
  constructor(server: string, maxPayloadBytes: number) {
    this.#server = server;
    this.#maxPayloadBytes = maxPayloadBytes;
    this.#heads = new Int32Array(new SharedArrayBuffer(COMMANDS * REQUEST_BYTES));
    this.#headsAddress = addressOf(new Uint8Array(this.#heads.buffer));
  }

  /** Takes a request in hand, now or when there is room. On the hot path. */
  add(request: BlockRequest): void {
    const slot = this.#idleRequests.pop();
    if (slot < 0) {
      this.#waiting.push(request);
      return;
    }
    request.status = Status.Okay;
    this.#requests[slot] = request;
    this.#cut[slot] = 0;
    this.#open[slot] = 1;
    this.#toCut.push(slot);
  }

  /** A request that is over, or null. On the hot path. */
  takeDone(): BlockRequest | null {
    if (this.doneCount === 0) return null;
    this.doneCount--;
    const slot = this.#done.shift();
    const request = this.#requests[slot] as BlockRequest;
    this.#requests[slot] = null;
    this.#idleRequests.push(slot);
    if (this.#waiting.length > 0) this.add(this.#waiting.shift() as BlockRequest);
    return request;
  }

  /** Whether {@link next} has a command. */
  get hasNext(): boolean {
    return this.#lost.length > 0 || (this.#toCut.count > 0 && this.#idleCommands.count > 0);
  }

  /**
   * The next command to send, for a connection: the oldest that lost its connection, or one that is cut from the oldest
   * request. On the hot path.
   *
   * @returns its slot; {@link hasNext} must hold
   */
  next(connection: number): number {
    let slot: number;
    if (this.#lost.length > 0) {
      slot = this.#lost.shift() as number;
      this.reissued++;
    } else {
      slot = this.#cutNext();
    }
    this.#connection[slot] = connection;
    return slot;
  }

  #cutNext(): number {
    const owner = this.#toCut.first();
    const request = this.#requests[owner] as BlockRequest;
    const slot = this.#idleCommands.pop();
    const from = this.#cut[owner];
    const limit = carriesData(request.operation) ? this.#maxPayloadBytes : MAX_DATALESS_BYTES;
    const left = request.byteLength - from;
    const length = left < limit ? left : limit;
    this.#cut[owner] = from + length;
    if (length === left) this.#toCut.shift();
    else this.#open[owner]++;
    this.#owner[slot] = owner;
    this.#from[slot] = from;
    this.#length[slot] = length;
    this.#sequence[slot] = this.#cutCount++;
    this.#failed[slot] = 0;
    this.#received[slot] = 0;
    this.#uses[slot]++;
    this.#writeHead(slot, request.operation, request.offsetBytes + from, length);
    return slot;
  }

  #writeHead(slot: number, operation: number, offset: number, length: number): void {
    const type = commandOf(operation);
    const flags = operation === Operation.WriteFua ? CommandFlag.Fua : 0;
    this.#type[slot] = type;
    const heads = this.#heads;
    const at = slot * REQUEST_WORDS;
    heads[at] = WIRE_REQUEST_MAGIC;
    heads[at + 1] = swap32((flags << 16) | type);
    heads[at + 2] = swap32(this.#uses[slot]);
    heads[at + 3] = swap32(slot);
    heads[at + 4] = type === NbdCommand.Flush ? 0 : swap32(offset / TWO_32);
    heads[at + 5] = type === NbdCommand.Flush ? 0 : swap32(offset);
    heads[at + 6] = swap32(length);
  }

  /** Where a command's head lies, as it is sent. */
  headAddress(slot: number): number {
    return this.#headsAddress + slot * REQUEST_BYTES;
  }

  /** The command of a cookie, if it is in flight on this connection; else −1. On the hot path. */
  find(usesWord: number, slotWord: number, connection: number): number {
    const slot = slotWord >>> 0;
    return slot < COMMANDS && this.#connection[slot] === connection && this.#uses[slot] === usesWord ? slot : -1;
  }

  /** The request that a command belongs to. */
  requestOf(slot: number): BlockRequest {
    return this.#requests[this.#owner[slot]] as BlockRequest;
  }

  /** One of `NbdCommand`. */
  typeOf(slot: number): number {
    return this.#type[slot];
  }

  /** Which byte of its request is the command's first. */
  fromOf(slot: number): number {
    return this.#from[slot];
  }

  /** How many bytes it reads, writes, discards or makes zero. */
  lengthOf(slot: number): number {
    return this.#length[slot];
  }

  /** How many bytes it carries to the server. */
  payloadOf(slot: number): number {
    return this.#type[slot] === NbdCommand.Write ? this.#length[slot] : 0;
  }

  /** Bytes of a read that have come, or are coming. */
  receivedOf(slot: number): number {
    return this.#received[slot];
  }

  /** Notes that so many more bytes of a read come. */
  receive(slot: number, byteLength: number): void {
    this.#received[slot] += byteLength;
  }

  /** Whether the server has reported an error. */
  hasFailed(slot: number): boolean {
    return this.#failed[slot] !== 0;
  }

  /** Notes an error that the server reports, with its own words; of several of a request, the first counts. */
  fail(slot: number, error: number, words: string): void {
    this.#failed[slot] = 1;
    const request = this.requestOf(slot);
    if (request.status !== Status.Okay) return;
    request.status = error === NbdError.NotSupported ? Status.NotSupported : Status.Error;
    const { operation, offsetBytes, byteLength } = request;
    const what = operation === Operation.Flush
      ? "flush"
      : `${VERBS[operation] ?? "do"} ${byteLength} bytes at byte ${offsetBytes}`;
    request.cause = `The server of ${this.#server} failed to ${what}: ${describeErrno(error)}${words}`;
  }

  /** A command is over. On the hot path. */
  finish(slot: number): void {
    const owner = this.#owner[slot];
    this.#connection[slot] = NOWHERE;
    this.#idleCommands.push(slot);
    if (--this.#open[owner] > 0) return;
    this.#done.push(owner);
    this.doneCount++;
  }

  /** Takes the commands off a connection that was lost; {@link next} hands them out again. How many they are. */
  reclaim(connection: number): number {
    const before = this.#lost.length;
    for (let slot = 0; slot < COMMANDS; slot++) {
      if (this.#connection[slot] !== connection) continue;
      this.#connection[slot] = NOWHERE;
      this.#received[slot] = 0;
      this.#lost.push(slot);
    }
    this.#lost.sort((a, b) => this.#sequence[a] - this.#sequence[b]);
    return this.#lost.length - before;
  }

  /** Fails all requests in hand. None of their commands is on a connection. */
  failAll(cause: string): void {
    this.#lost = [];
    this.#toCut.clear();
    this.#idleCommands.fill();
    for (let slot = 0; slot < REQUESTS; slot++) {
      const request = this.#requests[slot];
      if (request === null || this.#open[slot] === 0) continue;
      this.#open[slot] = 0;
      failRequest(request, cause);
      this.#done.push(slot);
      this.doneCount++;
    }
  }
}

/** Marks a request as failed. */
export function failRequest(request: BlockRequest, cause: string): void {
  request.status = Status.Error;
  request.cause = cause;
}

const VERBS: Readonly<Record<number, string>> = {
  [Operation.Read]: "read",
  [Operation.Write]: "write",
  [Operation.WriteFua]: "write",
  [Operation.Discard]: "discard",
  [Operation.WriteZeroes]: "make zero",
};

function commandOf(operation: number): number {
  switch (operation) {
    case Operation.Read:
      return NbdCommand.Read;
    case Operation.Write:
    case Operation.WriteFua:
      return NbdCommand.Write;
    case Operation.Flush:
      return NbdCommand.Flush;
    case Operation.Discard:
      return NbdCommand.Trim;
    default:
      return NbdCommand.WriteZeroes;
  }
}

/** A word in the other byte order: the network's has the highest byte first, all that Deno runs on the lowest. */
function swap32(word: number): number {
  return ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}
