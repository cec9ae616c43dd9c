/**
 * An open loop: requests come at times of their own, whether or not those before are answered, as they do where many
 * independent clients ask. In a closed loop, a device that stalls is asked for less meanwhile, and only the few requests
 * that are in flight show the stall; here all that come meanwhile do.
 *
 * A request is due when it arrives. It is submitted then, or as soon as a slot is free, in the order of arrival; its
 * latency runs from when it was due. What waits takes no memory: the next arrival is drawn when the one before is
 * submitted.
 *
 * Between arrivals the thread waits as its policy says while anything is in flight, but no longer than until the next is
 * due. With nothing in flight there is nothing that a policy could wait for, and it sleeps until then.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import { Operation } from "../../core/blkif.ts";
import type { BlockQueue } from "../../core/block_queue.ts";
import { WorkloadError } from "../../core/errors.ts";
import { API_VERSION, definePlugin, type WorkloadPlugin } from "../../core/plugin.ts";
import { duration, formatSize, size } from "../../core/units.ts";
import type { Counters, Workload, WorkloadContext } from "../../core/workload.ts";
import { type Arrivals, bursty, constant, poisson } from "./arrivals.ts";
import { checkBlockSize, checkWritable, failedOperation } from "./pipeline.ts";
import { Random } from "./random.ts";
import { drawBlock, randomBlockOptions } from "./random_blocks.ts";

const NS_PER_MS = 1e6;
/** Makes the seed of the arrivals another than that of the blocks: when requests come depends on nothing else. */
const ARRIVAL_SEED = 0x5bd1e995;
/** Arrivals that are counted between two signs of life, less one; a power of two, less one. */
const COUNTED_MASK = 0xffff;

const positive = (ns: number): boolean => ns > 0;

const options = z.strictObject({
  rate: z.number().positive().max(1e7).default(1000)
    .describe("Arrivals a second, of all threads together; with bursty, while it is on."),
  rateProcess: z.enum(["constant", "poisson", "bursty"]).default("poisson")
    .describe("When they come: evenly, at random, or at random during bursts with pauses between."),
  on: duration().refine(positive, "must be above 0ns").prefault("10ms").describe("With bursty: how long a burst is."),
  off: duration().prefault("40ms").describe("With bursty: how long the pause after it is."),
  readPercentage: z.number().min(0).max(100).default(100).describe("Percentage of reads; the others are writes."),
  blockSize: size().refine((bytes) => bytes > 0 && bytes % 512 === 0, "must be a multiple of 512B").prefault("4KiB")
    .describe("Bytes an operation, a multiple of 512."),
  queueDepth: z.int().min(1).max(512).default(32)
    .describe("Most operations of a thread in flight; what comes beyond waits for a slot, and its latency goes on."),
  threads: z.int().min(1).max(64).default(1).describe("Threads, each with a queue and its share of the rate."),
  totalSize: size().optional().describe("Bytes from the device's beginning that are used; by default all of it."),
  ...randomBlockOptions,
  arrivalSpin: duration().prefault("0ns").describe(
    "With nothing in flight: how long before an arrival the thread stops sleeping and spins, not to be late. It costs CPU.",
  ),
});

type Options = z.output<typeof options>;

/** The workload `open-loop`. */
const plugin: WorkloadPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "workload",
  name: "open-loop",
  description:
    "Random reads and writes at times that do not depend on answers; latencies run from when each one was due.",
  options,
  counters: {
    offered: "Arrivals that came due, from the start to the end of the run.",
    submitted: "Arrivals that were submitted to the device.",
    completed: "Operations that were answered, those after the end included.",
    unsubmitted: "Arrivals that still waited for a free slot at the end, and were dropped: offered less submitted.",
  },
  needs: ({ queueDepth, blockSize, threads }) => ({ queueDepth, transferBytes: blockSize, threads }),
  create: (given): Workload => ({ run: (context) => run(given, context) }),
});

export default plugin;

function run(given: Options, context: WorkloadContext): Counters {
  const { readPercentage, blockSize, queueDepth, arrivalSpin } = given;
  const { queue, seed, running, now, due, pause } = context;
  if (readPercentage < 100) checkWritable(queue, `readPercentage ${readPercentage}`);
  const random = new Random(seed);
  const nextBlock = drawBlock(random, blockCount(queue, given), given);
  const nextArrivalNs = arrivals(given, context);
  /** The slots that are free; the last is used next, as its buffer is the most likely to be cached. */
  const free = Int32Array.from({ length: queueDepth }, (_, index) => queueDepth - 1 - index);
  for (const slot of free) queue.buffer(slot).fill(slot + 1);
  let freeCount = queueDepth;
  let submitted = 0;
  let completed = 0;
  const startMs = now();
  let dueMs = startMs + nextArrivalNs() / NS_PER_MS;
  /** Until when there was no free slot. */
  let fullUntilMs = startMs;

  while (running()) {
    const nowMs = now();
    if (dueMs <= nowMs && freeCount > 0) {
      const slot = free[--freeCount];
      const operation = random.fraction() * 100 < readPercentage ? Operation.Read : Operation.Write;
      due(slot, dueMs, (nowMs - Math.max(dueMs, fullUntilMs)) * NS_PER_MS);
      queue.submit(slot, operation, nextBlock() * blockSize, blockSize);
      submitted++;
      dueMs = startMs + nextArrivalNs() / NS_PER_MS;
      continue;
    }
    const slot = freeCount === 0 ? queue.wait() : queue.poll();
    if (slot >= 0) {
      if (queue.status(slot) !== 0) throw failedOperation(queue, slot);
      if (freeCount === 0) fullUntilMs = now();
      free[freeCount++] = slot;
      completed++;
    } else {
      const leftNs = (dueMs - now()) * NS_PER_MS;
      if (queue.inFlight > 0) {
        if (leftNs > 0) queue.idle(leftNs);
      } else if (leftNs > arrivalSpin) {
        pause(leftNs - arrivalSpin);
      }
    }
  }

  const endMs = now();
  for (let slot = queue.wait(); slot >= 0; slot = queue.wait()) {
    if (queue.status(slot) !== 0) throw failedOperation(queue, slot);
    completed++;
  }
  let unsubmitted = 0;
  for (; dueMs <= endMs; dueMs = startMs + nextArrivalNs() / NS_PER_MS) {
    if ((++unsubmitted & COUNTED_MASK) === 0) running();
  }
  if (unsubmitted > queueDepth) context.note(overloaded(given));
  return { offered: submitted + unsubmitted, submitted, completed, unsubmitted };
}

function arrivals({ rate, rateProcess, on, off }: Options, { seed, thread, threads }: WorkloadContext): Arrivals {
  const random = new Random(seed ^ ARRIVAL_SEED);
  switch (rateProcess) {
    case "constant":
      return constant(rate, thread, threads);
    case "poisson":
      return poisson(random, rate / threads);
    case "bursty":
      return bursty(random, rate / threads, on, off);
  }
}

function overloaded({ rate, queueDepth }: Options): string {
  return `${rate} arrivals a second were too many at the end: more waited than the ${queueDepth} that can be in flight ` +
    "(counter unsubmitted). Where they always are, the latencies are those of a growing queue, and grow with the run";
}

/** Blocks that are used, from the device's beginning on. */
function blockCount(queue: BlockQueue, { totalSize, blockSize }: Options): number {
  checkBlockSize(queue, "blockSize", blockSize);
  const { sizeBytes } = queue.info;
  const bytes = totalSize ?? sizeBytes;
  if (bytes > sizeBytes || bytes < blockSize) {
    throw new WorkloadError(
      `totalSize is ${formatSize(bytes)}; allowed is from a block (${formatSize(blockSize)}) to the device's ` +
        formatSize(sizeBytes),
    );
  }
  return Math.floor(bytes / blockSize);
}
