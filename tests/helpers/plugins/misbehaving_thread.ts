/** A workload that reads, but for one thread, which does something else as soon as it runs. */

import { Operation } from "../../../core/blkif.ts";
import { WorkloadError } from "../../../core/errors.ts";
import { DEFAULT_CHANNEL, linkLayout } from "../../../core/link.ts";
import { SharedMemory } from "../../../core/memory.ts";
import { API_VERSION, definePlugin, type WorkloadPlugin } from "../../../core/plugin.ts";
import { z } from "../../../core/schema.ts";
import type { WorkloadContext } from "../../../core/workload.ts";

const SLOTS = { count: 2, bytes: 4096 };
const options = z.strictObject({
  thread: z.int().min(0),
  does: z.enum(["throw", "return", "end its worker", "break the protocol"]),
});

const plugin: WorkloadPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "workload",
  name: "misbehaving-thread",
  description: "A workload for tests.",
  options,
  needs: () => ({ queueDepth: SLOTS.count, transferBytes: SLOTS.bytes }),
  create: ({ thread, does }) => ({
    run({ queue, running, pause, thread: own }: WorkloadContext) {
      let reads = 0;
      while (running()) {
        queue.submit(0, Operation.Read, 0, 512);
        if (queue.wait() < 0) break;
        if (own !== thread || ++reads < 10) continue;
        if (does === "return") return;
        misbehave(does, queue.buffer(0).buffer);
        while (running()) pause(1e9);
      }
      return { reads };
    },
  }),
});

function misbehave(how: z.output<typeof options>["does"], region: SharedArrayBuffer): void {
  if (how === "throw") throw new WorkloadError("enough of it");
  if (how === "end its worker") Deno.exit(0);
  // It is noticed when the driver looks next, as the other threads make it do. Buffers are the granted frames: the producer index is in the same region.
  const { ringFrame } = linkLayout({ channel: DEFAULT_CHANNEL, slots: SLOTS });
  Atomics.store(SharedMemory.attach(region).frameWords(ringFrame, 1), 0, 1 << 20);
}

export default plugin;
