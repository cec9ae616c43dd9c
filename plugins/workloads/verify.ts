/**
 * Checks that a device keeps what it is given: random writes with a stamp in every sector (`stamp.ts` has its layout),
 * checked by reads in between and once more, all of it, at the end.
 *
 * First every block is written once. Then come random operations, until the run is over: reads, which are checked; plain
 * and durable (FUA) writes; write-zeroes; and discards. What a discarded block reads as is unknown, so it is not checked
 * until it is written again, at the latest in the end. Then the device is flushed, read back and checked.
 *
 * An operation that fails ends the run, unless errors are tolerated: then what its block holds is unknown, as after a
 * discard, and what failed in the end is done again.
 *
 * Each thread has a part of the range for itself. No two operations are on the same block at once, so what a block must
 * hold is never in doubt.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import { Operation } from "../../core/blkif.ts";
import { API_VERSION, definePlugin, type WorkloadPlugin } from "../../core/plugin.ts";
import type { BlockQueue } from "../../core/block_queue.ts";
import { WorkloadError } from "../../core/errors.ts";
import { formatSize, size } from "../../core/units.ts";
import type { Counters, WorkloadContext } from "../../core/workload.ts";
import { checkBlockSize, checkWritable, flushDevice, runPipeline } from "./pipeline.ts";
import { Random } from "./random.ts";
import { StampedBlocks } from "./stamped_blocks.ts";

const DEFAULT_SIZE = 4 * 2 ** 20;
/** How often what failed in the end is done again, where errors are tolerated. */
const MAX_ATTEMPTS = 100;

const share = (): z.ZodNumber => z.number().min(0).max(1);

const options = z.strictObject({
  blockSize: size().refine((bytes) => bytes > 0 && bytes % 512 === 0, "must be a multiple of 512B").prefault("4KiB")
    .describe("Bytes an operation, a multiple of 512."),
  queueDepth: z.int().min(1).max(512).default(4).describe("Operations that each thread keeps in flight."),
  threads: z.int().min(1).max(64).default(1).describe("Threads, each with a queue and a part of the range of its own."),
  size: size().optional()
    .describe("How much of the device, from its start; by default 4MiB, or all of it where it is smaller."),
  readShare: share().default(0.3).describe("Share of the operations that read a block and check it."),
  fuaShare: share().default(0.05).describe("Share of the operations that are durable writes (FUA)."),
  zeroesShare: share().default(0.05).describe("Share of the operations that are write-zeroes."),
  discardShare: share().default(0)
    .describe("Share of the operations that are discards; plain writes where the device cannot discard."),
  errors: z.enum(["fail", "tolerate"]).default("fail").describe(
    "Whether an operation that fails ends the run, or is counted and its block written again.",
  ),
}).refine(({ readShare, fuaShare, zeroesShare, discardShare }) => {
  return readShare + fuaShare + zeroesShare + discardShare <= 1 + 1e-9; // Decimal fractions do not add up exactly.
}, "readShare, fuaShare, zeroesShare and discardShare are parts of one whole: together at most 1");

type Options = z.output<typeof options>;

/** The workload `verify`. */
const plugin: WorkloadPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "workload",
  name: "verify",
  description: "Writes stamped blocks at random, and checks that they read as they were written.",
  options,
  counters: {
    sectorsWritten: "Sectors written, those made zero included.",
    sectorsVerified: "Sectors read back and found to be as they were written.",
    generationSum: "The sum of the generations that the sectors hold in the end; a sector of zeroes counts 0.",
    operationsSubmitted: "Operations on blocks that were submitted.",
    operationsCompleted: "Operations on blocks that were completed, each once, whether or not they succeeded.",
    operationsFailed: "Operations on blocks that failed.",
  },
  needs: ({ queueDepth, blockSize, threads }) => ({ queueDepth, transferBytes: blockSize, threads }),
  create: (given) => ({ run: (context) => run(given, context) }),
});

export default plugin;

function run(given: Options, { queue, seed, thread, threads, running }: WorkloadContext): Counters {
  const { queueDepth: depth, blockSize, readShare, fuaShare, zeroesShare } = given;
  const { firstBlock, count } = partOf(queue, given, thread, threads);
  const blocks = new StampedBlocks(queue, { firstBlock, count, blockSize, depth, writer: { seed, thread } });
  const finished = (slot: number): void => blocks.finished(slot);
  const random = new Random(seed);
  const failed = given.errors === "tolerate" ? (slot: number) => blocks.failed(slot) : undefined;
  const discardShare = queue.info.canDiscard ? given.discardShare : 0;

  /** One operation on each block for which `wanted` holds. Returns false when the domain was told to stop. */
  const forEachBlock = (wanted: (block: number) => boolean, submit: (slot: number, block: number) => void): boolean => {
    let block = 0;
    return runPipeline(
      queue,
      depth,
      (slot) => {
        running(); // Asked only to notice the time and to show a sign of life: this is done to its end.
        while (block < count && !wanted(block)) block++;
        if (block === count) return false;
        submit(slot, block++);
        return true;
      },
      finished,
      failed,
    );
  };
  /** Does something until `isDone`. Returns false when the domain was told to stop. */
  const repeat = (what: string, attempt: () => boolean, isDone: () => boolean): boolean => {
    for (let attempts = 0; !isDone(); attempts++) {
      if (attempts === MAX_ATTEMPTS) throw new WorkloadError(`${what} failed ${MAX_ATTEMPTS} times`);
      if (!attempt()) return false;
    }
    return true;
  };
  const submitRandom = (slot: number): boolean => {
    if (!running()) return false;
    const block = blocks.idleFrom(Math.floor(random.fraction() * count));
    let choice = random.fraction();
    if ((choice -= readShare) < 0) blocks.read(slot, block);
    else if ((choice -= fuaShare) < 0) blocks.write(slot, block, Operation.WriteFua);
    else if ((choice -= zeroesShare) < 0) blocks.writeZeroes(slot, block);
    else if ((choice -= discardShare) < 0) blocks.discard(slot, block);
    else blocks.write(slot, block, Operation.Write);
    return true;
  };
  const write = (slot: number, block: number): void => blocks.write(slot, block, Operation.Write);

  const read = (slot: number, block: number): void => blocks.read(slot, block);
  const writeUnknown = (): boolean => {
    return repeat("Writing", () => forEachBlock((block) => !blocks.isKnown(block), write), () => blocks.allKnown);
  };
  let flushed = false;
  const flush = (): boolean => {
    try {
      flushed = writeUnknown() && flushDevice(queue);
      return flushed;
    } catch (thrown) {
      if (failed === undefined || !(thrown instanceof WorkloadError)) throw thrown;
      blocks.forget(); // What is written once more is what the next flush makes durable.
      return true;
    }
  };
  const readBack = (): boolean => forEachBlock((block) => !blocks.isVerified(block), read);

  const phases: readonly (() => boolean)[] = [
    () => forEachBlock(() => true, write),
    () => runPipeline(queue, depth, submitRandom, finished, failed),
    () => repeat("Flushing", flush, () => flushed),
    () => {
      blocks.verifyAnew();
      return true;
    },
    () => repeat("Reading back", readBack, () => blocks.allVerified),
  ];
  phases.every((phase) => phase());
  return blocks.counters();
}

/** The blocks of one thread. All threads together have all blocks of the range. */
function partOf(
  queue: BlockQueue,
  { blockSize, queueDepth, size }: Options,
  thread: number,
  threads: number,
): { firstBlock: number; count: number } {
  checkWritable(queue, "verify");
  checkBlockSize(queue, "blockSize", blockSize);
  const { sizeBytes } = queue.info;
  const bytes = size ?? Math.min(DEFAULT_SIZE, sizeBytes);
  if (bytes > sizeBytes) {
    throw new WorkloadError(`size is ${formatSize(bytes)}; the device has ${formatSize(sizeBytes)}`);
  }
  const total = Math.floor(bytes / blockSize);
  // With as many blocks as slots there always is one that no other slot is busy with.
  if (Math.floor(total / threads) < queueDepth) {
    throw new WorkloadError(
      `queueDepth is ${queueDepth}; with ${threads} threads and ${formatSize(bytes)} in blocks of ` +
        `${formatSize(blockSize)} it can be up to ${Math.floor(total / threads)}, the blocks that each thread has`,
    );
  }
  const firstBlock = Math.floor((thread * total) / threads);
  return { firstBlock, count: Math.floor(((thread + 1) * total) / threads) - firstBlock };
}
