/**
 * The frontend's shadow table: what every slot asked for, and which request of the ring carries it. It lies in memory
 * that no peer has: what a response says is held against it.
 *
 * @module
 */

import { FRAME_SIZE, SharedMemory } from "./memory.ts";

/** No slot. */
export const NONE: number = -1;

// Words of a slot in the table: half a cache line. They are constants of this module, not exported: V8 folds those, but
// loads an imported one each time (5 ns a request were measured).
const SLOT_WORDS = 8;
const STATE = 0;
const OPERATION = 1;
const STATUS = 2;
const NEXT = 3;
const PARTS = 4;
const BEGUN = 5;

// Numbers of a slot: what its operation is about, and how much of it was issued.
const RANGE_NUMBERS = 4;
const SECTOR = 0;
const BYTES = 1;
const ISSUED = 2;

// What a slot is doing.
/** Nothing. */
const IDLE = 0;
/** Its operation is one request, of its own. */
const ALONE = 1;
/** Its operation waits, is several requests, or shares one. */
const SHARED = 2;
/** It cannot be used, as there is no connection. */
const UNUSABLE = 3;

/** Words that some slots take in {@link ShadowMemory}. */
export function shadowSlotWords(slotCount: number): number {
  return slotCount * SLOT_WORDS;
}

/** Memory of a shadow table: private, or shared by the threads of one domain. */
export interface ShadowMemory {
  /** Words of the slots: {@link shadowSlotWords} of so many. */
  readonly slots: Int32Array;
  /** For each id the (first) slot that its request carries, or {@link NONE}. */
  readonly slotOfId: Int32Array;
  /** For each id the number of its present or last request, none being 0 but before the first; then that of the last of all. */
  readonly sequences: Int32Array;
}

/**
 * Slots and the requests that carry them. All methods are on the hot path and cost a load or a store or two.
 *
 * A request is named by its id and by which request it is of all ({@link ShadowTable.sequence}): else a response to an
 * earlier request would pass for one to the request that has the id now, and one whose id is wrong for one to another.
 */
export class ShadowTable {
  /** How many slots there are. */
  readonly slotCount: number;
  /** How many ids there are: one for each entry of the ring. */
  readonly idCount: number;
  /** Ids of requests that were not answered. */
  idsInUse = 0;
  readonly #slots: Int32Array;
  readonly #ranges: Float64Array;
  readonly #slotOfId: Int32Array;
  readonly #sequences: Int32Array;
  /** Ids: a stack, of which the first {@link idsInUse} are in use. */
  readonly #ids: Int32Array;
  /** Operations that have begun. */
  #begun = 0;

  private constructor(idCount: number, slotCount: number, { slots, slotOfId, sequences }: ShadowMemory) {
    this.slotCount = slotCount;
    this.idCount = idCount;
    this.#slots = slots;
    this.#ranges = new Float64Array(slotCount * RANGE_NUMBERS);
    this.#slotOfId = slotOfId;
    this.#sequences = sequences;
    this.#ids = Int32Array.from({ length: idCount }, (_, index) => index);
  }

  /** A table of slots that are not usable yet. It is the calling thread's: others may at most {@link attach} to it. */
  static create(idCount: number, slotCount: number, memory = privateMemory(idCount, slotCount)): ShadowTable {
    const table = new ShadowTable(idCount, slotCount, memory);
    memory.slotOfId.fill(NONE);
    table.setUsable(false);
    return table;
  }

  /**
   * Another thread's view of a table, which takes responses: it may ask what is in flight, and {@link answer}. All else is
   * the business of the thread that submits.
   */
  static attach(idCount: number, slotCount: number, memory: ShadowMemory): ShadowTable {
    return new ShadowTable(idCount, slotCount, memory);
  }

  /** Makes all slots idle, or unusable. */
  setUsable(usable: boolean): void {
    for (let slot = 0; slot < this.slotCount; slot++) this.#slots[slot * SLOT_WORDS + STATE] = usable ? IDLE : UNUSABLE;
  }

  /** Slots that are doing something, in the order in which they began. Not for the hot path. */
  busySlots(): readonly number[] {
    const slots = Array.from({ length: this.slotCount }, (_, slot) => slot);
    const begun = (slot: number): number => this.#slots[slot * SLOT_WORDS + BEGUN];
    return slots.filter((slot) => [ALONE, SHARED].includes(this.#slots[slot * SLOT_WORDS + STATE]))
      .sort((a, b) => (begun(a) - begun(b)) | 0);
  }

  /** No request is in flight any more, whatever slots it carried: for a connection that begins anew. */
  releaseAll(): void {
    this.idsInUse = 0;
    this.#slotOfId.fill(NONE);
    // Below what was in use, the stack holds whatever was there before.
    for (let id = 0; id < this.idCount; id++) this.#ids[id] = id;
  }

  /** Whether slots can be used: all can, or none. */
  get usable(): boolean {
    return this.#slots[STATE] !== UNUSABLE;
  }

  /** Whether a slot can take an operation. */
  isIdle(slot: number): boolean {
    return this.#slots[slot * SLOT_WORDS + STATE] === IDLE;
  }

  /** Whether a slot's operation is one request of its own. */
  isAlone(slot: number): boolean {
    return this.#slots[slot * SLOT_WORDS + STATE] === ALONE;
  }

  /** A slot begins an operation that is one request of its own. */
  beginAlone(slot: number, operation: number, sector: number, byteLength: number): void {
    const at = slot * SLOT_WORDS;
    this.#slots[at + STATE] = ALONE;
    this.#slots[at + OPERATION] = operation;
    this.#slots[at + BEGUN] = ++this.#begun;
    const range = slot * RANGE_NUMBERS;
    this.#ranges[range + SECTOR] = sector;
    this.#ranges[range + BYTES] = byteLength;
  }

  /** A slot begins another operation, of which nothing is issued yet. */
  beginShared(slot: number, operation: number, sector: number, byteLength: number): void {
    const at = slot * SLOT_WORDS;
    this.#slots[at + STATE] = SHARED;
    this.#slots[at + OPERATION] = operation;
    this.#slots[at + BEGUN] = ++this.#begun;
    this.#slots[at + NEXT] = NONE;
    this.#slots[at + PARTS] = 0;
    const range = slot * RANGE_NUMBERS;
    this.#ranges[range + SECTOR] = sector;
    this.#ranges[range + BYTES] = byteLength;
    this.#ranges[range + ISSUED] = 0;
  }

  /** A slot's operation is over. */
  finish(slot: number, status: number): void {
    const at = slot * SLOT_WORDS;
    this.#slots[at + STATUS] = status;
    this.#slots[at + STATE] = IDLE;
  }

  /** A slot's operation. */
  operation(slot: number): number {
    return this.#slots[slot * SLOT_WORDS + OPERATION];
  }

  /** The outcome of a slot's last operation. */
  status(slot: number): number {
    return this.#slots[slot * SLOT_WORDS + STATUS];
  }

  /** The slot that the same request carries after this one, or {@link NONE}. Of a shared operation. */
  next(slot: number): number {
    return this.#slots[slot * SLOT_WORDS + NEXT];
  }

  /** Says which slot the same request carries after this one. */
  link(slot: number, next: number): void {
    this.#slots[slot * SLOT_WORDS + NEXT] = next;
  }

  /** First sector of a slot's operation. Of any operation, as its length. */
  sector(slot: number): number {
    return this.#ranges[slot * RANGE_NUMBERS + SECTOR];
  }

  /** Length of a slot's operation in bytes. */
  byteLength(slot: number): number {
    return this.#ranges[slot * RANGE_NUMBERS + BYTES];
  }

  /** For how many of its bytes requests were written. */
  issued(slot: number): number {
    return this.#ranges[slot * RANGE_NUMBERS + ISSUED];
  }

  /** A request was written for more bytes of a slot, up to byte `issued`. */
  addPart(slot: number, issued: number): void {
    this.#slots[slot * SLOT_WORDS + PARTS]++;
    this.#ranges[slot * RANGE_NUMBERS + ISSUED] = issued;
  }

  /** A request of a slot was answered. Whether that was the last: no other is in flight or still to be written. */
  endPart(slot: number): boolean {
    const parts = --this.#slots[slot * SLOT_WORDS + PARTS];
    return parts === 0 && this.issued(slot) >= this.byteLength(slot);
  }

  /** An id for a request that carries a slot, or part of it. There must be one left. */
  assign(slot: number): number {
    const id = this.#ids[this.idsInUse++];
    this.#slotOfId[id] = slot;
    const sequence = (this.requests + 1) | 0;
    this.#sequences[this.idCount] = sequence;
    this.#sequences[id] = sequence;
    return id;
  }

  /** How many requests had an id, modulo 2³². */
  get requests(): number {
    return this.#sequences[this.idCount];
  }

  /** Which request of all has an id, counted from 1: no two that are in flight have the same, and it takes 2³² to come again. */
  sequence(id: number): number {
    return this.#sequences[id];
  }

  /** The slot of an id, or {@link NONE} when the id is not in use. */
  slotOf(id: number): number {
    return this.#slotOfId[id];
  }

  /** A request was answered: another answer to it is none. Its id is used again when the thread that submits releases it. */
  answer(id: number): void {
    this.#slotOfId[id] = NONE;
  }

  /** A request was answered: its id can be used again. */
  release(id: number): void {
    this.#slotOfId[id] = NONE;
    this.#ids[--this.idsInUse] = id;
  }
}

function privateMemory(idCount: number, slotCount: number): ShadowMemory {
  return {
    slots: SharedMemory.allocate(Math.ceil((slotCount * SLOT_WORDS * 4) / FRAME_SIZE)).words,
    slotOfId: new Int32Array(idCount),
    sequences: new Int32Array(idCount + 1),
  };
}
