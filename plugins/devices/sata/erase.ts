/**
 * Discard and write-zeroes of a disk, by the requests of Linux's `fs.h`.
 *
 * @module
 */

import { type CLibrary, describeErrno, openCLibrary } from "../../../core/libc.ts";
import { transferFailure } from "../disk_io/positioned_file.ts";

const SYMBOLS = { ioctl: { parameters: ["i32", "u32", "buffer"], result: "i32" } } as const;

const BLKDISCARD = 0x1277;
const BLKZEROOUT = 0x127f;

/** Erases parts of one disk, at once: the disk takes other commands after that. */
export class DiskEraser {
  readonly #name: string;
  readonly #descriptor: number;
  readonly #library: CLibrary<typeof SYMBOLS>;
  /** First byte and count of bytes, as both requests take them. */
  readonly #range = new BigUint64Array(2);

  private constructor(name: string, descriptor: number, library: CLibrary<typeof SYMBOLS>) {
    this.#name = name;
    this.#descriptor = descriptor;
    this.#library = library;
  }

  /**
   * The eraser of an open disk; null where libc may not be called.
   *
   * @param name what it is, for messages
   */
  static attach(name: string, descriptor: number): DiskEraser | null {
    const library = openCLibrary(SYMBOLS);
    return library && new DiskEraser(name, descriptor, library);
  }

  /** Forgets bytes: TRIM. What is read there afterwards is the disk's choice, as a rule zeroes. */
  discard(offsetBytes: number, byteLength: number): void {
    this.#request(BLKDISCARD, "discard", offsetBytes, byteLength);
  }

  /** Makes bytes zero: by the disk's own command where it has one, else by writing. */
  writeZeroes(offsetBytes: number, byteLength: number): void {
    this.#request(BLKZEROOUT, "write zeroes to", offsetBytes, byteLength);
  }

  /** Lets go of libc. */
  close(): void {
    this.#library.close();
  }

  #request(request: number, what: string, offsetBytes: number, byteLength: number): void {
    this.#range[0] = BigInt(offsetBytes);
    this.#range[1] = BigInt(byteLength);
    if (this.#library.symbols.ioctl(this.#descriptor, request, this.#range) === 0) return;
    throw transferFailure({ name: this.#name }, what, offsetBytes, byteLength, describeErrno(this.#library.errno()));
  }
}
