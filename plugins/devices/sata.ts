/**
 * A SATA disk, driven raw: no file system and no page cache between it and the application's frames.
 *
 * The hypervisor opens the disk and hands its descriptor to the driver, by FFI to libc alone. Transfers go by direct I/O,
 * many at a time by io_uring, so that the disk can reorder them (NCQ); or, with `passthrough`, as ATA commands of ours.
 * Any other block device can be driven too, but for `passthrough`.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import type { BlockDevice } from "../../core/block_device.ts";
import { DeviceError } from "../../core/errors.ts";
import { cLibraryNeed } from "../../core/libc.ts";
import {
  API_VERSION,
  definePlugin,
  type DeviceContext,
  type DevicePlugin,
  type PermissionNeeds,
} from "../../core/plugin.ts";
import { BOUNCE_COUNTERS, ENGINES, openEngine } from "./disk_io/engine.ts";
import { LibcFile } from "./disk_io/libc_file.ts";
import { OPERATION_TIMEOUT_NS } from "./sata/ata_command.ts";
import { blkidNeed, refuseToDestroy } from "./sata/contents.ts";
import { closeDisk, confirmPath, type OpenDisk, openDisk } from "./sata/disk.ts";
import { DiskEraser } from "./sata/erase.ts";
import { passthroughDevice } from "./sata/passthrough.ts";

const options = z.strictObject({
  path: z.string().startsWith("/").describe("The disk, such as /dev/sda, or a partition of one."),
  destructive: z.boolean().default(false)
    .describe(
      "Whether it is written to, and what is on it lost. The command line must agree, by --allow-destructive=PATH; and unless " +
        "it also says --force, the disk must be blank. Without it the disk is read-only.",
    ),
  passthrough: z.boolean().default(false)
    .describe(
      "Whether it is driven by ATA commands of ours (SG_IO), one in flight at a time, in place of the kernel's reads and writes.",
    ),
  engine: z.enum(ENGINES).default("auto")
    .describe(
      "How it transfers: one operation at a time (sync), or many in flight by io_uring. auto is io-uring where there is one.",
    ),
}).refine(({ passthrough, engine }) => !passthrough || engine !== "io-uring", {
  path: ["engine"],
  message: "must be auto or sync with passthrough, as its commands go one at a time",
});

/** The device `sata`. */
const plugin: DevicePlugin<typeof options, OpenDisk> = definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "sata",
  description: "A SATA disk driven raw, by direct I/O or by ATA commands.",
  options,
  counters: BOUNCE_COUNTERS,

  permissions: (given) => ({ ...driverNeeds(given), run: given.destructive ? [blkidNeed()] : [] }),
  // The disk is open by then, and looked at.
  driverPermissions: (given) => driverNeeds(given),

  destroys: ({ path, destructive }) => destructive ? [path] : [],

  openMedium({ path, destructive }, context) {
    const disk = openDisk(path, destructive);
    try {
      // Only now that nobody else can write to it.
      if (destructive) {
        refuseToDestroy(path, context);
        confirmPath(disk);
      }
    } catch (thrown) {
      closeDisk(disk);
      throw thrown;
    }
    if (disk.partitionOf !== null) context.note(`${path} is a partition of ${disk.partitionOf}`);
    if (!destructive) context.note(`${path} is read-only here: to write to it takes destructive: true`);
    context.inherit(disk.descriptor);
    return disk;
  },

  // No openAgain: nothing is written back, and of a cache that it could not empty the disk tells whoever asked, once.
  closeMedium: closeDisk,

  create(given, disk, context) {
    if (given.passthrough) return passthroughDevice(disk);
    return blockDevice(disk, given, context);
  },
});

export default plugin;

function driverNeeds({ passthrough, engine }: z.output<typeof options>): PermissionNeeds {
  return {
    ffi: [cLibraryNeed()],
    system: { ioUring: !passthrough && engine !== "sync", capabilities: passthrough ? ["CAP_SYS_RAWIO"] : [] },
  };
}

function blockDevice(
  disk: OpenDisk,
  { engine }: z.output<typeof options>,
  { note }: DeviceContext,
): BlockDevice {
  const { path, descriptor, sizeBytes, sectorSize, readOnly, canDiscard } = disk;
  const name = `the disk ${path}`;
  const file = LibcFile.attach({ name, descriptor, endHint: "the disk may have been pulled out" });
  if (file === null) throw new DeviceError(`Cannot drive ${name}: that takes --allow-ffi`);
  const eraser = new DiskEraser(name, descriptor);
  const info = { sizeBytes, sectorSize, readOnly, canFlush: true, canDiscard };
  return openEngine(engine, {
    ...{ file, info },
    direct: true,
    operationTimeoutNs: OPERATION_TIMEOUT_NS,
    discard: (offset, length) => eraser.discard(offset, length),
    writeZeroes: (offset, length) => eraser.writeZeroes(offset, length),
    close: () => eraser.close(),
  }, note);
}
