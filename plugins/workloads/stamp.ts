/**
 * The stamp that `verify` writes into every sector, by which anybody who reads the medium can tell what should be there.
 *
 * A sector is 128 little-endian 32-bit words:
 *
 * | word | holds |
 * |---|---|
 * | 0, 1 | the bytes `iddrstmp` |
 * | 2, 3 | number of the sector on the device (offset / 512), low word and high word |
 * | 4 | generation: 1 for the first write of this sector, one more for each operation that changes it |
 * | 5 | the writer's seed, its low 32 bits |
 * | 6 | the writer's thread, from 0 |
 * | 7 | checksum of the sector |
 * | 8 – 127 | fill: pseudo-random, determined by words 2 to 5 |
 *
 * Arithmetic is modulo 2³²; `rotl` rotates to the left.
 *
 * - Fill: `x = w2 × 0x9e3779b1 ^ w3 × 0x85ebca77 ^ w4 × 0xc2b2ae3d ^ w5 × 0x27d4eb2f`, and 1 if that is 0. Then for each
 *   word `x ^= x << 13; x ^= x >>> 17; x ^= x << 5; word = x`.
 * - Checksum: `c = 0x811c9dc5`; then for the words 0 to 6 and 8 to 127, in this order,
 *   `c = rotl((c ^ word) × 0x01000193, 15)`. A change of a single word always changes it.
 *
 * A sector that was made zero has 512 zero bytes.
 *
 * @module
 */

/** Words of a sector. */
export const SECTOR_WORDS = 128;

const TWO_32 = 2 ** 32;
const MAGIC_LOW = 0x72646469; // "iddr"
const MAGIC_HIGH = 0x706d7473; // "stmp"
const MAGIC = 0;
const SECTOR = 2;
const GENERATION = 4;
const SEED = 5;
const THREAD = 6;
const CHECKSUM = 7;
const FILL = 8;

/** What is wrong with a sector. */
export const Fault = {
  /** Nothing. */
  None: 0,
  /** There is no stamp. */
  NoStamp: 1,
  /** There is a stamp, but not all of the sector is as it was written: torn within, or corrupted. */
  Checksum: 2,
  /** The stamp is of another sector. */
  WrongSector: 3,
  /** The stamp is by another seed or thread. */
  WrongWriter: 4,
  /** The stamp is whole, but of an older write. */
  Stale: 5,
  /** The stamp is of a write that has not been. */
  Unwritten: 6,
} as const;

/** One of {@link Fault}'s values. */
export type Fault = typeof Fault[keyof typeof Fault];

/** Who writes. */
export interface Writer {
  /** Any whole number, of which the low 32 bits count. */
  readonly seed: number;
  /** From 0. */
  readonly thread: number;
}

/**
 * Writes the stamp of a sector.
 *
 * @param at word at which the sector begins
 * @param sector number of the sector on the device, below 2⁵³
 * @param generation 1 … 2³²−1
 */
export function writeStamp(words: Int32Array, at: number, sector: number, generation: number, writer: Writer): void {
  words[at + MAGIC] = MAGIC_LOW;
  words[at + MAGIC + 1] = MAGIC_HIGH;
  words[at + SECTOR] = sector;
  words[at + SECTOR + 1] = sector / TWO_32;
  words[at + GENERATION] = generation;
  words[at + SEED] = writer.seed;
  words[at + THREAD] = writer.thread;
  let x = Math.imul(words[at + SECTOR], 0x9e3779b1) ^ Math.imul(words[at + SECTOR + 1], 0x85ebca77) ^
    Math.imul(words[at + GENERATION], 0xc2b2ae3d) ^ Math.imul(words[at + SEED], 0x27d4eb2f);
  if (x === 0) x = 1;
  for (let word = at + FILL; word < at + SECTOR_WORDS; word++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[word] = x;
  }
  words[at + CHECKSUM] = checksum(words, at);
}

/** What is wrong with a sector that should have a stamp. The parameters are those of {@link writeStamp}. */
export function checkStamp(words: Int32Array, at: number, sector: number, generation: number, writer: Writer): Fault {
  if (words[at + MAGIC] !== MAGIC_LOW || words[at + MAGIC + 1] !== MAGIC_HIGH) return Fault.NoStamp;
  if (words[at + CHECKSUM] !== checksum(words, at)) return Fault.Checksum;
  if (sectorOf(words, at) !== sector) return Fault.WrongSector;
  if (words[at + SEED] !== (writer.seed | 0) || words[at + THREAD] !== writer.thread) return Fault.WrongWriter;
  const found = words[at + GENERATION] >>> 0;
  return found === generation ? Fault.None : found < generation ? Fault.Stale : Fault.Unwritten;
}

/** Whether a sector is all zeroes. */
export function isZeroSector(words: Int32Array, at: number): boolean {
  for (let word = at; word < at + SECTOR_WORDS; word++) {
    if (words[word] !== 0) return false;
  }
  return true;
}

/** What a sector holds, for a message. */
export function describeSector(words: Int32Array, at: number): string {
  if (isZeroSector(words, at)) return "zeroes";
  if (words[at + MAGIC] !== MAGIC_LOW || words[at + MAGIC + 1] !== MAGIC_HIGH) {
    return `no stamp but ${hexadecimal(words[at])} ${hexadecimal(words[at + 1])} …`;
  }
  const sum = checksum(words, at);
  const claimed = words[at + CHECKSUM];
  return describeStamp(sectorOf(words, at), words[at + GENERATION] >>> 0, {
    seed: words[at + SEED],
    thread: words[at + THREAD],
  }) + (sum === claimed ? "" : ` with checksum ${hexadecimal(claimed)} where ${hexadecimal(sum)} is right`);
}

/** A stamp, for a message. */
export function describeStamp(sector: number, generation: number, { seed, thread }: Writer): string {
  return `sector ${sector}, generation ${generation}, seed ${seed >>> 0}, thread ${thread}`;
}

function sectorOf(words: Int32Array, at: number): number {
  return (words[at + SECTOR] >>> 0) + (words[at + SECTOR + 1] >>> 0) * TWO_32;
}

function checksum(words: Int32Array, at: number): number {
  let sum = 0x811c9dc5 | 0;
  for (let word = at; word < at + SECTOR_WORDS; word++) {
    if (word === at + CHECKSUM) continue;
    const product = Math.imul(sum ^ words[word], 0x01000193);
    sum = (product << 15) | (product >>> 17);
  }
  return sum;
}

function hexadecimal(word: number): string {
  return `0x${(word >>> 0).toString(16).padStart(8, "0")}`;
}
