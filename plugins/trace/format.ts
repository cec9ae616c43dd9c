/**
 * The file that the filter `trace` writes and the workload `replay` reads: a header, then a record for each request, in the
 * order in which they were completed. Numbers are little-endian; a record is 40 bytes, and so is the header.
 *
 * | bytes of the header | | |
 * |---|---|---|
 * | 0–7 | text | `IDDRTRC1` |
 * | 8–15 | double | size of the device in bytes |
 * | 16–23 | double | when the trace began, in milliseconds since 1970 |
 * | 24–27 | 32 bits | sector size of the device in bytes |
 * | 28–39 | | 0 |
 *
 * | bytes of a record | | |
 * |---|---|---|
 * | 0–7 | double | when it was submitted, in nanoseconds since the trace began |
 * | 8–15 | double | how long it took, in nanoseconds |
 * | 16–23 | double | first byte on the device |
 * | 24–31 | double | bytes; 0 for a flush |
 * | 32–35 | 32 bits | the operation: `Operation` |
 * | 36–39 | 32 bits, signed | how it ended: `Status` |
 *
 * A file that was cut off in a record, as of a driver that was killed, is read up to its last whole one.
 *
 * @module
 */

import type { DeviceInfo } from "../../core/block_device.ts";
import { IddrError } from "../../core/errors.ts";

/** Bytes of a record, and of the header. */
export const RECORD_BYTES = 40;
/** The same in doubles. */
const RECORD_DOUBLES = RECORD_BYTES / 8;
/** The same in words of 32 bits. */
const RECORD_WORDS = RECORD_BYTES / 4;
const MAGIC = "IDDRTRC1";
const SIZE_OFFSET = 8;
const STARTED_OFFSET = 16;
const SECTOR_OFFSET = 24;
const OPERATION_WORD = 8;
const STATUS_WORD = 9;

/** A file is no trace. */
export class TraceError extends IddrError {
  /** See {@link IddrError.code}. */
  override readonly code = "IDDR_TRACE";
}

/** One request of a trace. */
export interface TraceRecord {
  /** When it was submitted, in nanoseconds since the trace began. */
  readonly timeNs: number;
  /** How long it took, in nanoseconds. */
  readonly latencyNs: number;
  /** One of `Operation`. */
  readonly operation: number;
  /** First byte on the device. */
  readonly offsetBytes: number;
  /** Bytes; 0 for a flush. */
  readonly byteLength: number;
  /** One of `Status`. */
  readonly status: number;
}

/** What a trace says of its device. */
export interface TraceHeader {
  /** Size of the device in bytes. */
  readonly sizeBytes: number;
  /** Its sector size in bytes. */
  readonly sectorSize: number;
  /** When the trace began, in milliseconds since 1970. */
  readonly startedAtMs: number;
}

/** The header of a file. */
export function encodeHeader({ sizeBytes, sectorSize }: DeviceInfo, startedAtMs: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(RECORD_BYTES);
  bytes.set(new TextEncoder().encode(MAGIC));
  const view = new DataView(bytes.buffer);
  view.setFloat64(SIZE_OFFSET, sizeBytes, true);
  view.setFloat64(STARTED_OFFSET, startedAtMs, true);
  view.setUint32(SECTOR_OFFSET, sectorSize, true);
  return bytes;
}

/** Records that are yet to be written: as many as it was made for, in one piece of memory. */
export class RecordBuffer {
  /** How many it has. */
  count = 0;
  readonly #capacity: number;
  readonly #doubles: Float64Array;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array<ArrayBuffer>;

  /** An empty one for so many records. The machine must be little-endian, as all are that Deno runs on. */
  constructor(capacity: number) {
    const buffer = new ArrayBuffer(capacity * RECORD_BYTES);
    this.#capacity = capacity;
    this.#doubles = new Float64Array(buffer);
    this.#words = new Int32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
  }

  /** Whether it takes no more. */
  get isFull(): boolean {
    return this.count === this.#capacity;
  }

  /** Adds a record, unless it is full. On the hot path. */
  add(
    timeNs: number,
    latencyNs: number,
    operation: number,
    offsetBytes: number,
    byteLength: number,
    status: number,
  ): void {
    if (this.isFull) return;
    const index = this.count++;
    const double = index * RECORD_DOUBLES;
    this.#doubles[double] = timeNs;
    this.#doubles[double + 1] = latencyNs;
    this.#doubles[double + 2] = offsetBytes;
    this.#doubles[double + 3] = byteLength;
    this.#words[index * RECORD_WORDS + OPERATION_WORD] = operation;
    this.#words[index * RECORD_WORDS + STATUS_WORD] = status;
  }

  /** What it has, as bytes of a file. It is the buffer's own memory. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.count * RECORD_BYTES);
  }
}

/** A trace that was read. */
export class Trace {
  /** What it says of its device. */
  readonly header: TraceHeader;
  /** How many records it has. */
  readonly length: number;
  readonly #doubles: Float64Array;
  readonly #words: Int32Array;

  /**
   * Reads a file's bytes.
   *
   * @throws {TraceError} when they are no trace
   */
  constructor(bytes: Uint8Array) {
    if (bytes.length < RECORD_BYTES || new TextDecoder().decode(bytes.subarray(0, MAGIC.length)) !== MAGIC) {
      throw new TraceError(`It is no trace: that begins with ${MAGIC} and has at least ${RECORD_BYTES} bytes`);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, RECORD_BYTES);
    this.header = {
      sizeBytes: view.getFloat64(SIZE_OFFSET, true),
      startedAtMs: view.getFloat64(STARTED_OFFSET, true),
      sectorSize: view.getUint32(SECTOR_OFFSET, true),
    };
    this.length = Math.floor(bytes.length / RECORD_BYTES) - 1;
    // A copy, as what was read may begin where no double can.
    const { buffer } = bytes.slice(RECORD_BYTES, (this.length + 1) * RECORD_BYTES);
    this.#doubles = new Float64Array(buffer);
    this.#words = new Int32Array(buffer);
  }

  /** One record, from 0. */
  record(index: number): TraceRecord {
    const double = index * RECORD_DOUBLES;
    return {
      timeNs: this.#doubles[double],
      latencyNs: this.#doubles[double + 1],
      operation: this.#words[index * RECORD_WORDS + OPERATION_WORD],
      offsetBytes: this.#doubles[double + 2],
      byteLength: this.#doubles[double + 3],
      status: this.#words[index * RECORD_WORDS + STATUS_WORD],
    };
  }

  /** All records, in the order in which the requests were submitted. */
  inOrder(): TraceRecord[] {
    return Array.from({ length: this.length }, (_, index) => this.record(index)).sort((a, b) => a.timeNs - b.timeNs);
  }
}
