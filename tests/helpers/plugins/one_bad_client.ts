/** A workload of several clients that does as `verify` does, but for one of them, which harms the others if it can. */

import { Operation } from "../../../core/blkif.ts";
import { WorkloadError } from "../../../core/errors.ts";
import { DEFAULT_CHANNEL, linkLayout } from "../../../core/link.ts";
import { SharedMemory } from "../../../core/memory.ts";
import { API_VERSION, definePlugin, type WorkloadPlugin } from "../../../core/plugin.ts";
import { z } from "../../../core/schema.ts";
import type { WorkloadContext } from "../../../core/workload.ts";
import verify from "../../../plugins/workloads/verify.ts";

const SLOTS = { count: 8, bytes: 64 * 1024 };

const options = z.strictObject({
  /** The seed of the bad client. */
  seed: z.int(),
  does: z.enum([
    "throw",
    "end its worker",
    "hang",
    "break the protocol",
    "skip a state",
    "flood",
    "take no answers",
    "reach beyond its range",
  ]),
});
type Misdeed = z.output<typeof options>["does"];

const plugin: WorkloadPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "workload",
  name: "one-bad-client",
  description: "A workload for tests.",
  options,
  counters: {
    ...verify.counters,
    floodWrites: "Writes of the client that floods the driver.",
    beyondRefused: "Operations beyond its range that were refused.",
    beyondDone: "Operations beyond its range that were not.",
  },
  needs: () => ({ queueDepth: SLOTS.count, transferBytes: SLOTS.bytes }),
  create: ({ seed, does }) => ({
    run: (context) => {
      if (context.seed === seed) return misbehave(does, context);
      return verify.create(verify.options.parse({ queueDepth: SLOTS.count, discardShare: 0.05 })).run(context);
    },
  }),
});

export default plugin;

function misbehave(does: Misdeed, context: WorkloadContext) {
  const { queue, running, pause, stopRequested } = context;
  if (does === "flood") return flood(context);
  if (does === "reach beyond its range") return reachBeyond(context);
  queue.submit(0, Operation.Read, 0, 512);
  queue.wait();
  const words = SharedMemory.attach(queue.buffer(0).buffer).words;
  switch (does) {
    case "throw":
      throw new WorkloadError("enough of it");
    case "end its worker":
      Deno.exit(0);
      break;
    case "hang":
      for (;;) Atomics.pause();
    case "break the protocol": {
      const { ringFrame } = linkLayout({ channel: DEFAULT_CHANNEL, slots: SLOTS });
      Atomics.store(words, (ringFrame * 4096) / 4, 1 << 20); // The requests' producer index.
      break;
    }
    case "skip a state":
      Atomics.store(words, 0, 99); // The frontend's state.
      break;
    case "take no answers":
      for (let slot = 0; slot < queue.depth; slot++) queue.submit(slot, Operation.Read, 0, SLOTS.bytes);
      queue.poll(); // Publishes them.
      break;
  }
  while (running() && !stopRequested()) pause(1e8);
  return {};
}

/** Keeps all slots busy with the longest writes. */
function flood({ queue, running }: WorkloadContext) {
  let floodWrites = 0;
  const blocks = Math.floor(queue.info.sizeBytes / SLOTS.bytes);
  for (let slot = 0; slot < queue.depth; slot++) queue.buffer(slot).fill(0xff);
  const submit = (slot: number): void => {
    queue.submit(slot, Operation.Write, (floodWrites++ % blocks) * SLOTS.bytes, SLOTS.bytes);
  };
  for (let slot = 0; slot < queue.depth; slot++) submit(slot);
  while (running()) {
    const slot = queue.wait();
    if (slot >= 0) submit(slot);
  }
  return { floodWrites };
}

/** Writes, reads, discards and zeroes what is not its own. */
function reachBeyond({ queue, running }: WorkloadContext) {
  const { sizeBytes } = queue.info;
  const operations = [Operation.Write, Operation.Read, Operation.Discard, Operation.WriteZeroes, Operation.WriteFua];
  const offsets = [sizeBytes, sizeBytes - 512, 2 * sizeBytes, 3 * sizeBytes, 2 ** 41, 2 ** 52 - 512];
  let [beyondRefused, beyondDone] = [0, 0];
  queue.buffer(0).fill(0xff);
  for (let count = 0; running(); count++) {
    const offset = offsets[count % offsets.length];
    queue.submit(0, operations[count % operations.length], offset, 4096);
    if (queue.wait() < 0) break;
    if (queue.status(0) === 0) beyondDone++;
    else beyondRefused++;
  }
  return { beyondRefused, beyondDone };
}
