/**
 * The queue of a device that runs in the application's own domain: no ring, no grants, no notification. It is the
 * baseline that isolation is measured against, and the same workload and device code run in it.
 *
 * @module
 */

import { carriesData, type Operation } from "./blkif.ts";
import { BlockRequest, type DeviceInfo, type RequestOwner } from "./block_device.ts";
import { BoundedPolicy } from "./bounded_policy.ts";
import type { DeviceGate, DeviceView } from "./device_gate.ts";
import { type BlockQueue, isTransfer, submissionError } from "./block_queue.ts";
import { slotFrames, type SlotOptions } from "./link.ts";
import { FRAME_SIZE, SharedMemory } from "./memory.ts";
import type { OperationMeter } from "./measure/meter.ts";
import type { NotificationPolicy } from "./notification.ts";
import type { Waiter } from "./waiter.ts";

/** How an application uses a device in place. */
export interface MonolithicQueueOptions {
  /** The device. */
  readonly gate: DeviceGate;
  /** What of it the application sees: all of it when absent. */
  readonly view?: DeviceView;
  /** Its slots. */
  readonly slots: SlotOptions;
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
  readonly maxTransferBytes: number;
  inFlight = 0;
  readonly #options: MonolithicQueueOptions;
  readonly #gate: DeviceGate;
  readonly #view: DeviceView;
  readonly #policy: BoundedPolicy;
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
    this.#view = options.view ?? options.gate;
    this.#policy = new BoundedPolicy(options.policy);
    const { count } = options.slots;
    this.depth = count;
    this.#busy = new Uint8Array(count);
    this.#done = new Int32Array(count);
    const frames = slotFrames(options.slots);
    const memory = SharedMemory.allocate(count * frames);
    this.maxTransferBytes = frames * FRAME_SIZE;
    for (let slot = 0; slot < count; slot++) {
      this.#requests.push(new BlockRequest(this, slot, memory, 1));
      this.#buffers.push(new Uint8Array(memory.buffer, slot * this.maxTransferBytes, this.maxTransferBytes));
    }
    if (options.gate.asynchronous) options.waiter.add(options.gate);
  }

  get info(): DeviceInfo {
    return this.#view.info;
  }

  buffer(slot: number): Uint8Array<SharedArrayBuffer> {
    return this.#buffers[slot];
  }

  status(slot: number): number {
    return this.#requests[slot].status;
  }

  submit(slot: number, operation: Operation, offsetBytes: number, byteLength: number): void {
    if (
      slot >= this.depth || this.#busy[slot] !== 0 ||
      !isTransfer(operation, offsetBytes, byteLength, this.maxTransferBytes)
    ) {
      throw submissionError(this, slot, offsetBytes, byteLength);
    }
    const request = this.#requests[slot];
    request.operation = operation;
    request.offsetBytes = offsetBytes;
    request.byteLength = byteLength;
    request.extentCount = 0;
    if (carriesData(operation)) {
      request.addExtent(slot * this.maxTransferBytes, slot * this.maxTransferBytes + byteLength);
    }
    this.#busy[slot] = 1;
    this.inFlight++;
    this.#options.meter.submitted(slot, byteLength);
    this.#view.submit(request);
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
      this.idle();
    }
  }

  idle(atMostNs = Infinity): void {
    this.#policy.leftNs = atMostNs;
    this.#options.waiter.wait(this.#policy);
  }
}
