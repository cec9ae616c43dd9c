/**
 * Exports the device over NBD, for programs that know nothing of it: Linux, QEMU, libnbd, fio.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import { WorkloadError } from "../../core/errors.ts";
import { cLibraryNeed } from "../../core/libc.ts";
import { API_VERSION, definePlugin, type WorkloadPlugin } from "../../core/plugin.ts";
import { parseSocketAddress, pathsOf } from "../../core/socket_address.ts";
import { size } from "../../core/units.ts";
import type { Workload } from "../../core/workload.ts";
import { NBD_COUNTERS, serveNbd } from "../exports/nbd/server.ts";
import { MAX_NAME_BYTES } from "../nbd/protocol.ts";

/** The socket in the run's own folder, where no other is named. */
export const SCRATCH_SOCKET = "nbd.sock";

const options = z.strictObject({
  listen: z.string().refine(isAddress, "must be unix:PATH, tcp:127.0.0.1:PORT or tcp:[::1]:PORT").optional()
    .describe(
      "Where it listens: unix:PATH, or tcp:127.0.0.1:PORT. When absent, a socket in a folder made for the run.",
    ),
  name: z.string().refine((name) => new TextEncoder().encode(name).length <= MAX_NAME_BYTES, "is too long").default("")
    .describe("The export's name. The empty name leads to it, too."),
  description: z.string().max(1000).default("").describe("A sentence that clients can show."),
  readOnly: z.boolean().default(false).describe("Whether writes are refused, whatever the device."),
  queueDepth: z.int().min(2).max(512).default(64).describe("Operations in flight, of all clients together."),
  transferSize: size().refine(
    (bytes) => bytes >= 65536 && bytes % 4096 === 0,
    "must be 64KiB or more, in pages of 4KiB",
  )
    .prefault("128KiB").describe("Longest transfer in one operation; longer requests are done in parts."),
  maxConnections: z.int().min(1).max(4096).default(1024).describe("Clients at once; more wait until one leaves."),
  atEnd: z.enum(["drain", "linger"]).default("drain")
    .describe(
      "What happens at the end: what clients have asked for is answered (drain), or they stay until they leave.",
    ),
});

/** The workload `nbd-export`. */
const plugin: WorkloadPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "workload",
  name: "nbd-export",
  description: "Exports the device over NBD; what clients ask for is what is measured.",
  options,
  counters: NBD_COUNTERS,
  descriptors: true,

  permissions({ listen }) {
    const address = listen === undefined ? undefined : parseSocketAddress(listen);
    const path = address?.kind === "unix" ? [address.path] : [];
    const read = address === undefined ? [] : pathsOf(address);
    const place = listen === undefined ? "unix" : listen.replace(/^tcp:/, "").replace(/:0$/, "");
    return { ffi: [cLibraryNeed()], read, write: path, scratch: listen === undefined, system: { listens: [place] } };
  },

  needs: ({ queueDepth, transferSize }) => ({ queueDepth, transferBytes: transferSize, exceedsRing: true }),

  create: (given): Workload => ({
    run(context) {
      const listen = given.listen ?? scratchAddress(context.scratchDirectory);
      return serveNbd(context, { ...given, listen });
    },
  }),
});

export default plugin;

function scratchAddress(folder: string | null): string {
  if (folder === null) throw new WorkloadError("There is no folder for the export's socket");
  return `unix:${folder}/${SCRATCH_SOCKET}`;
}

function isAddress(text: string): boolean {
  try {
    parseSocketAddress(text);
    return true;
  } catch {
    return false;
  }
}
