/**
 * What an ATA disk says of itself in answer to IDENTIFY DEVICE (ACS-4 7.13.6; word numbers are those of its table).
 *
 * @module
 */

import { DeviceError } from "../../../core/errors.ts";
import { ATA_BLOCK_BYTES } from "./ata_command.ts";

/** The facts about a disk. Where a disk does not say, there is null. */
export interface AtaIdentity {
  /** Model number. */
  readonly model: string;
  /** Serial number. */
  readonly serial: string;
  /** Firmware revision. */
  readonly firmware: string;
  /** World wide name, 16 hexadecimal digits. */
  readonly worldWideName: string | null;
  /** Size in bytes. */
  readonly sizeBytes: number;
  /** Bytes in a logical sector: the unit of addresses. */
  readonly logicalSectorSize: number;
  /** Bytes in a physical sector. */
  readonly physicalSectorSize: number;
  /** Logical sectors by which LBA 0 lies inside its physical sector. */
  readonly alignmentSectors: number;
  /** Rotations a minute; 0 for a disk that does not rotate. */
  readonly rotationRate: number | null;
  /** Whether commands have 48-bit addresses. */
  readonly lba48: boolean;
  /** Whether there is DMA. */
  readonly dma: boolean;
  /** Commands that native command queuing can keep in flight; null without it. */
  readonly ncqDepth: number | null;
  /** The volatile write cache. */
  readonly writeCache: "enabled" | "disabled" | "none";
  /** Whether there is FLUSH CACHE EXT. */
  readonly flushCacheExt: boolean;
  /** Whether there is WRITE DMA FUA EXT. */
  readonly fua: boolean;
  /** What TRIM does; null without it. */
  readonly trim: AtaTrim | null;
  /** The newest standard of the serial bus that it follows, as `SATA 3.1`. */
  readonly transport: string | null;
  /** The newest command set that it follows, as `ACS-3`. */
  readonly commandSet: string | null;
  /** The fastest signal that it has, in Gbit/s. */
  readonly maxSpeedGbps: number | null;
  /** The signal in use, in Gbit/s. */
  readonly speedGbps: number | null;
  /** The ATA password. */
  readonly security: "none" | "disabled" | "enabled" | "locked";
}

/** What TRIM does. */
export interface AtaTrim {
  /** What trimmed sectors are read as: zeroes, always the same, or anything. */
  readonly reads: "zeroes" | "deterministic" | "undefined";
  /** Most blocks of ranges in one command. */
  readonly maxBlocks: number;
}

/** Serial bus standards by bit of word 222. */
const TRANSPORTS = ["ATA8-AST", "SATA 1.0a", "SATA II", "2.5", "2.6", "3.0", "3.1", "3.2", "3.3", "3.4", "3.5"];
/** Command sets by bit of word 80; older ones have no serial bus. */
const COMMAND_SETS: Readonly<Record<number, string>> = {
  5: "ATA-5",
  6: "ATA-6",
  7: "ATA-7",
  8: "ATA8-ACS",
  9: "ACS-2",
  10: "ACS-3",
  11: "ACS-4",
  12: "ACS-5",
};
/** Signals in Gbit/s by generation, from 1 on. */
const SPEEDS = [1.5, 3, 6];
const CHECKSUM_SIGNATURE = 0xa5;

/**
 * Reads IDENTIFY DEVICE data.
 *
 * @param bytes the 512 bytes
 * @param path names the disk in errors
 * @throws {DeviceError} when they are damaged, or of something that is no ATA disk
 */
export function parseIdentify(bytes: Uint8Array, path: string): AtaIdentity {
  if (bytes.length !== ATA_BLOCK_BYTES) {
    throw new DeviceError(`IDENTIFY DEVICE data of ${path} has ${bytes.length} bytes; it must have ${ATA_BLOCK_BYTES}`);
  }
  if (bytes[510] === CHECKSUM_SIGNATURE && bytes.reduce((sum, byte) => sum + byte, 0) % 256 !== 0) {
    throw new DeviceError(`IDENTIFY DEVICE data of ${path} is damaged: its checksum (word 255) is wrong`);
  }
  const words = Uint16Array.from({ length: 256 }, (_, index) => bytes[2 * index] | bytes[2 * index + 1] << 8);
  if (words.every((word) => word === 0)) {
    throw new DeviceError(`IDENTIFY DEVICE data of ${path} is empty: its bridge does not pass ATA commands on`);
  }
  if (bit(words[0], 15) && words[0] !== 0x848a) { // 848Ah: a CompactFlash card, which is a disk
    throw new DeviceError(`${path} is no ATA disk: word 0 of its IDENTIFY DEVICE data is ${words[0].toString(16)}h`);
  }
  return identityOf(words);
}

function identityOf(words: Uint16Array): AtaIdentity {
  const { logical, physical } = sectorSizes(words);
  // Words 82 to 84 and 85 to 87 count where the last of each three has the signature 01b in bits 15 and 14.
  const supported = signed(words[83]);
  const extended = supported && signed(words[84]);
  const lba48 = supported && bit(words[83], 10);
  const serialBus = words[76] !== 0 && words[76] !== 0xffff;
  return {
    model: text(words, 27, 46),
    serial: text(words, 10, 19),
    firmware: text(words, 23, 26),
    worldWideName: signed(words[87]) && bit(words[87], 8) ? hexOf(words, 108, 111) : null,
    sizeBytes: sectorsOf(words, lba48) * logical,
    logicalSectorSize: logical,
    physicalSectorSize: physical,
    alignmentSectors: signed(words[209]) ? words[209] & 0x3fff : 0,
    rotationRate: rotation(words[217]),
    lba48,
    dma: bit(words[49], 8),
    ncqDepth: serialBus && bit(words[76], 8) ? (words[75] & 31) + 1 : null,
    writeCache: !supported || !bit(words[82], 5) ? "none" : bit(words[85], 5) ? "enabled" : "disabled",
    flushCacheExt: supported && bit(words[83], 13),
    fua: extended && bit(words[84], 6),
    trim: trimOf(words),
    transport: transportOf(words[222]),
    commandSet: commandSetOf(words[80]),
    maxSpeedGbps: serialBus ? SPEEDS.findLast((_, index) => bit(words[76], index + 1)) ?? null : null,
    speedGbps: serialBus ? SPEEDS[(words[77] >> 1 & 7) - 1] ?? null : null,
    security: securityOf(words[128]),
  };
}

function bit(word: number, index: number): boolean {
  return (word >> index & 1) === 1;
}

/** Whether bits 15 and 14 are 0 and 1: the word holds what the standard says, not what is on an empty bus. */
function signed(word: number): boolean {
  return word >> 14 === 1;
}

/** The two characters of each word have the first one high. */
function text(words: Uint16Array, first: number, last: number): string {
  let found = "";
  for (let at = first; at <= last; at++) found += String.fromCharCode(words[at] >> 8, words[at] & 0xff);
  // Bytes that are no printable ASCII would come out on somebody's terminal.
  return found.replaceAll(/[^ -~]/g, " ").trim();
}

function hexOf(words: Uint16Array, first: number, last: number): string {
  return [...words.subarray(first, last + 1)].map((word) => word.toString(16).padStart(4, "0")).join("");
}

function sectorsOf(words: Uint16Array, lba48: boolean): number {
  const wide = (at: number): number => words[at] + words[at + 1] * 2 ** 16 + words[at + 2] * 2 ** 32;
  if (bit(words[69], 3)) return wide(230);
  return lba48 ? wide(100) : words[60] + words[61] * 2 ** 16;
}

function sectorSizes(words: Uint16Array): { logical: number; physical: number } {
  if (!signed(words[106])) return { logical: 512, physical: 512 };
  const logical = bit(words[106], 12) ? 2 * (words[117] + words[118] * 2 ** 16) : 512;
  return { logical, physical: bit(words[106], 13) ? logical * 2 ** (words[106] & 15) : logical };
}

function rotation(word: number): number | null {
  if (word === 1) return 0;
  return word > 0x400 && word < 0xffff ? word : null;
}

function trimOf(words: Uint16Array): AtaTrim | null {
  if (!bit(words[169], 0)) return null;
  const reads = !bit(words[69], 14) ? "undefined" : bit(words[69], 5) ? "zeroes" : "deterministic";
  return { reads, maxBlocks: Math.max(words[105], 1) };
}

function transportOf(word: number): string | null {
  if (word === 0xffff || word >> 12 !== 1) return null;
  const name = TRANSPORTS.findLast((_, index) => bit(word, index));
  return name === undefined ? null : /^\d/.test(name) ? `SATA ${name}` : name;
}

function commandSetOf(word: number): string | null {
  if (word === 0 || word === 0xffff) return null;
  const newest = Object.keys(COMMAND_SETS).map(Number).findLast((index) => bit(word, index));
  return newest === undefined ? null : COMMAND_SETS[newest];
}

function securityOf(word: number): AtaIdentity["security"] {
  if (!bit(word, 0)) return "none";
  return bit(word, 2) ? "locked" : bit(word, 1) ? "enabled" : "disabled";
}
