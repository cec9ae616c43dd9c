/**
 * A queue on a disk in memory that records what is asked of it, and finishes operations in an order of its own.
 *
 * @module
 */

import { carriesData, Operation, Status } from "../../core/blkif.ts";
import type { DeviceInfo } from "../../core/block_device.ts";
import { type BlockQueue, isTransfer, submissionError } from "../../core/block_queue.ts";
import type { WorkloadPlugin } from "../../core/plugin.ts";
import type { Counters } from "../../core/workload.ts";
import { deviceInfo } from "./devices.ts";

/** One operation as the workload asked for it. */
export interface Recorded {
  readonly slot: number;
  readonly operation: number;
  readonly offset: number;
  readonly length: number;
  /** A hash of what a write carried; else 0. */
  readonly data: number;
}

/** How a queue is to be, where it is not ordinary. */
export interface RecordingQueueOptions {
  /** The device, where it is not ordinary; 4 MiB if no size is given. */
  readonly info?: Partial<DeviceInfo>;
  readonly depth?: number;
  readonly maxTransferBytes?: number;
  /** The disk of another queue, for another thread. */
  readonly disk?: Uint8Array;
}

/** Fruitless looks in a row, for each slot, after which even a queue that nobody waits for finishes something. */
const PATIENT_POLLS = 4;
/** What reading the time takes. */
const READING_MS = 1e-4;

/**
 * Does an operation when it is over, with the buffer as it is then: who touches it meanwhile will notice. Who waits gets
 * one at once; who only looks gets one when all slots are in flight, and now and then. Time goes by when it is read, and
 * when somebody waits for it.
 */
export class RecordingQueue implements BlockQueue {
  readonly info: DeviceInfo;
  readonly depth: number;
  readonly maxTransferBytes: number;
  readonly disk: Uint8Array;
  readonly recorded: Recorded[] = [];
  /** How many were in flight at each wait. */
  readonly depths: number[] = [];
  /** What operation number so many ends with, unless the device refuses it. */
  statusOf: (index: number) => number = () => Status.Okay;
  readonly #buffers: Uint8Array<SharedArrayBuffer>[];
  readonly #inFlight: Recorded[] = [];
  readonly #statuses: number[] = [];
  #finished = 0;
  #fruitless = 0;
  #nowMs = 1000;

  constructor({ info, depth = 1, maxTransferBytes = 1 << 16, disk }: RecordingQueueOptions = {}) {
    this.info = deviceInfo({ sizeBytes: 4 << 20, ...info });
    this.depth = depth;
    this.maxTransferBytes = maxTransferBytes;
    this.disk = disk ?? new Uint8Array(this.info.sizeBytes);
    this.#buffers = Array.from({ length: depth }, () => new Uint8Array(new SharedArrayBuffer(maxTransferBytes)));
  }

  get inFlight(): number {
    return this.#inFlight.length;
  }

  /** What is in flight. */
  get pending(): readonly Recorded[] {
    return this.#inFlight;
  }

  buffer(slot: number): Uint8Array<SharedArrayBuffer> {
    return this.#buffers[slot];
  }

  submit(slot: number, operation: Operation, offset: number, length: number): void {
    const free = slot >= 0 && slot < this.depth && this.#inFlight.every((other) => other.slot !== slot);
    if (!free || !isTransfer(operation, offset, length, this.maxTransferBytes)) {
      throw submissionError(this, slot, offset, length);
    }
    const writes = carriesData(operation) && operation !== Operation.Read;
    const data = writes ? hash(this.#buffers[slot].subarray(0, length)) : 0;
    const recorded = { slot, operation, offset, length, data };
    this.recorded.push(recorded);
    this.#inFlight.push(recorded);
  }

  /** The time. */
  readonly now = (): number => this.#nowMs += READING_MS;

  /** Lets time go by. */
  readonly pause = (ns: number): void => void (this.#nowMs += ns / 1e6);

  poll(): number {
    const patient = ++this.#fruitless < PATIENT_POLLS * this.depth;
    return patient && this.inFlight < this.depth ? -1 : this.#finish();
  }

  #finish(): number {
    this.#fruitless = 0;
    if (this.#inFlight.length === 0) return -1;
    const [finished] = this.#inFlight.splice((this.#finished * 7) % this.#inFlight.length, 1);
    let status = this.#refusal(finished);
    if (status === Status.Okay) status = this.statusOf(this.#finished);
    if (status === Status.Okay) this.perform(finished, this.#buffers[finished.slot].subarray(0, finished.length));
    this.#statuses[finished.slot] = status;
    this.#finished++;
    return finished.slot;
  }

  wait(): number {
    this.depths.push(this.#inFlight.length);
    return this.#finish();
  }

  idle(atMostNs = 0): void {
    this.pause(atMostNs);
  }

  status(slot: number): number {
    return this.#statuses[slot];
  }

  /** Does an operation on the disk. A queue that is to be found out does something else. */
  perform({ operation, offset, length }: Recorded, buffer: Uint8Array): void {
    if (operation === Operation.Read) buffer.set(this.disk.subarray(offset, offset + length));
    else if (carriesData(operation)) this.disk.set(buffer, offset);
    else this.disk.fill(0, offset, offset + length);
  }

  #refusal({ operation, offset, length }: Recorded): number {
    const { sizeBytes, sectorSize, readOnly, canFlush, canDiscard } = this.info;
    if (operation === Operation.Flush) return canFlush ? Status.Okay : Status.NotSupported;
    if (operation === Operation.Discard && !canDiscard) return Status.NotSupported;
    const possible = length > 0 && offset + length <= sizeBytes && offset % sectorSize === 0 &&
      length % sectorSize === 0 && (operation === Operation.Read || !readOnly);
    return possible ? Status.Okay : Status.Error;
  }
}

/** How to run a workload. */
export interface RecordedRun extends RecordingQueueOptions {
  /** How often it is told to go on. */
  readonly turns?: number;
  readonly seed?: number;
  readonly thread?: number;
  readonly queue?: RecordingQueue;
  /** What is told of times at which operations are due. */
  readonly due?: (slot: number, dueMs: number, lateNs: number) => void;
  /** Whether the domain was told to stop. */
  readonly stopped?: () => boolean;
}

/** Runs a workload until it has asked so often whether to go on, and returns its queue and what it counted. */
export function runRecorded(
  plugin: WorkloadPlugin,
  given: unknown,
  { turns = 500, seed = 42, thread = 0, queue, due = () => {}, stopped = () => false, ...options }: RecordedRun = {},
): { queue: RecordingQueue; counters: Counters } {
  const parsed = plugin.options.parse(given);
  const { queueDepth, transferBytes, threads = 1 } = plugin.needs(parsed);
  const used = queue ?? new RecordingQueue({ depth: queueDepth, maxTransferBytes: transferBytes, ...options });
  let asked = 0;
  const running = (): boolean => ++asked <= turns && !stopped();
  const counters = plugin.create(parsed).run({
    queue: used,
    // As the hypervisor does.
    seed: seed + thread,
    thread,
    threads,
    running,
    now: used.now,
    due,
    stopRequested: stopped,
    pause: used.pause,
    watch: () => {},
    note: () => {},
    scratchDirectory: null,
  });
  return { queue: used, counters: counters ?? {} };
}

function hash(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) sum = Math.imul(sum ^ bytes[i], 0x01000193) + i;
  return sum;
}
