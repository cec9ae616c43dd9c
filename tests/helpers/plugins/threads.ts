/** A workload of any number of threads, with slots of any size, that flushes after every fifth read. */

import { Operation } from "../../../core/blkif.ts";
import { WorkloadError } from "../../../core/errors.ts";
import { API_VERSION, definePlugin, type WorkloadPlugin } from "../../../core/plugin.ts";
import { z } from "../../../core/schema.ts";

const options = z.strictObject({
  threads: z.int().min(1).default(1),
  transferBytes: z.int().min(512).default(4096),
});

const plugin: WorkloadPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "workload",
  name: "threads",
  description: "A workload for tests.",
  options,
  needs: ({ threads, transferBytes }) => ({ queueDepth: 2, transferBytes, threads }),
  create: ({ threads, transferBytes }) => ({
    run({ queue, running, seed, thread, threads: all }) {
      if (all !== threads) throw new WorkloadError(`${all} threads where ${threads} are wanted`);
      let reads = 0;
      while (running()) {
        queue.submit(0, Operation.Read, 0, transferBytes);
        if (queue.wait() !== 0 || queue.status(0) !== 0) throw new WorkloadError("a read failed");
        if (++reads % 5 !== 0) continue;
        queue.submit(1, Operation.Flush, 0, 0);
        queue.wait();
      }
      return { seeds: seed, numbers: thread, threads: 1 };
    },
  }),
});

export default plugin;
