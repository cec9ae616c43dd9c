/**
 * SCSI commands to an open disk by the ioctl `SG_IO`, their data in whatever pieces of memory it lies.
 *
 * Nothing is allocated for a command: header, command, sense data and the list of pieces lie in one frame. The kernel
 * moves data straight between the disk and the pieces if each begins and ends on the alignment that the disk's queue
 * has, and copies it on the way if not. For an ATA disk, libata makes that the logical sector.
 *
 * Layout and numbers: Linux `include/scsi/sg.h` and the SCSI Generic HOWTO.
 *
 * @module
 */

import { FRAME_SIZE, SharedMemory } from "../../../core/memory.ts";
import { type DeviceControl, IoctlRequest } from "./ioctl.ts";

/** Which way data goes: `SG_DXFER_*`. */
export const DataDirection = {
  /** There is none. */
  None: -1,
  /** To the disk. */
  ToDevice: -2,
  /** From the disk. */
  FromDevice: -3,
} as const;
/** One of {@link DataDirection}'s values. */
export type DataDirection = typeof DataDirection[keyof typeof DataDirection];

/** Pages that the pieces of one command may touch: the fewest segments that a libata driver takes (`LIBATA_MAX_PRD`). */
export const MAX_PAGES = 128;

/** Bytes of sense data that are kept: room for the header, ATA registers and one short descriptor more. */
const SENSE_BYTES = 32;
const CDB_BYTES = 16;
const HEADER_BYTES = 88;
// Where each part lies in the frame.
const CDB_AT = 96;
const SENSE_AT = 128;
const VECTOR_AT = 1024;
const VECTOR_WORDS = 4;
const TWO_32 = 2 ** 32;

/** What became of the last command. */
export interface SgOutcome {
  /** What `ioctl` returned: 0, or a negative `errno` when the command did not reach the disk. */
  readonly result: number;
  /** SCSI status: 0 is good, 2 is check condition. */
  readonly status: number;
  /** What the host adapter says: `DID_*`. */
  readonly hostStatus: number;
  /** What the kernel's driver says: `DRIVER_*`. */
  readonly driverStatus: number;
  /** Sense data, as long as it is. */
  readonly sense: Uint8Array;
  /** Bytes that were asked for and not transferred. */
  readonly residualBytes: number;
}

/** Commands to one disk, one at a time. */
export class SgIo {
  /** The command to issue next: 16 bytes. */
  readonly cdb: Uint8Array;
  /** Bytes in the pieces that were added. */
  dataBytes = 0;
  readonly #control: DeviceControl;
  readonly #descriptor: number;
  readonly #memory = SharedMemory.allocate(1);
  readonly #header: Uint8Array;
  readonly #words: Int32Array;
  #pieces = 0;
  #pages = 0;
  #result = 0;

  /** Commands on an open descriptor of a disk. */
  constructor(control: DeviceControl, descriptor: number) {
    this.#control = control;
    this.#descriptor = descriptor;
    const { bytes, words, address } = this.#memory;
    this.cdb = bytes.subarray(CDB_AT, CDB_AT + CDB_BYTES);
    this.#header = bytes.subarray(0, HEADER_BYTES);
    this.#words = words;
    words[0] = "S".charCodeAt(0);
    bytes[8] = CDB_BYTES;
    bytes[9] = SENSE_BYTES;
    putAddress(words, 6, address + CDB_AT);
    putAddress(words, 8, address + SENSE_AT);
  }

  /** Forgets all pieces of data. */
  clearData(): void {
    this.#pieces = 0;
    this.#pages = 0;
    this.dataBytes = 0;
  }

  /**
   * Appends a piece of memory, or as much of it as there is room for. Whoever owns it keeps it alive until the command
   * is over. On the hot path.
   *
   * @param address where it begins in this process
   * @returns how many of its bytes were taken
   */
  addData(address: number, byteLength: number): number {
    const room = MAX_PAGES - this.#pages;
    const inPage = address % FRAME_SIZE;
    const taken = Math.min(byteLength, room * FRAME_SIZE - inPage);
    if (taken <= 0) return 0;
    const at = VECTOR_AT / 4 + this.#pieces * VECTOR_WORDS;
    putAddress(this.#words, at, address);
    this.#words[at + 2] = taken;
    this.#words[at + 3] = 0;
    this.#pieces++;
    this.#pages += Math.ceil((inPage + taken) / FRAME_SIZE);
    this.dataBytes += taken;
    return taken;
  }

  /**
   * Issues {@link cdb} and waits for its end. On the hot path.
   *
   * @param byteLength how much of the data is transferred; what was added beyond it is left alone
   * @param timeoutMs after how many milliseconds the kernel aborts it
   * @returns whether the disk did it, all of it, and said nothing; if not, {@link outcome} tells
   */
  issue(direction: DataDirection, byteLength: number, timeoutMs: number): boolean {
    const words = this.#words;
    words[1] = direction;
    this.#header[10] = this.#pieces > 1 ? this.#pieces : 0; // iovec_count, at most 128: its high byte stays 0
    words[3] = byteLength;
    if (this.#pieces === 1) { // One piece needs no list.
      words[4] = words[VECTOR_AT / 4];
      words[5] = words[VECTOR_AT / 4 + 1];
    } else {
      putAddress(words, 4, this.#pieces === 0 ? 0 : this.#memory.address + VECTOR_AT);
    }
    words[10] = timeoutMs;
    // What the kernel answers. A command that fails before it reaches the disk leaves all of it as it was.
    words[16] = 0; // status, masked_status, msg_status, sb_len_wr
    words[17] = 0; // host_status, driver_status
    words[18] = 0; // resid
    this.#result = this.#control.ioctl(this.#descriptor, IoctlRequest.SgIo, this.#header);
    return this.#result === 0 && (words[16] & 0xff) === 0 && words[17] === 0 && words[18] === 0;
  }

  /** What became of the last command: a copy. */
  outcome(): SgOutcome {
    const { bytes } = this.#memory;
    return {
      result: this.#result,
      status: bytes[64],
      sense: bytes.slice(SENSE_AT, SENSE_AT + Math.min(bytes[67], SENSE_BYTES)),
      hostStatus: bytes[68] | bytes[69] << 8,
      driverStatus: bytes[70] | bytes[71] << 8,
      residualBytes: this.#words[18],
    };
  }
}

/** Addresses of user space have 47 bits, so a double holds them. */
function putAddress(words: Int32Array, at: number, address: number): void {
  words[at] = address;
  words[at + 1] = address / TWO_32;
}
