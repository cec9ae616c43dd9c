/**
 * The queue of a device that runs in the application's own domain: no ring, no grants, no notification. It is the
 * baseline that isolation is measured against, and the same workload and device code run in it.
 *
 * @module
 */

import { MAX_SEGMENTS, Operation } from "./blkif.ts";
import { BlockRequest, type DeviceInfo, type RequestOwner } from "./block_device.ts";
import type { DeviceGate } from "./device_gate.ts";
import { type BlockQueue, isTransfer, submissionError } from "./block_queue.ts";
import { FRAME_SIZE, SharedMemory } from "./memory.ts";
import type { OperationMeter } from "./meter.ts";
import type { NotificationPolicy } from "./notification.ts";
import type { Waiter } from "./waiter.ts";

/** As long as a slot of an isolated queue, so that both placements run the same operations. */
const SLOT_BYTES = MAX_SEGMENTS * FRAME_SIZE;

/** How an application uses a device in place. */
export interface MonolithicQueueOptions {
  /** The device. */
  readonly gate: DeviceGate;
  /** Number of slots. */
  readonly depth: number;
  /** How the thread waits for a device that completes requests later. */
  readonly waiter: Waiter;
  /** What decides about each wait. */
  readonly policy: NotificationPolicy;
  /** Counts the operations. */
  readonly meter: OperationMeter;
  /** Whether the domain was told to stop: ends every wait. */
  readonly stopRequested: () => boolean;
}

/** A block queue whose device is in this domain. */
export class MonolithicQueue implements BlockQueue, RequestOwner {
  readonly depth: number;
  readonly maxTransferBytes: number = SLOT_BYTES;
  inFlight = 0;
  readonly #options: MonolithicQueueOptions;
  readonly #gate: DeviceGate;
  readonly #requests: BlockRequest[] = [];
  readonly #buffers: Uint8Array<SharedArrayBuffer>[] = [];
  readonly #busy: Uint8Array;
  /** Slots that are done and not yet returned: a queue of `depth` entries in a circle. */
  readonly #done: Int32Array;
  #doneHead = 0;
  #doneCount = 0;

  /** A queue with its slots' memory. */
  constructor(options: MonolithicQueueOptions) {
    this.#options = options;
    this.#gate = options.gate;
    this.depth = options.depth;
    this.#busy = new Uint8Array(options.depth);
    this.#done = new Int32Array(options.depth);
    const memory = SharedMemory.allocate(options.depth * MAX_SEGMENTS);
    for (let slot = 0; slot < options.depth; slot++) {
      this.#requests.push(new BlockRequest(this, slot, memory, 1));
      this.#buffers.push(new Uint8Array(memory.buffer, slot * SLOT_BYTES, SLOT_BYTES));
    }
    if (options.gate.asynchronous) options.waiter.add(options.gate);
  }

  get info(): DeviceInfo {
    return this.#gate.info;
  }

  buffer(slot: number): Uint8Array<SharedArrayBuffer> {
    return this.#buffers[slot];
  }

  status(slot: number): number {
    return this.#requests[slot].status;
  }

  submit(slot: number, operation: Operation, offsetBytes: number, byteLength: number): void {
    if (
      slot >= this.depth || this.#busy[slot] !== 0 || !isTransfer(operation, offsetBytes, byteLength, SLOT_BYTES)
    ) {
      throw submissionError(this, slot, offsetBytes, byteLength);
    }
    const request = this.#requests[slot];
    request.operation = operation;
    request.offsetBytes = offsetBytes;
    request.byteLength = byteLength;
    request.extentCount = 0;
    if (operation <= Operation.Write) request.addExtent(slot * SLOT_BYTES, slot * SLOT_BYTES + byteLength);
    this.#busy[slot] = 1;
    this.inFlight++;
    this.#options.meter.submitted(slot, byteLength);
    this.#gate.submit(request);
  }

  completed(request: BlockRequest): void {
    this.#done[(this.#doneHead + this.#doneCount++) % this.depth] = request.slot;
  }

  poll(): number {
    if (this.#doneCount === 0 && this.#gate.asynchronous) this.#gate.reap();
    if (this.#doneCount === 0) return -1;
    const slot = this.#done[this.#doneHead];
    this.#doneHead = (this.#doneHead + 1) % this.depth;
    this.#doneCount--;
    this.#busy[slot] = 0;
    this.inFlight--;
    this.#options.meter.completed(slot, this.#requests[slot].status);
    return slot;
  }

  wait(): number {
    for (;;) {
      const slot = this.poll();
      if (slot >= 0) return slot;
      if (this.inFlight === 0 || this.#options.stopRequested()) return -1;
      this.#options.waiter.wait(this.#options.policy);
    }
  }
}
