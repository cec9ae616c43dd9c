/**
 * A device that compares every request with what the model expects, and does nonsense to the region meanwhile.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { BlockDevice, BlockRequest, DeviceInfo } from "../../../../core/block_device.ts";
import type { SharedMemory } from "../../../../core/memory.ts";
import type { Random } from "../../../helpers/random.ts";
import type { BackendModel, Expected } from "./backend_model.ts";

const WRITE = 1;
const READ = 0;
const FLUSH = 3;
const WRITE_ZEROES = 16;
const WRITE_FUA = 17;
/** Longest write of zeroes for a device that does not know write-zeroes. */
const ZERO_BYTES = 64 * 1024;

/** What the device has of a request. */
interface Work {
  readonly expected: Expected;
  /** Bytes of a write-zeroes that were written. */
  written: number;
  /** Whether a durable write waits for its flush. */
  flushes: boolean;
}

/** Plays the device behind the backend that is fuzzed. */
export class CheckedDevice implements BlockDevice {
  readonly info: DeviceInfo;
  /** Absent where all requests are done at once. */
  readonly poll?: () => BlockRequest | null;
  /** Called while the backend is at work. */
  scribble: () => void = () => {};
  /** What was thrown here: the gate turns it into a failed request. */
  failure: unknown = null;
  /** Requests that the device has done. */
  done = 0;
  /** Requests that must come next, some of which are refused and do not. */
  #queue: readonly Expected[] = [];
  #next = 0;
  /** Answers are kept for a while: published are those before the half, and at the end. */
  #holding = false;
  #half = 0;
  readonly #held: BlockRequest[] = [];
  readonly #work = new Map<BlockRequest, Work>();
  /** What the backend answers next, after the device has returned. */
  #returned: readonly [Expected, number] | null = null;
  readonly #memory: SharedMemory;
  readonly #bytes: Uint8Array;
  readonly #model: BackendModel;
  readonly #random: Random;

  /** A device of which requests lie in `memory`; one that is `later` completes them when it is polled. */
  constructor(info: DeviceInfo, memory: SharedMemory, model: BackendModel, random: Random, later: boolean) {
    this.info = info;
    this.#memory = memory;
    this.#model = model;
    this.#bytes = new Uint8Array(model.words.buffer, model.words.byteOffset, model.words.byteLength);
    this.#random = random;
    if (later) this.poll = () => this.#judged(() => this.#pollOne(), null);
  }

  /** Requests that it has. */
  get heldCount(): number {
    return this.#held.length;
  }

  /** What the backend takes next. */
  expect(queue: readonly Expected[]): void {
    this.#queue = queue;
    this.#next = 0;
    this.#half = queue.length >> 1;
    this.#holding = true;
  }

  /** All that was expected has come: what is left of it was refused. */
  finishExpected(): void {
    this.#settle();
    while (this.#next < this.#queue.length) assert(this.#refuseNext(), "the device was not asked for a good request");
    this.release();
  }

  /** Answers are published together from now on, as `Backend.hold` has it. */
  hold(): void {
    this.#holding = true;
  }

  /** Answers are published, as `Backend.release` has it. */
  release(): void {
    this.#settle();
    this.#holding = false;
    this.#model.publish();
  }

  /** What has been returned is answered by now. */
  settle(): void {
    this.#settle();
  }

  submit(request: BlockRequest): boolean {
    return this.#judged(() => this.#submitOne(request), true);
  }

  #submitOne(request: BlockRequest): boolean {
    this.#settle();
    const work = this.#work.get(request) ?? this.#begin();
    this.#work.set(request, work);
    this.#check(request, work);
    this.scribble();
    if (this.poll !== undefined && this.#random.chance(0.7)) {
      this.#held.push(request);
      return false;
    }
    this.#do(request, work);
    return true;
  }

  #pollOne(): BlockRequest | null {
    this.#settle();
    this.scribble();
    if (this.#held.length === 0 || this.#random.chance(0.3)) return null;
    const [request] = this.#held.splice(this.#random.below(this.#held.length), 1);
    const work = this.#work.get(request);
    assert(work !== undefined);
    this.#do(request, work);
    return request;
  }

  /** The next request that is not refused. */
  #begin(): Work {
    while (this.#refuseNext());
    assert(this.#next < this.#queue.length, "the device was asked for something that nobody asked for");
    return { expected: this.#queue[this.#next++], written: 0, flushes: false };
  }

  /** Answers the next request if it is to be refused; in any case it has its turn. */
  #refuseNext(): boolean {
    const expected = this.#queue[this.#next];
    if (expected === undefined) return false;
    if (this.#next === this.#half) this.#model.publish();
    if (expected.refusal === null) return false;
    this.#next++;
    this.#answer(expected, expected.refusal);
    return true;
  }

  /** A request is what it should be. */
  #check(request: BlockRequest, { expected, written, flushes }: Work): void {
    const { operation, offsetBytes, byteLength, extents } = expected;
    const found = [request.operation, request.offsetBytes, request.byteLength];
    if (operation === WRITE_ZEROES && this.info.canWriteZeroes !== true) {
      const length = Math.min(ZERO_BYTES, byteLength - written);
      assert.deepEqual(found, [WRITE, offsetBytes + written, length]);
      assert.notEqual(request.memory, this.#memory);
      assert(request.extent(0).length === length && request.extent(0).every((byte) => byte === 0));
      return;
    }
    const durable = operation === WRITE_FUA && this.info.canFua !== true;
    assert.deepEqual(
      found,
      flushes ? [FLUSH, offsetBytes, 0] : [durable ? WRITE : operation, offsetBytes, byteLength],
    );
    assert.equal(request.memory, this.#memory);
    const ranges = Array.from(
      { length: request.extentCount },
      (_, i) => [request.extentStart(i), request.extentEnd(i)],
    );
    assert.deepEqual(ranges, flushes ? [] : extents);
  }

  /** Does what is asked, or fails, and finds out whether more of it comes. */
  #do(request: BlockRequest, work: Work): void {
    const { expected } = work;
    const status = this.#random.chance(0.9) ? 0 : this.#random.pick([-1, -2]);
    if (request.operation === READ && status === 0) {
      const byte = this.#random.below(256);
      for (let i = 0; i < request.extentCount; i++) {
        request.extent(i).fill(byte);
        this.#bytes.fill(byte, expected.extents[i][0], expected.extents[i][1]);
      }
    }
    request.status = status;
    this.done++;
    if (status === 0 && this.#goesOn(request, work)) return;
    this.#work.delete(request);
    this.#returned = [expected, status];
  }

  #goesOn(request: BlockRequest, work: Work): boolean {
    const { expected: { operation, byteLength } } = work;
    if (operation === WRITE_ZEROES && this.info.canWriteZeroes !== true) {
      work.written += request.byteLength;
      return work.written < byteLength;
    }
    if (operation !== WRITE_FUA || this.info.canFua === true || work.flushes || !this.info.canFlush) return false;
    return work.flushes = true;
  }

  #settle(): void {
    const returned = this.#returned;
    this.#returned = null;
    if (returned !== null) this.#answer(...returned);
  }

  #answer(expected: Expected, status: number): void {
    this.#model.answer(expected, status);
    if (!this.#holding) this.#model.publish();
  }

  /** Keeps what was thrown: it must not pass for a failure of the device. */
  #judged<T>(body: () => T, otherwise: T): T {
    try {
      return body();
    } catch (thrown) {
      this.failure ??= thrown;
      return otherwise;
    }
  }
}
