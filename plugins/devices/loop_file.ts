/**
 * A disk in a file, as Linux's loop device: through the page cache, or past it by direct I/O.
 *
 * The hypervisor opens the file and hands its descriptor to the driver. Where libc may not be called (`--allow-ffi`), the
 * driver opens the file by itself, and has to be a worker.
 *
 * The driver never changes the file's size. What is left over after the file's last whole sector is no part of the disk.
 * Should another program shorten the file, reads past its new end fail; writes there make it longer again.
 *
 * Discards and write-zeroes punch holes, where libc may be called and the file system knows holes. Where not, the device says that it cannot discard, and zeroes are written.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import type { BlockDevice } from "../../core/block_device.ts";
import { DeviceError } from "../../core/errors.ts";
import { cLibraryNeed, mayCallLibc } from "../../core/libc.ts";
import { FRAME_SIZE, SECTOR_SIZE } from "../../core/memory.ts";
import {
  API_VERSION,
  definePlugin,
  type DevicePlugin,
  type MediumContext,
  type PermissionNeeds,
} from "../../core/plugin.ts";
import { formatSize, size } from "../../core/units.ts";
import { BOUNCE_COUNTERS, ENGINES, openEngine } from "./disk_io/engine.ts";
import { LibcFile } from "./disk_io/libc_file.ts";
import type { PositionedFile } from "./disk_io/positioned_file.ts";
import { chooseDirectSectorSize } from "./loop_file/direct.ts";
import { HolePuncher } from "./loop_file/holes.ts";
import {
  closeLoopMedium,
  DEFAULT_SIZE,
  type LoopMedium,
  openLoopMedium,
  openLoopMediumAgain,
} from "./loop_file/medium.ts";
import { describeLoopFile, OpenFile, type OpenFileOptions } from "./loop_file/open_file.ts";

/** As long as Linux gives one command of a disk (the default of `/sys/block/…/device/timeout`). */
const OPERATION_TIMEOUT_NS = 30e9;

const options = z.strictObject({
  path: z.string().min(1).optional()
    .describe(
      "The file, from the folder in which iddr runs. It may be larger than whole sectors. Without a path, a file is made for the run.",
    ),
  size: size().optional().describe(
    `Size of a file that is made, ${formatSize(DEFAULT_SIZE)} when absent. A file that is there must have this size.`,
  ),
  create: z.boolean().default(false).describe("Whether a file that is not there is made, and kept after the run."),
  preallocation: z.enum(["full", "off"]).default("full")
    .describe("Whether a file that is made is written in full, or is a hole that is read without touching the disk."),
  readOnly: z.boolean().default(false).describe("Whether writes are refused."),
  direct: z.boolean().default(false).describe("Whether transfers pass the page cache by (O_DIRECT)."),
  engine: z.enum(ENGINES).default("auto")
    .describe(
      "How it transfers: one operation at a time (sync), or many in flight by io_uring, which takes --allow-ffi. auto is " +
        "io-uring under direct I/O where there is one, else sync, as what is in the page cache comes sooner so.",
    ),
  sectorSize: size().refine((bytes) => bytes === SECTOR_SIZE || bytes === FRAME_SIZE, "must be 512B or 4KiB").optional()
    .describe(
      "Sector size that the disk has: 512B or 4KiB. When absent 512B, or under direct I/O what the file's first sectors " +
        "accept. A file of holes on a disk with 4KiB sectors needs it.",
    ),
  discard: z.enum(["auto", "off"]).default("auto")
    .describe("Whether discards and write-zeroes punch holes where they can: that takes --allow-ffi."),
}).refine(({ path, create }) => path !== undefined || !create, { path: ["create"], message: "needs a path" });

/** The device `loop-file`. */
const plugin: DevicePlugin<typeof options, LoopMedium> = definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "loop-file",
  description: "A disk in a file, through the page cache or by direct I/O.",
  options,
  counters: BOUNCE_COUNTERS,

  permissions({ path, create, readOnly, engine, direct }) {
    // Demanded only where it does not do without; where it may be called, a driver in a process takes the file by it.
    const libc = engine === "io-uring" || mayCallLibc() ? libcNeeds({ engine, direct }) : {};
    if (path === undefined) return { scratch: true, ...libc };
    return { read: [path], write: readOnly && !create ? [] : [path], ...libc };
  },

  // A driver that is handed the open file needs no path.
  driverPermissions: (given) => mayCallLibc() ? libcNeeds(given) : plugin.permissions?.(given) ?? {},

  openMedium(given, { scratchDirectory, inherit }) {
    return inherited(openLoopMedium(given, scratchDirectory), inherit);
  },

  openAgain: (medium, given, { inherit }) => inherited(openLoopMediumAgain(medium, given), inherit),

  closeMedium: closeLoopMedium,

  create(given, medium, { note }) {
    const file = fileOf(medium, given);
    try {
      return loopDevice(file, medium.sizeBytes, given, note);
    } catch (thrown) {
      file.close();
      throw thrown;
    }
  },
});

export default plugin;

function libcNeeds({ engine, direct }: Pick<z.output<typeof options>, "engine" | "direct">): PermissionNeeds {
  return { ffi: [cLibraryNeed()], system: { ioUring: engine === "io-uring" || (engine === "auto" && direct) } };
}

function inherited(medium: LoopMedium, inherit: MediumContext["inherit"]): LoopMedium {
  if (medium.descriptor !== null) inherit(medium.descriptor);
  return medium;
}

function fileOf({ path, descriptor }: LoopMedium, given: OpenFileOptions): PositionedFile {
  if (descriptor === null) return new OpenFile(path, given);
  const file = LibcFile.attach({ descriptor, ...describeLoopFile(path, given) });
  if (file === null) throw new DeviceError(`Cannot use the open loop file ${path}: that takes --allow-ffi`);
  return file;
}

function loopDevice(
  file: PositionedFile,
  fileBytes: number,
  given: z.output<typeof options>,
  note: (text: string) => void,
): BlockDevice {
  const { readOnly, direct } = given;
  const sectorSize = direct ? chooseDirectSectorSize(file, given.sectorSize) : given.sectorSize ?? SECTOR_SIZE;
  const holes = readOnly || given.discard === "off" ? null : HolePuncher.open(file);
  const punch = holes === null ? undefined : (offset: number, length: number): void => holes.punch(offset, length);
  const info = {
    sizeBytes: fileBytes - fileBytes % sectorSize,
    sectorSize,
    readOnly,
    canFlush: true,
    canDiscard: holes !== null,
  };
  return openEngine(given.engine, {
    ...{ file, info, direct },
    operationTimeoutNs: OPERATION_TIMEOUT_NS,
    discard: punch,
    writeZeroes: punch,
    close: () => holes?.close(),
  }, note);
}
