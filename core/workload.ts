/**
 * What an application does with its device.
 *
 * @module
 */

import type { BlockQueue } from "./block_queue.ts";
import type { Counters } from "./counters.ts";
import type { WaitSource } from "./waiter.ts";

export type { Counters };

/** What a workload is given. */
export interface WorkloadContext {
  /** The device's queue. It counts and times the operations; a workload need not. */
  readonly queue: BlockQueue;
  /** Seeds whatever the workload draws at random: the same seed, the same operations. Each thread has another. */
  readonly seed: number;
  /** Which of the workload's threads this is, from 0. */
  readonly thread: number;
  /** How many threads run this workload, each on a queue of its own to the same device. */
  readonly threads: number;
  /**
   * Whether to go on. Ask before each new operation; cheap enough for the hot path. When it says no, wait for what is
   * in flight and return.
   */
  running(): boolean;
  /** The time in milliseconds, by the clock that times the operations (`performance.now()`). It costs about 100 ns. */
  now(): number;
  /**
   * Says when the next operation in a slot is due, before it is submitted: for a workload whose operations have times of
   * their own. Its latency then runs from that time and not from its submission, and it is always timed.
   *
   * @param dueMs when it was due, by {@link now}: not in the future
   * @param lateNs by how much later it is submitted than it could have been, in nanoseconds: since it was due, or since a
   * slot was free for it, whichever was last. So the workload's own lateness can be told from the device's.
   */
  due(slot: number, dueMs: number, lateNs: number): void;
  /**
   * Adds something that can bring work besides the queue, such as sockets: `queue.idle()` then returns for that, too.
   * Its plugin says `descriptors: true` if it has a descriptor.
   */
  watch(source: WaitSource): void;
  /**
   * Tells the person something that is no error, such as where it listens: at once, and in the result, each text once.
   * Not for the hot path.
   */
  note(text: string): void;
  /** A folder for this run alone, removed after it; null unless the plugin's permissions ask for it. */
  readonly scratchDirectory: string | null;
  /** Whether to give up at once, whatever is in flight. */
  stopRequested(): boolean;
  /** Sleeps for about `ns` nanoseconds, less when the domain is told to finish meanwhile. Not for the hot path. */
  pause(ns: number): void;
}

/** A plain loop on a queue. It runs in the application domain, on a thread of its own. */
export interface Workload {
  /**
   * Runs until `context.running()` says no. What it does after that, such as reading back what it wrote, is not
   * measured any more, but must succeed.
   *
   * @returns figures of its own for the result, if it has any
   * @throws {WorkloadError} when it cannot run on this device or an operation failed; the cell then fails with its
   * message
   */
  run(context: WorkloadContext): Counters | void;
}
