/**
 * A workload that says which thread it runs on, and goes on to each next phase when a file of that name is in a folder: so
 * a test can look at the thread from outside, surely before, within and after the measured window.
 */

import { Operation } from "../../../core/blkif.ts";
import { WorkloadError } from "../../../core/errors.ts";
import { cLibraryNeed } from "../../../core/libc.ts";
import { API_VERSION, definePlugin, type WorkloadPlugin } from "../../../core/plugin.ts";
import { z } from "../../../core/schema.ts";
import { threadId } from "./thread_id.ts";

const LOOK_MS = 2;
const QUIET = new Int32Array(new SharedArrayBuffer(4));
const options = z.strictObject({ folder: z.string() });

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

async function appears(path: string, signal: AbortSignal): Promise<void> {
  while (!isThere(path)) {
    signal.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

const watchedReader: WorkloadPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "workload",
  name: "watched-reader",
  description: "Reads while a test looks at its thread.",
  options,
  permissions: ({ folder }) => ({ ffi: [cLibraryNeed()], read: [folder] }),
  needs: () => ({ queueDepth: 1, transferBytes: 512, conductNs: 60e9 }),
  async conduct({ folder }, { measure, finish, signal, note }) {
    await appears(`${folder}/measure`, signal);
    await measure();
    note("measuring");
    await appears(`${folder}/finish`, signal);
    await finish();
    note("finished");
    return {};
  },
  create: ({ folder }) => ({
    run({ queue, running, note }) {
      note(`application ${Deno.pid} ${threadId()}`);
      while (running()) {
        queue.submit(0, Operation.Read, 0, 512);
        if (queue.wait() < 0 || queue.status(0) !== 0) throw new WorkloadError("a read failed");
      }
      // While the thread is looked at it must be there; to ask whether to go on shows that it lives.
      while (!isThere(`${folder}/end`)) {
        Atomics.wait(QUIET, 0, 0, LOOK_MS);
        running();
      }
    },
  }),
});

export default watchedReader;
