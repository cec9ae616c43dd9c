/**
 * Blocks of a device whose content is known: submits operations on them and checks what they read as.
 *
 * @module
 */

import { Operation } from "../../core/blkif.ts";
import type { BlockQueue } from "../../core/block_queue.ts";
import { WorkloadError } from "../../core/errors.ts";
import { SECTOR_SIZE } from "../../core/memory.ts";
import type { Counters } from "../../core/workload.ts";
import {
  checkStamp,
  describeSector,
  describeStamp,
  Fault,
  isZeroSector,
  SECTOR_WORDS,
  type Writer,
  writeStamp,
} from "./stamp.ts";

/** What a buffer holds before a read, so that data which a device did not touch is not taken for what it read. */
const UNREAD = 0xa5;

/** What a block holds. */
const Content = { Unknown: 0, Stamps: 1, Zeroes: 2 } as const;

const FAULT_NAMES: Readonly<Record<Fault, string>> = {
  [Fault.None]: "no fault",
  [Fault.NoStamp]: "no stamp",
  [Fault.Checksum]: "wrong checksum",
  [Fault.WrongSector]: "wrong sector",
  [Fault.WrongWriter]: "wrong writer",
  [Fault.Stale]: "stale generation",
  [Fault.Unwritten]: "generation that was never written",
};

/** Which blocks, and who writes them. */
export interface StampedBlocksOptions {
  /** The first block's number on the device. */
  readonly firstBlock: number;
  /** How many blocks; they are numbered from 0 here. */
  readonly count: number;
  /** Bytes of a block. */
  readonly blockSize: number;
  /** How many slots of the queue are used. */
  readonly depth: number;
  /** Who writes. */
  readonly writer: Writer;
}

/** Keeps account of a range of blocks. Each method that submits needs a free slot and a block that is idle. */
export class StampedBlocks {
  readonly #queue: BlockQueue;
  readonly #options: StampedBlocksOptions;
  readonly #sectorsPerBlock: number;
  /** Of each block: how often it was changed. */
  readonly #generations: Uint32Array;
  /** Of each block: one of {@link Content}'s values. */
  readonly #contents: Uint8Array;
  /** Of each block: 1 while an operation on it is in flight. */
  readonly #busy: Uint8Array;
  /** Of each block: 1 if it was read and checked since it was last changed. */
  readonly #verified: Uint8Array;
  /** Of each slot: its buffer. */
  readonly #buffers: readonly Uint8Array[];
  /** The same as words. */
  readonly #words: readonly Int32Array[];
  /** Of each slot: its block. */
  readonly #blockOf: Uint32Array;
  /** Of each slot: its operation. */
  readonly #operationOf: Uint8Array;
  /** Of each slot: 1 while its operation is in flight. */
  readonly #inFlight: Uint8Array;
  #submitted = 0;
  #completed = 0;
  #failed = 0;
  #sectorsWritten = 0;
  #sectorsVerified = 0;

  /** Blocks whose content is unknown. */
  constructor(queue: BlockQueue, options: StampedBlocksOptions) {
    const { count, blockSize, depth } = options;
    this.#queue = queue;
    this.#options = options;
    this.#sectorsPerBlock = blockSize / SECTOR_SIZE;
    this.#generations = new Uint32Array(count);
    this.#contents = new Uint8Array(count);
    this.#busy = new Uint8Array(count);
    this.#verified = new Uint8Array(count);
    this.#buffers = Array.from({ length: depth }, (_, slot) => queue.buffer(slot).subarray(0, blockSize));
    this.#words = this.#buffers.map((each) => new Int32Array(each.buffer, each.byteOffset, blockSize / 4));
    this.#blockOf = new Uint32Array(depth);
    this.#operationOf = new Uint8Array(depth);
    this.#inFlight = new Uint8Array(depth);
  }

  /** Whether it is known what every block holds. */
  get allKnown(): boolean {
    return !this.#contents.includes(Content.Unknown);
  }

  /** From now on, no block counts as verified until it is read once more. */
  verifyAnew(): void {
    this.#verified.fill(0);
  }

  /** Whether a block was read and checked since it was last changed. */
  isVerified(block: number): boolean {
    return this.#verified[block] !== 0;
  }

  /** Whether all blocks were read and checked since they were last changed. */
  get allVerified(): boolean {
    return !this.#verified.includes(0);
  }

  /** Whether it is known what a block holds. */
  isKnown(block: number): boolean {
    return this.#contents[block] !== Content.Unknown;
  }

  /** The next block, from `block` on and around the end, on which nothing is in flight. There must be one. */
  idleFrom(block: number): number {
    while (this.#busy[block] !== 0) block = block + 1 === this.#options.count ? 0 : block + 1;
    return block;
  }

  /** Submits a write of new stamps; `operation` is a plain or a durable write. */
  write(slot: number, block: number, operation: typeof Operation.Write | typeof Operation.WriteFua): void {
    const generation = ++this.#generations[block];
    const words = this.#words[slot];
    const firstSector = this.#firstSector(block);
    for (let i = 0; i < this.#sectorsPerBlock; i++) {
      writeStamp(words, i * SECTOR_WORDS, firstSector + i, generation, this.#options.writer);
    }
    this.#submit(slot, block, operation);
  }

  /** Submits a write-zeroes. */
  writeZeroes(slot: number, block: number): void {
    this.#generations[block]++;
    this.#submit(slot, block, Operation.WriteZeroes);
  }

  /** Submits a discard. */
  discard(slot: number, block: number): void {
    this.#generations[block]++;
    this.#submit(slot, block, Operation.Discard);
  }

  /** Submits a read. */
  read(slot: number, block: number): void {
    this.#buffers[slot].fill(UNREAD);
    this.#submit(slot, block, Operation.Read);
  }

  /**
   * A slot's operation is over: accounts for it, or checks what it read.
   *
   * @throws {WorkloadError} when that is not what was written, or nothing was in flight in this slot
   */
  finished(slot: number): void {
    const block = this.#complete(slot);
    switch (this.#operationOf[slot]) {
      case Operation.Read:
        if (this.isKnown(block)) this.#check(slot, block);
        break;
      case Operation.Discard:
        this.#contents[block] = Content.Unknown;
        break;
      case Operation.WriteZeroes:
        this.#contents[block] = Content.Zeroes;
        this.#sectorsWritten += this.#sectorsPerBlock;
        break;
      default:
        this.#contents[block] = Content.Stamps;
        this.#sectorsWritten += this.#sectorsPerBlock;
    }
  }

  /**
   * A slot's operation has failed: what its block holds is unknown, unless it was a read.
   *
   * @throws {WorkloadError} when nothing was in flight in this slot
   */
  failed(slot: number): void {
    const block = this.#complete(slot);
    this.#failed++;
    if (this.#operationOf[slot] !== Operation.Read) this.#contents[block] = Content.Unknown;
  }

  /** Nothing is known of any block: what was written may not be durable. */
  forget(): void {
    this.#contents.fill(Content.Unknown);
  }

  /** Of operations and of sectors: see the workload's counters. */
  counters(): Counters {
    let generationSum = 0;
    for (let block = 0; block < this.#options.count; block++) {
      if (this.#contents[block] === Content.Stamps) generationSum += this.#generations[block] * this.#sectorsPerBlock;
    }
    return {
      sectorsWritten: this.#sectorsWritten,
      sectorsVerified: this.#sectorsVerified,
      generationSum,
      operationsSubmitted: this.#submitted,
      operationsCompleted: this.#completed,
      operationsFailed: this.#failed,
    };
  }

  #firstSector(block: number): number {
    return (this.#options.firstBlock + block) * this.#sectorsPerBlock;
  }

  #submit(slot: number, block: number, operation: Operation): void {
    this.#busy[block] = 1;
    this.#inFlight[slot] = 1;
    this.#submitted++;
    this.#blockOf[slot] = block;
    this.#operationOf[slot] = operation;
    if (operation !== Operation.Read) this.#verified[block] = 0;
    const { blockSize } = this.#options;
    this.#queue.submit(slot, operation, this.#firstSector(block) * SECTOR_SIZE, blockSize);
  }

  /** Accounts for a completion, once only. Returns the block. */
  #complete(slot: number): number {
    if (this.#inFlight[slot] !== 1) throw new WorkloadError(`Slot ${slot} was completed with nothing in flight in it`);
    this.#inFlight[slot] = 0;
    this.#completed++;
    const block = this.#blockOf[slot];
    this.#busy[block] = 0;
    return block;
  }

  #check(slot: number, block: number): void {
    for (let i = 0; i < this.#sectorsPerBlock; i++) {
      const fault = this.#faultOf(slot, block, i);
      if (fault !== Fault.None) throw this.#mismatch(slot, block, i, fault);
    }
    this.#verified[block] = 1;
    this.#sectorsVerified += this.#sectorsPerBlock;
  }

  /** What is wrong with sector `index` of the block that a slot has read. */
  #faultOf(slot: number, block: number, index: number): Fault {
    const words = this.#words[slot];
    const at = index * SECTOR_WORDS;
    const sector = this.#firstSector(block) + index;
    const fault = checkStamp(words, at, sector, this.#generations[block], this.#options.writer);
    if (this.#contents[block] === Content.Stamps) return fault;
    if (isZeroSector(words, at)) return Fault.None;
    return fault === Fault.None ? Fault.Unwritten : fault;
  }

  #mismatch(slot: number, block: number, index: number, fault: Fault): WorkloadError {
    const sector = this.#firstSector(block) + index;
    let asExpected = 0;
    for (let i = 0; i < this.#sectorsPerBlock; i++) {
      if (this.#faultOf(slot, block, i) === Fault.None) asExpected++;
    }
    const torn = asExpected === 0
      ? ""
      : `; torn: ${asExpected} of the ${this.#sectorsPerBlock} sectors of this block are as expected`;
    const expected = this.#contents[block] === Content.Zeroes
      ? "zeroes"
      : describeStamp(sector, this.#generations[block], this.#options.writer);
    return new WorkloadError(
      `Sector ${sector} was not read as it was written (${FAULT_NAMES[fault]}): ` +
        `found ${describeSector(this.#words[slot], index * SECTOR_WORDS)}; expected ${expected}${torn}`,
    );
  }
}
