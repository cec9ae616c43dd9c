/**
 * The NBD server in the test's own thread, one turn at a time: the test decides when the device completes what, and when
 * clients send. So every order of events can be had, and is the same each time.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { Operation } from "../../core/blkif.ts";
import type { DeviceInfo } from "../../core/block_device.ts";
import type { BlockQueue } from "../../core/block_queue.ts";
import { FRAME_SIZE, SharedMemory } from "../../core/memory.ts";
import { PlaceList, Sockets } from "../../core/socket.ts";
import type { WaitSource } from "../../core/waiter.ts";
import { type NbdServerOptions, serveNbd } from "../../plugins/exports/nbd/server.ts";
import { OPTION_MAGIC, REQUEST_MAGIC, SIMPLE_REPLY_BYTES, SIMPLE_REPLY_MAGIC } from "../../plugins/nbd/protocol.ts";

/** Most turns that a server is given: more than any test needs, so that none hangs. */
const MAX_TURNS = 20_000;
/** Turns that a server is given to do something: it asks for new clients in each 64th at the latest. */
const TURNS = 200;
/** Bytes of the server's greeting and its answer to EXPORT_NAME without the zeroes. */
const HANDSHAKE_BYTES = 18 + 10;

/** An operation as the server has submitted it. */
export interface Submitted {
  /** Its slot. */
  readonly slot: number;
  /** What it is. */
  readonly operation: Operation;
  /** Where it begins. */
  readonly offset: number;
  /** Its bytes. */
  readonly byteLength: number;
}

/** A queue that completes nothing before it is told to. */
export class HeldQueue implements BlockQueue {
  readonly info: DeviceInfo = {
    ...{ sizeBytes: 64 * 2 ** 20, sectorSize: 512, readOnly: false, canFlush: true, canDiscard: true },
  };
  readonly depth: number;
  readonly maxTransferBytes: number;
  /** What is in flight, oldest first. */
  readonly submitted: Submitted[] = [];
  /** All that was ever submitted. */
  readonly history: Submitted[] = [];
  /** What is done when the server has nothing to do. */
  idle: () => void = () => {};
  readonly #buffers: Uint8Array<SharedArrayBuffer>[];
  readonly #status: number[] = [];
  readonly #over: number[] = [];

  /** A queue of `depth` slots of `frames` pages each. */
  constructor(depth: number, frames: number) {
    this.depth = depth;
    this.maxTransferBytes = frames * FRAME_SIZE;
    this.#buffers = Array.from({ length: depth }, () => SharedMemory.allocate(frames).bytes);
  }

  get inFlight(): number {
    return this.submitted.length + this.#over.length;
  }

  buffer(slot: number): Uint8Array<SharedArrayBuffer> {
    return this.#buffers[slot];
  }

  submit(slot: number, operation: Operation, offset: number, byteLength: number): void {
    const isFree = !this.submitted.some((each) => each.slot === slot) && !this.#over.includes(slot);
    assert(isFree, `slot ${slot} was submitted twice`);
    this.submitted.push({ slot, operation, offset, byteLength });
    this.history.push({ slot, operation, offset, byteLength });
  }

  /** Completes the operation in flight at an offset. What is read there is the number of each page, plus 1. */
  complete(offset: number, status = 0): void {
    const index = this.submitted.findIndex((each) => each.offset === offset);
    assert(index >= 0, `nothing is in flight at ${offset}`);
    const [{ slot, operation, byteLength }] = this.submitted.splice(index, 1);
    if (operation === Operation.Read) {
      for (let at = 0; at < byteLength; at += FRAME_SIZE) {
        this.#buffers[slot].fill(pageByte(offset + at), at, Math.min(at + FRAME_SIZE, byteLength));
      }
    }
    this.#status[slot] = status;
    this.#over.push(slot);
  }

  poll(): number {
    return this.#over.shift() ?? -1;
  }

  wait(): number {
    for (const { offset } of [...this.submitted]) this.complete(offset);
    return this.poll();
  }

  status(slot: number): number {
    return this.#status[slot];
  }
}

/** What every byte of the page at an offset is. */
export function pageByte(offset: number): number {
  return (Math.floor(offset / FRAME_SIZE) % 255) + 1;
}

/** A client that takes simple replies, without a thread of its own. */
export class HeldClient {
  /** Whether the server has closed the connection. */
  closed = false;
  readonly #sockets: Sockets;
  readonly #descriptor: number;
  readonly #memory = SharedMemory.allocate(64);
  readonly #places = new PlaceList();
  #received = new Uint8Array(0);
  #left = false;

  /** Connects, and sends what leads to the export. */
  constructor(sockets: Sockets, path: string) {
    this.#sockets = sockets;
    this.#descriptor = sockets.connect({ kind: "unix", path });
    assert(this.#descriptor >= 0, `cannot connect: ${this.#descriptor}`);
    const hello = new DataView(new ArrayBuffer(4 + 16));
    [3, ...OPTION_MAGIC, 1, 0].forEach((word, index) => hello.setUint32(index * 4, word));
    this.send(new Uint8Array(hello.buffer));
  }

  /** Sends bytes. */
  send(bytes: Uint8Array): void {
    this.#memory.bytes.set(bytes);
    this.#places.clear();
    this.#places.add(this.#memory.address, bytes.length);
    assert.equal(this.#sockets.send(this.#descriptor, this.#places), bytes.length);
  }

  /** Sends a request, whose cookie is a number. */
  ask(cookie: number, command: number, offset: number, length: number, flags = 0): void {
    this.send(request(cookie, command, offset, length, flags));
  }

  /** Leaves. */
  leave(): void {
    if (!this.#left) this.#sockets.close(this.#descriptor);
    this.#left = true;
  }

  /** Whether the server has let it in. */
  get isIn(): boolean {
    return this.received.length >= HANDSHAKE_BYTES;
  }

  /** All that has come so far. */
  get received(): Uint8Array {
    for (;;) {
      this.#places.clear();
      this.#places.add(this.#memory.address, this.#memory.bytes.length);
      const count = this.#sockets.receive(this.#descriptor, this.#places);
      if (count === 0) this.closed = true;
      if (count <= 0) return this.#received;
      const joined = new Uint8Array(this.#received.length + count);
      joined.set(this.#received);
      joined.set(this.#memory.bytes.subarray(0, count), this.#received.length);
      this.#received = joined;
    }
  }

  /** What has come after the handshake, with reads of so many bytes each, as [cookie, error, first byte, last byte]. */
  replies(readBytes = 0): number[][] {
    const { received } = this;
    const view = new DataView(received.buffer);
    const found: number[][] = [];
    for (let at = HANDSHAKE_BYTES; at + SIMPLE_REPLY_BYTES <= received.length;) {
      assert.equal(view.getUint32(at), SIMPLE_REPLY_MAGIC);
      const [error, cookie] = [view.getUint32(at + 4), view.getUint32(at + 12)];
      at += SIMPLE_REPLY_BYTES;
      const dataBytes = error === 0 ? readBytes : 0;
      if (at + dataBytes > received.length) break;
      found.push(dataBytes === 0 ? [cookie, error] : [cookie, error, received[at], received[at + dataBytes - 1]]);
      at += dataBytes;
    }
    return found;
  }

  /** The data of the one read that was asked for, as far as it has come. */
  get data(): Uint8Array {
    return this.received.subarray(HANDSHAKE_BYTES + SIMPLE_REPLY_BYTES);
  }
}

/** A request as bytes. */
export function request(cookie: number, command: number, offset: number, length: number, flags = 0): Uint8Array {
  const view = new DataView(new ArrayBuffer(28));
  view.setUint32(0, REQUEST_MAGIC);
  view.setUint16(4, flags);
  view.setUint16(6, command);
  view.setUint32(12, cookie);
  view.setUint32(16, offset / 2 ** 32);
  view.setUint32(20, offset);
  view.setUint32(24, length);
  return new Uint8Array(view.buffer);
}

/** What a script has to do with. */
export interface HeldServer {
  /** Its device. */
  readonly queue: HeldQueue;
  /** A new client, which has sent its part of the handshake. */
  connect(): HeldClient;
  /** Whether the kernel tells the server of something to do: then it does not sleep. */
  hasWork(): boolean;
  /** Whether a thread that spins notices something to do. */
  spinFinds(): boolean;
  /** Gives the server turns until something holds. Fails if it never does. */
  until(holds: () => boolean): Generator<void>;
  /** Gives the server all the turns that it could need. */
  settle(): Generator<void>;
}

/** How the server is run. */
export interface HeldOptions extends Partial<NbdServerOptions> {
  /** Slots of the queue. */
  readonly depth: number;
  /** Pages of a slot. */
  readonly frames?: number;
}

/**
 * Runs a server beside a script, which gives it a turn by each `yield`. The server is told to finish when the script
 * says `finish`, and else to stop when the script ends.
 */
export function withHeldServer(options: HeldOptions, script: (server: HeldServer) => Generator<void | "finish">): void {
  const folder = Deno.makeTempDirSync({ prefix: "iddr-nbd-" });
  const path = join(folder, "nbd.sock");
  const queue = new HeldQueue(options.depth, options.frames ?? 1);
  const sockets = Sockets.open();
  const clients: HeldClient[] = [];
  let source: WaitSource | undefined;
  queue.idle = () => void source?.ready();
  const running = script({
    queue,
    spinFinds: () => Array.from({ length: TURNS }).some(() => source?.peek() === true),
    hasWork: () => source?.ready() === true,
    connect() {
      const client = new HeldClient(sockets, path);
      clients.push(client);
      return client;
    },
    *until(holds) {
      for (let turn = 0; !holds(); turn++) {
        if (turn > TURNS) assert.fail(`it never came to: ${holds}`);
        yield;
      }
    },
    *settle() {
      for (let turn = 0; turn < TURNS; turn++) yield;
    },
  });
  let finishing = false;
  let over = false;
  let turns = 0;
  // The server asks once in each turn, before it does anything.
  const step = (): boolean => {
    if (++turns > MAX_TURNS) assert.fail("the server goes on and on");
    const { done, value } = running.next();
    if (value === "finish") finishing = true;
    over ||= done === true;
    return over;
  };
  try {
    serveNbd({
      queue,
      ...{ seed: 1, thread: 0, threads: 1, scratchDirectory: null },
      running: () => !finishing,
      stopRequested: () => step(),
      watch: (watched: WaitSource) => void (source = watched),
      note: () => {},
      pause: () => {},
      now: () => performance.now(),
      due: () => {},
    }, {
      ...{ name: "", description: "", readOnly: false, atEnd: "drain", maxConnections: 64 },
      ...options,
      listen: `unix:${path}`,
    });
    // A server that has finished of itself needs no more turns; the script looks at what has come of it.
    while (!over) step();
  } finally {
    for (const client of clients) client.leave();
    sockets.detach();
    Deno.removeSync(folder, { recursive: true });
  }
}
