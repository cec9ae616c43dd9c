/**
 * What a backend must make of a region, written for the eye and not for speed: the fuzzer's oracle. The model has a copy
 * of the region. It says what the device must be asked and does to its copy what the backend may do to the region, so
 * that afterwards both must be the same, byte for byte.
 *
 * @module
 */

import type { DeviceInfo } from "../../../../core/block_device.ts";
import type { LinkLayout } from "../../../../core/link.ts";
import { SLEEP_WORDS, State } from "../control_words.ts";
import { BACKEND_WORDS } from "../control_words.ts";
import { FIRST_REFERENCE, GrantFlag } from "../grant_words.ts";
import {
  bytesOf,
  DIRECT_SEGMENTS,
  entryAt,
  type FoundRequest,
  INDIRECT,
  readRequestFields,
  readSegmentBytes,
  RingWord,
  type Segment,
  SEGMENT_BYTES,
  writeResponseFields,
} from "../wire.ts";

const FRAME_BYTES = 4096;
const FRAME_WORDS = FRAME_BYTES / 4;
const SECTOR_BYTES = 512;
const LAST_SECTOR = 7;
const MOST_INDIRECT_SEGMENTS = 256;

// Operations and outcomes, by their numbers on the wire.
const READ = 0;
const WRITE = 1;
const FLUSH = 3;
const DISCARD = 5;
const WRITE_ZEROES = 16;
const WRITE_FUA = 17;
const FAILED = -1;
const UNSUPPORTED = -2;

const MAPPED_FLAGS = GrantFlag.Reading | GrantFlag.Writing;

/** What must come of a request. */
export interface Expected {
  /** The id of the answer. */
  readonly id: number;
  /** High word of the id. */
  readonly idHigh: number;
  /** The operation of the answer, and of the device. */
  readonly operation: number;
  /** With what it is refused before the device sees it; null if the device does. */
  readonly refusal: number | null;
  /** First byte on the device. */
  readonly offsetBytes: number;
  /** Bytes on the device. */
  readonly byteLength: number;
  /** Bytes of the region that hold the data, in order, those that touch joined. */
  readonly extents: readonly (readonly [start: number, end: number])[];
}

interface Mapping {
  readonly frame: number;
  readonly writable: boolean;
}

/** A model of a backend that has connected. */
export class BackendModel {
  /** The model's copy of the region. */
  readonly words: Int32Array;
  /** Requests that were taken and not answered. */
  inFlight = 0;
  /** Whether notifications are suppressed by sleep flags. */
  sleepFlags = false;
  readonly #bytes: DataView<ArrayBufferLike>;
  readonly #layout: LinkLayout;
  readonly #info: DeviceInfo;
  readonly #domainId: number;
  readonly #rangeStart: number | null;
  readonly #mapped = new Map<number, Mapping>();
  #consumed: number;
  #produced: number;
  #published: number;

  /**
   * A model of a backend.
   *
   * @param words the memory of the copy
   * @param info what the frontend sees of the device: all, or a range
   * @param rangeStart where that begins on the device, in bytes, if it is a range
   * @param startIndex where the ring's indices begin
   */
  constructor(
    words: Int32Array,
    layout: LinkLayout,
    info: DeviceInfo,
    rangeStart: number | null,
    domainId: number,
    startIndex: number,
  ) {
    this.#rangeStart = rangeStart;
    this.words = words;
    this.#bytes = bytesOf(words);
    this.#layout = layout;
    this.#info = info;
    this.#domainId = domainId;
    this.#consumed = this.#produced = this.#published = startIndex;
  }

  /** How many new requests the frontend claims to have written. */
  get claimed(): number {
    return (this.#ringWord(RingWord.RequestProducer) - this.#consumed) >>> 0;
  }

  /** Takes requests, so many or fewer: at least one, and no more after one of which `mayGoOn` says so. */
  take(count: number, mayGoOn: (taken: Expected) => boolean = () => true): Expected[] {
    const taken: Expected[] = [];
    do taken.push(this.#takeOne()); while (taken.length < count && mayGoOn(taken[taken.length - 1]));
    return taken;
  }

  /** Answers a request; {@link publish} shows it. */
  answer({ id, idHigh, operation }: Expected, status: number): void {
    writeResponseFields(this.words, this.#entry(this.#produced), { id, idHigh, operation, status });
    this.#produced = (this.#produced + 1) | 0;
    this.inFlight--;
  }

  /** Publishes what was answered, and takes down the frontend's sleep flag if there is something. */
  publish(): void {
    if (this.#published === this.#produced) return;
    this.#published = this.#produced;
    this.words[this.#layout.ringFrame * FRAME_WORDS + RingWord.ResponseProducer] = this.#produced;
    if (this.sleepFlags && this.words[SLEEP_WORDS.frontend] === 1) this.words[SLEEP_WORDS.frontend] = 0;
  }

  /** Asks for a notification. */
  arm(distance: number): void {
    if (this.sleepFlags) this.words[SLEEP_WORDS.backend] = 1;
    else this.words[this.#layout.ringFrame * FRAME_WORDS + RingWord.RequestEvent] = (this.#consumed + distance) | 0;
  }

  /** Is awake. */
  disarm(): void {
    if (this.sleepFlags) this.words[SLEEP_WORDS.backend] = 0;
  }

  /** Lets go of everything. */
  close(): void {
    for (const reference of this.#mapped.keys()) this.#unmark(reference);
    this.#mapped.clear();
    this.words[BACKEND_WORDS.state] = State.Closed;
  }

  /** The frame of a grant, which stays mapped; −1 if there is none. */
  map(reference: number, write: boolean): number {
    const mapped = this.#mapped.get(reference);
    if (mapped !== undefined) return write && !mapped.writable ? -1 : mapped.frame;
    const { grantFrame, grantFrameCount, frameCount } = this.#layout;
    if (reference < FIRST_REFERENCE || reference >= (grantFrameCount * FRAME_WORDS) / 2) return -1;
    const at = grantFrame * FRAME_WORDS + reference * 2;
    const [flags, domain, frame] = [this.words[at] & 0xffff, this.words[at] >>> 16, this.words[at + 1] >>> 0];
    const writable = (flags & GrantFlag.ReadOnly) === 0;
    if ((flags & 3) !== GrantFlag.PermitAccess || domain !== this.#domainId || (write && !writable)) return -1;
    if (frame >= frameCount) {
      this.#unmark(reference);
      return -1;
    }
    this.words[at] |= GrantFlag.Reading | (writable ? GrantFlag.Writing : 0);
    this.#mapped.set(reference, { frame, writable });
    return frame;
  }

  #takeOne(): Expected {
    const at = this.#entry(this.#consumed);
    const request = readRequestFields(this.words, at);
    this.#consumed = (this.#consumed + 1) | 0;
    this.inFlight++;
    this.words[at + 3] = 0; // The answer's padding is cleared early, to have its cache line.
    const { idLow: id, idHigh } = request;
    const operation = request.operation === INDIRECT ? request.indirectOperation : request.operation;
    const byteLength = request.discardSectors * SECTOR_BYTES;
    const offsetBytes = request.sector * SECTOR_BYTES;
    const whole = { id, idHigh, operation, refusal: null, offsetBytes, byteLength: 0, extents: [] };
    const judged = carriesData(operation) || request.operation === INDIRECT
      ? { ...whole, ...this.#data(request, operation) }
      : operation === FLUSH
      ? whole
      : operation === DISCARD || operation === WRITE_ZEROES
      ? { ...whole, byteLength, refusal: operation === DISCARD && request.segmentCount !== 0 ? UNSUPPORTED : null }
      : { ...whole, refusal: UNSUPPORTED };
    if (judged.refusal !== null) return judged;
    const moved = operation === FLUSH ? 0 : this.#rangeStart ?? 0;
    return { ...judged, refusal: this.#refusalOfDevice(judged), offsetBytes: offsetBytes + moved };
  }

  /** Where the data of a read or write lies, or why it is refused. */
  #data(request: FoundRequest, operation: number): Partial<Expected> {
    if (!carriesData(operation)) return { refusal: UNSUPPORTED };
    const segments = request.operation === INDIRECT ? this.#indirectSegments(request) : request.segments;
    if (segments.length === 0 || (request.operation !== INDIRECT && request.segmentCount > DIRECT_SEGMENTS)) {
      return { refusal: FAILED };
    }
    const extents: [number, number][] = [];
    let byteLength = 0;
    for (const [reference, first, last] of segments) {
      if (first > last || last > LAST_SECTOR) return { refusal: FAILED };
      const frame = this.map(reference, operation === READ);
      if (frame < 0) return { refusal: FAILED };
      const [start, end] = [first, last + 1].map((sector) => frame * FRAME_BYTES + sector * SECTOR_BYTES);
      const before = extents.at(-1);
      if (before !== undefined && before[1] === start) before[1] = end;
      else extents.push([start, end]);
      byteLength += end - start;
    }
    return { extents, byteLength };
  }

  /** The segments of an indirect request; none if it must be refused. */
  #indirectSegments({ indirectReference, indirectSegmentCount }: FoundRequest): Segment[] {
    if (indirectSegmentCount > MOST_INDIRECT_SEGMENTS || indirectSegmentCount === 0) return [];
    const stays = this.#mapped.has(indirectReference);
    const frame = this.map(indirectReference, false);
    if (frame < 0) return [];
    const segments = Array.from(
      { length: indirectSegmentCount },
      (_, i) => readSegmentBytes(this.#bytes, frame * FRAME_BYTES + i * SEGMENT_BYTES),
    );
    if (!stays) {
      this.#unmark(indirectReference);
      this.#mapped.delete(indirectReference);
    }
    return segments;
  }

  /** What the device's gate says. */
  #refusalOfDevice({ operation, offsetBytes, byteLength }: Expected): number | null {
    const { sectorSize, sizeBytes, readOnly, canFlush, canDiscard } = this.#info;
    if (operation === FLUSH) return canFlush ? null : UNSUPPORTED;
    // Who has a range learns nothing of the device where it has none of it.
    if (this.#rangeStart !== null && offsetBytes + byteLength > sizeBytes) return FAILED;
    if (operation === DISCARD && !canDiscard) return UNSUPPORTED;
    if (readOnly && operation !== READ) return FAILED;
    if (offsetBytes % sectorSize !== 0 || byteLength % sectorSize !== 0 || byteLength === 0) return FAILED;
    return offsetBytes + byteLength > sizeBytes ? FAILED : null;
  }

  #unmark(reference: number): void {
    this.words[this.#layout.grantFrame * FRAME_WORDS + reference * 2] &= ~MAPPED_FLAGS;
  }

  #ringWord(word: number): number {
    return this.words[this.#layout.ringFrame * FRAME_WORDS + word];
  }

  #entry(index: number): number {
    return this.#layout.ringFrame * FRAME_WORDS + entryAt(index, this.#layout.entryCount);
  }
}

function carriesData(operation: number): boolean {
  return operation === READ || operation === WRITE || operation === WRITE_FUA;
}
