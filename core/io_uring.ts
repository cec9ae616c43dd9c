/**
 * Linux's io_uring: many operations in flight on one thread, without a helper thread of ours.
 *
 * It is set up through FFI, in a shared region of ours. From then on it is memory: the entries of the submission queue
 * are written and those of the completion queue read through typed arrays, and one system call hands over all that was
 * prepared.
 *
 * Layout and numbers: Linux `include/uapi/linux/io_uring.h`; the memory order: `man 7 io_uring`.
 *
 * @module
 */

import { DeviceError } from "./errors.ts";
import { type CLibrary, describeErrno, openCLibrary } from "./libc.ts";
import { QueueMirror, type QueueOffsets } from "./io_uring_mirror.ts";
import { FRAME_SIZE, SharedMemory } from "./memory.ts";

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
/** `IORING_FEAT_SINGLE_MMAP | IORING_FEAT_RW_CUR_POS`: the latter came with Linux 5.6, as did `Read` and `Write`. */
const NEEDED_FEATURES = 1 | 8;
/** `struct io_uring_params` in words: its members, and within its two tables of offsets the caller's addresses. */
const PARAMS_WORDS = 30;
const FLAGS = 2;
const FEATURES = 5;
const SUBMISSION_OFFSETS = 10;
const COMPLETION_OFFSETS = 20;
const USER_ADDRESS = 8;
/** `IORING_SETUP_NO_MMAP`, since Linux 6.5: the kernel uses the caller's memory, one page for each part. */
const SETUP_NO_MMAP = 1 << 14;
const ENTRIES_FRAME = 1;
const SQE_BYTES = 64;
const SQE_WORDS = SQE_BYTES / 4;
const CQE_BYTES = 16;
const CQE_WORDS = CQE_BYTES / 4;
/** Entries that fit into a frame. */
const MAX_ENTRIES = FRAME_SIZE / SQE_BYTES;
const EAGAIN = 11;
const EINVAL = 22;
const EBUSY = 16;
const EINTR = 4;
const TWO_32 = 2 ** 32;

const SYMBOLS = {
  setup: { name: "syscall", parameters: ["i32", "u32", "buffer"], result: "i32" },
  enter: { name: "syscall", parameters: ["i32", "i32", "u32", "u32", "u32", "pointer", "u32"], result: "i32" },
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
  /** Its queues in a frame, and its submission entries in another. */
  readonly #memory = SharedMemory.allocate(2);
  /** Where the kernel's are copied to and from ours; null where the kernel uses ours. */
  readonly #mirror: QueueMirror | null;
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
   * @param entries operations in flight at a time, 1 to 64; the kernel takes the next power of two
   * @param queues whose memory the queues lie in: the kernel's, or, from Linux 6.5 on, ours; `either` prefers ours
   * @throws {DeviceError} where the kernel has none, forbids it, or FFI is not allowed
   */
  constructor(entries: number, queues: "ours" | "kernel" | "either" = "either") {
    if (!(entries >= 1 && entries <= MAX_ENTRIES)) {
      throw new RangeError(`An io_uring of ${entries} entries: allowed are 1 to ${MAX_ENTRIES}`);
    }
    const library = openCLibrary(SYMBOLS);
    if (library === null) throw new DeviceError("io_uring needs the C library: allow --allow-ffi");
    this.#library = library;
    const params = new Uint32Array(PARAMS_WORDS);
    let descriptor = queues === "kernel" ? -1 : this.#setUp(entries, params, SETUP_NO_MMAP);
    const isOurs = descriptor >= 0;
    // An unknown flag is an invalid argument; every other refusal is one of both kinds.
    if (!isOurs && (queues === "kernel" || (queues === "either" && library.errno() === EINVAL))) {
      descriptor = this.#setUp(entries, params, 0);
    }
    if (descriptor < 0) {
      const cause = describeErrno(library.errno());
      library.close();
      throw new DeviceError(`io_uring is not to be had here: ${cause}`);
    }
    this.descriptor = descriptor;
    try {
      if ((params[FEATURES] & NEEDED_FEATURES) !== NEEDED_FEATURES) {
        throw new DeviceError("io_uring is too old here: Linux 5.6 is needed");
      }
      this.#mirror = isOurs ? null : new QueueMirror(descriptor, this.#memory, queueOffsets(params));
    } catch (thrown) {
      library.symbols.close(descriptor);
      library.close();
      throw thrown;
    }
    const { buffer } = this.#memory;
    const at = queueOffsets(params);
    const [submissionEntries] = params;
    this.capacity = submissionEntries;
    this.#submissionTail = new Int32Array(buffer, at.submissionTail, 1);
    this.#submissionMask = submissionEntries - 1;
    this.#completionHead = new Int32Array(buffer, at.completionHead, 1);
    this.#completionTail = new Int32Array(buffer, at.completionTail, 1);
    this.#completions = new Int32Array(buffer, at.completions, at.completionBytes / 4);
    this.#completionMask = at.completionBytes / CQE_BYTES - 1;
    this.#entries = new Int32Array(buffer, ENTRIES_FRAME * FRAME_SIZE, submissionEntries * SQE_WORDS);
    // The queue holds indices of entries; each place always holds its own.
    const places = new Uint32Array(buffer, at.places, submissionEntries);
    for (let i = 0; i < submissionEntries; i++) places[i] = i;
    this.#mirror?.storePlaces();
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
    this.#mirror?.storeSubmissions();
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
    if (Atomics.load(this.#completionTail, 0) === head) {
      if (this.#mirror === null) return -1;
      this.#mirror.fetchCompletions(head);
      if (Atomics.load(this.#completionTail, 0) === head) return -1;
    }
    const at = (head & this.#completionMask) * CQE_WORDS;
    const tag = this.#completions[at];
    this.result = this.#completions[at + 2];
    this.#head = (head + 1) | 0;
    Atomics.store(this.#completionHead, 0, this.#head);
    return tag;
  }

  /** Lets go of everything. What is in flight is cancelled or finishes by itself; its memory must stay until then. */
  close(): void {
    this.#mirror?.close();
    this.#library.symbols.close(this.descriptor);
    this.#library.close();
  }

  /** Asks for an io_uring: its descriptor, or -1. */
  #setUp(entries: number, params: Uint32Array<ArrayBuffer>, flags: number): number {
    params.fill(0);
    params[FLAGS] = flags;
    if (flags === SETUP_NO_MMAP) {
      const { address } = this.#memory;
      writeAddress(params, COMPLETION_OFFSETS + USER_ADDRESS, address);
      writeAddress(params, SUBMISSION_OFFSETS + USER_ADDRESS, address + ENTRIES_FRAME * FRAME_SIZE);
    }
    return this.#library.symbols.setup(SYS_IO_URING_SETUP, entries, params);
  }
}

/** Reads `struct io_sqring_offsets` and `struct io_cqring_offsets`. */
function queueOffsets(params: Uint32Array): QueueOffsets {
  const [submissionEntries, completionEntries] = params;
  const submission = params.subarray(SUBMISSION_OFFSETS);
  const completion = params.subarray(COMPLETION_OFFSETS);
  return {
    submissionTail: submission[1],
    completionHead: completion[0],
    completionTail: completion[1],
    completions: completion[5],
    completionBytes: completionEntries * CQE_BYTES,
    places: submission[6],
    placeBytes: submissionEntries * 4,
  };
}

function writeAddress(words: Uint32Array, at: number, address: number): void {
  words[at] = address % TWO_32;
  words[at + 1] = Math.floor(address / TWO_32);
}
