/**
 * `ioctl` on an open device: of libc, or of a disk that is only simulated.
 *
 * @module
 */

import { DeviceError } from "../../../core/errors.ts";
import { type CLibrary, openCLibrary } from "../../../core/libc.ts";

/** Numbers of the requests that are used here: Linux `include/uapi/linux/fs.h` and `include/scsi/sg.h`. */
export const IoctlRequest = {
  /** Whether a block device is itself read-only, as an `int`. */
  BlkRoGet: 0x125e,
  /** Logical sector size in bytes, as an `int`. */
  BlkSszGet: 0x1268,
  /** Physical sector size in bytes, as an `unsigned int`. */
  BlkPbszGet: 0x127b,
  /** Forgets bytes: the first and their number, as 64 bits each. */
  BlkDiscard: 0x1277,
  /** Makes bytes zero: the first and their number, as 64 bits each. */
  BlkZeroOut: 0x127f,
  /** Most 512-byte sectors of one transfer, as an `unsigned short`. */
  BlkSectGet: 0x1267,
  /** Size of a block device in bytes, as 64 bits. */
  BlkGetSize64: 0x80081272,
  /** A SCSI command, as a `struct sg_io_hdr`. */
  SgIo: 0x2285,
} as const;

/** How a device is controlled. */
export interface DeviceControl {
  /**
   * One `ioctl`; it returns when the device has answered.
   *
   * @param argument what the request reads and writes
   * @returns 0 or more, or a negative `errno`
   */
  ioctl(descriptor: number, request: number, argument: Uint8Array): number;
  /** Lets go of what it was made of. The descriptors stay open. */
  close(): void;
}

// `ioctl` has a variable argument list; on x86-64 and ARM64 Linux a pointer is passed to it as to any function.
const SYMBOLS = { ioctl: { parameters: ["i32", "u32", "buffer"], result: "i32" } } as const;

/** Control by libc. */
export class LibcControl implements DeviceControl {
  readonly #library: CLibrary<typeof SYMBOLS>;

  /**
   * Opens libc.
   *
   * @throws {DeviceError} where that is not allowed
   */
  constructor() {
    const library = openCLibrary(SYMBOLS);
    if (library === null) throw new DeviceError("A disk is controlled by the C library: allow --allow-ffi");
    this.#library = library;
  }

  ioctl(descriptor: number, request: number, argument: Uint8Array): number {
    const result = this.#library.symbols.ioctl(descriptor, request, argument as Uint8Array<ArrayBuffer>);
    return result < 0 ? -this.#library.errno() : result;
  }

  close(): void {
    this.#library.close();
  }
}

/**
 * The size of the block device or partition that a descriptor stands for.
 *
 * @throws {DeviceError} when it stands for anything else
 */
export function blockDeviceBytes(control: DeviceControl, descriptor: number, path: string): number {
  const size = new Uint8Array(8);
  if (control.ioctl(descriptor, IoctlRequest.BlkGetSize64, size) < 0) {
    throw new DeviceError(`${path} is not a block device`);
  }
  return Number(new DataView(size.buffer).getBigUint64(0, true));
}
