/**
 * Memory that processes share: a sealed file in memory (`memfd_create(2)`), mapped over a SharedArrayBuffer's own pages.
 *
 * So a region is the same kind of object whoever shares it, worker or process, and no code that uses one knows which.
 * What differs is waking: `Atomics.wait` is woken by threads of its own process alone; see `event_channel.ts`.
 *
 * @module
 */

import { closeOnExec } from "./descriptor.ts";
import { DeviceError } from "./errors.ts";
import { addressOf, type CLibrary, describeErrno, openCLibrary } from "./libc.ts";

const SYMBOLS = {
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  ftruncate64: { parameters: ["i32", "i64"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  mmap: { parameters: ["usize", "usize", "i32", "i32", "i32", "i64"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

// Of Linux's `memfd.h`, `fcntl.h` and `mman.h`.
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
/** `F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW`: a peer that shortens what is mapped would kill the other side by SIGBUS. */
const SEALS = 1 | 2 | 4;
const PROT_READ_WRITE = 1 | 2;
/** `MAP_SHARED | MAP_FIXED` */
const MAP_OVER = 0x01 | 0x10;

const NAME = new TextEncoder().encode("iddr\0");

/** A region that can be handed to another process, by its descriptor. */
export class MemoryFile {
  /** The region, as this process sees it. */
  readonly buffer: SharedArrayBuffer;
  /** What another process maps it by; closed at every `exec` unless it is handed over. */
  readonly descriptor: number;
  readonly #library: CLibrary<typeof SYMBOLS>;

  private constructor(buffer: SharedArrayBuffer, descriptor: number, library: CLibrary<typeof SYMBOLS>) {
    this.buffer = buffer;
    this.descriptor = descriptor;
    this.#library = library;
  }

  /**
   * A new, zeroed region.
   *
   * @param byteLength its size, rounded up to whole pages in the file
   * @throws {DeviceError} where libc may not be called
   * @throws {RangeError} when there is not so much memory
   */
  static create(byteLength: number): MemoryFile {
    const library = openMemoryLibrary();
    const { memfd_create, ftruncate64, fcntl, close } = library.symbols;
    const descriptor = memfd_create(NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    try {
      if (descriptor < 0 || ftruncate64(descriptor, BigInt(wholePages(byteLength))) !== 0) throw failure(library);
      if (fcntl(descriptor, F_ADD_SEALS, SEALS) !== 0) throw failure(library);
      return new MemoryFile(mapOver(library, descriptor, byteLength), descriptor, library);
    } catch (cause) {
      if (descriptor >= 0) close(descriptor);
      library.close();
      throw new RangeError(`Cannot make ${byteLength} bytes of memory that processes share`, { cause });
    }
  }

  /** Closes the descriptor. The region stays as long as its buffer is referenced. */
  close(): void {
    this.#library.symbols.close(this.descriptor);
    this.#library.close();
  }
}

/**
 * Maps the region of another process, and closes the descriptor: it was for nothing else.
 *
 * @param descriptor as it was inherited
 * @throws {DeviceError} where libc may not be called, or it cannot be mapped
 */
export function attachMemoryFile(descriptor: number, byteLength: number): SharedArrayBuffer {
  const library = openMemoryLibrary();
  try {
    closeOnExec(descriptor, true);
    return mapOver(library, descriptor, byteLength);
  } catch (cause) {
    throw new DeviceError(`Cannot map the shared memory of descriptor ${descriptor}`, { cause });
  } finally {
    library.symbols.close(descriptor);
    library.close();
  }
}

/** A buffer whose pages are the file's. V8 gives the pages back with the buffer, whatever is mapped there. */
function mapOver(library: CLibrary<typeof SYMBOLS>, descriptor: number, byteLength: number): SharedArrayBuffer {
  const mapped = wholePages(byteLength);
  // A growable buffer has pages of its own, a fixed one may share them with what lies beside it.
  const buffer = new SharedArrayBuffer(byteLength, { maxByteLength: mapped });
  const address = BigInt(addressOf(new Uint8Array(buffer, 0, byteLength)));
  const at = library.symbols.mmap(address, BigInt(mapped), PROT_READ_WRITE, MAP_OVER, descriptor, 0n);
  if (at !== address) throw failure(library);
  return buffer;
}

const PAGE_BYTES = 4096;

function wholePages(byteLength: number): number {
  return Math.ceil(byteLength / PAGE_BYTES) * PAGE_BYTES;
}

function failure(library: CLibrary<typeof SYMBOLS>): DeviceError {
  return new DeviceError(describeErrno(library.errno()));
}

function openMemoryLibrary(): CLibrary<typeof SYMBOLS> {
  const library = openCLibrary(SYMBOLS);
  if (library === null) throw new DeviceError("Memory that processes share needs the C library: allow --allow-ffi");
  return library;
}
