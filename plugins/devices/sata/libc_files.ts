/**
 * Small files and folders by libc: Deno opens nothing below /sys unless everything is allowed, libc needs permission for
 * itself alone.
 *
 * @module
 */

import { DeviceError } from "../../../core/errors.ts";
import { type CLibrary, describeErrno, openCLibrary } from "../../../core/libc.ts";

const SYMBOLS = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  getdents64: { parameters: ["i32", "buffer", "u32"], result: "i32" },
} as const;

/** Flags of `open`: Linux `asm-generic/fcntl.h`. */
const O_RDONLY_CLOEXEC = 0o2000000;

/** `struct linux_dirent64`: inode and offset of 8 bytes each, record length of 2, type of 1, then the name. */
const RECORD_LENGTH_AT = 16;
const NAME_AT = 19;
/** More than a file of sysfs has, and room for many directory entries. */
const BUFFER_BYTES = 32 * 1024;

/** Files and folders, read by libc. */
export class LibcFiles {
  readonly #library: CLibrary<typeof SYMBOLS>;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);

  /**
   * Opens libc.
   *
   * @throws {DeviceError} where that is not allowed
   */
  constructor() {
    const library = openCLibrary(SYMBOLS);
    if (library === null) {
      throw new DeviceError("Files below /sys are read by the C library: allow --allow-ffi");
    }
    this.#library = library;
  }

  /**
   * The text of a small file, without the white space around it.
   *
   * @throws {DeviceError} when it cannot be opened or read
   */
  readText(path: string): string {
    return this.#withFile(path, (descriptor) => {
      const count = this.#filled(path, this.#library.symbols.read(descriptor, this.#buffer, BUFFER_BYTES));
      return new TextDecoder().decode(this.#buffer.subarray(0, count)).trim();
    });
  }

  /** The same, or null when it cannot be opened or read. */
  tryText(path: string): string | null {
    try {
      return this.readText(path);
    } catch {
      return null;
    }
  }

  /**
   * The names in a folder, in no particular order.
   *
   * @throws {DeviceError} when it cannot be opened or read
   */
  list(path: string): string[] {
    return this.#withFile(path, (descriptor) => {
      const names: string[] = [];
      for (;;) {
        const { getdents64 } = this.#library.symbols;
        const count = this.#filled(path, getdents64(descriptor, this.#buffer, BUFFER_BYTES));
        if (count === 0) return names.filter((name) => name !== "." && name !== "..");
        names.push(...namesIn(this.#buffer.subarray(0, count)));
      }
    });
  }

  /** Lets go of libc. */
  close(): void {
    this.#library.close();
  }

  #withFile<Result>(path: string, body: (descriptor: number) => Result): Result {
    const { open, close } = this.#library.symbols;
    const descriptor = open(new TextEncoder().encode(`${path}\0`), O_RDONLY_CLOEXEC);
    if (descriptor < 0) throw new DeviceError(`Cannot open ${path}: ${describeErrno(this.#library.errno())}`);
    try {
      return body(descriptor);
    } finally {
      close(descriptor);
    }
  }

  #filled(path: string, count: number): number {
    if (count < 0) throw new DeviceError(`Cannot read ${path}: ${describeErrno(this.#library.errno())}`);
    return count;
  }
}

function namesIn(records: Uint8Array): string[] {
  const names: string[] = [];
  for (let at = 0; at < records.length;) {
    const length = records[at + RECORD_LENGTH_AT] | records[at + RECORD_LENGTH_AT + 1] << 8;
    const name = records.subarray(at + NAME_AT, at + length);
    names.push(new TextDecoder().decode(name.subarray(0, name.indexOf(0))));
    at += length;
  }
  return names;
}
