/**
 * What a workload sees of a device: a queue of slots, the same whether the device is isolated behind a ring
 * (`frontend.ts`) or called in place (`monolithic_queue.ts`).
 *
 * @module
 */

import { carriesData, Operation } from "./blkif.ts";
import type { DeviceInfo } from "./block_device.ts";
import { SECTOR_SIZE } from "./memory.ts";

/**
 * A queue of `depth` slots. Each slot has a buffer of its own and carries one operation at a time.
 *
 * @example Read the first sector
 * ```ts
 * import type { BlockQueue } from "./block_queue.ts";
 * import { Operation } from "./blkif.ts";
 *
 * function firstSector(queue: BlockQueue): Uint8Array {
 *   queue.submit(0, Operation.Read, 0, 512);
 *   queue.wait();
 *   if (queue.status(0) !== 0) throw new Error("the read failed");
 *   return queue.buffer(0).slice(0, 512);
 * }
 * ```
 */
export interface BlockQueue {
  /** What the device is. */
  readonly info: DeviceInfo;
  /** How many slots there are: the most operations in flight. */
  readonly depth: number;
  /** Bytes in a slot's buffer: the longest transfer. */
  readonly maxTransferBytes: number;
  /** Operations submitted and not yet returned by {@link poll} or {@link wait}. */
  readonly inFlight: number;

  /**
   * The memory of a slot: write it before a write, read it after a read. It is the same object every time. While the
   * slot is in flight it belongs to the driver.
   */
  buffer(slot: number): Uint8Array<SharedArrayBuffer>;

  /**
   * Starts an operation; the device sees it at the latest at the next {@link poll} or {@link wait} that finds nothing
   * finished.
   *
   * @param slot a slot that is not in flight
   * @param operation read, write, flush, discard, write-zeroes, or a write that is durable when it is over (FUA)
   * @param offsetBytes first byte on the device, a multiple of 512
   * @param byteLength bytes from the start of the slot's buffer, a multiple of 512; 0 for a flush. A discard and a
   * write-zeroes have no data, so their length is limited by the device's size only.
   * @throws {RangeError} when the slot is in flight or the length does not fit
   */
  submit(slot: number, operation: Operation, offsetBytes: number, byteLength: number): void;

  /** The next slot whose operation is over, or −1 if none is. */
  poll(): number;

  /**
   * As {@link poll}, but waits for one.
   *
   * @returns the slot, or −1 when nothing is in flight or the domain was told to stop
   * @throws {ConnectionError} when the driver's side is gone or broke the protocol
   */
  wait(): number;

  /**
   * Waits once, as {@link wait} does when nothing has finished, and also where nothing is in flight: for a thread that
   * has other sources of work (`WorkloadContext.watch`), or something to do at a certain time. Look at all of them after
   * it.
   *
   * @param atMostNs the longest wait, in nanoseconds; as long as the policy says when absent
   * @throws {ConnectionError} when the driver's side is gone
   */
  idle(atMostNs?: number): void;

  /** The outcome of the slot's last operation: 0, or a negative `Status`. */
  status(slot: number): number;
}

/** No device is larger: beyond, numbers are not exact. */
const OFFSET_LIMIT = 2 ** 53;

/** Whether an operation's bounds are such that a queue can carry it. On the hot path. */
export function isTransfer(
  operation: Operation,
  offsetBytes: number,
  byteLength: number,
  maxTransferBytes: number,
): boolean {
  if (((offsetBytes | byteLength) & (SECTOR_SIZE - 1)) !== 0 || byteLength < 0) return false;
  // So that NaN is refused, too: on the ring it would be sector 0, as infinity would.
  if (!(offsetBytes < OFFSET_LIMIT) || offsetBytes < 0) return false;
  if (carriesData(operation)) return byteLength <= maxTransferBytes;
  return operation === Operation.Discard || operation === Operation.WriteZeroes ||
    (operation === Operation.Flush && byteLength === 0);
}

/** The error for a submission that no queue accepts. */
export function submissionError(queue: BlockQueue, slot: number, offsetBytes: number, byteLength: number): RangeError {
  return new RangeError(
    `Cannot submit ${byteLength} bytes at ${offsetBytes} in slot ${slot}: a slot (0 to ${queue.depth - 1}) takes one ` +
      `operation at a time, of at most ${queue.maxTransferBytes} bytes, in multiples of 512`,
  );
}
