/**
 * A queue to a device whose every time is known: it serves one operation after the other, each for a time that the test
 * says, and its clock goes on only when somebody reads it or waits.
 *
 * @module
 */

import type { BlockQueue } from "../../core/block_queue.ts";
import type { DeviceInfo } from "../../core/block_device.ts";
import type { WorkloadContext } from "../../core/workload.ts";
import { deviceInfo } from "./devices.ts";

/** How the device and the thread are. Times in milliseconds. */
export interface TimedQueueOptions {
  readonly depth: number;
  /** How long the device takes for operation number so many. */
  readonly serviceMs: (index: number) => number;
  /** What a reading of the clock takes; nothing when absent. */
  readonly readingMs?: number;
  /** By how much longer the thread sleeps than it wants to; by nothing when absent. */
  readonly oversleepMs?: number;
}

/** One operation. */
export interface TimedOperation {
  readonly slot: number;
  /** When it was due; NaN for one that has no time of its own. */
  readonly dueMs: number;
  readonly lateNs: number;
  readonly submittedMs: number;
  /** When the device was done with it. */
  readonly doneMs: number;
  /** When the workload got it back; NaN while it has not. */
  takenMs: number;
}

/** See the module. */
export class TimedQueue implements BlockQueue {
  readonly info: DeviceInfo = deviceInfo({ sizeBytes: 1 << 20 });
  readonly depth: number;
  readonly maxTransferBytes = 1 << 16;
  /** Every operation, in the order of submission. */
  readonly operations: TimedOperation[] = [];
  /** What the workload had to tell the person. */
  readonly notes: string[] = [];
  readonly startMs = 1000;
  nowMs = this.startMs;
  /** Times that the thread slept with nothing in flight. */
  pauses = 0;
  readonly #options: TimedQueueOptions;
  readonly #buffers: Uint8Array<SharedArrayBuffer>[];
  readonly #inFlight: TimedOperation[] = [];
  readonly #due = new Map<number, { readonly dueMs: number; readonly lateNs: number }>();
  #doneMs = 0;

  constructor(options: TimedQueueOptions) {
    this.#options = options;
    this.depth = options.depth;
    this.#buffers = Array.from({ length: this.depth }, () => new Uint8Array(new SharedArrayBuffer(1 << 16)));
  }

  get inFlight(): number {
    return this.#inFlight.length;
  }

  buffer(slot: number): Uint8Array<SharedArrayBuffer> {
    return this.#buffers[slot];
  }

  status(): number {
    return 0;
  }

  submit(slot: number): void {
    if (this.#inFlight.some((other) => other.slot === slot)) throw new Error(`slot ${slot} is in flight`);
    const { dueMs = NaN, lateNs = NaN } = this.#due.get(slot) ?? {};
    this.#due.delete(slot);
    const submittedMs = this.nowMs;
    this.#doneMs = Math.max(this.#doneMs, submittedMs) + this.#options.serviceMs(this.operations.length);
    const operation = { slot, dueMs, lateNs, submittedMs, doneMs: this.#doneMs, takenMs: NaN };
    this.operations.push(operation);
    this.#inFlight.push(operation);
  }

  poll(): number {
    if (this.#inFlight.length === 0 || this.#inFlight[0].doneMs > this.nowMs) return -1;
    const operation = this.#inFlight.shift() as TimedOperation;
    operation.takenMs = this.nowMs;
    return operation.slot;
  }

  wait(): number {
    if (this.#inFlight.length === 0) return -1;
    this.idle();
    return this.poll();
  }

  idle(atMostNs = Infinity): void {
    const doneMs = this.#inFlight[0]?.doneMs ?? Infinity;
    const endMs = Math.min(doneMs, this.nowMs + atMostNs / 1e6);
    if (endMs === Infinity) throw new Error("nothing would ever end this wait");
    this.nowMs = Math.max(this.nowMs, endMs);
  }

  /** What a workload is given that is to run for a time. */
  context(runMs: number, changes: Partial<WorkloadContext> = {}): WorkloadContext {
    const { readingMs = 0, oversleepMs = 0 } = this.#options;
    return {
      queue: this,
      ...{ seed: 42, thread: 0, threads: 1, scratchDirectory: null },
      running: () => this.nowMs < this.startMs + runMs,
      now: () => this.nowMs += readingMs,
      due: (slot, dueMs, lateNs) => void this.#due.set(slot, { dueMs, lateNs }),
      stopRequested: () => false,
      pause: (ns) => {
        this.pauses++;
        this.nowMs = Math.min(this.nowMs + ns / 1e6 + oversleepMs, Math.max(this.nowMs, this.startMs + runMs));
      },
      watch: () => {},
      note: (text) => void this.notes.push(text),
      ...changes,
    };
  }
}
