/** A workload whose options name programs, and which has no conductor; it runs none. */

import { z } from "../../../core/schema.ts";
import { API_VERSION, definePlugin, type WorkloadPlugin } from "../../../core/plugin.ts";

const options = z.strictObject({ programs: z.array(z.string()) });

const plugin: WorkloadPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "workload",
  name: "program-namer",
  description: "Names programs.",
  options,
  runs: ({ programs }) => programs,
  needs: () => ({ queueDepth: 1, transferBytes: 512 }),
  create: () => ({
    run(context) {
      while (context.running()) context.pause(1e6);
    },
  }),
});

export default plugin;
