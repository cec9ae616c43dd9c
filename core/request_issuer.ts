/**
 * From a slot's operation to requests of the ring: one of its own, as usual; several, when it is longer than a request
 * can be; or part of one, when adjacent operations are merged. What finds no entry of the ring waits here.
 *
 * @module
 */

import { carriesData, entryWord } from "./blkif.ts";
import type { DeviceInfo } from "./block_device.ts";
import { SECTOR_SIZE } from "./memory.ts";
import { MergeRun } from "./merge_run.ts";
import type { RequestWriter } from "./request_writer.ts";
import type { Ring } from "./ring.ts";
import {
  BYTES,
  ISSUED,
  NEXT,
  NONE,
  OPERATION,
  PARTS,
  RANGE_NUMBERS,
  SECTOR,
  type ShadowTable,
  SLOT_WORDS,
  SlotState,
  STATE,
} from "./shadow_table.ts";

/** Issues the requests of one frontend. */
export class RequestIssuer {
  readonly #ring: Ring;
  readonly #shadow: ShadowTable;
  readonly #writer: RequestWriter;
  readonly #mayMerge: boolean;
  /** Bytes that one request can carry. */
  #requestBytes = 0;
  /** What is being merged; null without merging. */
  #run: MergeRun | null = null;
  /** Slots that wait for an entry of the ring, in a circle; the first may have been issued in part. */
  readonly #waiting: Int32Array;
  #firstWaiting = 0;
  /** How many wait. */
  waitingCount = 0;

  /**
   * An issuer; {@link limit} comes before the first operation.
   *
   * @param mayMerge whether adjacent operations become one request
   */
  constructor(ring: Ring, shadow: ShadowTable, writer: RequestWriter, mayMerge: boolean) {
    this.#ring = ring;
    this.#shadow = shadow;
    this.#writer = writer;
    this.#mayMerge = mayMerge;
    this.#waiting = new Int32Array(shadow.slotCount);
  }

  /** Sets what the handshake found out: the longest request, and what the device is. */
  limit(requestBytes: number, info: DeviceInfo): void {
    this.#requestBytes = requestBytes;
    if (this.#mayMerge) this.#run = new MergeRun(this.#shadow, info, requestBytes);
  }

  /** Issues a slot's operation, or keeps it until that is possible. On the hot path. */
  issue(slot: number, operation: number, sector: number, byteLength: number): void {
    const shadow = this.#shadow;
    const at = slot * SLOT_WORDS;
    shadow.slots[at + OPERATION] = operation;
    if (
      this.#run === null && this.waitingCount === 0 && shadow.idsLeft > 0 &&
      (byteLength <= this.#requestBytes || !carriesData(operation))
    ) {
      shadow.slots[at + STATE] = SlotState.Alone;
      this.#writer.write(this.#entry(), shadow.assign(slot), operation, sector, byteLength, slot);
      return;
    }
    shadow.slots[at + STATE] = SlotState.Shared;
    shadow.slots[at + NEXT] = NONE;
    shadow.slots[at + PARTS] = 0;
    const range = slot * RANGE_NUMBERS;
    shadow.ranges[range + SECTOR] = sector;
    shadow.ranges[range + BYTES] = byteLength;
    shadow.ranges[range + ISSUED] = 0;
    if (this.#run === null) this.#enqueue(slot);
    else this.#merge(this.#run, slot);
  }

  /** Issues what is being merged: nothing more will join it. */
  endRun(): void {
    const first = this.#run?.end() ?? NONE;
    if (first !== NONE) this.#enqueue(first);
  }

  /** Issues of what waits as much as there are entries for. */
  issueWaiting(): void {
    const { slots, ranges } = this.#shadow;
    while (this.waitingCount > 0 && this.#shadow.idsLeft > 0) {
      const slot = this.#waiting[this.#firstWaiting];
      const range = slot * RANGE_NUMBERS;
      const operation = slots[slot * SLOT_WORDS + OPERATION];
      const byteLength = ranges[range + BYTES];
      const from = ranges[range + ISSUED];
      const merged = slots[slot * SLOT_WORDS + NEXT] !== NONE;
      const id = this.#shadow.assign(slot);
      slots[slot * SLOT_WORDS + PARTS]++;
      if (merged) {
        this.#writer.writeMerged(this.#entry(), id, slot, this.#shadow);
        ranges[range + ISSUED] = byteLength;
      } else {
        const part = carriesData(operation) ? Math.min(this.#requestBytes, byteLength - from) : byteLength;
        const sector = ranges[range + SECTOR] + from / SECTOR_SIZE;
        this.#writer.write(this.#entry(), id, operation, sector, part, slot, from);
        ranges[range + ISSUED] = from + part;
      }
      if (ranges[range + ISSUED] < byteLength) continue;
      this.#firstWaiting = (this.#firstWaiting + 1) % this.#waiting.length;
      this.waitingCount--;
    }
  }

  /** The place of the next entry, which counts as written. */
  #entry(): number {
    const ring = this.#ring;
    const at = entryWord(ring.entryOf(ring.produced));
    ring.produce();
    return at;
  }

  #enqueue(slot: number): void {
    this.#waiting[(this.#firstWaiting + this.waitingCount++) % this.#waiting.length] = slot;
    this.issueWaiting();
  }

  /** Adds a slot to the run that is being merged if it continues it; else ends that and begins another. */
  #merge(run: MergeRun, slot: number): void {
    if (run.join(slot)) return;
    this.endRun();
    if (!run.begin(slot)) this.#enqueue(slot);
  }
}
