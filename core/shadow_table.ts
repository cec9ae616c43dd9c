/**
 * The frontend's shadow table: what every slot asked for, and which request of the ring carries it. It lies in memory
 * that no peer has: what a response says is held against it.
 *
 * @module
 */

import { FRAME_SIZE, SharedMemory } from "./memory.ts";

/** No slot. */
export const NONE: number = -1;

/** Words of a slot in {@link ShadowTable.slots}: half a cache line. */
export const SLOT_WORDS: number = 8;
/** Word of a slot: {@link SlotState}. */
export const STATE: number = 0;
/** Word of a slot: its operation. */
export const OPERATION: number = 1;
/** Word of a slot: the outcome of its last operation. */
export const STATUS: number = 2;
/** Word of a slot: the slot that the same request carries after this one, or {@link NONE}. */
export const NEXT: number = 3;
/** Word of a slot: its requests that were not answered. */
export const PARTS: number = 4;

/** Numbers of a slot in {@link ShadowTable.ranges}. */
export const RANGE_NUMBERS: number = 4;
/** Number of a slot: its first sector. */
export const SECTOR: number = 0;
/** Number of a slot: its length in bytes. */
export const BYTES: number = 1;
/** Number of a slot: for how many of its bytes requests were written. */
export const ISSUED: number = 2;

/** What a slot is doing. */
export const SlotState = {
  /** Nothing. */
  Idle: 0,
  /** Its operation is one request, of its own. */
  Alone: 1,
  /** Its operation waits, is several requests, or shares one. */
  Shared: 2,
  /** It cannot be used, as there is no connection. */
  Unusable: 3,
} as const;

/** Slots and the requests that carry them. */
export class ShadowTable {
  /** How many slots there are. */
  readonly slotCount: number;
  /** {@link SLOT_WORDS} words for each slot. */
  readonly slots: Int32Array;
  /** {@link RANGE_NUMBERS} numbers for each slot. */
  readonly ranges: Float64Array;
  /** For each id the (first) slot that its request carries, or {@link NONE}. */
  readonly #slotOfId: Int32Array;
  /** Ids that are not in use: a stack. */
  readonly #freeIds: Int32Array;
  /** How many they are: also the free entries of the ring, as every entry has an id. */
  idsLeft: number;

  /** A table of slots that are not usable yet. */
  constructor(idCount: number, slotCount: number) {
    this.slotCount = slotCount;
    this.slots = SharedMemory.allocate(Math.ceil((slotCount * SLOT_WORDS * 4) / FRAME_SIZE)).words;
    this.ranges = new Float64Array(slotCount * RANGE_NUMBERS);
    this.#slotOfId = new Int32Array(idCount).fill(NONE);
    this.#freeIds = Int32Array.from({ length: idCount }, (_, index) => idCount - 1 - index);
    this.idsLeft = idCount;
    this.setAll(SlotState.Unusable);
  }

  /** Puts all slots into one state. */
  setAll(state: number): void {
    for (let at = STATE; at < this.slots.length; at += SLOT_WORDS) this.slots[at] = state;
  }

  /** Ids of requests that were not answered. */
  get idsInUse(): number {
    return this.#freeIds.length - this.idsLeft;
  }

  /** An id for a request that carries a slot, or part of it. There must be one left. On the hot path. */
  assign(slot: number): number {
    const id = this.#freeIds[--this.idsLeft];
    this.#slotOfId[id] = slot;
    return id;
  }

  /** The slot of an id, or {@link NONE} when the id is not in use. On the hot path. */
  slotOf(id: number): number {
    return this.#slotOfId[id];
  }

  /** A request was answered: its id can be used again. On the hot path. */
  release(id: number): void {
    this.#slotOfId[id] = NONE;
    this.#freeIds[this.idsLeft++] = id;
  }
}
