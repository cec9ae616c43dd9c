/**
 * What an application does with its device.
 *
 * @module
 */

import type { BlockQueue } from "./block_queue.ts";

/** What a workload is given. */
export interface WorkloadContext {
  /** The device's queue. It counts and times the operations; a workload need not. */
  readonly queue: BlockQueue;
  /** Seeds whatever the workload draws at random: the same seed, the same operations. */
  readonly seed: number;
  /**
   * Whether to go on. Ask before each new operation; cheap enough for the hot path. When it says no, wait for what is
   * in flight and return.
   */
  running(): boolean;
}

/** A plain loop on a queue. It runs in the application domain, on a thread of its own. */
export interface Workload {
  /**
   * Runs until `context.running()` says no.
   *
   * @throws {WorkloadError} when it cannot run on this device or an operation failed; the cell then fails with its
   * message
   */
  run(context: WorkloadContext): void;
}
