/**
 * An NBD server that does what a test says, in the test's own thread: {@link ScriptedServer.step} moves it on.
 *
 * @module
 */

import assert from "node:assert/strict";
import { SharedMemory } from "../../core/memory.ts";
import { PlaceList, Sockets } from "../../core/socket.ts";
import {
  Chunk,
  CHUNK_DONE,
  HandshakeFlag,
  Info,
  NBD_MAGIC,
  NbdCommand,
  Option,
  OPTION_MAGIC,
  OPTION_REPLY_MAGIC,
  OptionReply,
  SIMPLE_REPLY_MAGIC,
  STRUCTURED_REPLY_MAGIC,
  TransmissionFlag,
} from "../../plugins/nbd/protocol.ts";

/** A part of a message: a number with its bytes, or bytes. */
export type Part = readonly [value: number | bigint, byteCount: 2 | 4 | 8] | Uint8Array;

/** A message, the highest byte of numbers first. */
export function message(...parts: readonly Part[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => {
    if (part instanceof Uint8Array) return [...part];
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setBigUint64(0, BigInt.asUintN(64, BigInt(part[0])));
    return [...new Uint8Array(bytes.buffer, 8 - part[1])];
  }));
}

/** Two words as one part each. */
export function magic([high, low]: readonly [number, number]): [Part, Part] {
  return [[high, 4], [low, 4]];
}

/** One connection's behaviour: yields how many bytes it wants next, and gets them. */
export type Script = (connection: ScriptedConnection) => Generator<number, void, Uint8Array>;

const BUFFER_FRAMES = 64;

/** A server on a Unix socket in a folder of its own. */
export class ScriptedServer {
  /** Connections that were accepted. */
  accepted = 0;
  /** Bytes to send at the next step, of those that are there; all when absent. */
  pieceBytes: (there: number) => number = (there) => there;
  /** Bytes to take at the next step. */
  readBytes = Infinity;
  /** Closes a connection in place of sending byte number so many of it; once. */
  closeAt = Infinity;
  /** The connections that are there, oldest first. */
  connections: ScriptedConnection[] = [];
  readonly path: string;
  /** The way to the kernel. */
  readonly sockets = Sockets.open();
  readonly #directory: string;
  readonly #listening: number;
  readonly #script: Script;

  /** @param script what each connection does */
  constructor(script: Script) {
    this.#script = script;
    this.#directory = Deno.makeTempDirSync({ prefix: "iddr-nbd-client-" });
    this.path = `${this.#directory}/s`;
    this.#listening = this.sockets.listen({ kind: "unix", path: this.path });
  }

  /** Accepts, reads, answers, sends: each as far as it goes at once. */
  step(): void {
    const descriptor = this.sockets.accept(this.#listening);
    if (descriptor >= 0) {
      this.connections.push(new ScriptedConnection(this, descriptor, ++this.accepted, this.#script));
    }
    for (const connection of [...this.connections]) connection.step();
  }

  /** Ends all connections. */
  close(): void {
    for (const connection of [...this.connections]) connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
    this.sockets.close(this.#listening);
    this.sockets.detach();
    Deno.removeSync(this.#directory, { recursive: true });
  }
}

/** One connection of a {@link ScriptedServer}. */
export class ScriptedConnection {
  /** Which of those that the server accepted, from 1. */
  readonly number: number;
  readonly #server: ScriptedServer;
  readonly #descriptor: number;
  readonly #memory = SharedMemory.allocate(BUFFER_FRAMES);
  readonly #list = new PlaceList();
  #running: Generator<number, void, Uint8Array> | null;
  #closed = false;
  #wanted = 0;
  #inbox = new Uint8Array();
  #outbox = new Uint8Array();
  #sent = 0;

  constructor(server: ScriptedServer, descriptor: number, number: number, script: Script) {
    this.#server = server;
    this.#descriptor = descriptor;
    this.number = number;
    this.#running = script(this);
    this.#resume(undefined);
  }

  /** Appends to what is sent. */
  send(bytes: Uint8Array): void {
    this.#outbox = joined(this.#outbox, bytes);
  }

  /** Ends it. */
  close(): void {
    if (!this.#closed) this.#server.sockets.close(this.#descriptor);
    this.#closed = true;
    this.#running = null;
    this.#server.connections = this.#server.connections.filter((each) => each !== this);
  }

  /** Reads, answers, sends: each as far as it goes at once. */
  step(): void {
    if (!this.#closed) this.#read();
    while (this.#running !== null && this.#inbox.length >= this.#wanted) {
      const bytes = this.#inbox.slice(0, this.#wanted);
      this.#inbox = this.#inbox.slice(this.#wanted);
      this.#resume(bytes);
    }
    if (!this.#closed) this.#write();
  }

  #read(): void {
    const most = Math.min(this.#memory.bytes.length, this.#server.readBytes);
    if (most === 0) return;
    this.#list.clear();
    this.#list.add(this.#memory.address, most);
    const received = this.#server.sockets.receive(this.#descriptor, this.#list);
    if (received === 0) this.close();
    if (received > 0) this.#inbox = joined(this.#inbox, this.#memory.bytes.subarray(0, received));
  }

  #resume(bytes: Uint8Array | undefined): void {
    const { done, value } = (this.#running as Generator<number, void, Uint8Array>).next(bytes as Uint8Array);
    if (done === true) this.#running = null;
    else this.#wanted = value;
  }

  #write(): void {
    const server = this.#server;
    if (this.#outbox.length === 0) return;
    const room = Math.min(this.#memory.bytes.length, Math.max(0, server.closeAt - this.#sent));
    const piece = this.#outbox.subarray(0, Math.min(room, server.pieceBytes(this.#outbox.length)));
    if (piece.length > 0) {
      this.#memory.bytes.set(piece);
      this.#list.clear();
      this.#list.add(this.#memory.address, piece.length);
      const sent = server.sockets.send(this.#descriptor, this.#list);
      if (sent < 0) return;
      this.#outbox = this.#outbox.slice(sent);
      this.#sent += sent;
    }
    if (this.#sent < server.closeAt) return;
    server.closeAt = Infinity;
    this.close();
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** What a server says of its export in the handshake. */
export interface ExportModel {
  readonly sizeBytes: number;
  readonly flags?: number;
  readonly structured?: boolean;
  /** Minimum, preferred and maximum block size; not told when absent. */
  readonly blockSizes?: readonly [number, number, number];
  /** Whether the server knows GO. */
  readonly go?: boolean;
  readonly noZeroes?: boolean;
}

const { HasFlags, SendFlush, SendFua, SendTrim, SendWriteZeroes } = TransmissionFlag;

/** Everything but read-only and several connections. */
export const ALL_FLAGS = HasFlags | SendFlush | SendFua | SendTrim | SendWriteZeroes;

/** A reply to an option. */
export function optionReply(option: number, type: number, data: Uint8Array = new Uint8Array()): Uint8Array {
  return message(...magic(OPTION_REPLY_MAGIC), [option, 4], [type, 4], [data.length, 4], data);
}

/** What a server sends first. */
export function greeting(flags: number = HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes): Uint8Array {
  return message(...magic(NBD_MAGIC), ...magic(OPTION_MAGIC), [flags, 2]);
}

/** Shakes hands as the protocol has it. The name that the client asked for. */
export function* shakeHands(
  server: Pick<ScriptedConnection, "send">,
  { sizeBytes, flags = ALL_FLAGS, structured = true, blockSizes, go = true, noZeroes = true }: ExportModel,
): Generator<number, string, Uint8Array> {
  server.send(greeting(HandshakeFlag.FixedNewstyle | (noZeroes ? HandshakeFlag.NoZeroes : 0)));
  assert.equal(new DataView((yield 4).buffer).getUint32(0), noZeroes ? 3 : 1);
  for (;;) {
    const head = new DataView((yield 16).buffer);
    assert.deepEqual([head.getUint32(0), head.getUint32(4)], [...OPTION_MAGIC]);
    const option = head.getUint32(8);
    const data = yield head.getUint32(12);
    if (option === Option.StructuredReply) {
      server.send(optionReply(option, structured ? OptionReply.Ack : OptionReply.Unsupported));
    } else if (option === Option.Go && go) {
      const info = message([Info.Export, 2], [sizeBytes, 8], [flags, 2]);
      server.send(optionReply(option, OptionReply.Info, info));
      if (blockSizes !== undefined) {
        const sizes = blockSizes.map((size): Part => [size, 4]);
        server.send(optionReply(option, OptionReply.Info, message([Info.BlockSize, 2], ...sizes)));
      }
      server.send(optionReply(option, OptionReply.Ack));
      return new TextDecoder().decode(data.subarray(4, 4 + new DataView(data.buffer).getUint32(0)));
    } else if (option === Option.ExportName) {
      server.send(message([sizeBytes, 8], [flags, 2], new Uint8Array(noZeroes ? 0 : 124)));
      return new TextDecoder().decode(data);
    } else {
      server.send(optionReply(option, OptionReply.Unsupported));
    }
  }
}

/** A request as it came. */
export interface ReceivedRequest {
  readonly flags: number;
  readonly type: number;
  readonly cookie: bigint;
  readonly offset: number;
  readonly length: number;
  readonly data: Uint8Array;
}

/** The next request. */
export function* nextRequest(): Generator<number, ReceivedRequest, Uint8Array> {
  const head = new DataView((yield 28).buffer);
  assert.equal(head.getUint32(0), 0x25609513);
  const type = head.getUint16(6);
  const length = head.getUint32(24);
  return {
    flags: head.getUint16(4),
    type,
    cookie: head.getBigUint64(8),
    offset: Number(head.getBigUint64(16)),
    length,
    data: type === NbdCommand.Write ? yield length : new Uint8Array(),
  };
}

/** A simple reply. */
export function simpleReply(cookie: bigint, error = 0, data: Uint8Array = new Uint8Array()): Uint8Array {
  return message([SIMPLE_REPLY_MAGIC, 4], [error, 4], [cookie, 8], data);
}

/** A chunk of a structured reply. */
export function chunk(cookie: bigint, type: number, payload: Uint8Array, flags: number = CHUNK_DONE): Uint8Array {
  return message([STRUCTURED_REPLY_MAGIC, 4], [flags, 2], [type, 2], [cookie, 8], [payload.length, 4], payload);
}

/** A chunk of data that was read. */
export function dataChunk(cookie: bigint, offset: number, data: Uint8Array, flags: number = CHUNK_DONE): Uint8Array {
  return chunk(cookie, Chunk.OffsetData, message([offset, 8], data), flags);
}

/** A chunk that says that what was read is zero. */
export function holeChunk(cookie: bigint, offset: number, length: number, flags: number = CHUNK_DONE): Uint8Array {
  return chunk(cookie, Chunk.OffsetHole, message([offset, 8], [length, 4]), flags);
}

/** A chunk that reports an error. */
export function errorChunk(cookie: bigint, error: number, words: string, flags: number = CHUNK_DONE): Uint8Array {
  const text = new TextEncoder().encode(words);
  return chunk(cookie, Chunk.Error, message([error, 4], [text.length, 2], text), flags);
}
