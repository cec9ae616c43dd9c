/**
 * `sysbench fileio` (version 1.1) on a device: its modes, options and defaults, under sysbench's names without `file-`.
 *
 * Where a device differs from a folder of files:
 *
 * - The files are extents of the device, one after another: file `i` begins at `i × fileSize`, where fileSize is
 *   totalSize / files, rounded down to whole blocks.
 * - An fsync is a flush of the whole device, in the slot that has just become free; sysbench calls fsync for each of its
 *   files, one after another. What is in flight is not waited for: a flush covers the writes that were over. A device
 *   that cannot flush is not flushed.
 * - `seqwr` and `seqrewr` are the same: blocks have no first time. When a sequential mode is through, it begins anew.
 * - Each thread has counters of its own, for the ratio of reads and writes and for fsyncFreq. In sequential modes the
 *   threads share one sequence as in sysbench: each takes every threads-th block of it.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import { Operation } from "../../core/blkif.ts";
import type { BlockQueue } from "../../core/block_queue.ts";
import { WorkloadError } from "../../core/errors.ts";
import { API_VERSION, definePlugin, type WorkloadPlugin } from "../../core/plugin.ts";
import { formatSize, size } from "../../core/units.ts";
import type { Workload, WorkloadContext } from "../../core/workload.ts";
import { checkBlockSize, checkWritable, failedOperation, flushDevice } from "./pipeline.ts";
import { type Draw, Random } from "./random.ts";
import { drawBlock, randomBlockOptions } from "./random_blocks.ts";

const DEFAULT_TOTAL_SIZE = 2 * 2 ** 30;

const options = z.strictObject({
  mode: z.enum(["seqwr", "seqrewr", "seqrd", "rndrd", "rndwr", "rndrw"]).default("rndrw")
    .describe("Sequential (seq) or random (rnd), reading (rd), writing (wr), or both (rw)."),
  blockSize: size().refine((bytes) => bytes > 0 && bytes % 512 === 0, "must be a multiple of 512B").prefault("16KiB")
    .describe("Bytes an operation, a multiple of 512."),
  threads: z.int().min(1).max(64).default(1).describe("Threads, each with a queue of its own."),
  queueDepth: z.int().min(1).max(512).default(1).describe("Operations that each thread keeps in flight."),
  files: z.int().min(1).default(128).describe("Extents of the device that stand for files."),
  totalSize: size().optional().describe("Bytes of all files; by default 2GiB, or the device where that is smaller."),
  rwRatio: z.number().positive().default(1.5).describe("Reads for each write, in mode rndrw."),
  fsyncFreq: z.int().min(0).default(100)
    .describe("A flush after every so many operations of a thread, if one of them was a write; 0: none."),
  fsyncAll: z.boolean().default(false).describe("A flush after each write."),
  fsyncEnd: z.boolean().default(true).describe("A flush at the end of modes that write."),
  ...randomBlockOptions,
});

type Options = z.output<typeof options>;

/** The workload `sysbench-fileio`. */
const plugin: WorkloadPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "workload",
  name: "sysbench-fileio",
  description: "Sequential or random reads and writes of one block size at a fixed queue depth, as sysbench's fileio.",
  options,
  needs: ({ queueDepth, blockSize, threads }) => ({ queueDepth, transferBytes: blockSize, threads }),
  create: (given): Workload => ({ run: (context) => run(given, context) }),
});

export default plugin;

/** Each turn of the loop is one operation: whatever is added here shows in what is measured. */
function run(given: Options, { queue, seed, thread, threads, running }: WorkloadContext): void {
  const { mode, blockSize, queueDepth, rwRatio, fsyncAll, fsyncFreq } = given;
  const reads = mode === "seqrd" || mode === "rndrd";
  const mixed = mode === "rndrw";
  if (!reads) checkWritable(queue, `mode ${mode}`);
  const blocks = blockCount(queue, given);
  const nextBlock = mode.startsWith("rnd")
    ? drawBlock(new Random(seed), blocks, given)
    : everyNthBlock(blocks, thread, threads);
  const flushDistance = !queue.info.canFlush ? Infinity : fsyncAll ? 1 : fsyncFreq || Infinity;

  /** Reads and writes that were submitted. An array, as a closure's numbers beyond 2³¹ are allocated anew each time. */
  const submitted = new Float64Array(2);
  /** What each slot did last. */
  const operations = new Uint8Array(queueDepth);
  const submit = (slot: number): void => {
    // sysbench's rule: no chance, and exact at every moment.
    const read = mixed ? submitted[Operation.Read] + 1 < rwRatio * (submitted[Operation.Write] + 1) : reads;
    const operation = read ? Operation.Read : Operation.Write;
    submitted[operation]++;
    operations[slot] = operation;
    queue.submit(slot, operation, nextBlock() * blockSize, blockSize);
  };

  for (let slot = 0; slot < queueDepth; slot++) {
    queue.buffer(slot).fill(slot + 1);
    submit(slot);
  }
  let finishedSinceFlush = 0;
  let dirty = false;
  // Without new operations the queue drains, and then `wait` says -1.
  for (let slot = queue.wait(); slot >= 0; slot = queue.wait()) {
    if (queue.status(slot) !== 0) throw failedOperation(queue, slot);
    const operation = operations[slot];
    if (operation !== Operation.Flush) finishedSinceFlush++;
    if (operation === Operation.Write) dirty = true;
    if (!running()) continue;
    if (dirty && finishedSinceFlush >= flushDistance) {
      finishedSinceFlush = 0;
      dirty = false;
      operations[slot] = Operation.Flush;
      queue.submit(slot, Operation.Flush, 0, 0);
    } else {
      submit(slot);
    }
  }
  if (given.fsyncEnd && dirty && queue.inFlight === 0) flushDevice(queue);
}

/** Blocks of all files together, from the start of the device on. */
function blockCount(queue: BlockQueue, { files, totalSize, blockSize }: Options): number {
  checkBlockSize(queue, "blockSize", blockSize);
  const { sizeBytes } = queue.info;
  const bytes = totalSize ?? Math.min(DEFAULT_TOTAL_SIZE, sizeBytes);
  if (bytes > sizeBytes) {
    throw new WorkloadError(`totalSize is ${formatSize(bytes)}; the device has ${formatSize(sizeBytes)}`);
  }
  const fileBlocks = Math.floor(bytes / files / blockSize);
  if (fileBlocks === 0) {
    const most = Math.floor(bytes / blockSize);
    throw new WorkloadError(
      `files is ${files}, so that a file has no whole block of ${formatSize(blockSize)}; in ${formatSize(bytes)} ` +
        (most === 0 ? "there is not one block" : `there can be up to ${most} files`),
    );
  }
  return files * fileBlocks;
}

/** Every `step`-th number of the endless sequence 0, 1, … count − 1, 0, 1, … from `start` on. */
function everyNthBlock(count: number, start: number, step: number): Draw {
  const advance = step % count;
  let next = start % count;
  return () => {
    const block = next;
    next += advance;
    if (next >= count) next -= count;
    return block;
  };
}
