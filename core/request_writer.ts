/**
 * Writes the frontend's requests into the ring: which granted frames they name, and whether their segments are in the
 * entry itself or, when there are more than 11, in a frame of their own (an indirect request).
 *
 * @module
 */

import {
  carriesData,
  MAX_SEGMENTS,
  SEGMENT_WORDS,
  segmentWord,
  writeIndirect,
  writeRequest,
  writeSegment,
  writeWithoutData,
} from "./blkif.ts";
import { type LinkLayout, MAX_INDIRECT_SEGMENTS } from "./link.ts";
import { FRAME_SIZE, SECTOR_SIZE, SECTORS_PER_FRAME, type SharedMemory } from "./memory.ts";
import { NONE, type ShadowTable } from "./shadow_table.ts";

/** The device number that guests see; every link has one device, so it is constant (Xen's first virtual disk). */
const VIRTUAL_DEVICE = 0xca00;

/** Writes requests. */
export class RequestWriter {
  readonly #layout: LinkLayout;
  readonly #ring: Int32Array;
  readonly #segments: Int32Array;
  /** Grant reference of the first data frame; those of the others follow. */
  readonly #dataReference: number;
  /** Grant reference of the first frame of segments; those of the others follow. */
  readonly #segmentReference: number;
  /** The one reference of an indirect request, for {@link writeIndirect}. */
  readonly #references: number[] = [0];

  /**
   * Grants the data frames and those of the segments.
   *
   * @param grant grants a frame to the peer and returns its reference
   */
  constructor(memory: SharedMemory, layout: LinkLayout, grant: (frame: number) => number) {
    this.#layout = layout;
    this.#ring = memory.frameWords(layout.ringFrame, layout.ringFrameCount);
    this.#segments = memory.frameWords(layout.segmentFrame, layout.segmentFrameCount);
    this.#segmentReference = grantAll(layout.segmentFrame, layout.segmentFrameCount, grant);
    this.#dataReference = grantAll(layout.dataFrame, layout.frameCount - layout.dataFrame, grant);
  }

  /**
   * The most segments that a request may have.
   *
   * @param indirect the most of an indirect request, as both ends agreed
   */
  limitSegments(indirect: number): number {
    if (this.#layout.segmentFrameCount === 0) return MAX_SEGMENTS;
    return Math.max(MAX_SEGMENTS, Math.min(indirect, MAX_INDIRECT_SEGMENTS));
  }

  /** Writes the whole operation of a slot, and of those that are merged with it. On the hot path. */
  write(at: number, id: number, slot: number, shadow: ShadowTable): void {
    const operation = shadow.slotOperation[slot];
    const byteLength = shadow.slotBytes[slot];
    shadow.slotIssued[slot] = byteLength;
    if (!carriesData(operation)) {
      const sectors = byteLength / SECTOR_SIZE;
      writeWithoutData(this.#ring, at, operation, VIRTUAL_DEVICE, id, shadow.slotSector[slot], sectors);
    } else if (shadow.slotNext[slot] === NONE) {
      this.#begin(at, id, operation, shadow.slotSector[slot], frames(byteLength));
      this.#addFrames(at, id, 0, frames(byteLength), slot, 0, byteLength);
    } else {
      this.#writeMerged(at, id, slot, shadow);
    }
  }

  /** Writes part of a slot's operation: `byteLength` bytes from `fromByte` on, which begins a frame. */
  writePart(at: number, id: number, slot: number, shadow: ShadowTable, fromByte: number, byteLength: number): void {
    const sector = shadow.slotSector[slot] + fromByte / SECTOR_SIZE;
    const segmentCount = frames(byteLength);
    this.#begin(at, id, shadow.slotOperation[slot], sector, segmentCount);
    this.#addFrames(at, id, 0, segmentCount, slot, fromByte, byteLength);
  }

  #writeMerged(at: number, id: number, first: number, shadow: ShadowTable): void {
    let segmentCount = 0;
    for (let slot = first; slot !== NONE; slot = shadow.slotNext[slot]) segmentCount += frames(shadow.slotBytes[slot]);
    this.#begin(at, id, shadow.slotOperation[first], shadow.slotSector[first], segmentCount);
    let index = 0;
    for (let slot = first; slot !== NONE; slot = shadow.slotNext[slot]) {
      const byteLength = shadow.slotBytes[slot];
      this.#addFrames(at, id, index, segmentCount, slot, 0, byteLength);
      index += frames(byteLength);
    }
  }

  /** Writes all of a request but its segments. */
  #begin(at: number, id: number, operation: number, sector: number, segmentCount: number): void {
    if (segmentCount <= MAX_SEGMENTS) {
      writeRequest(this.#ring, at, operation, segmentCount, VIRTUAL_DEVICE, id, sector);
      return;
    }
    this.#references[0] = this.#segmentReference + id;
    writeIndirect(this.#ring, at, operation, segmentCount, VIRTUAL_DEVICE, id, sector, this.#references);
  }

  /** Writes the segments of some bytes of a slot, from segment `index` on of a request with `segmentCount`. */
  #addFrames(
    at: number,
    id: number,
    index: number,
    segmentCount: number,
    slot: number,
    fromByte: number,
    byteLength: number,
  ): void {
    const direct = segmentCount <= MAX_SEGMENTS;
    const words = direct ? this.#ring : this.#segments;
    // Each id has a frame of segments of its own, so that it is not written while the backend reads it.
    const firstWord = direct ? segmentWord(at) : id * (FRAME_SIZE / 4);
    let reference = this.#dataReference + slot * this.#layout.slotFrameCount + fromByte / FRAME_SIZE;
    let word = firstWord + index * SEGMENT_WORDS;
    for (let sectors = byteLength / SECTOR_SIZE; sectors > 0; sectors -= SECTORS_PER_FRAME) {
      writeSegment(words, word, reference++, 0, sectors < SECTORS_PER_FRAME ? sectors - 1 : SECTORS_PER_FRAME - 1);
      word += SEGMENT_WORDS;
    }
  }
}

/** Frames that some bytes take, from the start of a frame on. */
function frames(byteLength: number): number {
  return Math.ceil(byteLength / FRAME_SIZE);
}

function grantAll(firstFrame: number, count: number, grant: (frame: number) => number): number {
  let first = 0;
  for (let i = 0; i < count; i++) {
    const reference = grant(firstFrame + i);
    if (i === 0) first = reference;
    else if (reference !== first + i) throw new RangeError("Cannot grant consecutive frames: the table is not new");
  }
  return first;
}
