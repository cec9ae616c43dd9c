/**
 * What goes to the server: the heads of commands, and the data of writes straight from the application's frames, as much
 * as the kernel takes with one call.
 *
 * @module
 */

import { ConnectionError } from "../../../core/errors.ts";
import { describeErrno } from "../../../core/libc.ts";
import { PlaceList, type Sockets } from "../../../core/socket.ts";
import { REQUEST_BYTES } from "../../nbd/protocol.ts";
import { COMMANDS, type Commands } from "./commands.ts";
import { addPlaces } from "./extents.ts";
import { Queue } from "./numbers.ts";

/** The sending half of a connection. */
export class RequestStream {
  readonly #commands: Commands;
  /** Commands of which not all was sent, oldest first. */
  readonly #queue = new Queue(COMMANDS);
  readonly #list = new PlaceList();
  /** Bytes that were sent of the first. */
  #sent = 0;
  /** How many of the queue's commands are in the list to their end. */
  #listed = 0;
  /** Bytes of the command after those that were put into the list. */
  #begun = 0;

  /** A stream of these commands. */
  constructor(commands: Commands) {
    this.#commands = commands;
  }

  /** Whether there is something to send. */
  get pending(): boolean {
    return this.#queue.count > 0;
  }

  /** Appends a command. On the hot path. */
  push(slot: number): void {
    this.#queue.push(slot);
  }

  /** Whether a command was not wholly sent: then nobody can have answered it. */
  holds(slot: number): boolean {
    for (let i = 0; i < this.#queue.count; i++) {
      if (this.#queue.at(i) === slot) return true;
    }
    return false;
  }

  /**
   * Sends what the kernel takes. On the hot path.
   *
   * @returns whether that was all
   * @throws {ConnectionError} when the connection is broken
   */
  send(sockets: Pick<Sockets, "send" | "errno">, descriptor: number): boolean {
    const list = this.#list;
    for (;;) {
      if (list.count === 0) {
        if (this.#queue.count === 0) return true;
        this.#fill();
      }
      const sent = sockets.send(descriptor, list);
      if (sent < 0) {
        const errno = sockets.errno;
        if (errno === EAGAIN || errno === EINTR) return false;
        throw new ConnectionError(`nothing can be sent: ${describeErrno(errno)}`);
      }
      if (sent === list.byteLength) list.clear();
      else list.consume(sent);
      this.#drop(sent);
    }
  }

  /** Takes the commands off the queue that these bytes complete. */
  #drop(byteLength: number): void {
    const queue = this.#queue;
    let sent = this.#sent + byteLength;
    while (queue.count > 0) {
      const whole = REQUEST_BYTES + this.#commands.payloadOf(queue.first());
      if (sent < whole) break;
      sent -= whole;
      queue.shift();
      this.#listed--;
    }
    this.#sent = sent;
  }

  /** Forgets everything, for another connection. */
  reset(): void {
    this.#queue.clear();
    this.#list.clear();
    this.#sent = 0;
    this.#listed = 0;
    this.#begun = 0;
  }

  #fill(): void {
    const list = this.#list;
    const commands = this.#commands;
    while (this.#listed < this.#queue.count && !list.full) {
      const slot = this.#queue.at(this.#listed);
      if (this.#begun === 0) {
        list.add(commands.headAddress(slot), REQUEST_BYTES);
        this.#begun = REQUEST_BYTES;
      }
      const payload = commands.payloadOf(slot);
      const sent = this.#begun - REQUEST_BYTES;
      if (sent < payload) {
        const request = commands.requestOf(slot);
        this.#begun += addPlaces(list, request, commands.fromOf(slot) + sent, payload - sent, 0);
      }
      if (this.#begun < REQUEST_BYTES + payload) break; // The list is full: the rest comes in the next.
      this.#begun = 0;
      this.#listed++;
    }
  }
}

const EAGAIN = 11;
const EINTR = 4;
