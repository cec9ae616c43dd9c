/**
 * A disk in memory that does its driver harm at a request of its choice, and so often over all drivers that it has: the
 * requests are counted in the medium. For tests of what happens then.
 *
 * In a worker, what ends or stops a process does so to all domains of the machine.
 */

import { API_VERSION, definePlugin, type DevicePlugin } from "../../../core/plugin.ts";
import { cLibraryNeed } from "../../../core/libc.ts";
import { z } from "../../../core/schema.ts";
import { duration, size } from "../../../core/units.ts";
import { DEEDS } from "./saboteur/deeds.ts";
import { FAULTS, HEAD_BYTES, KINDS, saboteur } from "./saboteur/device.ts";

/** For what a fault is, if not for any request. */
const KIND_OF_FAULT: Readonly<Record<string, string>> = { torn: "write", short: "read" };

const options = z.strictObject({
  size: size().prefault("1MiB").describe("Size of the disk, a multiple of 512 bytes."),
  fault: z.enum(FAULTS).describe(
    "throw, eio: the request fails. exit, crash (SIGSEGV), kill, grow (memory): the driver dies. stop (SIGSTOP), loop: it " +
      "hangs. slow: the request takes slowFor. torn: some sectors are written, then it is killed. short: half is read.",
  ),
  of: z.enum(KINDS).default("any").describe("Which requests are counted."),
  at: z.int().min(1).default(1).describe("Every so-manieth of them is the one."),
  times: z.int().min(0).default(1).describe("How often in all, restarts included."),
  slowFor: duration().prefault("100ms").describe("How long slow takes."),
  seed: z.int().default(1).describe("Decides which sectors of a torn write are written."),
}).refine(({ fault, of }) => (KIND_OF_FAULT[fault] ?? of) === of, {
  path: ["of"],
  message: "must be write for torn, and read for short",
});

const plugin: DevicePlugin<typeof options, SharedArrayBuffer> = definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "saboteur",
  description: "A disk in memory that does its driver harm.",
  options,
  permissions: ({ fault }) => ["crash", "kill", "stop", "torn"].includes(fault) ? { ffi: [cLibraryNeed()] } : {},
  openMedium: ({ size }, { allocate }) => allocate(HEAD_BYTES + size),
  openAgain: (medium) => medium,
  create: (given, medium) => saboteur(medium, given.size, given, DEEDS),
});

export default plugin;
