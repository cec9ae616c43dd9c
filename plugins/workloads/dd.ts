/**
 * `dd` twice, with a comparison: writes the device from its start, flushes, reads it all back, and compares every byte.
 *
 * That is a pass. A pass that was begun is finished, so at least one is, however short the run; the next one writes other
 * data. Reads and writes go ahead of the one that is awaited by `readAhead` bytes, as the kernel's read-ahead does for a
 * sequential reader.
 *
 * Every 32-bit word of a block is a hash of its place in the block and of a key, which is a hash of the block's number,
 * the pass and the seed: data that is old, or from another place, differs nearly everywhere.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import { Operation } from "../../core/blkif.ts";
import type { BlockQueue } from "../../core/block_queue.ts";
import { WorkloadError } from "../../core/errors.ts";
import { API_VERSION, definePlugin, type WorkloadPlugin } from "../../core/plugin.ts";
import { formatSize, size } from "../../core/units.ts";
import type { Counters, WorkloadContext } from "../../core/workload.ts";
import { checkBlockSize, checkWritable, flushDevice, runPipeline } from "./pipeline.ts";
import { mix } from "./random.ts";

const DEFAULT_BYTES = 64 * 2 ** 20;
const MAX_DEPTH = 512;
/** What a buffer holds before a read, so that data which a device did not touch is not taken for what it read. */
const UNREAD = 0xa5;

/** As Linux's `read_ahead_kb`. */
const DEFAULT_READ_AHEAD = 128 * 2 ** 10;

const options = z.strictObject({
  bs: size().refine((bytes) => bytes > 0 && bytes % 512 === 0, "must be a multiple of 512B").prefault("64KiB")
    .describe("Bytes of a block, a multiple of 512."),
  count: z.int().min(1).optional()
    .describe("Blocks of a pass; by default as many as the device has, but not more than 64MiB."),
  readAhead: size().optional()
    .describe("Bytes requested ahead of those that are awaited; 0B: none. By default 128KiB, but at most 31 blocks."),
}).refine((given) => depthOf(given) <= MAX_DEPTH, {
  message: `must be less than ${MAX_DEPTH} blocks of bs bytes`,
  path: ["readAhead"],
});

type Options = z.output<typeof options>;

/** Blocks in flight. By default they fit into the smallest ring, which has 32 entries. */
function depthOf({ bs, readAhead }: { bs: number; readAhead?: number | undefined }): number {
  return Math.ceil((readAhead ?? Math.min(DEFAULT_READ_AHEAD, 31 * bs)) / bs) + 1;
}

/** The workload `dd`. */
const plugin: WorkloadPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "workload",
  name: "dd",
  description: "Writes the device sequentially, reads it back, and compares.",
  options,
  counters: {
    blocksWritten: "Blocks written.",
    blocksCompared: "Blocks read back and found to be as they were written.",
  },
  needs: (given) => ({ queueDepth: depthOf(given), transferBytes: given.bs }),
  create: (given) => ({ run: (context) => run(given, context) }),
});

export default plugin;

function run(given: Options, { queue, seed, running }: WorkloadContext): Counters {
  const blocks = blockCount(queue, given);
  const { bs } = given;
  const depth = depthOf(given);
  const buffers = Array.from({ length: depth }, (_, slot) => queue.buffer(slot).subarray(0, bs));
  const words = buffers.map((buffer) => new Int32Array(buffer.buffer, buffer.byteOffset, bs / 4));
  /** The block that each slot is busy with. */
  const blockOf = new Float64Array(depth);
  let blocksWritten = 0;
  let blocksCompared = 0;
  let next = 0;
  let pass = 0;
  const key = (block: number): number => keyOf(block, pass, seed);

  const write = (slot: number): boolean => {
    running(); // Asked only to notice the time and to show a sign of life: a pass is finished.
    if (next === blocks) return false;
    fill(words[slot], key(next));
    queue.submit(slot, Operation.Write, next++ * bs, bs);
    return true;
  };
  const read = (slot: number): boolean => {
    running();
    if (next === blocks) return false;
    buffers[slot].fill(UNREAD);
    blockOf[slot] = next;
    queue.submit(slot, Operation.Read, next++ * bs, bs);
    return true;
  };
  const written = (): void => {
    blocksWritten++;
  };
  const compare = (slot: number): void => {
    const index = firstDifference(words[slot], key(blockOf[slot]));
    if (index >= 0) throw mismatch(words[slot], index, blockOf[slot] * bs, key(blockOf[slot]), pass);
    blocksCompared++;
  };

  do {
    pass++;
    next = 0;
    if (!runPipeline(queue, depth, write, written)) break;
    if (!flushDevice(queue)) break;
    next = 0;
    if (!runPipeline(queue, depth, read, compare)) break;
  } while (running());
  return { blocksWritten, blocksCompared };
}

function blockCount(queue: BlockQueue, { bs, count }: Options): number {
  checkWritable(queue, "dd");
  checkBlockSize(queue, "bs", bs);
  const fits = Math.floor(queue.info.sizeBytes / bs);
  if (count !== undefined && count > fits) {
    throw new WorkloadError(
      `count is ${count}; the device has ${fits} blocks of ${formatSize(bs)} (${formatSize(queue.info.sizeBytes)})`,
    );
  }
  return count ?? Math.min(fits, Math.max(1, Math.floor(DEFAULT_BYTES / bs)));
}

function keyOf(block: number, pass: number, seed: number): number {
  return mix(mix(mix(mix(seed) ^ pass) ^ block) ^ Math.floor(block / 2 ** 32));
}

/** The word at a place in a block with some key. */
function wordAt(index: number, key: number): number {
  const bits = Math.imul(index ^ key, 0x9e3779b1);
  return Math.imul(bits ^ (bits >>> 15), 0x85ebca77);
}

function fill(words: Int32Array, key: number): void {
  for (let i = 0; i < words.length; i++) words[i] = wordAt(i, key);
}

/** Index of the first word that is not as {@link fill} made it, or −1. */
function firstDifference(words: Int32Array, key: number): number {
  for (let i = 0; i < words.length; i++) {
    if (words[i] !== wordAt(i, key)) return i;
  }
  return -1;
}

function mismatch(words: Int32Array, index: number, blockOffset: number, key: number, pass: number): WorkloadError {
  const found = words[index];
  const expected = wordAt(index, key);
  // Words are little-endian: the first byte that differs is the lowest.
  const byte = (31 - Math.clz32((found ^ expected) & -(found ^ expected))) >> 3;
  const show = (word: number): string => `0x${((word >>> (8 * byte)) & 0xff).toString(16).padStart(2, "0")}`;
  return new WorkloadError(
    `Read other data than was written in pass ${pass}: byte ${blockOffset + index * 4 + byte} of the device is ` +
      `${show(found)}, expected ${show(expected)}`,
  );
}
