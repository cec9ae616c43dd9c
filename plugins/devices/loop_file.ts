/**
 * A disk in a file, as Linux's loop device: through the page cache, or past it by direct I/O.
 *
 * The driver never changes the file's size. What is left over after the file's last whole sector is no part of the disk.
 * Should another program shorten the file, reads past its new end fail; writes there make it longer again.
 *
 * Discards and write-zeroes punch holes, where libc may be called (`--allow-ffi`) and the file system knows holes. Where
 * not, the device says that it cannot discard, and zeroes are written.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import type { BlockDevice } from "../../core/block_device.ts";
import { cLibraryNeed } from "../../core/libc.ts";
import { FRAME_SIZE, SECTOR_SIZE } from "../../core/memory.ts";
import { API_VERSION, definePlugin, type DevicePlugin } from "../../core/plugin.ts";
import { formatSize, size } from "../../core/units.ts";
import { BOUNCE_COUNTERS, ENGINES, openEngine } from "./disk_io/engine.ts";
import { chooseDirectSectorSize } from "./loop_file/direct.ts";
import { HolePuncher } from "./loop_file/holes.ts";
import { DEFAULT_SIZE, type LoopMedium, openLoopMedium } from "./loop_file/medium.ts";
import { OpenFile } from "./loop_file/open_file.ts";

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

  permissions({ path, create, readOnly, engine }) {
    // Libc only where it does not do without.
    const libc = engine === "io-uring" ? { ffi: [cLibraryNeed()] } : {};
    if (path === undefined) return { scratch: true, ...libc };
    return { read: [path], write: readOnly && !create ? [] : [path], ...libc };
  },

  openMedium: (wanted, { scratchDirectory }) => openLoopMedium(wanted, scratchDirectory),

  create(given, medium, { note }) {
    const file = new OpenFile(medium.path, given);
    try {
      return loopDevice(file, medium.sizeBytes, given, note);
    } catch (thrown) {
      file.close();
      throw thrown;
    }
  },
});

export default plugin;

function loopDevice(
  file: OpenFile,
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
  const disk = { file, info, direct, discard: punch, writeZeroes: punch, close: () => holes?.close() };
  return openEngine(given.engine, disk, note);
}
