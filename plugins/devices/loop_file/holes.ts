/**
 * Holes in a file: what was discarded or made zero gives its blocks back and reads as zeroes, as in Linux's loop device.
 *
 * Deno has no function for it, so libc's `fallocate` is called, where `--allow-ffi` allows that.
 *
 * @module
 */

import { type CLibrary, describeErrno, openCLibrary } from "../../../core/libc.ts";
import { SECTOR_SIZE } from "../../../core/memory.ts";
import { type PositionedFile, transferFailure } from "../disk_io/positioned_file.ts";

const SYMBOLS = {
  fallocate: { parameters: ["i32", "i32", "i64", "i64"], result: "i32" },
  lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
} as const;

/** `FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE` of Linux's `falloc.h`. */
const PUNCH_HOLE = 1 | 2;
const SEEK_END = 2;

/** Punches holes in one file. */
export class HolePuncher {
  readonly #file: PositionedFile;
  readonly #library: CLibrary<typeof SYMBOLS>;

  private constructor(file: PositionedFile, library: CLibrary<typeof SYMBOLS>) {
    this.#file = file;
    this.#library = library;
  }

  /** A puncher for a file that is open for writing; null where libc is not to be had or the file system refuses. */
  static open(file: PositionedFile): HolePuncher | null {
    const library = openCLibrary(SYMBOLS);
    if (library === null) return null;
    const puncher = new HolePuncher(file, library);
    // Tried behind the end of the file, where there is nothing to lose; the size stays.
    const sizeBytes = Number(library.symbols.lseek(file.descriptor, 0n, SEEK_END));
    if (sizeBytes > 0 && puncher.#punch(sizeBytes, SECTOR_SIZE) === 0) return puncher;
    puncher.close();
    return null;
  }

  /**
   * Makes bytes a hole. Where they begin or end within a block, that part of it becomes zero.
   *
   * @throws {DeviceError} when that does not work
   */
  punch(offsetBytes: number, byteLength: number): void {
    if (this.#punch(offsetBytes, byteLength) === 0) return;
    const cause = describeErrno(this.#library.errno());
    throw transferFailure(this.#file, "punch a hole of", offsetBytes, byteLength, cause);
  }

  /** Lets go of libc. */
  close(): void {
    this.#library.close();
  }

  #punch(offsetBytes: number, byteLength: number): number {
    const { fallocate } = this.#library.symbols;
    return fallocate(this.#file.descriptor, PUNCH_HOLE, BigInt(offsetBytes), BigInt(byteLength));
  }
}
