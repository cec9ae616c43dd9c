/**
 * Linux's io_uring: many operations in flight on one thread, without a helper thread of ours.
 *
 * It is set up through FFI. From then on it is memory: the entries of the submission queue are written and those of the
 * completion queue read through typed arrays, and one system call hands over all that was prepared.
 *
 * Layout and numbers: Linux `include/uapi/linux/io_uring.h`; the memory order: `man 7 io_uring`.
 *
 * @module
 */

import { DeviceError } from "./errors.ts";
import { type CLibrary, describeErrno, openCLibrary } from "./libc.ts";

/** Operations of submission entries: `enum io_uring_op`. */
export const UringOperation = {
  /** `preadv`. */
  Readv: 1,
  /** `pwritev`. */
  Writev: 2,
  /** `fsync`. */
  Fsync: 3,
  /** `pread`. */
  Read: 22,
  /** `pwrite`. */
  Write: 23,
} as const;
/** One of {@link UringOperation}'s values. */
export type UringOperation = typeof UringOperation[keyof typeof UringOperation];

/** `RWF_DSYNC`: a write that is durable when it completes. */
export const RWF_DSYNC = 2;
/** `IORING_FSYNC_DATASYNC`: a flush of the data alone, as `fdatasync`. */
export const FSYNC_DATASYNC = 1;

const SYS_IO_URING_SETUP = 425;
const SYS_IO_URING_ENTER = 426;
const PROT_READ_WRITE = 3;
const MAP_SHARED_POPULATE = 0x8001;
const OFFSET_SQES = 0x10000000n;
const FEATURE_SINGLE_MMAP = 1;
const PARAMS_WORDS = 30;
const SQE_BYTES = 64;
const SQE_WORDS = SQE_BYTES / 4;
const CQE_WORDS = 4;
const EAGAIN = 11;
const EBUSY = 16;
const EINTR = 4;
const TWO_32 = 2 ** 32;

const SYMBOLS = {
  setup: { name: "syscall", parameters: ["i32", "u32", "buffer"], result: "i32" },
  enter: { name: "syscall", parameters: ["i32", "i32", "u32", "u32", "u32", "pointer", "u32"], result: "i32" },
  mmap: { parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"], result: "pointer" },
  munmap: { parameters: ["pointer", "usize"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

/** One io_uring, used by one thread. */
export class IoUring {
  /** Its file descriptor: readable when there are completions. */
  readonly descriptor: number;
  /** Operations that can be prepared before a {@link submit}, and that may be in flight at a time. */
  readonly capacity: number;
  /** Operations that were prepared and not yet handed over. */
  prepared = 0;
  /** The outcome of the completion that {@link take} returned last: bytes, or a negative `errno`. */
  result = 0;
  readonly #library: CLibrary<typeof SYMBOLS>;
  readonly #mappings: Mapping[] = [];
  readonly #submissionTail: Int32Array;
  readonly #submissionMask: number;
  readonly #entries: Int32Array;
  readonly #completionHead: Int32Array;
  readonly #completionTail: Int32Array;
  readonly #completionMask: number;
  readonly #completions: Int32Array;
  #tail = 0;
  #head = 0;

  /**
   * A new io_uring.
   *
   * @param entries operations in flight at a time; the kernel takes the next power of two
   * @throws {DeviceError} where the kernel has none, forbids it, or FFI is not allowed
   */
  constructor(entries: number) {
    const library = openCLibrary(SYMBOLS);
    if (library === null) throw new DeviceError("io_uring needs the C library: allow --allow-ffi");
    this.#library = library;
    const params = new Uint32Array(PARAMS_WORDS);
    this.descriptor = library.symbols.setup(SYS_IO_URING_SETUP, entries, params);
    if (this.descriptor < 0) {
      const cause = describeErrno(library.errno());
      library.close();
      throw new DeviceError(`io_uring is not to be had here: ${cause}`);
    }
    try {
      if ((params[5] & FEATURE_SINGLE_MMAP) === 0) {
        throw new DeviceError("io_uring is too old here: Linux 5.4 is needed");
      }
      const [submissionEntries, completionEntries] = params;
      this.capacity = submissionEntries;
      const submission = params.subarray(10, 20);
      const completion = params.subarray(20, 30);
      const rings = this.#map(
        Math.max(submission[6] + submissionEntries * 4, completion[5] + completionEntries * CQE_WORDS * 4),
        0n,
      );
      this.#submissionTail = new Int32Array(rings, submission[1], 1);
      this.#submissionMask = new Uint32Array(rings, submission[2], 1)[0];
      this.#completionHead = new Int32Array(rings, completion[0], 1);
      this.#completionTail = new Int32Array(rings, completion[1], 1);
      this.#completionMask = new Uint32Array(rings, completion[2], 1)[0];
      this.#completions = new Int32Array(rings, completion[5], completionEntries * CQE_WORDS);
      // The queue holds indices of entries; each place always holds its own.
      const places = new Uint32Array(rings, submission[6], submissionEntries);
      for (let i = 0; i < submissionEntries; i++) places[i] = i;
      this.#entries = new Int32Array(this.#map(submissionEntries * SQE_BYTES, OFFSET_SQES));
    } catch (thrown) {
      this.close();
      throw thrown;
    }
  }

  /**
   * Writes the next submission entry. There must be room: no more than {@link capacity} in flight. On the hot path.
   *
   * @param tag comes back with the completion: 0 to 2^31 - 1
   * @param address of the data, or of the `iovec`s
   * @param length in bytes, or the count of `iovec`s
   * @param flags `rw_flags` or `fsync_flags`
   */
  prepare(
    operation: UringOperation,
    descriptor: number,
    offsetBytes: number,
    address: number,
    length: number,
    flags: number,
    tag: number,
  ): void {
    const entries = this.#entries;
    const at = (this.#tail & this.#submissionMask) * SQE_WORDS;
    entries[at] = operation;
    entries[at + 1] = descriptor;
    entries[at + 2] = offsetBytes;
    entries[at + 3] = offsetBytes / TWO_32;
    entries[at + 4] = address;
    entries[at + 5] = address / TWO_32;
    entries[at + 6] = length;
    entries[at + 7] = flags;
    entries[at + 8] = tag;
    entries[at + 9] = 0;
    this.#tail = (this.#tail + 1) | 0;
    this.prepared++;
  }

  /**
   * Hands over what was prepared, in one system call. What the kernel has no room for stays prepared.
   *
   * @throws {DeviceError} when the kernel refuses for good
   */
  submit(): void {
    Atomics.store(this.#submissionTail, 0, this.#tail);
    const count = this.#library.symbols.enter(SYS_IO_URING_ENTER, this.descriptor, this.prepared, 0, 0, null, 0);
    if (count >= 0) {
      this.prepared -= count;
      return;
    }
    const errno = this.#library.errno();
    if (errno === EAGAIN || errno === EBUSY || errno === EINTR) return;
    throw new DeviceError(`io_uring takes no more operations: ${describeErrno(errno)}`);
  }

  /** The tag of the next completion, whose outcome is then {@link result}; -1 when there is none. On the hot path. */
  take(): number {
    const head = this.#head;
    if (Atomics.load(this.#completionTail, 0) === head) return -1;
    const at = (head & this.#completionMask) * CQE_WORDS;
    const tag = this.#completions[at];
    this.result = this.#completions[at + 2];
    this.#head = (head + 1) | 0;
    Atomics.store(this.#completionHead, 0, this.#head);
    return tag;
  }

  /** Lets go of everything. What is in flight is cancelled or finishes by itself; its memory must stay until then. */
  close(): void {
    const { munmap, close } = this.#library.symbols;
    for (const { pointer, byteLength } of this.#mappings) munmap(pointer, BigInt(byteLength));
    close(this.descriptor);
    this.#library.close();
  }

  #map(byteLength: number, offset: bigint): ArrayBuffer {
    const { mmap } = this.#library.symbols;
    const pointer = mmap(null, BigInt(byteLength), PROT_READ_WRITE, MAP_SHARED_POPULATE, this.descriptor, offset);
    if (pointer === null || Deno.UnsafePointer.value(pointer) === 2n ** 64n - 1n) {
      throw new DeviceError(`The memory of io_uring cannot be mapped: ${describeErrno(this.#library.errno())}`);
    }
    this.#mappings.push({ pointer, byteLength });
    return Deno.UnsafePointerView.getArrayBuffer(pointer, byteLength);
  }
}

interface Mapping {
  readonly pointer: Deno.PointerObject;
  readonly byteLength: number;
}
