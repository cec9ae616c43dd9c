/**
 * A grant table as a hostile domain writes it: any entry, at any time.
 *
 * @module
 */

/** Bits of a grant entry's flags (`GTF_…`). */
export const GrantFlag = { PermitAccess: 1, ReadOnly: 4, Reading: 8, Writing: 16 } as const;

/** References from here on are free to use, as in Xen. */
export const FIRST_REFERENCE = 8;

/** Writes the entries of a grant table. Each is two words: flags below the domain's id, then the frame. */
export class GrantWords {
  /** The table. */
  readonly words: Int32Array;
  readonly #free: number[] = [];
  #next = FIRST_REFERENCE;

  /** A writer of the table in these words. */
  constructor(words: Int32Array) {
    this.words = words;
  }

  /** How many references the table has. */
  get count(): number {
    return this.words.length / 2;
  }

  /** Grants a frame in an entry that is not in use, and returns its reference. */
  grantAccess(domainId: number, frame: number, readOnly: boolean): number {
    const reference = this.#free.pop() ?? this.#next++;
    if (reference >= this.count) {
      throw new RangeError(`Cannot grant frame ${frame}: all ${this.count} entries are used`);
    }
    this.write(reference, GrantFlag.PermitAccess | (readOnly ? GrantFlag.ReadOnly : 0), domainId, frame);
    return reference;
  }

  /** Takes a grant back as an honest domain does: returns false, and does nothing, while the peer has it mapped. */
  endAccess(reference: number): boolean {
    if ((this.flags(reference) & (GrantFlag.Reading | GrantFlag.Writing)) !== 0) return false;
    this.write(reference, 0, 0, 0);
    this.#free.push(reference);
    return true;
  }

  /** Writes an entry, whatever it was. */
  write(reference: number, flags: number, domainId: number, frame: number): void {
    Atomics.store(this.words, reference * 2 + 1, frame | 0);
    Atomics.store(this.words, reference * 2, (flags & 0xffff) | (domainId << 16));
  }

  /** An entry's flags. */
  flags(reference: number): number {
    return Atomics.load(this.words, reference * 2) & 0xffff;
  }

  /** The references whose frames the peer has mapped. */
  mapped(): number[] {
    const busy = GrantFlag.Reading | GrantFlag.Writing;
    return Array.from({ length: this.count }, (_, reference) => reference)
      .filter((reference) => (this.flags(reference) & busy) !== 0);
  }
}
