/**
 * The ATA commands that are used, and how ATA PASS-THROUGH (16) carries them.
 *
 * Commands: ACS-4. The SCSI command around them: SAT-4, ATA PASS-THROUGH (16) command.
 *
 * @module
 */

/** Bytes in a block of the commands that do not count logical sectors: IDENTIFY DEVICE and DATA SET MANAGEMENT. */
export const ATA_BLOCK_BYTES = 512;
/** Most sectors that one command with a 48-bit address transfers; its field holds 0 then. */
export const MAX_SECTORS = 65536;

/** One command. */
export interface AtaCommand {
  /** The standard's name. */
  readonly name: string;
  /** The COMMAND field. */
  readonly opcode: number;
  /** Which way data goes, and how. */
  readonly protocol: "non-data" | "pio-in" | "dma-in" | "dma-out";
  /** The FEATURE field. */
  readonly feature: number;
  /** Whether LBA and COUNT say which logical sectors are meant. */
  readonly addresses: boolean;
  /** Milliseconds after which the kernel gives it up: those of Linux's own driver, more where disks take long. */
  readonly timeoutMs: number;
}

/** The commands. */
export const ATA_COMMANDS = {
  identifyDevice: entry("IDENTIFY DEVICE", 0xec, "pio-in", { timeoutMs: 15_000 }),
  readDmaExt: entry("READ DMA EXT", 0x25, "dma-in", { addresses: true }),
  writeDmaExt: entry("WRITE DMA EXT", 0x35, "dma-out", { addresses: true }),
  writeDmaFuaExt: entry("WRITE DMA FUA EXT", 0x3d, "dma-out", { addresses: true }),
  flushCacheExt: entry("FLUSH CACHE EXT", 0xea, "non-data", { timeoutMs: 60_000 }),
  // FEATURE bit 0 is TRIM.
  trim: entry("DATA SET MANAGEMENT (TRIM)", 0x06, "dma-out", { feature: 1, timeoutMs: 60_000 }),
} as const;

/** How long libata tries to reset a disk that has not answered a command (Linux `drivers/ata/libata-eh.c`). */
const RESETS_MS = 10_000 + 10_000 + 35_000 + 5_000;

/** The longest time that the kernel takes to answer for one command, in nanoseconds: given up, and the disk reset. */
export const OPERATION_TIMEOUT_NS = 1e6 *
  (Math.max(...Object.values(ATA_COMMANDS).map(({ timeoutMs }) => timeoutMs)) + RESETS_MS);

function entry(
  name: string,
  opcode: number,
  protocol: AtaCommand["protocol"],
  { feature = 0, addresses = false, timeoutMs = 30_000 }: Partial<AtaCommand> = {},
): AtaCommand {
  return { name, opcode, protocol, feature, addresses, timeoutMs };
}

const ATA_PASS_THROUGH_16 = 0x85;
const PROTOCOL: Readonly<Record<AtaCommand["protocol"], number>> = {
  "non-data": 3,
  "pio-in": 4,
  "dma-in": 6,
  "dma-out": 6,
};
const EXTEND = 1;
/** T_DIR: from the device. */
const FROM_DEVICE = 1 << 3;
/** BYTE_BLOCK: the transfer length counts blocks. */
const IN_BLOCKS = 1 << 2;
/** T_TYPE: those blocks are logical sectors, else 512 bytes. */
const OF_LOGICAL_SECTORS = 1 << 4;
/** T_LENGTH: COUNT is the transfer length. */
const LENGTH_IN_COUNT = 2;
/** DEVICE bit 6, which commands with an address must have set. */
const LBA_MODE = 1 << 6;
const TWO_24 = 2 ** 24;

/**
 * Writes the SCSI command that carries an ATA command. On the hot path.
 *
 * @param cdb where to: 16 bytes
 * @param lba first logical sector, less than 2^48; 0 for a command that does not address any
 * @param count logical sectors or blocks to transfer, 0 to 65536
 * @param sectorSize the disk's logical sector in bytes
 */
export function encodeCommand(
  cdb: Uint8Array,
  command: AtaCommand,
  lba: number,
  count: number,
  sectorSize: number,
): void {
  const low = lba % TWO_24;
  const high = Math.floor(lba / TWO_24);
  let transfer = 0;
  if (command.protocol !== "non-data") {
    transfer = IN_BLOCKS | LENGTH_IN_COUNT;
    if (command.protocol !== "dma-out") transfer |= FROM_DEVICE;
    // Left out where it says nothing new: old bridges do not know it.
    if (command.addresses && sectorSize !== ATA_BLOCK_BYTES) transfer |= OF_LOGICAL_SECTORS;
  }
  // IDENTIFY DEVICE is the one of these that has 28-bit fields.
  const extend = command.protocol === "pio-in" ? 0 : EXTEND;
  cdb[0] = ATA_PASS_THROUGH_16;
  cdb[1] = PROTOCOL[command.protocol] << 1 | extend;
  cdb[2] = transfer;
  cdb[3] = 0;
  cdb[4] = command.feature;
  cdb[5] = count >> 8; // 65536 becomes 0, as it should.
  cdb[6] = count;
  cdb[7] = high;
  cdb[8] = low;
  cdb[9] = high >> 8;
  cdb[10] = low >> 8;
  cdb[11] = high >> 16;
  cdb[12] = low >> 16;
  cdb[13] = command.addresses ? LBA_MODE : 0;
  cdb[14] = command.opcode;
  cdb[15] = 0;
}
