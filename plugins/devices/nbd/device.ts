/**
 * A remote export as a block device: requests out over one or more connections, replies back in any order.
 *
 * When a connection is lost it is closed first. What was in flight on it goes out again, oldest first, on another
 * connection or on the next that is made. That is safe to do, as nobody was told that it was done: a write twice is the
 * same as once, and until the answer nobody may count on what its sectors hold. A flush needs no special place among
 * them: it answers for the writes that were answered before it was submitted, and none of those goes out again.
 *
 * @module
 */

import type { BlockDevice, BlockRequest, DeviceInfo } from "../../../core/block_device.ts";
import type { Counters } from "../../../core/counters.ts";
import type { Epoll } from "../../../core/epoll.ts";
import { ConnectionError } from "../../../core/errors.ts";
import type { Sockets } from "../../../core/socket.ts";
import { formatDuration } from "../../../core/units.ts";
import { NbdCommand } from "../../nbd/protocol.ts";
import { Commands, failRequest } from "./commands.ts";
import type { NbdConnection } from "./connection.ts";

const NS_PER_MS = 1e6;

/** What a device is made of. */
export interface NbdDeviceOptions {
  /** What it is. */
  readonly info: DeviceInfo;
  /** What the server is called in messages: its URI. */
  readonly server: string;
  /** Most data of one command. */
  readonly maxPayloadBytes: number;
  /** Its connections, at least one; the first is ready. */
  readonly connections: readonly NbdConnection[];
  /** The set in which the connections' descriptors are. */
  readonly epoll: Epoll;
  /** The way to the kernel. */
  readonly sockets: Pick<Sockets, "detach">;
  /** How long requests wait while there is no connection, in nanoseconds. */
  readonly reconnectTimeoutNs: number;
  /** Tells the person. */
  readonly note: (text: string) => void;
}

/** A block device by NBD. */
export class NbdDevice implements BlockDevice {
  readonly info: DeviceInfo;
  readonly descriptor: number;
  /** Looking takes a system call. */
  readonly pollNs = 200;
  readonly #options: NbdDeviceOptions;
  readonly #connections: readonly NbdConnection[];
  readonly #commands: Commands;
  readonly #epoll: Epoll;
  readonly #states: { ready: boolean; everReady: boolean }[];
  #readyCount = 0;
  #reconnects = 0;
  /** Since when there is no connection, if there is none. */
  #downSince = 0;
  /** How long there was none before that, since one was of use: a server that greets and is gone again is as none. */
  #downMs = 0;
  /** Why requests fail at once, while they do. */
  #givenUp: string | null = null;
  /** Whether all that had come was taken at the last look. */
  #drained = false;

  /** A device on its connections. */
  constructor(options: NbdDeviceOptions) {
    this.info = options.info;
    this.descriptor = options.epoll.descriptor;
    this.#options = options;
    this.#epoll = options.epoll;
    this.#connections = options.connections;
    this.#commands = new Commands(options.server, options.maxPayloadBytes);
    for (const [number, connection] of options.connections.entries()) connection.serve(this.#commands, number);
    this.#states = options.connections.map(({ state }) => ({ ready: state === "ready", everReady: state === "ready" }));
    this.#readyCount = this.#states.filter(({ ready }) => ready).length;
  }

  submit(request: BlockRequest): boolean {
    if (this.#givenUp !== null) {
      failRequest(request, this.#givenUp);
      return true;
    }
    this.#commands.add(request);
    return false;
  }

  poll(): BlockRequest | null {
    const commands = this.#commands;
    if (commands.doneCount === 0) {
      if (this.#drained && !commands.hasNext) {
        // The last look took all there was, and this is the question that ends its turn.
        this.#drained = false;
        return null;
      }
      const all = this.#work();
      this.#drained = all && commands.doneCount > 0;
    }
    return commands.takeDone();
  }

  idle(): void {
    if (this.#readyCount < this.#connections.length) this.#tend();
    this.#serveReady();
  }

  counters(): Counters {
    return { nbdReconnects: this.#reconnects, nbdReissued: this.#commands.reissued };
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
    this.#epoll.close();
    this.#options.sockets.detach();
  }

  /** Moves everything on by a step: gives commands to connections, sends, receives. Whether all that had come was taken. */
  #work(): boolean {
    const connections = this.#connections;
    if (this.#readyCount < connections.length) this.#tend();
    const wasIdle = connections.length === 1 && connections[0].inFlight === 0;
    this.#assign();
    for (let i = 0; i < connections.length; i++) {
      if (connections[i].state === "ready" && connections[i].pending) this.#send(i);
    }
    if (connections.length > 1 || this.#readyCount === 0) return this.#serveReady();
    // What was asked only now cannot have been answered.
    return wasIdle || !this.#receive(0);
  }

  /** Gives what is to be done to the connections, each to the one that has least in flight. */
  #assign(): void {
    const commands = this.#commands;
    if (this.#givenUp !== null) commands.failAll(this.#givenUp);
    while (this.#readyCount > 0 && commands.hasNext) {
      const number = this.#leastBusy();
      const slot = commands.next(number);
      this.#connections[number].push(slot, commands.typeOf(slot) === NbdCommand.Read);
    }
  }

  #leastBusy(): number {
    const connections = this.#connections;
    let best = -1;
    for (let i = 0; i < connections.length; i++) {
      const { state, inFlight } = connections[i];
      if (state === "ready" && (best < 0 || inFlight < connections[best].inFlight)) best = i;
    }
    return best;
  }

  /** Sees to the connections that the kernel names. Whether all that had come was taken. */
  #serveReady(): boolean {
    const count = this.#epoll.poll();
    let all = true;
    for (let i = 0; i < count; i++) {
      const descriptor = this.#epoll.readyDescriptor(i);
      const number = this.#connections.findIndex((each) => each.descriptor === descriptor);
      if (number < 0) continue; // It was closed on the way here.
      if (this.#states[number].ready) {
        if (this.#receive(number)) all = false;
      } else {
        this.#connections[number].handshake(performance.now());
        this.#noticeReady(number);
      }
    }
    return all;
  }

  /** Whether there may be more. */
  #receive(number: number): boolean {
    try {
      return this.#connections[number].receive();
    } catch (thrown) {
      this.#lost(number, thrown);
      return false;
    }
  }

  #send(number: number): void {
    try {
      this.#connections[number].send();
    } catch (thrown) {
      this.#lost(number, thrown);
    }
  }

  /** A connection is no more: it is closed, and only then what it had goes to others. */
  #lost(number: number, thrown: unknown): void {
    if (!(thrown instanceof ConnectionError)) throw thrown;
    const connection = this.#connections[number];
    const now = performance.now();
    if (connection.wasOfUse || connection.inFlight === 0) this.#downMs = 0;
    connection.lose(thrown.message, now);
    this.#commands.reclaim(number);
    this.#states[number].ready = false;
    this.#readyCount--;
    this.#downSince = now;
    this.#options.note(`The connection to ${this.#options.server} was lost: ${thrown.message}. It is tried again`);
  }

  #noticeReady(number: number): void {
    if (this.#connections[number].state !== "ready") return;
    const state = this.#states[number];
    if (this.#readyCount === 0) this.#downMs += performance.now() - this.#downSince;
    this.#givenUp = null;
    this.#readyCount++;
    state.ready = true;
    if (state.everReady) {
      this.#reconnects++;
      this.#options.note(`The connection to ${this.#options.server} is back`);
    }
    state.everReady = true;
  }

  /** Does what the time has come for: not on the hot path, but where a connection is wanting. */
  #tend(): void {
    const now = performance.now();
    for (let i = 0; i < this.#connections.length; i++) this.#connections[i].tend(now);
    if (this.#readyCount > 0 || this.#givenUp !== null) return;
    const { server, reconnectTimeoutNs } = this.#options;
    const objecting = this.#connections.find(({ objected }) => objected);
    if (objecting !== undefined) {
      this.#giveUp(`The server of ${server} cannot be used any more: ${objecting.trouble}`);
    } else if (this.#downMs + now - this.#downSince >= reconnectTimeoutNs / NS_PER_MS) {
      const { trouble } = this.#connections[0];
      this.#giveUp(`There has been no connection to ${server} for ${formatDuration(reconnectTimeoutNs)}: ${trouble}`);
    }
  }

  /** Fails what waits, and what comes, until there is a connection again. */
  #giveUp(cause: string): void {
    this.#givenUp = cause;
    this.#commands.failAll(cause);
  }
}
