/**
 * Shared memory: regions made of 4 KiB frames.
 *
 * A region is the unit of isolation: a domain reaches the regions that it was handed and nothing else.
 * Everything that crosses between two domains (ring, grant table, data, handshake) lies in a region.
 *
 * @module
 */

import { addressOf } from "./libc.ts";

/** Bytes in a frame: the page size of Xen's x86 ABI. */
export const FRAME_SIZE = 4096;

/** Bytes in a sector: the unit of every address on the ring, whatever the device's own sector size. */
export const SECTOR_SIZE = 512;

/** Sectors in a frame. */
export const SECTORS_PER_FRAME = FRAME_SIZE / SECTOR_SIZE;

/** A region of shared frames, seen through typed arrays that span all of it. */
export class SharedMemory {
  /** The memory itself; send this to a worker and {@link SharedMemory.attach} there. */
  readonly buffer: SharedArrayBuffer;
  /** How many frames the region has. */
  readonly frameCount: number;
  /** The region as bytes. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** The region as little-endian signed 32-bit words. */
  readonly words: Int32Array<SharedArrayBuffer>;

  #address = 0;
  /** The last view that was made of bytes from each frame on, and which bytes those are. */
  #views: (Uint8Array<SharedArrayBuffer> | undefined)[] = [];
  #viewStarts: Float64Array | undefined;
  #viewEnds: Float64Array | undefined;

  private constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.frameCount = buffer.byteLength / FRAME_SIZE;
    // Explicit lengths: V8 makes length-tracking views of a growable buffer many times slower.
    this.bytes = new Uint8Array(buffer, 0, buffer.byteLength);
    this.words = new Int32Array(buffer, 0, buffer.byteLength / 4);
  }

  /**
   * A new, zeroed region.
   *
   * @param frameCount how many frames, at least 1
   * @throws {RangeError} when there is not so much memory
   */
  static allocate(frameCount: number): SharedMemory {
    const byteLength = frameCount * FRAME_SIZE;
    try {
      // A growable buffer starts on a page boundary, a fixed one 16 bytes after it; direct I/O needs the boundary.
      return new SharedMemory(new SharedArrayBuffer(byteLength, { maxByteLength: byteLength }));
    } catch (cause) {
      throw new RangeError(`Cannot allocate ${byteLength} bytes of shared memory`, { cause });
    }
  }

  /** The view of a region that another thread allocated. */
  static attach(buffer: SharedArrayBuffer): SharedMemory {
    return new SharedMemory(buffer);
  }

  /**
   * Bytes `[start, end)` of the region. The same bytes are the same object again, unless other bytes from the same frame
   * on were asked for in between: so a buffer that is used again and again costs nothing.
   */
  view(start: number, end: number): Uint8Array<SharedArrayBuffer> {
    // Kept apart from the views: of views of a growable buffer, V8 looks up even the length by a call.
    const starts = this.#viewStarts ??= new Float64Array(this.frameCount);
    const ends = this.#viewEnds ??= new Float64Array(this.frameCount);
    const frame = (start / FRAME_SIZE) | 0;
    if (starts[frame] === start && ends[frame] === end) {
      const view = this.#views[frame];
      if (view !== undefined) return view;
    }
    starts[frame] = start;
    ends[frame] = end;
    return this.#views[frame] = new Uint8Array(this.buffer, start, end - start);
  }

  /**
   * Where the region begins in this process, for system calls: it stays there as long as the region is referenced.
   *
   * @throws {DeviceError} where libc may not be called
   */
  get address(): number {
    if (this.#address === 0) this.#address = addressOf(this.bytes);
    return this.#address;
  }

  /** Words of the frames `[firstFrame, firstFrame + frameCount)`. */
  frameWords(firstFrame: number, frameCount: number): Int32Array<SharedArrayBuffer> {
    return new Int32Array(this.buffer, firstFrame * FRAME_SIZE, (frameCount * FRAME_SIZE) / 4);
  }
}
