/** A workload that reads, and counts what failed. */

import { Operation, Status } from "../../../core/blkif.ts";
import { API_VERSION, definePlugin, type WorkloadPlugin } from "../../../core/plugin.ts";
import { z } from "../../../core/schema.ts";
import type { WorkloadContext } from "../../../core/workload.ts";

const DEPTH = 4;
const options = z.strictObject({});

const plugin: WorkloadPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "workload",
  name: "tolerant-reader",
  description: "A workload for tests.",
  options,
  counters: { failed: "Reads that failed.", succeeded: "Reads that did not." },
  needs: () => ({ queueDepth: DEPTH, transferBytes: 4096 }),
  create: () => ({
    run({ queue, running }: WorkloadContext) {
      const counters = { failed: 0, succeeded: 0 };
      for (let slot = 0; slot < DEPTH; slot++) queue.submit(slot, Operation.Read, slot * 4096, 4096);
      while (queue.inFlight > 0) {
        const slot = queue.wait();
        if (slot < 0) break;
        counters[queue.status(slot) === Status.Okay ? "succeeded" : "failed"]++;
        if (running()) queue.submit(slot, Operation.Read, slot * 4096, 4096);
      }
      return counters;
    },
  }),
});

export default plugin;
