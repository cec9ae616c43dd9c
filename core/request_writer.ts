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

const FRAME_SHIFT = Math.log2(FRAME_SIZE);
const SECTOR_SHIFT = Math.log2(SECTOR_SIZE);

/** Writes requests. */
export class RequestWriter {
  readonly #layout: LinkLayout;
  readonly #slotFrameCount: number;
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
    this.#slotFrameCount = layout.slotFrameCount;
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

  /**
   * Writes a request for bytes of one slot. On the hot path.
   *
   * @param sequence which use of the id it is
   * @param fromByte first byte within the slot's buffer, at which a frame begins
   */
  write(
    at: number,
    id: number,
    sequence: number,
    operation: number,
    sector: number,
    byteLength: number,
    slot: number,
    fromByte = 0,
  ): void {
    if (!carriesData(operation)) {
      writeWithoutData(this.#ring, at, operation, VIRTUAL_DEVICE, id, sequence, sector, byteLength / SECTOR_SIZE);
      return;
    }
    const segmentCount = frames(byteLength);
    if (segmentCount > MAX_SEGMENTS) {
      this.#begin(at, id, sequence, operation, sector, segmentCount);
      this.#addFrames(at, id, 0, segmentCount, slot, fromByte, byteLength);
      return;
    }
    const ring = this.#ring;
    writeRequest(ring, at, operation, segmentCount, VIRTUAL_DEVICE, id, sequence, sector);
    let reference = this.#dataReference + slot * this.#slotFrameCount + (fromByte >>> FRAME_SHIFT);
    let word = segmentWord(at);
    for (let sectors = byteLength >>> SECTOR_SHIFT; sectors > 0; sectors -= SECTORS_PER_FRAME) {
      writeSegment(ring, word, reference++, 0, sectors < SECTORS_PER_FRAME ? sectors - 1 : SECTORS_PER_FRAME - 1);
      word += SEGMENT_WORDS;
    }
  }

  /** Writes one request for the slots that are merged, which follow one another from `first` on. */
  writeMerged(at: number, id: number, first: number, shadow: ShadowTable): void {
    let segmentCount = 0;
    for (let slot = first; slot !== NONE; slot = shadow.next(slot)) segmentCount += frames(shadow.byteLength(slot));
    const operation = shadow.operation(first);
    this.#begin(at, id, shadow.sequence(id), operation, shadow.sector(first), segmentCount);
    let index = 0;
    for (let slot = first; slot !== NONE; slot = shadow.next(slot)) {
      this.#addFrames(at, id, index, segmentCount, slot, 0, shadow.byteLength(slot));
      index += frames(shadow.byteLength(slot));
    }
  }

  /** Writes all of a request but its segments. */
  #begin(
    at: number,
    id: number,
    sequence: number,
    operation: number,
    sector: number,
    segmentCount: number,
  ): void {
    if (segmentCount <= MAX_SEGMENTS) {
      writeRequest(this.#ring, at, operation, segmentCount, VIRTUAL_DEVICE, id, sequence, sector);
      return;
    }
    this.#references[0] = this.#segmentReference + id;
    writeIndirect(this.#ring, at, operation, segmentCount, VIRTUAL_DEVICE, id, sequence, sector, this.#references);
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
  return (byteLength + FRAME_SIZE - 1) >>> FRAME_SHIFT;
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
