/**
 * A model of a block queue for fast-check: operations on slots, and a plain array as the disk that must result.
 * Operations in flight may be done in any order, so the model lets none of them overlap a write or discard.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { Operation } from "../../core/blkif.ts";
import type { BlockQueue } from "../../core/block_queue.ts";
import { fillPattern } from "./devices.ts";

const SECTOR = 512;

interface Pending {
  readonly operation: number;
  readonly offset: number;
  readonly length: number;
  readonly data: Uint8Array;
}

/** What is expected. */
export interface QueueModel {
  readonly disk: Uint8Array;
  readonly pending: Map<number, Pending>;
}

type QueueCommand = fc.Command<QueueModel, BlockQueue>;

class Submit implements QueueCommand {
  readonly #operation: Operation;
  readonly #sector: number;
  readonly #count: number;
  readonly #seed: number;

  constructor(operation: Operation, sector: number, count: number, seed: number) {
    this.#operation = operation;
    this.#sector = sector;
    this.#count = count;
    this.#seed = seed;
  }

  check({ disk, pending }: QueueModel): boolean {
    const { offset, length } = this.#range();
    if (offset + length > disk.length) return false;
    return [...pending.values()].every((other) => {
      const apart = other.offset + other.length <= offset || offset + length <= other.offset;
      return apart || (this.#operation === Operation.Read && other.operation === Operation.Read);
    });
  }

  run({ disk, pending }: QueueModel, queue: BlockQueue): void {
    if (pending.size >= queue.depth) return;
    // The slots are used in no particular order.
    const free = Array.from({ length: queue.depth }, (_, slot) => slot).filter((slot) => !pending.has(slot));
    const slot = free[this.#seed % free.length];
    const { offset, length } = this.#range();
    const buffer = queue.buffer(slot).subarray(0, length > queue.maxTransferBytes ? 0 : length);
    if (this.#operation === Operation.Write) {
      fillPattern(buffer, this.#seed);
      disk.set(buffer, offset);
    } else if (this.#operation === Operation.Read) {
      buffer.fill(0xee);
    } else if (this.#operation === Operation.Discard) {
      disk.fill(0, offset, offset + length);
    }
    pending.set(slot, { operation: this.#operation, offset, length, data: disk.slice(offset, offset + length) });
    queue.submit(slot, this.#operation, offset, length);
    assert.throws(() => queue.submit(slot, Operation.Read, 0, SECTOR), RangeError, "a slot carries one operation");
    assert.equal(queue.inFlight, pending.size);
  }

  toString(): string {
    return `submit(${this.#operation}, sector ${this.#sector}, count ${this.#count}, seed ${this.#seed})`;
  }

  #range(): { offset: number; length: number } {
    if (this.#operation === Operation.Flush) return { offset: 0, length: 0 };
    return { offset: this.#sector * SECTOR, length: this.#count * SECTOR };
  }
}

class Take implements QueueCommand {
  readonly #how: "poll" | "wait";

  constructor(how: "poll" | "wait") {
    this.#how = how;
  }

  check(): boolean {
    return true;
  }

  run({ pending }: QueueModel, queue: BlockQueue): void {
    const slot = queue[this.#how]();
    if (slot < 0) {
      assert(this.#how === "poll" || pending.size === 0, "a wait returns something while something is in flight");
      return;
    }
    const done = pending.get(slot);
    assert(done, `slot ${slot} was not in flight`);
    pending.delete(slot);
    assert.equal(queue.status(slot), 0);
    assert.equal(queue.inFlight, pending.size);
    if (done.operation !== Operation.Read) return;
    assert(sameBytes(queue.buffer(slot).subarray(0, done.length), done.data), "data read is data written");
  }

  toString(): string {
    return this.#how;
  }
}

/** Whether two byte arrays are the same; much faster than a deep comparison. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Random sequences of operations on a disk of so many sectors. */
export function queueCommands(
  sectors: number,
  maxSectors: number,
  discards = true,
): fc.Arbitrary<Iterable<QueueCommand>> {
  const { Read, Write, Flush, Discard } = Operation;
  const operation = fc.constantFrom(Read, Write, Read, Write, Flush, discards ? Discard : Write);
  const submit = fc.tuple(operation, fc.nat(sectors - 1), fc.integer({ min: 1, max: maxSectors }), fc.nat(10_000))
    .map(([kind, sector, count, seed]) => new Submit(kind, sector, count, seed));
  const take = fc.constantFrom(new Take("poll"), new Take("wait"));
  return fc.commands([submit, submit, take], { maxCommands: 250, size: "max" });
}

/**
 * Runs a sequence on a queue whose disk holds `before`, and takes what is left.
 *
 * @returns what the disk must hold then
 */
export function runQueueModel(queue: BlockQueue, before: Uint8Array, commands: Iterable<QueueCommand>): Uint8Array {
  const model: QueueModel = { disk: before.slice(), pending: new Map() };
  fc.modelRun(() => ({ model, real: queue }), commands);
  while (model.pending.size > 0) new Take("wait").run(model, queue);
  assert.equal(queue.wait(), -1, "nothing is left");
  return model.disk;
}

/** As {@link runQueueModel}, for a disk that the test can see. */
export function checkQueue(queue: BlockQueue, disk: Uint8Array, commands: Iterable<QueueCommand>): void {
  const expected = runQueueModel(queue, disk, commands);
  assert(sameBytes(disk, expected), "the disk is as the model's");
}
