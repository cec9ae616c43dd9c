/**
 * A disk on a descriptor that keeps many commands in flight by io_uring, and completes them out of order.
 *
 * What is submitted is handed to the kernel at the next poll, all in one system call. Data goes straight between the disk
 * and the application's frames, except where direct I/O does not accept their alignment: then through a bounce buffer.
 *
 * The kernel may make one command of several requests for adjacent sectors, and fail all of them for one bad sector. So
 * a read or write that failed beside others is done again by itself before it is given up.
 *
 * @module
 */

import { Operation, Status } from "../../../core/blkif.ts";
import type { BlockDevice, BlockRequest, DeviceInfo } from "../../../core/block_device.ts";
import { FSYNC_DATASYNC, type IoUring, RWF_DSYNC, UringOperation } from "../../../core/io_uring.ts";
import { describeErrno } from "../../../core/libc.ts";
import { FRAME_SIZE, SharedMemory } from "../../../core/memory.ts";
import { BounceBuffer, isAligned } from "./bounce_buffer.ts";
import { earlyEnd, flushFailure, type PositionedFile, transferFailure } from "./positioned_file.ts";

const EINTR = 4;
const EAGAIN = 11;
/** What the kernel says of a command that the disk failed: `EIO`, `ENODATA` (medium error), `EREMOTEIO` (target), `EILSEQ`. */
const MEDIUM_ERRORS: readonly number[] = [5, 61, 121, 84];
const IOVEC_BYTES = 16;
const IOVEC_WORDS = IOVEC_BYTES / 4;
const TWO_32 = 2 ** 32;

/** What of an io_uring a {@link UringDevice} uses. */
export type DeviceRing = Pick<
  IoUring,
  "descriptor" | "capacity" | "prepared" | "result" | "prepare" | "submit" | "take" | "close"
>;

/** What a {@link UringDevice} is made of. */
export interface UringDeviceOptions {
  /** Its own io_uring. */
  readonly ring: DeviceRing;
  /** What it transfers to and from. */
  readonly file: PositionedFile;
  /** What it is, `canFua` excepted: it can. */
  readonly info: DeviceInfo;
  /** What places, lengths and memory must be multiples of, in bytes: a power of two; 1 without direct I/O. */
  readonly alignment: number;
  /** The longest time that {@link erase}, or the handing over to the kernel, may take, in nanoseconds. */
  readonly operationTimeoutNs?: number;
  /** Does a discard or a write-zeroes, at once. */
  readonly erase: (request: BlockRequest) => void;
  /** Counts the requests that went through a bounce buffer. */
  readonly counters: { bouncedRequests: number };
  /** Lets go of what it transfers to and from. */
  readonly close: () => void;
}

/** A block device by io_uring. */
export class UringDevice implements BlockDevice {
  readonly info: DeviceInfo;
  readonly descriptor: number;
  readonly operationTimeoutNs: number | undefined;
  readonly #ring: DeviceRing;
  readonly #file: PositionedFile;
  readonly #alignment: number;
  readonly #erase: (request: BlockRequest) => void;
  readonly #counters: { bouncedRequests: number };
  readonly #close: () => void;
  /** What the kernel has, by tag. */
  readonly #requests: (BlockRequest | null)[];
  /** Bytes of each that are transferred. */
  readonly #done: Float64Array;
  /** Whether each was in flight beside others, and so may have failed in the place of one of them. */
  readonly #crowded: Uint8Array;
  /** Tags that failed beside others, oldest first, and the one of them that is done again at present, or -1. */
  readonly #suspects: number[] = [];
  #retried = -1;
  /** Whether each goes through its tag's bounce buffer. */
  readonly #bounced: Uint8Array;
  readonly #bounceBuffers: (BounceBuffer | null)[];
  readonly #vectors: (SharedMemory | null)[];
  /** Tags that are not in use: a stack. */
  readonly #idle: Int32Array;
  #idleCount: number;
  /** Requests beyond what the ring holds, oldest first. */
  readonly #waiting: BlockRequest[] = [];

  /** A device on an open file. */
  constructor({ ring, file, info, alignment, operationTimeoutNs, erase, counters, close }: UringDeviceOptions) {
    this.info = { ...info, canFua: true };
    this.descriptor = ring.descriptor;
    this.operationTimeoutNs = operationTimeoutNs;
    this.#ring = ring;
    this.#file = file;
    this.#alignment = alignment;
    this.#erase = erase;
    this.#counters = counters;
    this.#close = close;
    const { capacity } = ring;
    this.#requests = Array(capacity).fill(null);
    this.#done = new Float64Array(capacity);
    this.#crowded = new Uint8Array(capacity);
    this.#bounced = new Uint8Array(capacity);
    this.#bounceBuffers = Array(capacity).fill(null);
    this.#vectors = Array(capacity).fill(null);
    this.#idle = Int32Array.from({ length: capacity }, (_, tag) => tag);
    this.#idleCount = capacity;
  }

  submit(request: BlockRequest): boolean {
    if (request.operation === Operation.Discard || request.operation === Operation.WriteZeroes) {
      this.#erase(request);
      request.status = Status.Okay;
      return true;
    }
    if (this.#idleCount === 0) this.#waiting.push(request);
    else this.#start(request);
    return false;
  }

  poll(): BlockRequest | null {
    const ring = this.#ring;
    if (ring.prepared > 0) ring.submit();
    const tag = ring.take();
    if (tag < 0) return null;
    if (this.#advance(tag, ring.result)) return this.#finish(tag);
    // The rest is handed over now, and looked for in the next poll: no poll goes on for ever.
    if (ring.prepared > 0) ring.submit();
    return null;
  }

  counters(): { readonly bouncedRequests: number } {
    return this.#counters;
  }

  close(): void {
    this.#ring.close();
    this.#close();
  }

  /** Gives a request a tag and prepares it. */
  #start(request: BlockRequest): void {
    const tag = this.#idle[this.#idleCount - 1];
    const bounced = !isAligned(request, this.#alignment);
    this.#bounced[tag] = bounced ? 1 : 0;
    if (bounced) this.#bounce(tag, request); // There may be no memory for it: then the tag is still idle.
    this.#idleCount--;
    this.#requests[tag] = request;
    this.#done[tag] = 0;
    this.#crowded[tag] = this.#isCrowded ? 1 : 0;
    this.#prepare(tag, request);
  }

  #bounce(tag: number, request: BlockRequest): void {
    this.#counters.bouncedRequests++;
    const buffer = this.#bounceBuffers[tag] ??= new BounceBuffer();
    if (request.operation === Operation.Read) buffer.reserve(request.byteLength);
    else buffer.gather(request);
  }

  /** Writes the submission entry for what is left of a request. On the hot path. */
  #prepare(tag: number, request: BlockRequest): void {
    const ring = this.#ring;
    const { descriptor } = this.#file;
    const { operation } = request;
    if (operation === Operation.Flush) {
      ring.prepare(UringOperation.Fsync, descriptor, 0, 0, 0, FSYNC_DATASYNC, tag);
      return;
    }
    const done = this.#done[tag];
    const offset = request.offsetBytes + done;
    const flags = operation === Operation.WriteFua ? RWF_DSYNC : 0;
    const reads = operation === Operation.Read;
    let address: number;
    if (this.#bounced[tag] !== 0) {
      address = (this.#bounceBuffers[tag] as BounceBuffer).address + done;
    } else if (request.extentCount === 1) {
      address = request.memory.address + request.extentStart(0) + done;
    } else {
      const count = this.#gatherVector(tag, request, done);
      const code = reads ? UringOperation.Readv : UringOperation.Writev;
      ring.prepare(code, descriptor, offset, this.#vectorsOf(tag, request).address, count, flags, tag);
      return;
    }
    const code = reads ? UringOperation.Read : UringOperation.Write;
    ring.prepare(code, descriptor, offset, address, request.byteLength - done, flags, tag);
  }

  /** Writes the `iovec`s for the pieces of a request, but for the first `done` bytes. How many they are. */
  #gatherVector(tag: number, request: BlockRequest, done: number): number {
    const { words } = this.#vectorsOf(tag, request);
    const base = request.memory.address;
    let skipped = done;
    let count = 0;
    for (let i = 0; i < request.extentCount; i++) {
      const start = request.extentStart(i) + skipped;
      const length = request.extentEnd(i) - start;
      if (length <= 0) {
        skipped = -length;
        continue;
      }
      skipped = 0;
      const at = count++ * IOVEC_WORDS;
      words[at] = base + start;
      words[at + 1] = (base + start) / TWO_32;
      words[at + 2] = length;
      words[at + 3] = 0;
    }
    return count;
  }

  /** A tag's room for the `iovec`s of a request. */
  #vectorsOf(tag: number, { maxExtents }: BlockRequest): SharedMemory {
    const vectors = this.#vectors[tag];
    if (vectors !== null && vectors.bytes.length >= maxExtents * IOVEC_BYTES) return vectors;
    return this.#vectors[tag] = SharedMemory.allocate(Math.ceil(maxExtents * IOVEC_BYTES / FRAME_SIZE));
  }

  /** Whether the kernel has more than one request. */
  get #isCrowded(): boolean {
    return this.#idleCount < this.#ring.capacity - 1;
  }

  /** Takes an outcome. Whether the request is over; if not, the rest of it is prepared or will be. */
  #advance(tag: number, result: number): boolean {
    const request = this.#requests[tag] as BlockRequest;
    if (result < 0) {
      if (result === -EINTR || result === -EAGAIN) {
        this.#prepare(tag, request);
        return false;
      }
      if (tag !== this.#retried && MEDIUM_ERRORS.includes(-result) && this.#wasCrowded(tag, request)) {
        this.#suspects.push(tag);
        this.#retryNext();
        return false;
      }
      this.#fail(request, describeErrno(-result));
      return true;
    }
    if (request.operation !== Operation.Flush) {
      const done = this.#done[tag] += result;
      if (done < request.byteLength) {
        if (result > 0) {
          this.#prepare(tag, request);
          return false;
        }
        this.#fail(
          request,
          request.operation === Operation.Read
            ? earlyEnd(this.#file, request.offsetBytes + done)
            : "nothing more was written",
        );
        return true;
      }
      if (this.#bounced[tag] !== 0 && request.operation === Operation.Read) {
        (this.#bounceBuffers[tag] as BounceBuffer).scatter(request);
      }
    }
    request.status = Status.Okay;
    return true;
  }

  /** Whether a request may have failed for another. A flush that failed has failed: done again it might seem to succeed. */
  #wasCrowded(tag: number, { operation }: BlockRequest): boolean {
    return operation !== Operation.Flush && (this.#crowded[tag] !== 0 || this.#isCrowded);
  }

  /** Does the next suspect again, and no other meanwhile: handed over by itself it is no part of a larger command. */
  #retryNext(): void {
    if (this.#retried >= 0 || this.#suspects.length === 0) return;
    const tag = this.#suspects.shift() as number;
    this.#retried = tag;
    if (this.#ring.prepared > 0) this.#ring.submit();
    this.#prepare(tag, this.#requests[tag] as BlockRequest);
    this.#ring.submit();
  }

  #fail(request: BlockRequest, cause: string): void {
    request.status = Status.Error;
    const { operation, offsetBytes, byteLength } = request;
    request.cause = operation === Operation.Flush
      ? flushFailure(this.#file, cause)
      : transferFailure(this.#file, operation === Operation.Read ? "read" : "write", offsetBytes, byteLength, cause);
  }

  /** Gives the tag to the next that waits. */
  #finish(tag: number): BlockRequest {
    const request = this.#requests[tag] as BlockRequest;
    this.#requests[tag] = null;
    this.#idle[this.#idleCount++] = tag;
    if (tag === this.#retried) {
      this.#retried = -1;
      this.#retryNext();
    }
    if (this.#waiting.length > 0) this.#start(this.#waiting.shift() as BlockRequest);
    return request;
  }
}
