/**
 * System calls by number, with memory of ours for what they point to. For the launcher: each call names itself when it
 * fails, and none is on a hot path.
 *
 * @module
 */

import { DomainError } from "../errors.ts";
import { type CLibrary, describeErrno, openCLibrary } from "../libc.ts";
import { type Architecture, ARCHITECTURES, type SyscallName, syscallNumber } from "./syscalls.ts";

const SYMBOLS = {
  syscall: { parameters: ["usize", "usize", "usize", "usize", "usize", "usize", "usize"], result: "isize" },
  memmove: { parameters: ["usize", "buffer", "usize"], result: "usize" },
  fetch: { name: "memmove", parameters: ["buffer", "usize", "usize"], result: "usize" },
} as const;

const PROT_READ_WRITE = 3;
const MAP_PRIVATE = 0x02;
const MAP_ANONYMOUS = 0x20;
/** Fails where something is already; since Linux 4.17. */
const MAP_FIXED_NOREPLACE = 0x10_0000;
/** The descriptor of what is no file. */
const NO_FILE = -1;
const ENOSYS = 38;

/** What a call returned: a value, or why it failed. */
export type Outcome = { readonly value: number } | { readonly errno: number };

/** The kernel, as a thread reaches it. */
export class Kernel {
  /** Whose numbers are used. */
  readonly architecture: Architecture;
  readonly #library: CLibrary<typeof SYMBOLS>;

  private constructor(architecture: Architecture, library: CLibrary<typeof SYMBOLS>) {
    this.architecture = architecture;
    this.#library = library;
  }

  /** The kernel; null where it is not Linux, where its numbers are not known, or where libc may not be called. */
  static open(): Kernel | null {
    const architecture = ARCHITECTURES[Deno.build.arch];
    if (Deno.build.os !== "linux" || architecture === undefined) return null;
    const library = openCLibrary(SYMBOLS);
    return library && new Kernel(architecture, library);
  }

  /** The C library's path. */
  get libraryPath(): string {
    return this.#library.path;
  }

  /** Calls; a call that this architecture lacks fails as one that its kernel lacks. */
  try(name: SyscallName, ...given: readonly (number | bigint)[]): Outcome {
    const number = syscallNumber(name, this.architecture);
    if (number === null) return { errno: ENOSYS };
    const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = given.map(BigInt);
    const value = Number(this.#library.symbols.syscall(BigInt(number), a, b, c, d, e, f));
    return value === -1 ? { errno: this.#library.errno() } : { value };
  }

  /**
   * Calls, and wants success.
   *
   * @param what is wanted, for the message: `limit open files to 1024`
   * @throws {DomainError} when it fails, with the reason
   */
  call(what: string, name: SyscallName, ...given: readonly (number | bigint)[]): number {
    const outcome = this.try(name, ...given);
    if ("value" in outcome) return outcome.value;
    throw new DomainError(`Cannot ${what}: ${name} returned ${describeErrno(outcome.errno)}`);
  }

  /**
   * Memory that stays where it is, with these bytes. It is never given back: the launcher's goes with `execve`.
   *
   * @param page where it is to be, a multiple of 4096; wherever the kernel likes when absent
   * @param at how many bytes into the page
   * @throws {DomainError} when there is none
   */
  place(bytes: Uint8Array<ArrayBuffer>, page = 0n, at = 0): bigint {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | (page === 0n ? 0 : MAP_FIXED_NOREPLACE);
    const length = at + Math.max(bytes.length, 1);
    const got = BigInt(
      this.call(`have ${length} bytes of memory`, "mmap", page, length, PROT_READ_WRITE, flags, NO_FILE, 0),
    );
    // Before Linux 4.17 the place was a wish.
    if (page !== 0n && got !== page) throw new DomainError(`Cannot have memory at ${page}: mmap gave it at ${got}`);
    const address = got + BigInt(at);
    this.#library.symbols.memmove(address, bytes, BigInt(bytes.length));
    return address;
  }

  /** Copies what lies at an address of {@link place}. */
  read(address: bigint, into: BigUint64Array<ArrayBuffer>): void {
    this.#library.symbols.fetch(into, address, BigInt(into.byteLength));
  }

  /** Lets go of the library. */
  close(): void {
    this.#library.close();
  }
}
