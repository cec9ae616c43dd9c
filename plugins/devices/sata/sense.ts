/**
 * Sense data: why a SCSI command failed, and the registers of the ATA disk behind it.
 *
 * Formats: SPC-5 4.4. ATA registers in them: SAT-4 12.2.2.7 (descriptor format) and 12.2.2.8 (fixed format).
 *
 * @module
 */

/** The registers of an ATA disk after a command. */
export interface AtaRegisters {
  /** STATUS: bit 0 error, bit 5 device fault. */
  readonly status: number;
  /** ERROR: what kind of error. */
  readonly error: number;
  /** LBA: the first sector that failed, for errors of media. Null where the sense data has not all of it. */
  readonly lba: number | null;
}

/** What sense data says. */
export interface Sense {
  /** Sense key, 0 to 15. */
  readonly key: number;
  /** Additional sense code. */
  readonly code: number;
  /** Its qualifier. */
  readonly qualifier: number;
  /** The disk's registers, where they are told. */
  readonly registers: AtaRegisters | null;
}

const ATA_STATUS_RETURN = 0x09;
const ATA_STATUS_RETURN_BYTES = 14;
/** First bytes of the two formats; the odd codes are of errors of earlier commands. */
const FIXED = 0x70;
const DESCRIPTORS = 0x72;

/** Reads sense data; null where there is none, or of a format that is not known. */
export function parseSense(bytes: Uint8Array): Sense | null {
  const format = bytes.length < 8 ? 0 : bytes[0] & 0x7e;
  if (format === DESCRIPTORS) {
    return { key: bytes[1] & 15, code: bytes[2], qualifier: bytes[3], registers: registersInDescriptors(bytes) };
  }
  if (format === FIXED && bytes.length >= 14) {
    return { key: bytes[2] & 15, code: bytes[12], qualifier: bytes[13], registers: registersInFixed(bytes) };
  }
  return null;
}

function registersInDescriptors(bytes: Uint8Array): AtaRegisters | null {
  const end = Math.min(bytes.length, 8 + bytes[7]);
  for (let at = 8; at + 2 <= end; at += 2 + bytes[at + 1]) {
    if (bytes[at] !== ATA_STATUS_RETURN || at + ATA_STATUS_RETURN_BYTES > end) continue;
    const extend = (bytes[at + 2] & 1) !== 0;
    const low = bytes[at + 7] + bytes[at + 9] * 2 ** 8 + bytes[at + 11] * 2 ** 16;
    const high = bytes[at + 6] + bytes[at + 8] * 2 ** 8 + bytes[at + 10] * 2 ** 16;
    return { error: bytes[at + 3], status: bytes[at + 13], lba: low + (extend ? high * 2 ** 24 : 0) };
  }
  return null;
}

/** INFORMATION holds ERROR, STATUS, DEVICE and COUNT; COMMAND-SPECIFIC INFORMATION flags and LBA, its low half alone. */
function registersInFixed(bytes: Uint8Array): AtaRegisters | null {
  const status = bytes[4];
  if (status === 0) return null; // Of a disk that answers, a bit is set at least: DRDY.
  const upperIsNotZero = (bytes[8] & 0x20) !== 0;
  const lba = bytes[9] + bytes[10] * 2 ** 8 + bytes[11] * 2 ** 16;
  return { error: bytes[3], status, lba: upperIsNotZero ? null : lba };
}

/** SPC-5 table 49. */
const KEYS = [
  "no sense",
  "recovered error",
  "not ready",
  "medium error",
  "hardware error",
  "illegal request",
  "unit attention",
  "data protect",
  "blank check",
  "vendor specific",
  "copy aborted",
  "aborted command",
  "reserved",
  "volume overflow",
  "miscompare",
  "completed",
];

/** The additional sense codes that disks have reason for, as `code << 8 | qualifier`: SPC-5 annex F.2. */
const CODES: Readonly<Record<number, string>> = {
  0x0000: "no additional sense information",
  0x001d: "ATA pass-through information available",
  0x0400: "not ready, cause not reportable",
  0x0401: "becoming ready",
  0x0402: "needs to be started",
  0x0c00: "write error",
  0x1100: "unrecovered read error",
  0x1104: "unrecovered read error, auto-reallocation failed",
  0x1400: "recorded entity not found",
  0x2000: "invalid command operation code",
  0x2100: "logical block address out of range",
  0x2400: "invalid field in command",
  0x2500: "logical unit not supported",
  0x2700: "write protected",
  0x2900: "power on, reset, or bus device reset occurred",
  0x3a00: "medium not present",
  0x4400: "internal target failure",
  0x4700: "parity or CRC error",
  0x4703: "CRC error in the transfer",
  0x7421: "not authorized",
};

/** Sense data in words, with its numbers: `medium error, unrecovered read error (3/11/04h)`. */
export function describeSense({ key, code, qualifier }: Sense): string {
  const words = CODES[code << 8 | qualifier] ?? CODES[code << 8];
  const numbers = `${key.toString(16)}/${hex(code)}/${hex(qualifier)}h`;
  return `${KEYS[key]}${words === undefined ? "" : `, ${words}`} (${numbers})`;
}

/** A byte as the standards write it, without the `h`. */
export function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, "0");
}
