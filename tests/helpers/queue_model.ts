/**
 * A model of a block queue for fast-check: operations on slots, and a plain array as the disk that must result.
 * Operations in flight may be done in any order, so the model lets none of them overlap what changes the disk.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { Operation } from "../../core/blkif.ts";
import type { BlockQueue } from "../../core/block_queue.ts";
import { fillPattern } from "./devices.ts";

const SECTOR = 512;
const { Read, Write, Flush, Discard, WriteZeroes, WriteFua } = Operation;

interface Pending {
  readonly operation: Operation;
  readonly offset: number;
  readonly length: number;
  readonly data: Uint8Array;
}

/** What is expected. */
export interface QueueModel {
  readonly disk: Uint8Array;
  readonly pending: Map<number, Pending>;
  /** The operation that was submitted last, and where it ended. */
  last: { readonly operation: Operation; readonly end: number } | null;
}

/** What the model needs of a queue. */
export type ModelQueue = Pick<
  BlockQueue,
  "depth" | "maxTransferBytes" | "inFlight" | "buffer" | "submit" | "status"
>;

/** A model of a disk that holds `before`. */
export function queueModel(before: Uint8Array): QueueModel {
  return { disk: before.slice(), pending: new Map(), last: null };
}

/** What operations a model draws, and how long. */
export interface DrawnOperations {
  /** Sectors of the disk. */
  readonly sectors: number;
  /** Most sectors of one operation. */
  readonly maxSectors: number;
  /** Whether the device knows discard. */
  readonly discards?: boolean;
}

/** Submits one operation. */
export class Submit implements fc.Command<QueueModel, ModelQueue> {
  readonly #operation: Operation;
  readonly #sector: number;
  readonly #count: number;
  readonly #seed: number;
  /** Whether it goes on where the last one ended, if that was one that can be merged. */
  readonly #follows: boolean;

  constructor(operation: Operation, sector: number, count: number, seed: number, follows: boolean) {
    this.#operation = operation;
    this.#sector = sector;
    this.#count = count;
    this.#seed = seed;
    this.#follows = follows;
  }

  check(model: QueueModel): boolean {
    const { operation, offset, length } = this.#planned(model);
    if (offset + length > model.disk.length) return false;
    return [...model.pending.values()].every((other) => {
      const apart = other.offset + other.length <= offset || offset + length <= other.offset;
      return apart || (operation === Read && other.operation === Read);
    });
  }

  run(model: QueueModel, queue: ModelQueue): void {
    const { disk, pending } = model;
    if (pending.size >= queue.depth) return;
    // The slots are used in no particular order.
    const free = Array.from({ length: queue.depth }, (_, slot) => slot).filter((slot) => !pending.has(slot));
    const slot = free[this.#seed % free.length];
    const { operation, offset, length } = this.#planned(model);
    const buffer = queue.buffer(slot).subarray(0, length > queue.maxTransferBytes ? 0 : length);
    if (operation === Write || operation === WriteFua) {
      fillPattern(buffer, this.#seed);
      disk.set(buffer, offset);
    } else if (operation === Read) {
      buffer.fill(0xee);
    } else if (operation !== Flush) {
      disk.fill(0, offset, offset + length);
    }
    pending.set(slot, { operation, offset, length, data: disk.slice(offset, offset + length) });
    model.last = { operation, end: offset + length };
    queue.submit(slot, operation, offset, length);
    assert.throws(() => queue.submit(slot, Read, 0, SECTOR), RangeError, "a slot carries one operation");
    assert.equal(queue.inFlight, pending.size);
  }

  toString(): string {
    const where = this.#follows ? "after the last" : `sector ${this.#sector}`;
    return `submit(${this.#operation}, ${where}, count ${this.#count}, seed ${this.#seed})`;
  }

  #planned({ last }: QueueModel): { operation: Operation; offset: number; length: number } {
    const operation = this.#operation;
    const length = this.#count * SECTOR;
    if (this.#follows && last !== null && (last.operation === Read || last.operation === Write)) {
      return { operation: last.operation, offset: last.end, length };
    }
    if (operation === Flush) return { operation, offset: 0, length: 0 };
    return { operation, offset: this.#sector * SECTOR, length };
  }
}

/** Checks a slot that was returned, or −1, against what was submitted in it. */
export function checkTaken({ pending }: QueueModel, queue: ModelQueue, slot: number, how: "poll" | "wait"): void {
  if (slot < 0) {
    assert(how === "poll" || pending.size === 0, "a wait returns something while something is in flight");
    return;
  }
  const done = pending.get(slot);
  assert(done, `slot ${slot} was not in flight`);
  pending.delete(slot);
  assert.equal(queue.status(slot), 0);
  assert.equal(queue.inFlight, pending.size);
  if (done.operation !== Read) return;
  assert(sameBytes(queue.buffer(slot).subarray(0, done.length), done.data), "data read is data written");
}

class Take implements fc.Command<QueueModel, BlockQueue> {
  readonly #how: "poll" | "wait";

  constructor(how: "poll" | "wait") {
    this.#how = how;
  }

  check(): boolean {
    return true;
  }

  run(model: QueueModel, queue: BlockQueue): void {
    checkTaken(model, queue, queue[this.#how](), this.#how);
  }

  toString(): string {
    return this.#how;
  }
}

/** Whether two byte arrays are the same; much faster than a deep comparison. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.from(a).equals(b);
}

/** A submission; short ones are drawn as often as long ones. */
export function submissions({ sectors, maxSectors, discards = true }: DrawnOperations): fc.Arbitrary<Submit> {
  const erase = discards ? Discard : Write;
  const operation = fc.constantFrom(Read, Write, Read, Write, Read, Write, Flush, erase, WriteZeroes, WriteFua);
  const count = fc.oneof(
    fc.integer({ min: 1, max: Math.min(16, maxSectors) }),
    fc.integer({ min: 1, max: Math.max(1, Math.floor(maxSectors / 8)) }).map((frames) => {
      return Math.min(maxSectors, frames * 8);
    }),
    fc.integer({ min: 1, max: maxSectors }),
  );
  return fc.tuple(operation, fc.nat(sectors - 1), count, fc.nat(10_000), fc.boolean())
    .map(([kind, sector, length, seed, follows]) => new Submit(kind, sector, length, seed, follows));
}

/** Random sequences of operations on a disk of so many sectors. */
export function queueCommands(
  sectors: number,
  maxSectors: number,
  discards = true,
): fc.Arbitrary<Iterable<fc.Command<QueueModel, BlockQueue>>> {
  const submit = submissions({ sectors, maxSectors, discards });
  const take = fc.constantFrom(new Take("poll"), new Take("wait"));
  return fc.commands<QueueModel, BlockQueue>([submit, submit, take], { maxCommands: 250, size: "max" });
}

/**
 * Runs a sequence on a queue whose disk holds `before`, and takes what is left.
 *
 * @returns what the disk must hold then
 */
export function runQueueModel(
  queue: BlockQueue,
  before: Uint8Array,
  commands: Iterable<fc.Command<QueueModel, BlockQueue>>,
): Uint8Array {
  const model = queueModel(before);
  fc.modelRun(() => ({ model, real: queue }), commands);
  while (model.pending.size > 0) new Take("wait").run(model, queue);
  assert.equal(queue.wait(), -1, "nothing is left");
  return model.disk;
}

/** As {@link runQueueModel}, for a disk that the test can see. */
export function checkQueue(
  queue: BlockQueue,
  disk: Uint8Array,
  commands: Iterable<fc.Command<QueueModel, BlockQueue>>,
): void {
  const expected = runQueueModel(queue, disk, commands);
  assert(sameBytes(disk, expected), "the disk is as the model's");
}
