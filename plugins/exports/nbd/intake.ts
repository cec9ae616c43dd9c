/**
 * What a client sends, as it comes: heads of requests into a buffer, data of writes straight into the slot it is for.
 *
 * @module
 */

import { PlaceList, type Sockets } from "../../../core/socket.ts";
import { REQUEST_BYTES } from "../../nbd/protocol.ts";
import { InputBuffer } from "./input_buffer.ts";
import { NO_SLOT } from "./reply_queue.ts";
import type { SlotPool } from "./slot_pool.ts";

/** Bytes to receive where heads of requests are expected: some 146 of them. */
const READ_AHEAD_BYTES = 4096;

/** Receives from one socket after another. */
export class Intake {
  /** What has come and is no data of a write. */
  readonly input: InputBuffer = new InputBuffer();
  /** The slot that is filled with the data of a write, or {@link NO_SLOT}. */
  slot: number = NO_SLOT;
  readonly #sockets: Sockets;
  readonly #slots: SlotPool;
  readonly #places = new PlaceList();
  #descriptor = -1;
  /** How far the slot is filled, and how far it goes. */
  #filled = 0;
  #wanted = 0;
  /** Bytes to receive ahead. */
  #ahead = READ_AHEAD_BYTES;
  #finishing = false;
  /** What was received and not yet taken. */
  #arrived = -1;

  /** An intake of no socket yet. */
  constructor(sockets: Sockets, slots: SlotPool) {
    this.#sockets = sockets;
    this.#slots = slots;
  }

  /** Begins with another socket. */
  open(descriptor: number): void {
    this.#descriptor = descriptor;
    this.#arrived = -1;
    this.slot = NO_SLOT;
    this.#finishing = false;
    this.input.clear();
    this.expectData(false);
  }

  /** Whether heads are followed by data: then no more than the next head is received ahead of it. On the hot path. */
  expectData(expected: boolean): void {
    this.#ahead = expected ? REQUEST_BYTES : READ_AHEAD_BYTES;
  }

  /** From now on, no request is received behind the data of a write. */
  finish(): void {
    this.#finishing = true;
  }

  /** Whether something has come that was not taken yet: bytes, or the end. On the hot path. */
  look(): boolean {
    if (this.#arrived < 0) this.#arrived = this.#receive();
    return this.#arrived >= 0;
  }

  /** What {@link look} has found: how many bytes, 0 for the end. */
  taken(): number {
    const arrived = this.#arrived;
    this.#arrived = -1;
    return arrived;
  }

  /** Whether so many bytes are all that there was room for, so that there may be more. */
  filledUp(received: number): boolean {
    return received === this.#places.byteLength;
  }

  /** Begins to fill a slot. */
  beginSlot(slot: number, byteLength: number): void {
    this.slot = slot;
    this.#filled = 0;
    this.#wanted = byteLength;
  }

  /** Whether the slot is full. What came along with the head, which is little, is moved there first. On the hot path. */
  slotIsFull(): boolean {
    const { input } = this;
    const here = Math.min(input.length, this.#wanted - this.#filled);
    if (here > 0) {
      this.#slots.buffer(this.slot).set(input.bytes.subarray(input.start, input.start + here), this.#filled);
      input.start += here;
      this.#filled += here;
    }
    return this.#filled === this.#wanted;
  }

  /** The slot, which is somebody else's now. */
  takeSlot(): number {
    const { slot } = this;
    this.slot = NO_SLOT;
    return slot;
  }

  #receive(): number {
    const { input } = this;
    const places = this.#places;
    places.clear();
    input.compact();
    const waiting = this.slot === NO_SLOT ? 0 : this.#wanted - this.#filled;
    if (waiting > 0) places.add(this.#slots.addresses[this.slot] + this.#filled, waiting);
    if (waiting === 0 || !this.#finishing) input.offerPlace(places, this.#ahead);
    const received = this.#sockets.receive(this.#descriptor, places);
    if (received <= 0) return received;
    const data = Math.min(received, waiting);
    this.#filled += data;
    input.end += received - data;
    return received;
  }
}
