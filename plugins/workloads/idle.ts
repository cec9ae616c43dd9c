/**
 * A workload that does nothing: what is measured is what waiting costs.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import { API_VERSION, definePlugin, type WorkloadPlugin } from "../../core/plugin.ts";
import type { WorkloadContext } from "../../core/workload.ts";

const PAUSE_NS = 1e9;

const options = z.strictObject({});

/** The workload `idle`. */
const plugin: WorkloadPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "workload",
  name: "idle",
  description: "Connects to the device and asks nothing of it: shows what waiting costs.",
  options,
  needs: () => ({ queueDepth: 1, transferBytes: 512 }),
  create: () => ({
    run({ running, pause }: WorkloadContext): void {
      while (running()) pause(PAUSE_NS);
    },
  }),
});

export default plugin;
