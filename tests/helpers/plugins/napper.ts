/** A workload that asks nothing of its device until it is to end; then it reads once. */

import { Operation, Status } from "../../../core/blkif.ts";
import { WorkloadError } from "../../../core/errors.ts";
import { API_VERSION, definePlugin, type WorkloadPlugin } from "../../../core/plugin.ts";
import { z } from "../../../core/schema.ts";
import type { WorkloadContext } from "../../../core/workload.ts";

const options = z.strictObject({});

const plugin: WorkloadPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "workload",
  name: "napper",
  description: "A workload for tests.",
  options,
  needs: () => ({ queueDepth: 1, transferBytes: 4096 }),
  create: () => ({
    run({ queue, running, pause }: WorkloadContext) {
      while (running()) pause(1e9);
      queue.submit(0, Operation.Read, 0, 4096);
      if (queue.wait() !== 0 || queue.status(0) !== Status.Okay) throw new WorkloadError("a read failed");
    },
  }),
});

export default plugin;
