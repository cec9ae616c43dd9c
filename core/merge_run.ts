/**
 * The run of adjacent operations that a frontend joins into one request until it is published.
 *
 * @module
 */

import { Operation } from "./blkif.ts";
import type { DeviceInfo } from "./block_device.ts";
import { FRAME_SIZE, SECTOR_SIZE } from "./memory.ts";
import { NONE, type ShadowTable } from "./shadow_table.ts";

/** At most one run of reads, or of writes, whose sectors follow each other. Its slots are linked in the shadow table. */
export class MergeRun {
  readonly #shadow: ShadowTable;
  readonly #info: DeviceInfo;
  readonly #requestBytes: number;
  #first = NONE;
  #last = NONE;
  #byteLength = 0;

  /**
   * No run yet.
   *
   * @param requestBytes bytes that one request can carry
   */
  constructor(shadow: ShadowTable, info: DeviceInfo, requestBytes: number) {
    this.#shadow = shadow;
    this.#info = info;
    this.#requestBytes = requestBytes;
  }

  /** Begins a run with a slot, if its operation can be in one. There must be no other. On the hot path. */
  begin(slot: number): boolean {
    if (!this.#isMergeable(slot)) return false;
    this.#first = slot;
    this.#last = slot;
    this.#byteLength = this.#shadow.byteLength(slot);
    return true;
  }

  /** Adds a slot to the run, if it continues it. On the hot path. */
  join(slot: number): boolean {
    const shadow = this.#shadow;
    const last = this.#last;
    if (last === NONE) return false;
    const byteLength = shadow.byteLength(slot);
    if (
      shadow.operation(slot) !== shadow.operation(last) ||
      shadow.sector(slot) !== shadow.sector(last) + shadow.byteLength(last) / SECTOR_SIZE ||
      // Every slot begins a frame, so only whole frames can be followed by another slot's.
      this.#byteLength % FRAME_SIZE !== 0 || this.#byteLength + byteLength > this.#requestBytes ||
      !this.#isMergeable(slot)
    ) return false;
    shadow.link(last, slot);
    this.#last = slot;
    this.#byteLength += byteLength;
    return true;
  }

  /** Ends the run: its first slot, or {@link NONE} when there is no run. */
  end(): number {
    const first = this.#first;
    this.#first = NONE;
    this.#last = NONE;
    return first;
  }

  /** Only transfers that the device accepts: another must fail alone. */
  #isMergeable(slot: number): boolean {
    const operation = this.#shadow.operation(slot);
    if (operation !== Operation.Read && operation !== Operation.Write) return false;
    const { sectorSize, sizeBytes } = this.#info;
    const offset = this.#shadow.sector(slot) * SECTOR_SIZE;
    const byteLength = this.#shadow.byteLength(slot);
    return byteLength > 0 && ((offset | byteLength) & (sectorSize - 1)) === 0 && offset + byteLength <= sizeBytes;
  }
}
