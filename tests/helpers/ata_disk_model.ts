/**
 * A disk that is only simulated: it is controlled by `ioctl` as the kernel's driver of an ATA disk is, takes ATA
 * PASS-THROUGH (16) apart by itself, and moves data from and to the addresses that the header names.
 *
 * Layouts are those of `scsi/sg.h`, SAT-4 and ACS-4, written down here once more: a model that used the product's own
 * encoding could not find its mistakes.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { DeviceControl } from "../../plugins/devices/sata/ioctl.ts";
import { identifyBytes, sectorWords } from "./ata_identify.ts";

const EIO = 5;
const EINVAL = 22;
const ENOTTY = 25;
const ABRT = 4;
const UNC = 0x40;
const FROM_DEVICE = -3;
const TO_DEVICE = -2;

/** What the disk is like. */
export interface AtaDiskOptions {
  readonly sectors?: number;
  readonly sectorSize?: number;
  /** Whether it has WRITE DMA FUA EXT. */
  readonly fua?: boolean;
  /** Most 512-byte units that the kernel passes on at once. */
  readonly maxSectors?: number;
  /** IDENTIFY DEVICE data to give instead of its own. */
  readonly identify?: Uint8Array;
  /** Size that the opened device has, if not all of the disk. */
  readonly openedBytes?: number;
  /** Where the sectors lie; memory of its own when absent. */
  readonly storage?: SharedArrayBuffer;
}

/** What answers instead of the disk: a negative errno, or sense data, host status and bytes that were not moved. */
export interface OtherAnswer {
  readonly errno?: number;
  readonly sense?: readonly number[];
  readonly hostStatus?: number;
  readonly driverStatus?: number;
  readonly residualBytes?: number;
}

/** The descriptor on which the model is open. */
export const MODEL_DESCRIPTOR = 77;

/** One command, as the disk sees it. */
export interface SeenCommand {
  readonly opcode: number;
  readonly protocol: number;
  readonly feature: number;
  readonly lba: number;
  readonly count: number;
  readonly cdb: readonly number[];
  /** What TRIM names: first sector and count. */
  readonly ranges: readonly (readonly [lba: number, count: number])[];
  /** Addresses and lengths of the memory that it had. */
  readonly pieces: readonly (readonly [address: number, byteLength: number])[];
}

interface Answer {
  status: number;
  error: number;
  lba: number;
}

export class AtaDiskModel implements DeviceControl {
  readonly sectorSize: number;
  readonly sectors: number;
  readonly bytes: Uint8Array;
  readonly commands: SeenCommand[] = [];
  /** Sectors that cannot be read. */
  readonly badSectors: Set<number> = new Set();
  /** Decides by the opcode whether something else answers than the disk. */
  intercept: (opcode: number) => OtherAnswer | null = () => null;
  closed = false;
  readonly #fua: boolean;
  readonly #maxSectors: number;
  readonly #identify: Uint8Array;
  readonly #openedBytes: number;

  constructor(options: AtaDiskOptions = {}) {
    const { sectors = 256, sectorSize = 512, fua = true, maxSectors = 256 } = options;
    this.sectors = sectors;
    this.sectorSize = sectorSize;
    this.bytes = new Uint8Array(options.storage ?? new SharedArrayBuffer(sectors * sectorSize));
    this.#fua = fua;
    this.#maxSectors = maxSectors;
    this.#openedBytes = options.openedBytes ?? this.bytes.length;
    this.#identify = options.identify ?? identifyBytes({
      49: 1 << 9 | 1 << 8,
      69: 1 << 14 | 1 << 5,
      75: 31,
      76: 1 << 8 | 0b1110,
      77: 3 << 1,
      82: 1 << 5,
      83: 1 << 14 | 1 << 13 | 1 << 10,
      84: 1 << 14 | (fua ? 1 << 6 : 0),
      85: 1 << 5,
      87: 1 << 14,
      ...sectorWords(100, sectors),
      105: 8,
      106: sectorSize === 512 ? 0 : 1 << 14 | 1 << 12,
      117: sectorSize / 2,
      169: 1,
    }, { 10: ["S1", 10], 23: ["1.0", 4], 27: ["SIMULATED", 20] });
  }

  ioctl(descriptor: number, request: number, argument: Uint8Array): number {
    assert(!this.closed, "used after close");
    assert.equal(descriptor, MODEL_DESCRIPTOR, "another descriptor");
    const view = new DataView(argument.buffer, argument.byteOffset, argument.byteLength);
    switch (request) {
      case 0x80081272: // BLKGETSIZE64
        view.setBigUint64(0, BigInt(this.#openedBytes), true);
        return 0;
      case 0x1267: // BLKSECTGET
        view.setUint16(0, Math.min(this.#maxSectors, 0xffff), true);
        return 0;
      case 0x2285: // SG_IO
        return this.#command(view);
      default:
        return -ENOTTY;
    }
  }

  close(): void {
    this.closed = true;
  }

  #command(header: DataView): number {
    const transferBytes = header.getUint32(12, true);
    if (header.getInt32(0, true) !== 0x53 || header.getUint8(8) !== 16) return -EINVAL;
    if (transferBytes > this.#maxSectors * 512) return -EIO;
    const cdb = [...memoryAt(header.getBigUint64(24, true), 16)];
    const memory = piecesOf(header, transferBytes);
    const seen = decode(cdb, memory);
    this.commands.push(seen);
    assert(header.getUint32(40, true) > 0, "a command without a timeout");
    const other = this.intercept(seen.opcode);
    if (other?.errno !== undefined) return other.errno;
    if (other !== null) {
      answerSense(header, other.sense ?? []);
      header.setUint16(68, other.hostStatus ?? 0, true);
      header.setUint16(70, other.driverStatus ?? 0, true);
      header.setInt32(72, other.residualBytes ?? 0, true);
      return 0;
    }
    const direction = header.getInt32(4, true);
    const answer = this.#run(seen, direction, memory.map(({ bytes }) => bytes), transferBytes);
    if ((answer.status & 1) !== 0) answerSense(header, ataSense(answer));
    return 0;
  }

  #run(seen: SeenCommand, direction: number, memory: Uint8Array[], transferBytes: number): Answer {
    const { opcode, protocol, lba, count, cdb, feature } = seen;
    const aborted = { status: 0x41, error: ABRT, lba: 0 };
    const done = { status: 0x40, error: 0, lba: 0 };
    switch (opcode) {
      case 0xec: // IDENTIFY DEVICE: PIO data-in, one block
        assert.deepEqual([protocol, direction, cdb[2], transferBytes], [4, FROM_DEVICE, 0b1110, 512]);
        put(memory, this.#identify);
        return done;
      case 0x25: // READ DMA EXT
        this.#checkTransfer(seen, FROM_DEVICE, direction, transferBytes);
        return this.#read(lba, count, memory);
      case 0x3d: // WRITE DMA FUA EXT
        if (!this.#fua) return aborted;
        // falls through
      case 0x35: // WRITE DMA EXT
        this.#checkTransfer(seen, TO_DEVICE, direction, transferBytes);
        if (lba + count > this.sectors) return aborted;
        this.bytes.set(get(memory), lba * this.sectorSize);
        return done;
      case 0xea: // FLUSH CACHE EXT: no data
        assert.deepEqual([protocol, cdb[1] & 1, cdb[2], transferBytes, direction], [3, 1, 0, 0, -1]);
        return done;
      case 0x06: // DATA SET MANAGEMENT
        assert.deepEqual([protocol, cdb[1] & 1, cdb[2], feature, direction], [6, 1, 0b110, 1, TO_DEVICE]);
        assert.equal(transferBytes, count * 512);
        return this.#trim(seen.ranges) ? done : aborted;
      default:
        return aborted;
    }
  }

  #checkTransfer({ cdb, protocol, count }: SeenCommand, expected: number, direction: number, bytes: number): void {
    const logical = this.sectorSize === 512 ? 0 : 0x10; // T_TYPE
    const flags = (expected === FROM_DEVICE ? 8 : 0) | 0b110 | logical; // T_DIR, BYTE_BLOCK, T_LENGTH
    assert.deepEqual([protocol, cdb[1] & 1, cdb[2], cdb[13]], [6, 1, flags, 0x40]);
    assert.equal(direction, expected);
    assert.equal(bytes, count * this.sectorSize);
  }

  #read(lba: number, count: number, memory: Uint8Array[]): Answer {
    if (lba + count > this.sectors) return { status: 0x41, error: ABRT, lba: 0 };
    for (let sector = lba; sector < lba + count; sector++) {
      if (this.badSectors.has(sector)) return { status: 0x41, error: UNC, lba: sector };
    }
    put(memory, this.bytes.subarray(lba * this.sectorSize, (lba + count) * this.sectorSize));
    return { status: 0x40, error: 0, lba: 0 };
  }

  #trim(ranges: SeenCommand["ranges"]): boolean {
    for (const [lba, count] of ranges) {
      if (lba + count > this.sectors) return false;
      this.bytes.fill(0, lba * this.sectorSize, (lba + count) * this.sectorSize);
    }
    return true;
  }
}

interface Piece {
  readonly address: number;
  readonly bytes: Uint8Array;
}

function decode(cdb: number[], memory: readonly Piece[]): SeenCommand {
  assert.equal(cdb[0], 0x85, "no ATA PASS-THROUGH (16)");
  const count = cdb[5] << 8 | cdb[6];
  const opcode = cdb[14];
  return {
    opcode,
    protocol: cdb[1] >> 1 & 15,
    feature: cdb[3] << 8 | cdb[4],
    // Bytes 7, 9 and 11 are the upper half.
    lba: [8, 10, 12, 7, 9, 11].reduce((sum, at, index) => sum + cdb[at] * 2 ** (8 * index), 0),
    count: count === 0 && [0x25, 0x35, 0x3d].includes(opcode) ? 65536 : count,
    cdb,
    ranges: opcode === 0x06 ? rangesOf(get(memory.map(({ bytes }) => bytes))) : [],
    pieces: memory.map(({ address, bytes }) => [address, bytes.length] as const),
  };
}

function rangesOf(block: Uint8Array): [number, number][] {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  return Array.from({ length: block.length / 8 }, (_, index): [number, number] => {
    const lba = view.getUint32(8 * index, true) + view.getUint16(8 * index + 4, true) * 2 ** 32;
    return [lba, view.getUint16(8 * index + 6, true)];
  }).filter(([, count]) => count > 0);
}

/** The memory that a header names, no more than it transfers: the shorter of length and list wins. */
function piecesOf(header: DataView, transferBytes: number): Piece[] {
  const address = header.getBigUint64(16, true);
  const count = header.getUint16(10, true);
  if (count === 0) {
    return transferBytes === 0 ? [] : [{ address: Number(address), bytes: memoryAt(address, transferBytes) }];
  }
  const list = memoryAt(address, count * 16);
  const vector = new DataView(list.buffer, list.byteOffset, list.length);
  const pieces: Piece[] = [];
  let left = transferBytes;
  for (let i = 0; i < count && left > 0; i++) {
    const start = vector.getBigUint64(16 * i, true);
    const length = Math.min(Number(vector.getBigUint64(16 * i + 8, true)), left);
    pieces.push({ address: Number(start), bytes: memoryAt(start, length) });
    left -= length;
  }
  assert.equal(left, 0, "the pieces are shorter than the transfer");
  return pieces;
}

function memoryAt(address: bigint, byteLength: number): Uint8Array {
  const pointer = Deno.UnsafePointer.create(address);
  assert(pointer, "no address");
  return new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(pointer, byteLength));
}

function put(memory: readonly Uint8Array[], data: Uint8Array): void {
  let at = 0;
  for (const piece of memory) {
    piece.set(data.subarray(at, at + piece.length));
    at += piece.length;
  }
}

function get(memory: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(memory.flatMap((piece) => [...piece]));
}

/** Sense data in descriptor format with the ATA Status Return descriptor: what libata makes of a failed command. */
function ataSense({ status, error, lba }: Answer): number[] {
  const [key, code, qualifier] = error === UNC ? [3, 0x11, 0x04] : [11, 0, 0];
  const byte = (index: number): number => Math.floor(lba / 2 ** (8 * index)) % 256;
  return [
    ...[0x72, key, code, qualifier, 0, 0, 0, 14],
    ...[9, 12, 1, error, 0, 0, byte(3), byte(0), byte(4), byte(1), byte(5), byte(2), 0x40, status],
  ];
}

function answerSense(header: DataView, sense: readonly number[]): void {
  if (sense.length === 0) return;
  header.setUint8(64, 2); // check condition
  const length = Math.min(sense.length, header.getUint8(9));
  header.setUint8(67, length);
  memoryAt(header.getBigUint64(32, true), length).set(sense.slice(0, length));
}
