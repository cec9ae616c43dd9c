/**
 * Writes nonsense into a region, and the same into the copy that a model has of it.
 *
 * @module
 */

import type { LinkLayout } from "../../../../core/link.ts";
import type { Random } from "../../../helpers/random.ts";
import { BACKEND_WORDS, FRONTEND_WORDS, SLEEP_WORDS } from "../control_words.ts";
import { FIRST_REFERENCE, GrantFlag } from "../grant_words.ts";
import { ENTRY_WORDS, entryAt } from "../wire.ts";

const FRAME_WORDS = 1024;

/** Numbers at which code goes wrong. */
const ODD_NUMBERS = [
  0,
  1,
  -1,
  2,
  3,
  4,
  5,
  6,
  7,
  8,
  9,
  31,
  32,
  33,
  64,
  255,
  256,
  4096,
  0x7fffffff,
  -0x80000000,
  1 << 20,
];

/** A word that somebody might not have thought of. */
export function oddWord(random: Random): number {
  return random.chance(0.7) ? random.pick(ODD_NUMBERS) : random.u32() | 0;
}

/** Writes to all of its copies of a region at once. */
export class Scribbler {
  readonly #copies: readonly Int32Array[];
  readonly #layout: LinkLayout;
  readonly #random: Random;

  /** A scribbler of these copies of one region. */
  constructor(copies: readonly Int32Array[], layout: LinkLayout, random: Random) {
    this.#copies = copies;
    this.#layout = layout;
    this.#random = random;
  }

  /** Writes a word, counted from the region's beginning. */
  write(word: number, value: number): void {
    for (const copy of this.#copies) copy[word] = value;
  }

  /** Words of the ring's entries. */
  entries(): void {
    const { ringFrame, entryCount } = this.#layout;
    const at = ringFrame * FRAME_WORDS + entryAt(this.#random.below(entryCount), entryCount);
    this.#some(8, () => at + this.#random.below(ENTRY_WORDS), () => oddWord(this.#random));
  }

  /** Keys, states and sleep flags of either side. */
  control(): void {
    const words = [
      ...Object.values(FRONTEND_WORDS),
      ...Object.values(BACKEND_WORDS),
      ...Object.values(SLEEP_WORDS),
      this.#random.below(FRAME_WORDS),
    ];
    this.#some(6, () => this.#random.pick(words), () => oddWord(this.#random));
  }

  /** Anything anywhere in the frames from `first` on. */
  frames(first: number, count: number): void {
    this.#some(8, () => first * FRAME_WORDS + this.#random.below(count * FRAME_WORDS), () => oddWord(this.#random));
  }

  /** Entries of the grant table: right, forged, of other domains, of frames that are no data or that do not exist. */
  grants(domainId: number, references: number): void {
    const random = this.#random;
    const { grantFrame, frameCount } = this.#layout;
    for (let count = random.between(1, 4); count > 0; count--) {
      const at = grantFrame * FRAME_WORDS + (FIRST_REFERENCE + random.below(references)) * 2;
      const access = random.chance(0.7) ? GrantFlag.PermitAccess : random.below(4);
      const flags = access | random.pick([0, 0, GrantFlag.ReadOnly, GrantFlag.Reading, random.below(1 << 16)]);
      const domain = random.chance(0.8) ? domainId : random.below(1 << 16);
      this.write(at, flags | (domain << 16));
      this.write(at + 1, random.chance(0.8) ? random.below(frameCount) : random.pick([frameCount, oddWord(random)]));
    }
  }

  #some(most: number, place: () => number, value: () => number): void {
    for (let count = this.#random.between(1, most); count > 0; count--) this.write(place(), value());
  }
}
