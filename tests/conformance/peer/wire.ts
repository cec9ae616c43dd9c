/**
 * The wire between two ends of a link, written down a second time: offsets of Xen's `public/io/ring.h`, `blkif.h` and
 * `grant_table.h` (x86-64 ABI) and the words of the control frame. It shares nothing with the code that it is to test,
 * so that a mistake there is not made here, too.
 *
 * @module
 */

/** Words of a ring's header. */
export const RingWord = { RequestProducer: 0, RequestEvent: 1, ResponseProducer: 2, ResponseEvent: 3 } as const;

/** Bytes before a ring's first entry. */
const HEADER_BYTES = 64;
/** Bytes of an entry. */
export const ENTRY_BYTES = 112;
/** Words of an entry. */
export const ENTRY_WORDS: number = ENTRY_BYTES / 4;
/** Segments that fit into an entry. */
export const DIRECT_SEGMENTS = 11;
/** Bytes of a segment. */
export const SEGMENT_BYTES = 8;

// Bytes of a request.
const ID = 8;
const SECTOR = 16;
const SEGMENTS = 24;
const DISCARD_SECTORS = 24;
const INDIRECT_HANDLE = 24;
const INDIRECT_REFERENCE = 28;
// Bytes of a response.
const RESPONSE_OPERATION = 8;
const RESPONSE_STATUS = 10;
const TWO_32 = 2 ** 32;

/** The device number that a guest sees. */
const HANDLE = 0xca00;
/** `BLKIF_OP_INDIRECT`. */
export const INDIRECT = 6;

/** Word of the ring at which the entry of a free-running index begins. */
export function entryAt(index: number, entryCount: number): number {
  return (HEADER_BYTES + (index & (entryCount - 1)) * ENTRY_BYTES) / 4;
}

/** A piece of a frame: its grant reference, and its first and last sector as claimed (honest: 0 to 7). */
export type Segment = readonly [reference: number, first: number, last: number];

/** A number of 64 bits: exact below 2⁵³, or its low and its high word. */
export type Wide = number | readonly [low: number, high: number];

/** What a request says. What is absent is 0. */
export interface RequestFields {
  /** The operation, 0–255. */
  readonly operation: number;
  /** Low word of the id. */
  readonly id?: number;
  /** High word of the id. */
  readonly idHigh?: number;
  /** First sector on the device. */
  readonly sector?: Wide;
  /** Segments of a read or write, of which the first 11 are written. */
  readonly segments?: readonly Segment[];
  /** How many segments it claims to have, 0–255, if not as many as it has. Of a discard: its flag. */
  readonly segmentCount?: number;
  /** Sectors of a discard or a write-zeroes. */
  readonly sectorCount?: Wide;
  /** What an indirect request carries: an operation (0–255) and 0–65535 segments in the frame of a reference. */
  readonly indirect?: readonly [operation: number, segmentCount: number, reference: number];
}

/** A request as found. */
export interface FoundRequest {
  /** A copy of its words. */
  readonly words: Int32Array;
  /** Byte 0. */
  readonly operation: number;
  /** Byte 1: also the flag of a discard. */
  readonly segmentCount: number;
  /** Low word of the id. */
  readonly idLow: number;
  /** High word of the id. */
  readonly idHigh: number;
  /** First sector; not exact from 2⁵³ on. */
  readonly sector: number;
  /** As many segments as it claims to have, at most 11. */
  readonly segments: readonly Segment[];
  /** Sectors of a discard. */
  readonly discardSectors: number;
  /** Operation of an indirect request. */
  readonly indirectOperation: number;
  /** Segments of an indirect request. */
  readonly indirectSegmentCount: number;
  /** Grant reference of an indirect request's segments. */
  readonly indirectReference: number;
}

/** A response as found. */
export interface FoundResponse {
  /** Low word of the id. */
  readonly id: number;
  /** High word of the id. */
  readonly idHigh: number;
  /** The operation, 0–255. */
  readonly operation: number;
  /** The status, of 16 bits. */
  readonly status: number;
}

/** A view of words as bytes; all numbers on the wire are little-endian. */
export function bytesOf(words: Int32Array): DataView<ArrayBufferLike> {
  return new DataView(words.buffer, words.byteOffset, words.byteLength);
}

/** Writes a request into the entry that begins at word `at`. Bytes that the request has no use for stay as they are. */
export function writeRequestFields(words: Int32Array, at: number, fields: RequestFields): void {
  const { operation, id = 0, idHigh = 0, sector = 0, segments = [], sectorCount, indirect } = fields;
  const bytes = bytesOf(words);
  const start = at * 4;
  bytes.setUint8(start, operation);
  bytes.setInt32(start + ID, id, true);
  bytes.setInt32(start + ID + 4, idHigh, true);
  setWide(bytes, start + SECTOR, sector);
  if (indirect !== undefined) {
    const [carried, count, reference] = indirect;
    bytes.setUint8(start + 1, carried);
    bytes.setUint16(start + 2, count, true);
    bytes.setUint16(start + INDIRECT_HANDLE, HANDLE, true);
    bytes.setUint32(start + INDIRECT_REFERENCE, reference, true);
    return;
  }
  bytes.setUint8(start + 1, fields.segmentCount ?? segments.length);
  bytes.setUint16(start + 2, HANDLE, true);
  for (let i = 0; i < Math.min(segments.length, DIRECT_SEGMENTS); i++) {
    writeSegmentBytes(bytes, start + SEGMENTS + i * SEGMENT_BYTES, segments[i]);
  }
  if (sectorCount !== undefined) setWide(bytes, start + DISCARD_SECTORS, sectorCount);
}

/** Writes a segment at a byte. */
export function writeSegmentBytes(
  bytes: DataView<ArrayBufferLike>,
  at: number,
  [reference, first, last]: Segment,
): void {
  bytes.setUint32(at, reference, true);
  bytes.setUint8(at + 4, first);
  bytes.setUint8(at + 5, last);
}

/** Reads a segment at a byte. */
export function readSegmentBytes(bytes: DataView<ArrayBufferLike>, at: number): Segment {
  return [bytes.getUint32(at, true), bytes.getUint8(at + 4), bytes.getUint8(at + 5)];
}

/** Reads the request in the entry that begins at word `at`. */
export function readRequestFields(words: Int32Array, at: number): FoundRequest {
  const copy = words.slice(at, at + ENTRY_WORDS);
  const bytes = bytesOf(copy);
  const segmentCount = bytes.getUint8(1);
  return {
    words: copy,
    operation: bytes.getUint8(0),
    segmentCount,
    idLow: bytes.getInt32(ID, true),
    idHigh: bytes.getInt32(ID + 4, true),
    sector: wide(bytes, SECTOR),
    segments: Array.from(
      { length: Math.min(segmentCount, DIRECT_SEGMENTS) },
      (_, i) => readSegmentBytes(bytes, SEGMENTS + i * SEGMENT_BYTES),
    ),
    discardSectors: wide(bytes, DISCARD_SECTORS),
    indirectOperation: bytes.getUint8(1),
    indirectSegmentCount: bytes.getUint16(2, true),
    indirectReference: bytes.getUint32(INDIRECT_REFERENCE, true),
  };
}

/** Writes a response into the entry that begins at word `at`. */
export function writeResponseFields(words: Int32Array, at: number, response: FoundResponse): void {
  const bytes = bytesOf(words);
  words[at] = response.id;
  words[at + 1] = response.idHigh;
  bytes.setUint16(at * 4 + RESPONSE_OPERATION, response.operation, true);
  bytes.setInt16(at * 4 + RESPONSE_STATUS, response.status, true);
  words[at + 3] = 0;
}

/** Reads the response in the entry that begins at word `at`. */
export function readResponseFields(words: Int32Array, at: number): FoundResponse {
  const bytes = bytesOf(words);
  return {
    id: words[at],
    idHigh: words[at + 1],
    operation: bytes.getUint8(at * 4 + RESPONSE_OPERATION),
    status: bytes.getInt16(at * 4 + RESPONSE_STATUS, true),
  };
}

function setWide(bytes: DataView<ArrayBufferLike>, at: number, value: Wide): void {
  const [low, high] = typeof value === "number" ? [value % TWO_32, Math.floor(value / TWO_32)] : value;
  bytes.setUint32(at, low, true);
  bytes.setUint32(at + 4, high, true);
}

function wide(bytes: DataView<ArrayBufferLike>, at: number): number {
  return bytes.getUint32(at, true) + bytes.getUint32(at + 4, true) * TWO_32;
}
