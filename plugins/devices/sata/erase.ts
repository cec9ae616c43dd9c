/**
 * Discard and write-zeroes of a disk, by the kernel's requests for them.
 *
 * @module
 */

import { describeErrno } from "../../../core/libc.ts";
import { transferFailure } from "../disk_io/positioned_file.ts";
import { type DeviceControl, IoctlRequest, LibcControl } from "./ioctl.ts";

/** Erases parts of one disk, at once: the disk takes other commands after that. */
export class DiskEraser {
  readonly #name: string;
  readonly #descriptor: number;
  readonly #control: DeviceControl = new LibcControl();
  /** First byte and count of bytes. */
  readonly #range = new BigUint64Array(2);
  readonly #rangeBytes = new Uint8Array(this.#range.buffer);

  /**
   * The eraser of an open disk.
   *
   * @param name what it is, for messages
   * @throws {DeviceError} where libc may not be called
   */
  constructor(name: string, descriptor: number) {
    this.#name = name;
    this.#descriptor = descriptor;
  }

  /** Forgets bytes: TRIM. What is read there afterwards is the disk's choice, as a rule zeroes. */
  discard(offsetBytes: number, byteLength: number): void {
    this.#request(IoctlRequest.BlkDiscard, "discard", offsetBytes, byteLength);
  }

  /** Makes bytes zero: by the disk's own command where it has one, else by writing. */
  writeZeroes(offsetBytes: number, byteLength: number): void {
    this.#request(IoctlRequest.BlkZeroOut, "write zeroes to", offsetBytes, byteLength);
  }

  /** Lets go of libc. */
  close(): void {
    this.#control.close();
  }

  #request(request: number, what: string, offsetBytes: number, byteLength: number): void {
    this.#range[0] = BigInt(offsetBytes);
    this.#range[1] = BigInt(byteLength);
    const answer = this.#control.ioctl(this.#descriptor, request, this.#rangeBytes);
    if (answer < 0) throw transferFailure({ name: this.#name }, what, offsetBytes, byteLength, describeErrno(-answer));
  }
}
