/**
 * From a slot's operation to requests of the ring: one of its own, as usual; several, when it is longer than a request
 * can be; or part of one, when adjacent operations are merged. What finds no entry of the ring waits here.
 *
 * @module
 */

import { carriesData, entryWord } from "./blkif.ts";
import type { DeviceInfo } from "./block_device.ts";
import { FRAME_SIZE, SECTOR_SIZE } from "./memory.ts";
import { MergeRun } from "./merge_run.ts";
import type { RequestWriter } from "./request_writer.ts";
import type { Ring } from "./ring.ts";
import { NONE, type ShadowTable } from "./shadow_table.ts";

/** Issues the requests of one frontend. */
export class RequestIssuer {
  readonly #ring: Ring;
  readonly #shadow: ShadowTable;
  #writer: RequestWriter;
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

  /**
   * Sets what the handshake found out.
   *
   * @param indirectSegments most segments of an indirect request; 0: none
   */
  limit(indirectSegments: number, info: DeviceInfo): void {
    this.#requestBytes = this.#writer.limitSegments(indirectSegments) * FRAME_SIZE;
    if (this.#mayMerge) this.#run = new MergeRun(this.#shadow, info, this.#requestBytes);
  }

  /** Forgets everything that waits, for a connection that begins anew; {@link limit} comes next. */
  reset(writer: RequestWriter): void {
    this.#writer = writer;
    this.#run = null;
    this.#firstWaiting = 0;
    this.waitingCount = 0;
  }

  /** Issues a slot's operation, or keeps it until that is possible. On the hot path. */
  issue(slot: number, operation: number, sector: number, byteLength: number): void {
    const shadow = this.#shadow;
    if (
      this.#run === null && this.waitingCount === 0 && shadow.idsInUse < shadow.idCount &&
      (byteLength <= this.#requestBytes || !carriesData(operation))
    ) {
      shadow.beginAlone(slot, operation, sector, byteLength);
      const id = shadow.assign(slot);
      this.#writer.write(this.#entry(), id, shadow.sequence(id), operation, sector, byteLength, slot);
      return;
    }
    shadow.beginShared(slot, operation, sector, byteLength);
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
    const shadow = this.#shadow;
    while (this.waitingCount > 0 && shadow.idsInUse < shadow.idCount) {
      const slot = this.#waiting[this.#firstWaiting];
      const operation = shadow.operation(slot);
      const byteLength = shadow.byteLength(slot);
      const from = shadow.issued(slot);
      const id = shadow.assign(slot);
      if (shadow.next(slot) !== NONE) {
        this.#writer.writeMerged(this.#entry(), id, slot, shadow);
        shadow.addPart(slot, byteLength);
      } else {
        const part = carriesData(operation) ? Math.min(this.#requestBytes, byteLength - from) : byteLength;
        const sector = shadow.sector(slot) + from / SECTOR_SIZE;
        this.#writer.write(this.#entry(), id, shadow.sequence(id), operation, sector, part, slot, from);
        shadow.addPart(slot, from + part);
      }
      if (shadow.issued(slot) < byteLength) continue;
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
