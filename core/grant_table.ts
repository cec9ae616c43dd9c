/**
 * The grant table: which frames of a domain which other domain may use, and how.
 *
 * Entries are those of Xen's version 1 (`public/grant_table.h`): flags (16 bits), domain id (16 bits), frame (32 bits).
 * The granting domain writes them ({@link GrantTable}); the domain that was granted something maps it through
 * ({@link GrantMapper}), which refuses with Xen's status codes what was not granted.
 *
 * The table lies in the region that both domains share. It is checked bookkeeping, not a wall: a peer that forges it
 * reaches no more than that region.
 *
 * @module
 */

import { FRAME_SIZE } from "./memory.ts";

/** Status codes of grant operations (`GNTST_…`). */
export const GrantStatus = {
  /** Done. */
  Okay: 0,
  /** The entry is granted to another domain. */
  BadDomain: -2,
  /** No such entry, or it grants nothing. */
  BadReference: -3,
  /** What is to be unmapped is not mapped. */
  BadHandle: -4,
  /** Writing asked for where reading was granted. */
  PermissionDenied: -8,
  /** The entry names a frame outside the region. */
  BadPage: -9,
  /** The bytes to copy do not lie within one frame. */
  BadCopyArgument: -10,
} as const;

/** One of {@link GrantStatus}'s values. */
export type GrantStatus = typeof GrantStatus[keyof typeof GrantStatus];

/** Bytes in a grant entry. */
export const GRANT_ENTRY_BYTES = 8;
/** The first references are reserved, as in Xen. */
export const FIRST_GRANT_REFERENCE = 8;

const PERMIT_ACCESS = 1;
const TYPE_MASK = 3;
const READ_ONLY = 1 << 2;
const READING = 1 << 3;
const WRITING = 1 << 4;
const FLAGS_MASK = 0xffff;

/** Bits of a {@link GrantMapper}'s own table. */
const MAPPED = 1;
const WRITABLE = 2;
const FRAME_SHIFT = 2;

/** How often an entry is looked at that the other side changes under the look; honest ones change it hardly ever. */
const MAX_ATTEMPTS = 8;

/** The granting domain's side: hands out references and takes them back. */
export class GrantTable {
  readonly #words: Int32Array;
  readonly #free: number[] = [];
  #next = FIRST_GRANT_REFERENCE;

  /**
   * A table that grants nothing yet.
   *
   * @param words the table's frames
   */
  constructor(words: Int32Array) {
    this.#words = words;
  }

  /**
   * Grants a frame to a domain.
   *
   * @returns the grant reference
   * @throws {RangeError} when every entry is in use
   */
  grantAccess(domainId: number, frame: number, readOnly: boolean): number {
    const reference = this.#free.pop() ?? this.#next++;
    if (reference * 2 >= this.#words.length) throw new RangeError("Cannot grant a frame: the grant table is full");
    Atomics.store(this.#words, reference * 2 + 1, frame);
    // Flags and domain id share a word: one store, after the frame, makes the entry valid.
    Atomics.store(this.#words, reference * 2, PERMIT_ACCESS | (readOnly ? READ_ONLY : 0) | (domainId << 16));
    return reference;
  }

  /**
   * Takes a grant back.
   *
   * @returns false when the peer has the frame mapped or goes on changing the entry, so that the frame must not be used
   * for anything else yet, or when nothing was granted
   */
  endAccess(reference: number): boolean {
    const word = reference * 2;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const seen = Atomics.load(this.#words, word);
      if ((seen & (READING | WRITING)) !== 0 || (seen & TYPE_MASK) === 0) return false;
      if (Atomics.compareExchange(this.#words, word, seen, seen & ~FLAGS_MASK) !== seen) continue;
      this.#free.push(reference);
      return true;
    }
    return false;
  }
}

/**
 * The mapping domain's side, with persistent grants: a reference is checked and marked on first use, and stays mapped
 * until {@link GrantMapper.unmapAll}, so that its use costs one array access afterwards.
 */
export class GrantMapper {
  readonly #words: Int32Array;
  readonly #domainId: number;
  readonly #frameCount: number;
  /** For every reference 0, or its frame shifted over the bits {@link MAPPED} and {@link WRITABLE}. */
  readonly #mapped: Int32Array;
  /** Whether the frame of the copy that is being made was mapped before it. */
  #staysMapped = false;

  /**
   * A mapper with nothing mapped.
   *
   * @param words the granting domain's table
   * @param domainId the id of the domain that maps
   * @param frameCount frames in the region that the table grants
   */
  constructor(words: Int32Array, domainId: number, frameCount: number) {
    this.#words = words;
    this.#domainId = domainId;
    this.#frameCount = frameCount;
    this.#mapped = new Int32Array(words.length / 2);
  }

  /**
   * The frame that a reference grants.
   *
   * @param reference as the peer gave it: any unsigned 32-bit number
   * @param write whether this domain will write to the frame
   * @returns the frame, or a negative {@link GrantStatus}
   */
  map(reference: number, write: boolean): number {
    const mapped = reference < this.#mapped.length ? this.#mapped[reference] : 0;
    if (mapped === 0) return this.#mapNew(reference, write);
    if (write && (mapped & WRITABLE) === 0) return GrantStatus.PermissionDenied;
    return mapped >> FRAME_SHIFT;
  }

  /** Unmaps one reference, so that the peer can take its frame back (`GNTTABOP_unmap_grant_ref`). */
  unmap(reference: number): GrantStatus {
    if (!this.#mapped[reference]) return GrantStatus.BadHandle;
    this.#mapped[reference] = 0;
    Atomics.and(this.#words, reference * 2, ~(READING | WRITING));
    return GrantStatus.Okay;
  }

  /** Unmaps everything. */
  unmapAll(): void {
    for (let reference = 0; reference < this.#mapped.length; reference++) this.unmap(reference);
  }

  /**
   * Copies bytes out of a granted frame, which need not be mapped and is not mapped afterwards (`GNTTABOP_copy`). While
   * it copies, the peer cannot take the frame back.
   *
   * @param region the region that the table grants
   * @param offsetBytes first byte within the frame
   * @param into as many bytes as it has are copied
   */
  copyOut(region: Uint8Array, reference: number, offsetBytes: number, into: Uint8Array): GrantStatus {
    const start = this.#beginCopy(reference, false, offsetBytes, into.length);
    if (start < 0) return start as GrantStatus;
    into.set(region.subarray(start, start + into.length));
    return this.#endCopy(reference);
  }

  /** As {@link copyOut}, into a granted frame. */
  copyIn(region: Uint8Array, reference: number, offsetBytes: number, from: Uint8Array): GrantStatus {
    const start = this.#beginCopy(reference, true, offsetBytes, from.length);
    if (start < 0) return start as GrantStatus;
    region.set(from, start);
    return this.#endCopy(reference);
  }

  /**
   * As {@link copyOut}, of words from the frame's start on, each read once. On the hot path: it makes no view.
   *
   * @param region the region's words
   * @param wordCount how many words to copy
   */
  copyWordsOut(region: Int32Array, reference: number, into: Int32Array, wordCount: number): GrantStatus {
    const start = this.#beginCopy(reference, false, 0, wordCount * 4);
    if (start < 0) return start as GrantStatus;
    const firstWord = start / 4;
    for (let i = 0; i < wordCount; i++) into[i] = region[firstWord + i];
    return this.#endCopy(reference);
  }

  /** Maps a frame for the time of a copy. The first byte within the region, or a negative {@link GrantStatus}. */
  #beginCopy(reference: number, write: boolean, offsetBytes: number, byteLength: number): number {
    if (!(offsetBytes >= 0 && offsetBytes + byteLength <= FRAME_SIZE)) return GrantStatus.BadCopyArgument;
    this.#staysMapped = reference < this.#mapped.length && this.#mapped[reference] !== 0;
    const frame = this.map(reference, write);
    return frame < 0 ? frame : frame * FRAME_SIZE + offsetBytes;
  }

  #endCopy(reference: number): GrantStatus {
    return this.#staysMapped ? GrantStatus.Okay : this.unmap(reference);
  }

  #mapNew(reference: number, write: boolean): number {
    if (reference < FIRST_GRANT_REFERENCE || reference >= this.#mapped.length) return GrantStatus.BadReference;
    const word = reference * 2;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const seen = Atomics.load(this.#words, word);
      if ((seen & TYPE_MASK) !== PERMIT_ACCESS) return GrantStatus.BadReference;
      if (seen >>> 16 !== this.#domainId) return GrantStatus.BadDomain;
      const writable = (seen & READ_ONLY) === 0;
      if (write && !writable) return GrantStatus.PermissionDenied;
      const marked = seen | READING | (writable ? WRITING : 0);
      if (Atomics.compareExchange(this.#words, word, seen, marked) !== seen) continue;
      const frame = Atomics.load(this.#words, word + 1) >>> 0;
      if (frame >= this.#frameCount) {
        Atomics.and(this.#words, word, ~(READING | WRITING));
        return GrantStatus.BadPage;
      }
      this.#mapped[reference] = (frame << FRAME_SHIFT) | MAPPED | (writable ? WRITABLE : 0);
      return frame;
    }
    return GrantStatus.BadReference;
  }
}
