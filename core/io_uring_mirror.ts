/**
 * The queues of an io_uring that lie in the kernel's memory, copied to and from memory of ours.
 *
 * Linux before 6.5 has them only there. Views of that memory are refused where `--allow-ffi` names a library, and the
 * kernel does not let it be mapped over ours; so libc copies. A look costs a call of some 20 ns in place of a load.
 *
 * @module
 */

import { DeviceError } from "./errors.ts";
import { type CLibrary, describeErrno, openCLibrary } from "./libc.ts";
import { FRAME_SIZE, type SharedMemory } from "./memory.ts";

const SYMBOLS = {
  mmap: { parameters: ["usize", "usize", "i32", "i32", "i32", "i64"], result: "usize" },
  munmap: { parameters: ["usize", "usize"], result: "i32" },
  fetch: { name: "memcpy", parameters: ["buffer", "usize", "usize"], result: "void" },
  store: { name: "memcpy", parameters: ["usize", "buffer", "usize"], result: "void" },
} as const;

const PROT_READ_WRITE = 3;
const MAP_SHARED_POPULATE = 0x8001;
const OFFSET_RINGS = 0n;
const OFFSET_ENTRIES = 0x10000000n;
const MAP_FAILED = 2n ** 64n - 1n;
const FRAME = BigInt(FRAME_SIZE);
const WORD = 4n;

/** Where things are in the first frame, in bytes. */
export interface QueueOffsets {
  /** The submission queue's tail. */
  readonly submissionTail: number;
  /** The completion queue's head. */
  readonly completionHead: number;
  /** The completion queue's tail. */
  readonly completionTail: number;
  /** The completions. */
  readonly completions: number;
  /** Bytes of all completions. */
  readonly completionBytes: number;
  /** The submission queue's indices. */
  readonly places: number;
  /** Bytes of all indices. */
  readonly placeBytes: number;
}

/** Copies the queues of one io_uring. Our first frame has the queues, our second the submission entries. */
export class QueueMirror {
  readonly #library: CLibrary<typeof SYMBOLS>;
  /** The kernel's two frames. Addresses are made once: a bigint for a call would be an object each. */
  readonly #rings: bigint;
  readonly #entries: bigint;
  readonly #ourEntries: Uint8Array<ArrayBuffer>;
  readonly #submissionTail: Copied;
  readonly #completionHead: Copied;
  #storedHead = 0;
  readonly #completionTail: Copied;
  readonly #completions: Copied;
  readonly #places: Copied;

  /**
   * Maps the kernel's queues, and takes a first copy of them.
   *
   * @param descriptor the io_uring's
   * @throws {DeviceError} when they cannot be mapped
   */
  constructor(descriptor: number, memory: SharedMemory, offsets: QueueOffsets) {
    const library = openCLibrary(SYMBOLS);
    if (library === null) throw new DeviceError("io_uring needs the C library: allow --allow-ffi");
    // The copies are ordered by the processor alone: x86 sees stores in their order.
    if (Deno.build.arch !== "x86_64") {
      library.close();
      throw new DeviceError("io_uring needs Linux 6.5 on this processor");
    }
    this.#library = library;
    try {
      this.#rings = this.#map(descriptor, OFFSET_RINGS);
      this.#entries = this.#map(descriptor, OFFSET_ENTRIES);
    } catch (thrown) {
      library.close();
      throw thrown;
    }
    const bytes = memory.bytes as unknown as Uint8Array<ArrayBuffer>;
    library.symbols.fetch(bytes, this.#rings, FRAME);
    this.#ourEntries = bytes.subarray(FRAME_SIZE);
    const copied = (offset: number, byteLength: number): Copied => ({
      ours: bytes.subarray(offset, offset + byteLength),
      kernels: this.#rings + BigInt(offset),
      byteLength: BigInt(byteLength),
    });
    this.#submissionTail = copied(offsets.submissionTail, Number(WORD));
    this.#completionHead = copied(offsets.completionHead, Number(WORD));
    this.#completionTail = copied(offsets.completionTail, Number(WORD));
    this.#completions = copied(offsets.completions, offsets.completionBytes);
    this.#places = copied(offsets.places, offsets.placeBytes);
  }

  /** Hands the kernel our indices of submission entries. */
  storePlaces(): void {
    this.#store(this.#places);
  }

  /** Hands the kernel our submission entries, then their tail. On the hot path. */
  storeSubmissions(): void {
    this.#library.symbols.store(this.#entries, this.#ourEntries, FRAME);
    this.#store(this.#submissionTail);
  }

  /** Tells the kernel what was consumed, then takes what it has completed since. On the hot path. */
  fetchCompletions(head: number): void {
    if (head !== this.#storedHead) this.#store(this.#completionHead);
    this.#storedHead = head;
    const { symbols } = this.#library;
    const { ours, kernels, byteLength } = this.#completionTail;
    symbols.fetch(ours, kernels, byteLength);
    if ((ours[0] | ours[1] << 8 | ours[2] << 16 | ours[3] << 24) === head) return;
    const completions = this.#completions;
    symbols.fetch(completions.ours, completions.kernels, completions.byteLength);
  }

  /** Lets go of the kernel's memory. */
  close(): void {
    const { munmap } = this.#library.symbols;
    munmap(this.#rings, FRAME);
    munmap(this.#entries, FRAME);
    this.#library.close();
  }

  #store({ ours, kernels, byteLength }: Copied): void {
    this.#library.symbols.store(kernels, ours, byteLength);
  }

  #map(descriptor: number, offset: bigint): bigint {
    const at = this.#library.symbols.mmap(0n, FRAME, PROT_READ_WRITE, MAP_SHARED_POPULATE, descriptor, offset);
    if (at !== MAP_FAILED) return at;
    throw new DeviceError(`The memory of io_uring cannot be mapped: ${describeErrno(this.#library.errno())}`);
  }
}

interface Copied {
  readonly ours: Uint8Array<ArrayBuffer>;
  readonly kernels: bigint;
  readonly byteLength: bigint;
}
