/**
 * What one connection has to send: heads of replies, written here, and data, sent straight from the slots' memory.
 *
 * @module
 */

import { FRAME_SIZE, SharedMemory } from "../../../core/memory.ts";
import { MAX_PLACES, PlaceList, type Sockets } from "../../../core/socket.ts";
import type { SlotPool } from "./slot_pool.ts";

/** Bytes for one reply's head: the longest is that of a chunk with a block status or an error, 36 bytes. */
const HEAD_BYTES = 64;
const HEAD_FRAMES = 2;
const HEADS = (HEAD_FRAMES * FRAME_SIZE) / HEAD_BYTES;
/** Bytes for the replies to one option; the longest is a list with one name of 4096 bytes. */
const TEXT_FRAMES = 4;
const TEXT_START = HEAD_FRAMES * FRAME_SIZE;

/** Most replies that wait to be sent: each takes a head, and up to two places. */
export const MAX_REPLIES: number = Math.min(HEADS, MAX_PLACES / 2);

/** No slot. */
export const NO_SLOT: number = -1;

/** The replies of one connection, in the order in which they are sent. Used for one connection after another. */
export class ReplyQueue {
  readonly #sockets: Sockets;
  readonly #slots: SlotPool;
  readonly #memory = SharedMemory.allocate(HEAD_FRAMES + TEXT_FRAMES);
  readonly #view = new DataView(this.#memory.buffer, 0, this.#memory.buffer.byteLength);
  readonly #places = new PlaceList();
  /** Of each reply in a circle: at which byte of all that was ever queued it ends, and the slot that is free then. */
  readonly #ends = new Float64Array(HEADS);
  readonly #slotOf = new Int32Array(HEADS);
  #first = 0;
  /** Replies that wait, or are sent in part. */
  count = 0;
  #queuedBytes = 0;
  #sentBytes = 0;
  #textBytes = 0;
  #descriptor = -1;

  /** A queue for connections of one server. */
  constructor(sockets: Sockets, slots: SlotPool) {
    this.#sockets = sockets;
    this.#slots = slots;
  }

  /** Begins with another connection. Nothing is queued. */
  open(descriptor: number): void {
    this.#descriptor = descriptor;
    this.#first = 0;
    this.count = 0;
    this.#queuedBytes = 0;
    this.#sentBytes = 0;
    this.#textBytes = 0;
    this.#places.clear();
  }

  /** Bytes that wait. */
  get pendingBytes(): number {
    return this.#places.byteLength;
  }

  /** The memory in which heads are written: big-endian unless told otherwise. */
  get view(): DataView<SharedArrayBuffer> {
    return this.#view;
  }

  /** Where in {@link view} the head of the next reply is to be written. There must be room: see {@link MAX_REPLIES}. */
  get nextHead(): number {
    return ((this.#first + this.count) % HEADS) * HEAD_BYTES;
  }

  /**
   * Queues a reply, whose head was written at {@link nextHead}. On the hot path.
   *
   * @param headBytes length of the head
   * @param slot whose data follows, and which is free when that is sent; {@link NO_SLOT} for none
   * @param dataBytes length of the data
   */
  add(headBytes: number, slot: number, dataBytes: number): void {
    this.#places.add(this.#memory.address + this.nextHead, headBytes);
    this.#append(headBytes, slot, dataBytes);
  }

  /** Queues data that continues the reply before it. */
  addData(slot: number, dataBytes: number): void {
    this.#append(0, slot, dataBytes);
  }

  /** Appends to the replies to an option. All of the replies to the option before it must have been sent. */
  addText(bytes: Uint8Array): void {
    if (this.count === 0) this.#textBytes = 0;
    const at = TEXT_START + this.#textBytes;
    this.#memory.bytes.set(bytes, at);
    this.#textBytes += bytes.length;
    this.#places.add(this.#memory.address + at, bytes.length);
    this.#append(bytes.length, NO_SLOT, 0);
  }

  #append(headBytes: number, slot: number, dataBytes: number): void {
    if (dataBytes > 0) this.#places.add(this.#slots.addresses[slot], dataBytes);
    this.#queuedBytes += headBytes + dataBytes;
    const index = (this.#first + this.count++) % HEADS;
    this.#ends[index] = this.#queuedBytes;
    this.#slotOf[index] = slot;
  }

  /**
   * Sends what the kernel takes. On the hot path.
   *
   * @returns slots that are free now, or −1 when the connection is broken
   */
  send(): number {
    const sent = this.#sockets.send(this.#descriptor, this.#places);
    if (sent < 0) return this.#sockets.failed ? -1 : 0;
    if (sent === this.#places.byteLength) this.#places.clear();
    else this.#places.consume(sent);
    this.#sentBytes += sent;
    return this.#releaseUpTo(this.#sentBytes);
  }

  /** Forgets what was not sent. Returns the slots that are free now. */
  abandon(): number {
    this.#places.clear();
    return this.#releaseUpTo(this.#queuedBytes);
  }

  #releaseUpTo(bytes: number): number {
    let released = 0;
    while (this.count > 0 && this.#ends[this.#first] <= bytes) {
      const slot = this.#slotOf[this.#first];
      if (slot !== NO_SLOT) {
        this.#slots.release(slot);
        released++;
      }
      this.#first = (this.#first + 1) % HEADS;
      this.count--;
    }
    return released;
  }
}
