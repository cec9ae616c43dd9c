/**
 * The frontend's shadow table: what every slot asked for, and which request of the ring carries it. It lies in memory
 * that no peer has: what a response says is held against it.
 *
 * @module
 */

/** No slot. */
export const NONE = -1;

/** Slots and the requests that carry them. Plain arrays of numbers, one element a slot or an id. */
export class ShadowTable {
  /** 1 from submission until the operation is over. */
  readonly slotBusy: Uint8Array;
  /** The operation. */
  readonly slotOperation: Uint8Array;
  /** The outcome of the last operation. */
  readonly slotStatus: Int8Array;
  /** First sector. */
  readonly slotSector: Float64Array;
  /** Length in bytes. */
  readonly slotBytes: Float64Array;
  /** Bytes that requests were written for. */
  readonly slotIssued: Float64Array;
  /** Requests of this slot that were not answered. */
  readonly slotParts: Int32Array;
  /** The slot that the same request carries after this one, or {@link NONE}. */
  readonly slotNext: Int32Array;
  /** For each id the (first) slot that its request carries, or {@link NONE}. */
  readonly #slotOfId: Int32Array;
  /** Ids that are not in use: a stack. */
  readonly #freeIds: Int32Array;
  /** How many they are: also the free entries of the ring, as every entry has an id. */
  idsLeft: number;

  /** A table of idle slots. */
  constructor(idCount: number, slotCount: number) {
    this.slotBusy = new Uint8Array(slotCount);
    this.slotOperation = new Uint8Array(slotCount);
    this.slotStatus = new Int8Array(slotCount);
    this.slotSector = new Float64Array(slotCount);
    this.slotBytes = new Float64Array(slotCount);
    this.slotIssued = new Float64Array(slotCount);
    this.slotParts = new Int32Array(slotCount);
    this.slotNext = new Int32Array(slotCount).fill(NONE);
    this.#slotOfId = new Int32Array(idCount).fill(NONE);
    this.#freeIds = Int32Array.from({ length: idCount }, (_, index) => idCount - 1 - index);
    this.idsLeft = idCount;
  }

  /** Ids of requests that were not answered. */
  get idsInUse(): number {
    return this.#freeIds.length - this.idsLeft;
  }

  /** A slot begins an operation. On the hot path. */
  take(slot: number, operation: number, sector: number, byteLength: number): void {
    this.slotBusy[slot] = 1;
    this.slotOperation[slot] = operation;
    this.slotStatus[slot] = 0;
    this.slotSector[slot] = sector;
    this.slotBytes[slot] = byteLength;
    this.slotIssued[slot] = 0;
    this.slotParts[slot] = 0;
    this.slotNext[slot] = NONE;
  }

  /** An id for a request that carries a slot, or part of it. There must be one left. On the hot path. */
  assign(slot: number): number {
    const id = this.#freeIds[--this.idsLeft];
    this.#slotOfId[id] = slot;
    this.slotParts[slot]++;
    return id;
  }

  /** The slot of an id, or {@link NONE} when the id is not in use. */
  slotOf(id: number): number {
    return this.#slotOfId[id];
  }

  /** A request was answered: its id can be used again. */
  release(id: number): void {
    this.#slotOfId[id] = NONE;
    this.#freeIds[this.idsLeft++] = id;
  }
}
