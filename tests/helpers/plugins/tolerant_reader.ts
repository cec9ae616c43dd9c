/** A workload that reads, and counts what failed. */

import { Operation, Status } from "../../../core/blkif.ts";
import { API_VERSION, definePlugin, type WorkloadPlugin } from "../../../core/plugin.ts";
import { z } from "../../../core/schema.ts";
import type { WorkloadContext } from "../../../core/workload.ts";

const DEPTH = 4;
/** What it says when a read has succeeded after one that failed. */
export const RECOVERED = "reads succeed again";
const options = z.strictObject({});

const plugin: WorkloadPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "workload",
  name: "tolerant-reader",
  description: "A workload for tests.",
  options,
  counters: { failed: "Reads that failed.", recovered: "Reads that did not, after one that had." },
  needs: () => ({ queueDepth: DEPTH, transferBytes: 4096 }),
  create: () => ({
    run({ queue, running, note }: WorkloadContext) {
      const counters = { failed: 0, recovered: 0 };
      for (let slot = 0; slot < DEPTH; slot++) queue.submit(slot, Operation.Read, slot * 4096, 4096);
      while (queue.inFlight > 0) {
        const slot = queue.wait();
        if (slot < 0) break;
        if (queue.status(slot) !== Status.Okay) counters.failed++;
        else if (counters.failed > 0 && ++counters.recovered === 1) note(RECOVERED);
        if (running()) queue.submit(slot, Operation.Read, slot * 4096, 4096);
      }
      return counters;
    },
  }),
});

export default plugin;
