/**
 * The data of DATA SET MANAGEMENT with TRIM: which sectors are no longer needed (ACS-4 7.6).
 *
 * @module
 */

import { ATA_BLOCK_BYTES } from "./ata_command.ts";

/** Most sectors in one entry: its count has 16 bits, and 0 means none. */
export const MAX_RANGE_SECTORS = 65535;
/** An entry is 8 bytes: LBA in 48 bits, count in 16. */
const RANGE_WORDS = 4;
const RANGES_PER_BLOCK = ATA_BLOCK_BYTES / 2 / RANGE_WORDS;
/** Most sectors in a block of 64 entries: just below 2 GiB of 512 bytes each. */
export const MAX_TRIM_SECTORS: number = RANGES_PER_BLOCK * MAX_RANGE_SECTORS;

/**
 * Writes one block of ranges. Unused entries are 0, which the disk skips.
 *
 * @param block where to: 256 little-endian words
 * @param lba first logical sector
 * @param sectorCount how many follow each other from there
 * @returns how many of them the block names: all, or {@link MAX_TRIM_SECTORS}
 */
export function encodeTrimBlock(block: Uint16Array, lba: number, sectorCount: number): number {
  const named = Math.min(sectorCount, MAX_TRIM_SECTORS);
  block.fill(0);
  for (let done = 0, at = 0; done < named; at += RANGE_WORDS) {
    const start = lba + done;
    const count = Math.min(named - done, MAX_RANGE_SECTORS);
    block[at] = start;
    block[at + 1] = start / 2 ** 16;
    block[at + 2] = start / 2 ** 32;
    block[at + 3] = count;
    done += count;
  }
  return named;
}
