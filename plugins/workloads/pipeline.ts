/**
 * Keeps the slots of a queue busy, for workloads that are not measured to the nanosecond.
 *
 * @module
 */

import type { BlockQueue } from "../../core/block_queue.ts";
import { Operation } from "../../core/blkif.ts";
import { WorkloadError } from "../../core/errors.ts";
import { formatSize } from "../../core/units.ts";

/** The error for an operation that failed. */
export function failedOperation(queue: BlockQueue, slot: number): WorkloadError {
  return new WorkloadError(`An operation failed with status ${queue.status(slot)}`);
}

/**
 * Runs operations in the first slots of a queue until there are no more.
 *
 * @param depth how many slots to use
 * @param submitNext submits the next operation in a free slot; false when there is none left
 * @param finished told of each slot whose operation succeeded, before the slot is used again
 * @param failed the same for one that failed; when absent, that ends it
 * @returns false when the domain was told to stop before all was done
 * @throws {WorkloadError} when an operation failed
 */
export function runPipeline(
  queue: BlockQueue,
  depth: number,
  submitNext: (slot: number) => boolean,
  finished: (slot: number) => void,
  failed: (slot: number) => void = (slot) => {
    throw failedOperation(queue, slot);
  },
): boolean {
  let inFlight = 0;
  for (let slot = 0; slot < depth && submitNext(slot); slot++) inFlight++;
  while (inFlight > 0) {
    const slot = queue.wait();
    if (slot < 0) return false;
    if (queue.status(slot) === 0) finished(slot);
    else failed(slot);
    if (!submitNext(slot)) inFlight--;
  }
  return true;
}

/**
 * Makes durable what was written, where the device can; nothing else may be in flight.
 *
 * @returns false when the domain was told to stop meanwhile
 * @throws {WorkloadError} when the flush failed
 */
export function flushDevice(queue: BlockQueue): boolean {
  if (!queue.info.canFlush) return true;
  queue.submit(0, Operation.Flush, 0, 0);
  if (queue.wait() < 0) return false;
  if (queue.status(0) !== 0) throw failedOperation(queue, 0);
  return true;
}

/**
 * Checks that operations of some size are possible.
 *
 * @param name what the size is called among the workload's options
 * @throws {WorkloadError} when they are not, with what is allowed
 */
export function checkBlockSize({ info }: BlockQueue, name: string, blockSize: number): void {
  if (blockSize % info.sectorSize === 0 && blockSize <= info.sizeBytes) return;
  throw new WorkloadError(
    `${name} is ${formatSize(blockSize)}; on this device it can be a multiple of ${info.sectorSize} bytes up to ` +
      formatSize(info.sizeBytes),
  );
}

/**
 * Checks that the device can be written.
 *
 * @param what what wants to write
 * @throws {WorkloadError} when it cannot
 */
export function checkWritable({ info }: BlockQueue, what: string): void {
  if (info.readOnly) throw new WorkloadError(`${what} writes; the device is read-only`);
}
