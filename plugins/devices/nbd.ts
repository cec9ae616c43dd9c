/**
 * A remote disk: an export of an NBD server, on this machine or another.
 *
 * When the connection is lost, requests wait while it is made again, and what was in flight goes out once more. What the
 * server has acknowledged and not flushed is the server's to keep: an NBD client has no copy of it.
 *
 * The driver connects by itself, and none of its calls waits for the server. The hypervisor only looks the host up.
 *
 * @module
 */

import { isIPv6 } from "node:net";
import { resolve } from "node:path";
import { z } from "../../core/schema.ts";
import { messageOf } from "../../core/errors.ts";
import { cLibraryNeed } from "../../core/libc.ts";
import { API_VERSION, definePlugin, type DevicePlugin } from "../../core/plugin.ts";
import { pathsOf } from "../../core/socket_address.ts";
import { duration } from "../../core/units.ts";
import { type NbdMedium, openNbdDevice } from "./nbd/open.ts";
import { resolveServer } from "./nbd/resolve.ts";
import { parseNbdUri, type ServerPlace } from "./nbd/uri.ts";

const MAX_CONNECTIONS = 16;

const positive = (ns: number): boolean => ns >= 1e6;
const AT_LEAST_1MS = "must be at least 1ms";

const options = z.strictObject({
  uri: z.string().superRefine((text, { addIssue }) => {
    try {
      parseNbdUri(text);
    } catch (thrown) {
      addIssue({ code: "custom", message: messageOf(thrown) });
    }
  }).describe("Which export of which server: nbd://HOST:PORT/EXPORT or nbd+unix:///EXPORT?socket=PATH."),
  connections: z.int().min(1).max(MAX_CONNECTIONS).default(1)
    .describe("Connections over which requests are spread. One, unless the server allows several (CAN_MULTI_CONN)."),
  readOnly: z.boolean().default(false).describe("Whether writes are refused, whatever the server allows."),
  discard: z.enum(["auto", "off"]).default("auto").describe(
    "Whether discards are passed on where the server knows them.",
  ),
  connectTimeout: duration().refine(positive, AT_LEAST_1MS).prefault("10s")
    .describe("How long the server may take to be there at the start."),
  reconnectTimeout: duration().prefault("60s").describe(
    "How long requests wait while there is no connection. Then they fail, and all that come, until there is one again.",
  ),
  retryFrom: duration().refine(positive, AT_LEAST_1MS).prefault("50ms")
    .describe("The first pause between two attempts to connect; each is twice as long as the one before."),
  retryTo: duration().refine(positive, AT_LEAST_1MS).prefault("2s").describe("The longest pause."),
}).refine(({ retryFrom, retryTo }) => retryFrom <= retryTo, {
  path: ["retryTo"],
  message: "must not be shorter than retryFrom",
});

/** The device `nbd`. */
const plugin: DevicePlugin<typeof options, NbdMedium> = definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "nbd",
  description: "A remote disk: an export of an NBD server.",
  options,
  counters: {
    nbdReconnects: "Connections to the server that were made again after they had been lost.",
    nbdReissued: "NBD commands that were in flight on a connection that was lost, and went out once more.",
  },

  permissions({ uri }) {
    const { server } = parseNbdUri(uri);
    // Of a Unix socket only the folder is opened, and only where the path is too long for the kernel.
    const [, ...read] = server.kind === "unix" ? pathsOf(server) : [];
    return { ffi: [cLibraryNeed()], net: [hostOf(server)], ...(read.length > 0 ? { read } : {}) };
  },

  // No openAgain: of a flush that failed the server tells whoever asked.
  openMedium({ uri }) {
    const { server, exportName } = parseNbdUri(uri);
    return { addresses: resolveServer(server), exportName };
  },

  create: (given, medium, context) => openNbdDevice(medium, given, context),
});

export default plugin;

/** A server as `--allow-net` has it. By FFI Deno does not see who is reached; a sandbox does. */
function hostOf(server: ServerPlace): string {
  if (server.kind === "unix") return `unix:${resolve(server.path)}`;
  const { host, port } = server;
  return isIPv6(host) ? `[${host.split("%")[0]}]:${port}` : `${host}:${port}`;
}
