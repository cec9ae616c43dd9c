/**
 * Positioned reads and writes by libc: faster than Deno's own, and for descriptors that Deno did not open.
 *
 * @module
 */

import { type CLibrary, describeErrno, openCLibrary } from "../../../core/libc.ts";
import { earlyEnd, flushFailure, type PositionedFile, transferFailure } from "./positioned_file.ts";

const SYMBOLS = {
  pread64: { parameters: ["i32", "buffer", "u32", "i64"], result: "i32" },
  pwrite64: { parameters: ["i32", "buffer", "u32", "i64"], result: "i32" },
  fdatasync: { parameters: ["i32"], result: "i32" },
} as const;

const EINTR = 4;
const TWO_32 = 2 ** 32;

/** An open descriptor, which stays its opener's. */
export class LibcFile implements PositionedFile {
  readonly name: string;
  readonly descriptor: number;
  readonly hint: string | undefined;
  readonly endHint: string | undefined;
  readonly #library: CLibrary<typeof SYMBOLS>;
  /** A place as the number of 64 bits that the calls take, and as its two words. */
  readonly #places = new BigInt64Array(1);
  readonly #placeWords = new Uint32Array(this.#places.buffer);

  private constructor({ name, descriptor, hint, endHint }: Named, library: CLibrary<typeof SYMBOLS>) {
    this.name = name;
    this.descriptor = descriptor;
    this.hint = hint;
    this.endHint = endHint;
    this.#library = library;
  }

  /** A descriptor to be used by libc; null where libc may not be called. */
  static attach(file: Named): LibcFile | null {
    const library = openCLibrary(SYMBOLS);
    return library && new LibcFile(file, library);
  }

  read(offsetBytes: number, into: Uint8Array): void {
    const { pread64 } = this.#library.symbols;
    const { length } = into;
    const count = pread64(this.descriptor, into as Uint8Array<ArrayBuffer>, length, this.#place(offsetBytes));
    if (count !== length) this.#readRest(offsetBytes, into, count);
  }

  write(offsetBytes: number, from: Uint8Array): void {
    const { pwrite64 } = this.#library.symbols;
    const { length } = from;
    const count = pwrite64(this.descriptor, from as Uint8Array<ArrayBuffer>, length, this.#place(offsetBytes));
    if (count !== length) this.#writeRest(offsetBytes, from, count);
  }

  flush(): void {
    if (this.#library.symbols.fdatasync(this.descriptor) !== 0) {
      throw flushFailure(this, describeErrno(this.#library.errno()));
    }
  }

  close(): void {
    this.#library.close();
  }

  /**
   * A place as a bigint, without one being allocated: V8 hands what is read from the array right on to the call. A
   * number, or a bigint made of it, costs an object and some 90 or 40 ns.
   */
  #place(offsetBytes: number): bigint {
    this.#placeWords[0] = offsetBytes;
    this.#placeWords[1] = offsetBytes / TWO_32;
    return this.#places[0];
  }

  /** A read that was cut short, or failed: `count` is what the last call returned. */
  #readRest(offsetBytes: number, into: Uint8Array, count: number): void {
    const cause = this.#rest(count, into.length, (done) => {
      const rest = into.subarray(done) as Uint8Array<ArrayBuffer>;
      return this.#library.symbols.pread64(this.descriptor, rest, rest.length, this.#place(offsetBytes + done));
    }, (done) => earlyEnd(this, offsetBytes + done));
    if (cause !== null) throw transferFailure(this, "read", offsetBytes, into.length, cause);
  }

  #writeRest(offsetBytes: number, from: Uint8Array, count: number): void {
    const cause = this.#rest(count, from.length, (done) => {
      const rest = from.subarray(done) as Uint8Array<ArrayBuffer>;
      return this.#library.symbols.pwrite64(this.descriptor, rest, rest.length, this.#place(offsetBytes + done));
    }, () => "nothing more was written");
    if (cause !== null) throw transferFailure(this, "write", offsetBytes, from.length, cause);
  }

  /** Goes on until all is transferred. What stopped it, or null. */
  #rest(
    first: number,
    length: number,
    transfer: (done: number) => number,
    atNothing: (done: number) => string,
  ): string | null {
    let done = 0;
    for (let count = first;; count = transfer(done)) {
      if (count === 0) return atNothing(done);
      if (count > 0) {
        done += count;
        if (done === length) return null;
      } else {
        const errno = this.#library.errno();
        if (errno !== EINTR) return describeErrno(errno);
      }
    }
  }
}

type Named = Pick<PositionedFile, "name" | "descriptor" | "hint" | "endHint">;
