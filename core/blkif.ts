/**
 * What a ring entry says: block requests and responses, byte for byte as in Xen's `public/io/blkif.h` (x86-64 ABI).
 *
 * An entry is 112 bytes = 28 words. A response takes the first 16 bytes of one. All functions here read or write words
 * of an `Int32Array`: the ring's own (writing an entry) or a private copy (reading one).
 *
 * @module
 */

import { RING_HEADER_BYTES } from "./ring.ts";

/** Operations of a request (`BLKIF_OP_…`). */
export const Operation = {
  /** Device to frames. */
  Read: 0,
  /** Frames to device. */
  Write: 1,
  /** Obsolete; answered as unsupported. */
  WriteBarrier: 2,
  /** Makes acknowledged writes durable. */
  Flush: 3,
  /** Tells the device that sectors are no longer needed. */
  Discard: 5,
  /** A read or write whose segments lie in granted frames of their own. */
  Indirect: 6,
  /**
   * Makes sectors read as zeroes; carries no data. Not in Xen's protocol: an extension of this one, behind
   * `feature-write-zeroes`, laid out as a discard.
   */
  WriteZeroes: 16,
  /**
   * A write that is durable when it is answered (force unit access). Not in Xen's protocol: an extension of this one,
   * behind `feature-fua`, laid out as a write.
   */
  WriteFua: 17,
} as const;

/** One of {@link Operation}'s values. */
export type Operation = typeof Operation[keyof typeof Operation];

/** Whether an operation has data in frames: reads and writes. On the hot path. */
export function carriesData(operation: number): boolean {
  return operation <= Operation.Write || operation === Operation.WriteFua;
}

/** Status of a response (`BLKIF_RSP_…`). */
export const Status = {
  /** Done. */
  Okay: 0,
  /** Refused or failed. */
  Error: -1,
  /** The device or the backend does not know the operation. */
  NotSupported: -2,
} as const;

/** One of {@link Status}'s values. */
export type Status = typeof Status[keyof typeof Status];

/** Bytes in a ring entry. */
export const ENTRY_BYTES = 112;
/** Words in a ring entry. */
export const ENTRY_WORDS = ENTRY_BYTES / 4;
/** Segments that a request carries in itself: 44 KiB of data. */
export const MAX_SEGMENTS = 11;

const HEADER_WORDS = RING_HEADER_BYTES / 4;
const TWO_32 = 2 ** 32;

// Words of a request.
const ID = 2;
const SECTOR = 4;
const DISCARD_SECTORS = 6;
/** Word of a request at which its segments begin. */
export const FIRST_SEGMENT = 6;
const FIRST_INDIRECT_REFERENCE = 7;
/** Words of a segment. */
export const SEGMENT_WORDS = 2;

/** Word at which a ring's entry begins. */
export function entryWord(entry: number): number {
  return HEADER_WORDS + entry * ENTRY_WORDS;
}

/**
 * Brings the cache lines of an entry that this side will write next into its own cache, by writing to bytes that mean
 * nothing yet. Done while there is time, it keeps the next push from waiting for the lines (60 ns each).
 */
export function claimEntry(words: Int32Array, at: number): void {
  words[at + 1] = 0;
  words[at + FIRST_SEGMENT + 1] = 0;
}

/** As {@link claimEntry}, for an entry that was read and will take a response. */
export function claimResponse(words: Int32Array, at: number): void {
  words[at + 3] = 0;
}

/**
 * Writes a read or a write, all but its segments.
 *
 * @param at word at which the entry begins
 * @param idLow low word of the id; the response repeats both
 * @param idHigh high word of the id
 * @param sector first sector of 512 bytes, below 2⁵³
 */
export function writeRequest(
  words: Int32Array,
  at: number,
  operation: number,
  segmentCount: number,
  handle: number,
  idLow: number,
  idHigh: number,
  sector: number,
): void {
  words[at] = operation | (segmentCount << 8) | (handle << 16);
  words[at + 1] = 0;
  words[at + ID] = idLow;
  words[at + ID + 1] = idHigh;
  words[at + SECTOR] = sector | 0;
  words[at + SECTOR + 1] = (sector / TWO_32) | 0;
}

/** Word of a request at which its segments begin. */
export function segmentWord(at: number): number {
  return at + FIRST_SEGMENT;
}

/** Writes a segment: sectors `first` to `last` (0–7, both inclusive) of a granted frame. */
export function writeSegment(
  words: Int32Array,
  word: number,
  grantReference: number,
  first: number,
  last: number,
): void {
  words[word] = grantReference;
  words[word + 1] = first | (last << 8);
}

/**
 * Writes a flush, a discard or a write-zeroes.
 *
 * @param sectorCount sectors to discard or to make zero; 0 for a flush
 * @param flag of a discard: 1 asks for secure erasure (`BLKIF_DISCARD_SECURE`)
 */
export function writeWithoutData(
  words: Int32Array,
  at: number,
  operation: number,
  handle: number,
  idLow: number,
  idHigh: number,
  sector: number,
  sectorCount: number,
  flag = 0,
): void {
  writeRequest(words, at, operation, flag, handle, idLow, idHigh, sector);
  words[at + DISCARD_SECTORS] = sectorCount | 0;
  words[at + DISCARD_SECTORS + 1] = (sectorCount / TWO_32) | 0;
}

/**
 * Writes an indirect read or write: its segments lie in frames of their own, of which the references are given.
 *
 * @param indirectOperation {@link Operation}.Read or Write
 * @param segmentCount segments in all frames together, up to 512 a frame
 * @param references grants of the frames that hold the segments, at most 8
 */
export function writeIndirect(
  words: Int32Array,
  at: number,
  indirectOperation: number,
  segmentCount: number,
  handle: number,
  idLow: number,
  idHigh: number,
  sector: number,
  references: readonly number[],
): void {
  writeRequest(words, at, Operation.Indirect, 0, 0, idLow, idHigh, sector);
  words[at] = Operation.Indirect | (indirectOperation << 8) | (segmentCount << 16);
  words[at + 6] = handle;
  for (let i = 0; i < references.length; i++) words[at + FIRST_INDIRECT_REFERENCE + i] = references[i];
}

/** Writes a response. Its padding is cleared, so that nothing of the driver's memory shows in it. */
export function writeResponse(
  words: Int32Array,
  at: number,
  idLow: number,
  idHigh: number,
  operation: number,
  status: number,
): void {
  words[at] = idLow;
  words[at + 1] = idHigh;
  words[at + 2] = operation | (status << 16);
  words[at + 3] = 0;
}

/** Operation of a response, from its third word. */
export function responseOperation(word: number): number {
  return word & 0xff;
}

/** Status of a response, from its third word. */
export function responseStatus(word: number): number {
  return word >> 16;
}

/**
 * A request copied out of the ring into private memory.
 *
 * The peer can change an entry at any time, so each byte is fetched exactly once, and only the copy is checked and
 * used (the double fetch of Xen's advisory 155).
 */
export class RequestCopy {
  /** The copied words. Segments begin at word {@link FIRST_SEGMENT}. */
  readonly words: Int32Array = new Int32Array(ENTRY_WORDS);

  /** Fetches the entry that begins at word `at`. On the hot path. */
  fetch(ring: Int32Array, at: number): void {
    const { words } = this;
    // Word by word up to the first segment, which is all that a small request has: a loop costs twice as much.
    const first = ring[at];
    words[0] = first;
    words[ID] = ring[at + ID];
    words[ID + 1] = ring[at + ID + 1];
    words[SECTOR] = ring[at + SECTOR];
    words[SECTOR + 1] = ring[at + SECTOR + 1];
    words[FIRST_SEGMENT] = ring[at + FIRST_SEGMENT];
    words[FIRST_SEGMENT + 1] = ring[at + FIRST_SEGMENT + 1];
    const segmentCount = (first >>> 8) & 0xff;
    if (segmentCount <= 1 || !carriesData(first & 0xff)) return;
    const end = FIRST_SEGMENT + Math.min(segmentCount, MAX_SEGMENTS) * SEGMENT_WORDS;
    for (let i = FIRST_SEGMENT + SEGMENT_WORDS; i < end; i++) words[i] = ring[at + i];
  }

  /** What is asked for: any byte, see {@link Operation}. */
  get operation(): number {
    return this.words[0] & 0xff;
  }

  /** Number of segments as claimed: 0–255, of which {@link MAX_SEGMENTS} are at most copied. */
  get segmentCount(): number {
    return (this.words[0] >>> 8) & 0xff;
  }

  /** Flag of a discard. */
  get discardFlag(): number {
    return this.segmentCount;
  }

  /** Operation of an indirect request as claimed: any byte. */
  get indirectOperation(): number {
    return this.segmentCount;
  }

  /** Number of segments of an indirect request as claimed: 0–65535. */
  get indirectSegmentCount(): number {
    return this.words[0] >>> 16;
  }

  /** Reference of the first frame of an indirect request's segments. */
  get indirectReference(): number {
    return this.words[FIRST_INDIRECT_REFERENCE] >>> 0;
  }

  /** Low word of the id. */
  get idLow(): number {
    return this.words[ID];
  }

  /** High word of the id. */
  get idHigh(): number {
    return this.words[ID + 1];
  }

  /** First sector. Above 2⁵³ it is no longer exact, but still past the end of every device. */
  get sector(): number {
    return (this.words[SECTOR] >>> 0) + (this.words[SECTOR + 1] >>> 0) * TWO_32;
  }

  /** Sectors of a discard. */
  get discardSectors(): number {
    return (this.words[DISCARD_SECTORS] >>> 0) + (this.words[DISCARD_SECTORS + 1] >>> 0) * TWO_32;
  }
}

/** Grant reference of a segment, from its first word. */
export function segmentReference(word: number): number {
  return word >>> 0;
}

/** First sector of a segment within its frame as claimed, 0–255, from its second word. */
export function segmentFirstSector(word: number): number {
  return word & 0xff;
}

/** Last sector of a segment within its frame as claimed, 0–255, from its second word. */
export function segmentLastSector(word: number): number {
  return (word >>> 8) & 0xff;
}
