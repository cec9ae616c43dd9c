/**
 * A queue that corrupts data, for tests of what must notice it.
 *
 * @module
 */

import { carriesData, Operation } from "../../core/blkif.ts";
import { type Recorded, RecordingQueue, type RecordingQueueOptions } from "./recording_queue.ts";

/** What goes wrong: what a write does to the disk, and what a read puts into the buffer. */
export interface Corruption {
  write?(disk: Uint8Array, offset: number, data: Uint8Array): void;
  read?(disk: Uint8Array, offset: number, into: Uint8Array, before: Uint8Array): void;
}

/** Ways to corrupt data, by name. */
export const corruptions: Readonly<Record<string, Corruption>> = {
  "drops a write": { write: () => {} },
  "tears a write after half of its bytes": {
    write: (disk, offset, data) => disk.set(data.subarray(0, data.length / 2), offset),
  },
  "tears a write in the middle of its last sector": {
    write: (disk, offset, data) => disk.set(data.subarray(0, data.length - 256), offset),
  },
  "swaps the first and the last sector of a write": {
    write(disk, offset, data) {
      disk.set(data, offset);
      disk.set(data.subarray(data.length - 512), offset);
      disk.set(data.subarray(0, 512), offset + data.length - 512);
    },
  },
  "writes to another place": {
    write: (disk, offset, data) => disk.set(data, offset === 0 ? data.length : offset - data.length),
  },
  "flips one bit of a write": {
    write(disk, offset, data) {
      disk.set(data, offset);
      disk[offset + data.length - 100] ^= 0x10;
    },
  },
  "returns what was there before a write": { read: (_disk, _offset, into, before) => into.set(before) },
  "flips one bit of a read": {
    read(disk, offset, into) {
      into.set(disk.subarray(offset, offset + into.length));
      into[7] ^= 1;
    },
  },
  "reads from another place": {
    read: (disk, offset, into) =>
      into.set(disk.subarray(offset === 0 ? into.length : offset - into.length).subarray(0, into.length)),
  },
  "reads nothing": { read: () => {} },
};

/** Corrupts the write number `nth`, from 1, and all later writes and reads of the same place. */
export class FaultyQueue extends RecordingQueue {
  readonly #corruption: Corruption;
  readonly #nth: number;
  #writes = 0;
  #victim = -1;
  #before = new Uint8Array(0);

  constructor(options: RecordingQueueOptions, corruption: Corruption, nth: number) {
    super(options);
    this.#corruption = corruption;
    this.#nth = nth;
  }

  /** Where data is corrupted: an offset in bytes, −1 before it begins. */
  get victim(): number {
    return this.#victim;
  }

  override perform(recorded: Recorded, buffer: Uint8Array): void {
    const { operation, offset, length } = recorded;
    const writes = carriesData(operation) && operation !== Operation.Read;
    if (writes && ++this.#writes === this.#nth) {
      this.#victim = offset;
      this.#before = this.disk.slice(offset, offset + length);
    }
    const { write, read } = this.#corruption;
    if (offset === this.#victim && writes && write !== undefined) write(this.disk, offset, buffer);
    else if (offset === this.#victim && operation === Operation.Read && read !== undefined) {
      read(this.disk, offset, buffer, this.#before);
    } else super.perform(recorded, buffer);
  }
}
