/**
 * The random modes of `sysbench fileio`: blocks at random places, a fixed number in flight.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import { Operation } from "../../core/blkif.ts";
import { WorkloadError } from "../../core/errors.ts";
import { SECTOR_SIZE } from "../../core/memory.ts";
import { API_VERSION, definePlugin, type WorkloadPlugin } from "../../core/plugin.ts";
import { formatSize, size } from "../../core/units.ts";
import type { WorkloadContext } from "../../core/workload.ts";

const options = z.strictObject({
  mode: z.enum(["rndrd", "rndwr", "rndrw"]).default("rndrw")
    .describe("Random reads, random writes, or both."),
  blockSize: size().prefault("16KiB").describe("Bytes an operation, a multiple of 512."),
  queueDepth: z.int().min(1).max(512).default(1)
    .describe("Operations in flight; the ring must have as many entries (channel.ringOrder)."),
  readWriteRatio: z.number().positive().default(1.5).describe("Reads for each write, in mode rndrw."),
});

/** The workload `sysbench-fileio`. */
const plugin: WorkloadPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "workload",
  name: "sysbench-fileio",
  description: "Random reads and writes of one block size at a fixed queue depth, as sysbench's fileio test.",
  options,
  needs: ({ queueDepth, blockSize }) => ({ queueDepth, transferBytes: blockSize }),

  create: ({ mode, blockSize, queueDepth, readWriteRatio }) => ({
    run({ queue, seed, running }: WorkloadContext): void {
      const blocks = Math.floor(queue.info.sizeBytes / blockSize);
      if (blockSize === 0 || blockSize % SECTOR_SIZE !== 0 || blockSize > queue.maxTransferBytes || blocks === 0) {
        throw new WorkloadError(
          `blockSize is ${formatSize(blockSize)}; on this device it can be a multiple of 512 bytes up to ` +
            formatSize(Math.min(queue.maxTransferBytes, queue.info.sizeBytes)),
        );
      }
      const readShare = mode === "rndrd" ? 1 : mode === "rndwr" ? 0 : readWriteRatio / (1 + readWriteRatio);
      const readBelow = readShare * 2 ** 32;
      let random = seed | 0 || 1; // xorshift never leaves 0.
      const next = (): number => { // xorshift32
        random ^= random << 13;
        random ^= random >>> 17;
        random ^= random << 5;
        return random >>> 0;
      };
      const issue = (slot: number): void => {
        const offset = Math.floor((next() / 2 ** 32) * blocks) * blockSize;
        queue.submit(slot, next() < readBelow ? Operation.Read : Operation.Write, offset, blockSize);
      };

      for (let slot = 0; slot < queueDepth; slot++) {
        queue.buffer(slot).fill(slot + 1);
        issue(slot);
      }
      // Without new operations the queue drains, and then `wait` says -1.
      for (let slot = queue.wait(); slot >= 0; slot = queue.wait()) {
        if (queue.status(slot) !== 0) throw new WorkloadError(`An operation failed with status ${queue.status(slot)}`);
        if (running()) issue(slot);
      }
    },
  }),
});

export default plugin;
