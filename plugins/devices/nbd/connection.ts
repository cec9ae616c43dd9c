/**
 * One connection to a server, through its whole life: it is tried, shakes hands, transmits, is lost and tried again.
 *
 * Nothing here waits. Whoever owns it calls {@link NbdConnection.tend} now and then for what is a matter of time, and
 * {@link NbdConnection.handshake} when its descriptor is ready.
 *
 * @module
 */

import type { Epoll } from "../../../core/epoll.ts";
import { Ready } from "../../../core/epoll.ts";
import { ConnectionError, messageOf } from "../../../core/errors.ts";
import { describeErrno } from "../../../core/libc.ts";
import { PlaceList, type Sockets } from "../../../core/socket.ts";
import type { SocketAddress } from "../../../core/socket_address.ts";
import { NbdCommand, REQUEST_BYTES, REQUEST_MAGIC } from "../../nbd/protocol.ts";
import type { Commands } from "./commands.ts";
import { Handshake, HANDSHAKE_ROOM_BYTES, HandshakeRefusal, type NbdExport } from "./handshake.ts";
import { ReplyStream } from "./reply_stream.ts";
import { RequestStream } from "./request_stream.ts";
import { Staging } from "./staging.ts";

/** What connections of a device have in common. */
export interface ConnectionSettings {
  /** The way to the kernel. */
  readonly sockets: Sockets;
  /** The set of all descriptors. */
  readonly epoll: Epoll;
  /** Where the server may be, in the order in which it is looked for. */
  readonly addresses: readonly SocketAddress[];
  /** The export's name. */
  readonly exportName: string;
  /** The pause after the first failed attempt; it doubles with each. */
  readonly retryFromMs: number;
  /** The longest pause. */
  readonly retryToMs: number;
  /** How long an attempt may take, from its beginning to the end of the handshake. */
  readonly attemptMs: number;
  /** Why an export cannot be used, or null: asked at the end of each handshake. */
  readonly objection: (found: NbdExport) => string | null;
}

/** What a connection is doing. */
export type ConnectionState = "waiting" | "connecting" | "shaking hands" | "ready";

const NOTHING = -1;

/** One connection. */
export class NbdConnection {
  /** What it is doing. */
  state: ConnectionState = "waiting";
  /** Its socket; −1 while there is none. */
  descriptor: number = NOTHING;
  /** Commands that it has. */
  inFlight = 0;
  /** Why the last attempt failed, or the connection was lost; empty before that. */
  failure = "";
  /** Whether to try again would not help, as far as anybody can know. */
  refused = false;
  /** Whether it is that the export is not what it was. */
  objected = false;
  /** What the server said of the export; null before the first handshake. */
  found: NbdExport | null = null;
  readonly #settings: ConnectionSettings;
  readonly #staging = new Staging(HANDSHAKE_ROOM_BYTES);
  readonly #list = new PlaceList();
  #handshake: Handshake | null = null;
  /** What the handshake has to say and the kernel has not taken. */
  readonly #output = new Staging(HANDSHAKE_ROOM_BYTES);
  #requests: RequestStream | null = null;
  #replies: ReplyStream | null = null;
  #watchesWrites = false;
  /** The address that is tried next, or was last; and how many were tried since the last pause. */
  #address = 0;
  #tried = 0;
  #pauseMs: number;
  #nextAt = 0;
  #deadline = 0;

  /** A connection that is to be tried at once. */
  constructor(settings: ConnectionSettings) {
    this.#settings = settings;
    this.#pauseMs = settings.retryFromMs;
  }

  /** Gives it the commands that it is to carry; its number names it there. Before the first command. */
  serve(commands: Commands, number: number): void {
    const requests = this.#requests = new RequestStream(commands);
    this.#replies = new ReplyStream(commands, number, this.#staging, (slot) => requests.holds(slot));
    this.#replies.reset(this.found?.structured ?? false);
  }

  /** When it wants to be tended next, at the latest. */
  get dueAt(): number {
    return this.state === "waiting" ? this.#nextAt : this.#deadline;
  }

  /** Why it is not ready, in words. */
  get trouble(): string {
    if (this.state === "waiting" || this.state === "ready") return this.failure;
    const now = this.state === "connecting"
      ? "it does not accept the connection"
      : `it has not sent ${this.#handshake?.awaited}`;
    return this.failure === "" ? now : `${this.failure}; and now ${now}`;
  }

  /** Whether the server has answered any command since the connection is ready. */
  get wasOfUse(): boolean {
    return this.#replies !== null && this.#replies.answered > 0;
  }

  /** Does what the time has come for: begins an attempt, or gives one up. */
  tend(now: number): void {
    if (this.state === "waiting") {
      if (now >= this.#nextAt) this.#begin(now);
    } else if (this.state !== "ready" && now >= this.#deadline) {
      this.failure = "";
      this.#failAttempt(`${this.trouble} within ${this.#settings.attemptMs / 1000} s`, now);
    }
  }

  /** Goes on with an attempt, as far as what the kernel has allows. */
  handshake(now: number): void {
    try {
      if (this.state === "connecting") this.#connected();
      if (this.state === "shaking hands") this.#talk();
    } catch (thrown) {
      this.refused = thrown instanceof HandshakeRefusal;
      if (this.refused) this.#sayGoodbye();
      this.#failAttempt(messageOf(thrown), now);
    }
  }

  /** Takes a command. On the hot path. */
  push(slot: number, isRead: boolean): void {
    (this.#requests as RequestStream).push(slot);
    if (isRead) (this.#replies as ReplyStream).reads++;
    this.inFlight++;
  }

  /** Whether it has something to send. */
  get pending(): boolean {
    return (this.#requests as RequestStream).pending;
  }

  /**
   * Sends what it has. On the hot path.
   *
   * @throws {ConnectionError} when the connection is broken
   */
  send(): void {
    const all = (this.#requests as RequestStream).send(this.#settings.sockets, this.descriptor);
    if (all === this.#watchesWrites) {
      this.#watchesWrites = !all;
      this.#settings.epoll.modify(this.descriptor, all ? Ready.Read : Ready.Read | Ready.Write);
    }
  }

  /**
   * Takes what has come. On the hot path.
   *
   * @returns whether there may be more
   * @throws {ConnectionError} when the connection is over or the server has broken the protocol
   */
  receive(): boolean {
    const replies = this.#replies as ReplyStream;
    const before = replies.answered;
    try {
      return replies.receive(this.#settings.sockets, this.descriptor);
    } finally {
      this.inFlight -= replies.answered - before;
    }
  }

  /** Ends a ready connection, to be tried again after a pause. Its commands are the owner's to take back. */
  lose(reason: string, now: number): void {
    if (this.wasOfUse || this.inFlight === 0) {
      this.#pauseMs = this.#settings.retryFromMs;
    }
    this.#release();
    this.failure = reason;
    this.#pause(now);
  }

  /** Ends it for good, as the protocol has it. */
  close(): void {
    if (this.descriptor === NOTHING) return;
    if (this.state !== "connecting") this.#sayGoodbye();
    this.#release();
  }

  #begin(now: number): void {
    const { sockets, epoll, addresses, attemptMs, exportName } = this.#settings;
    const address = addresses[this.#address];
    this.#deadline = now + attemptMs;
    let descriptor: number;
    try {
      descriptor = sockets.connect(address);
    } catch (thrown) {
      return this.#failAttempt(messageOf(thrown), now);
    }
    if (descriptor < 0) return this.#failAttempt(describeErrno(-descriptor), now);
    if (address.kind !== "unix") {
      sockets.setNoDelay(descriptor);
      sockets.setKeepAlive(descriptor);
    }
    this.descriptor = descriptor;
    this.state = "connecting";
    this.#handshake = new Handshake(exportName);
    this.#staging.clear();
    this.#output.clear();
    epoll.add(descriptor, Ready.Write);
  }

  #connected(): void {
    const errno = this.#settings.sockets.connectError(this.descriptor);
    if (errno !== 0) throw new ConnectionError(describeErrno(errno));
    this.state = "shaking hands";
    this.#settings.epoll.modify(this.descriptor, Ready.Read);
  }

  /** Takes and gives bytes of the handshake, until there are none. */
  #talk(): void {
    const { sockets } = this.#settings;
    const handshake = this.#handshake as Handshake;
    for (;;) {
      if (!this.#sendOutput()) return;
      this.#list.clear();
      this.#staging.addFreeTo(this.#list, this.#staging.bytes.length);
      const received = sockets.receive(this.descriptor, this.#list);
      if (received < 0) return;
      if (received === 0) throw new ConnectionError(`it closed the connection before ${handshake.awaited}`);
      this.#staging.end += received;
      this.#staging.start += handshake.take(this.#staging.view());
      this.#output.append(handshake.takeOutput());
      if (handshake.result !== null) return this.#finishHandshake(handshake.result);
    }
  }

  /** Whether all of it was sent. */
  #sendOutput(): boolean {
    const { sockets, epoll } = this.#settings;
    const output = this.#output;
    while (output.byteLength > 0) {
      this.#list.clear();
      output.addFilledTo(this.#list);
      const sent = sockets.send(this.descriptor, this.#list);
      if (sent < 0) {
        if (sockets.failed) throw new ConnectionError("it closed the connection during the handshake");
        epoll.modify(this.descriptor, Ready.Read | Ready.Write);
        this.#watchesWrites = true;
        return false;
      }
      output.start += sent;
    }
    output.clear();
    if (this.#watchesWrites) epoll.modify(this.descriptor, Ready.Read);
    this.#watchesWrites = false;
    return true;
  }

  #finishHandshake(found: NbdExport): void {
    if (this.#staging.byteLength > 0) {
      throw new HandshakeRefusal("it breaks the protocol: it goes on after the handshake without being asked");
    }
    const objection = this.#settings.objection(found);
    this.objected = objection !== null;
    if (objection !== null) throw new HandshakeRefusal(objection);
    this.found = found;
    this.#handshake = null;
    this.state = "ready";
    this.failure = "";
    this.refused = false;
    this.inFlight = 0;
    this.#replies?.reset(found.structured);
    this.#requests?.reset();
  }

  #failAttempt(reason: string, now: number): void {
    this.#release();
    this.failure = reason;
    const { length } = this.#settings.addresses;
    this.#address = (this.#address + 1) % length;
    if (++this.#tried >= length) this.#pause(now); // All addresses are tried before each pause.
  }

  #pause(now: number): void {
    this.#tried = 0;
    this.#nextAt = now + this.#pauseMs;
    this.#pauseMs = Math.min(this.#pauseMs * 2, this.#settings.retryToMs);
  }

  /** Tells the server that this is the end; it may not hear of it. */
  #sayGoodbye(): void {
    const { sockets } = this.#settings;
    if (this.state === "ready" ? this.#requests?.pending === true : this.#output.byteLength > 0) return;
    this.#output.clear();
    this.#output.append(this.#handshake === null || this.#handshake.result !== null ? DISCONNECT : Handshake.abort);
    this.#list.clear();
    this.#output.addFilledTo(this.#list);
    sockets.send(this.descriptor, this.#list);
    this.#output.clear();
  }

  #release(): void {
    if (this.descriptor !== NOTHING) {
      this.#settings.epoll.remove(this.descriptor);
      this.#settings.sockets.close(this.descriptor);
    }
    this.descriptor = NOTHING;
    this.state = "waiting";
    this.#handshake = null;
    this.#watchesWrites = false;
    this.inFlight = 0;
    this.#requests?.reset();
  }
}

/** The request to disconnect, with cookie, offset and length 0. */
const DISCONNECT = disconnectBytes();

function disconnectBytes(): Uint8Array {
  const bytes = new Uint8Array(REQUEST_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, REQUEST_MAGIC);
  view.setUint16(6, NbdCommand.Disconnect);
  return bytes;
}
