/**
 * A real file system on the device, and a real program on it: the device is exported over NBD, attached as a block device
 * of Linux, formatted and mounted; a command runs there; then everything is put back, and the file system is checked.
 *
 * What is measured is the command: the window begins and ends with it.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import type { Counters } from "../../core/counters.ts";
import { WorkloadError } from "../../core/errors.ts";
import { cLibraryNeed } from "../../core/libc.ts";
import {
  API_VERSION,
  type ConductContext,
  definePlugin,
  type PermissionNeeds,
  type WorkloadPlugin,
} from "../../core/plugin.ts";
import { duration, formatDuration, size } from "../../core/units.ts";
import type { Workload, WorkloadContext } from "../../core/workload.ts";
import { NBD_COUNTERS, serveNbd } from "../exports/nbd/server.ts";
import { ATTACHERS } from "./mounted/attachment.ts";
import { AttendantProcess, UNSHARE_PROGRAM } from "./mounted/attendant_process.ts";
import { FIGURES, HEADINGS, readableCommand, type Reader, readerFor, READERS, readFigures } from "./mounted/figures.ts";
import { type AttendantJob, SOCKET } from "./mounted/job.ts";
import { mentions } from "./mounted/placeholders.ts";
import { mkfsMistake, mountMistake } from "./mounted/tool_options.ts";

const NS_PER_MS = 1e6;
/** What putting everything back may take beyond the time that the programs have. */
const UNDO_NS = 30e9;
const PAUSE_NS = 1e9;
/** More than there are: nbdfuse's, nbdinfo's, and those of commands that take the export itself. */
const MAX_CONNECTIONS = 1024;

const command = z.array(z.string()).min(1, "must name a program")
  .refine(([program]) => program === undefined || /^[^-]/.test(program), {
    path: [0],
    message: "must name a program, and no name of one begins with a hyphen",
  });

/** The schemes of NBD; libnbd knows more, which run programs. */
const NBD_URI = /^nbds?(\+unix)?:\/\//;

const options = z.strictObject({
  fileSystem: z.enum(["ext2", "ext4", "none"]).default("ext2")
    .describe("What is made on the device and mounted; with none the command gets the block device."),
  mkfsOptions: z.array(z.string()).superRefine((argv, { addIssue }) => {
    const mistake = mkfsMistake(argv);
    if (mistake !== undefined) addIssue({ code: "custom", path: [mistake.index], message: mistake.message });
  }).default([]).describe("More options of mkfs, such as [-L, disk]; -E replaces those that it has."),
  mountOptions: z.string().superRefine((text, { addIssue }) => {
    const mistake = mountMistake(text);
    if (mistake !== undefined) addIssue({ code: "custom", message: mistake });
  }).default("").describe("Options of mount, as after its -o."),
  attach: z.enum(["auto", ...ATTACHERS]).default("auto")
    .describe(
      "How Linux attaches the device: by its own NBD client, or where it has none by libnbd's nbdfuse and a loop device; auto chooses.",
    ),
  prepare: z.array(command).default([]).describe(
    "Commands that run before the measured one, such as sysbench's prepare.",
  ),
  command: command.describe(
    "What is measured: a program, which --allow-command must name, and its arguments, run where the device is mounted. {mount}, {device}, {uri} and {socket} stand for the folder, the block device, the export and its socket.",
  ),
  cleanup: z.array(command).default([]).describe("Commands that run after it, before the device is unmounted."),
  figures: z.enum(["auto", ...READERS, "none"]).default("auto")
    .describe("Whose output the command prints, for its figures to be read; auto goes by its name."),
  timeout: duration().refine((ns) => ns > 0, "must be longer than nothing").prefault("10min")
    .describe("The longest time for all of a repetition's programs together; after it the repetition has failed."),
  check: z.boolean().default(true).describe("Whether e2fsck must find the file system clean in the end."),
  uri: z.string().regex(NBD_URI, "must begin with nbd:// or nbd+unix://").optional()
    .describe(
      "The export of another server, which is attached in place of the device, to compare with; what is on it is lost.",
    ),
  connections: z.int().min(1).max(64).optional()
    .describe(
      "Connections to the export; by default 4 by nbdfuse, where the server allows several, and 1 by nbd-client.",
    ),
  queueDepth: z.int().min(2).max(512).default(64).describe("Operations on the device that can be in flight."),
  transferSize: size().refine(
    (bytes) => bytes >= 65536 && bytes % 4096 === 0,
    "must be 64KiB or more, in pages of 4KiB",
  ).prefault("128KiB")
    .describe("Bytes of the longest operation on the device; what clients ask for beyond it is done in parts."),
}).refine(
  ({ fileSystem, prepare, command, cleanup }) => {
    return fileSystem !== "none" || ![...prepare, command, ...cleanup].some((argv) => mentions(argv, "mount"));
  },
  { path: ["fileSystem"], message: "must be ext2 or ext4, as a command names {mount}" },
);

/** What its domain needs. The attendant, which runs programs, is the conductor's. */
const DOMAIN_NEEDS: PermissionNeeds = { scratch: true, ffi: [cLibraryNeed()], system: { listens: ["unix"] } };

type Options = z.output<typeof options>;

/** The workload `mounted`. */
const plugin: WorkloadPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "workload",
  name: "mounted",
  description: "A command on a file system on the device, which Linux mounts over NBD: takes root.",
  options,
  counters: { ...FIGURES, ...NBD_COUNTERS },
  figures: HEADINGS,
  descriptors: true,
  permissions: () => ({ ...DOMAIN_NEEDS, run: [UNSHARE_PROGRAM] }),
  applicationPermissions: () => DOMAIN_NEEDS,
  // A file system is made there, or the command has the whole disk.
  destroys: ({ uri }) => uri === undefined ? [] : [uri],
  runs: ({ prepare, command, cleanup }) => [...new Set([...prepare, command, ...cleanup].map(([program]) => program))],
  needs: ({ queueDepth, transferSize, timeout }) => {
    return { queueDepth, transferBytes: transferSize, conductNs: timeout + UNDO_NS, exceedsRing: true };
  },
  conduct,
  create: (given): Workload => ({ run: (context) => serve(given, context) }),
});

export default plugin;

/** Serves the device until its clients have left. */
function serve({ uri }: Options, context: WorkloadContext): Counters | void {
  if (uri !== undefined) {
    while (context.running()) context.pause(PAUSE_NS);
    return;
  }
  return serveNbd({ ...context, note: () => {} }, {
    ...{ listen: `unix:${folderOf(context)}/${SOCKET}`, name: "", description: "", readOnly: false },
    ...{ atEnd: "linger", maxConnections: MAX_CONNECTIONS },
  });
}

/** Has the attendant mount the device and run the command, and measures as long as that runs. */
async function conduct(given: Options, context: ConductContext): Promise<Counters> {
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort(new WorkloadError(`The programs did not end within ${formatDuration(given.timeout)}`));
  }, given.timeout / NS_PER_MS);
  const signal = AbortSignal.any([context.signal, late.signal]);
  const reader = given.figures === "auto" ? readerFor(given.command) : given.figures === "none" ? null : given.figures;
  const attendant = new AttendantProcess(jobOf(given, reader, folderOf(context)));
  try {
    const { attacher } = await attendant.next("prepared", signal);
    if (given.attach === "auto") context.note(`attached by ${attacher}`);
    await context.measure();
    attendant.order("run");
    const { output } = await attendant.next("ran", signal);
    await context.finish();
    attendant.order("end");
    await attendant.next("ended", signal);
    return readFigures(reader, output);
  } finally {
    clearTimeout(timer);
    await attendant.close();
  }
}

function jobOf(given: Options, reader: Reader | null, folder: string): AttendantJob {
  const { attach, fileSystem, mkfsOptions, mountOptions, connections = null, prepare, command, cleanup, check } = given;
  return {
    ...{ mkfsOptions, mountOptions, connections, prepare, cleanup, check, folder },
    uri: given.uri ?? null,
    attach: attach === "auto" ? null : attach,
    fileSystem: fileSystem === "none" ? null : fileSystem,
    command: readableCommand(command, reader),
  };
}

function folderOf({ scratchDirectory }: WorkloadContext | ConductContext): string {
  if (scratchDirectory === null) throw new WorkloadError("There is no folder for the export's socket");
  return scratchDirectory;
}
