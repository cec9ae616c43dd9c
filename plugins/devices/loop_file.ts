/**
 * A disk in a file, as Linux's loop device: reads and writes go through the page cache.
 *
 * @module
 */

import fs from "node:fs";
import { join } from "node:path";
import { z } from "../../core/schema.ts";
import { synchronous } from "../../core/block_device.ts";
import { DeviceError, messageOf } from "../../core/errors.ts";
import { SECTOR_SIZE } from "../../core/memory.ts";
import { API_VERSION, definePlugin, type DevicePlugin } from "../../core/plugin.ts";
import { size } from "../../core/units.ts";

const options = z.strictObject({
  path: z.string().min(1).optional()
    .describe("The file. It must exist; its size is the disk's. Without a path, a file is made for the run."),
  size: size().prefault("256MiB").describe("Size of the file that is made when no path is given."),
  readOnly: z.boolean().default(false).describe("Whether writes are refused."),
});

/** Bytes written at a time while a file is made. */
const FILL_BYTES = 1 << 20;

/** The device `loop-file`. */
const plugin: DevicePlugin<typeof options, { path: string; sizeBytes: number }> = definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "loop-file",
  description: "A disk in a file, through the page cache.",
  options,

  permissions: ({ path, readOnly }) =>
    path === undefined ? { scratch: true } : { read: [path], write: readOnly ? [] : [path] },

  openMedium({ path, size }, { scratchDirectory }) {
    const file = path ?? join(scratchDirectory ?? "", "loop-file.img");
    try {
      // A file of holes would be read without touching the disk's blocks, so the new file is written in full.
      if (path === undefined) fill(file, size);
      return { path: file, sizeBytes: Math.floor(fs.statSync(file).size / SECTOR_SIZE) * SECTOR_SIZE };
    } catch (cause) {
      throw new DeviceError(`Cannot open the loop file ${file}: ${messageOf(cause)}`, { cause });
    }
  },

  create({ readOnly }, medium) {
    const file = open(medium.path, readOnly ? "r" : "r+");
    return synchronous({
      info: { sizeBytes: medium.sizeBytes, sectorSize: SECTOR_SIZE, readOnly, canFlush: true, canDiscard: false },
      read(offsetBytes, into) {
        transferAll(fs.readSync, "read", file, into, offsetBytes);
      },
      write(offsetBytes, from) {
        transferAll(fs.writeSync, "write", file, from, offsetBytes);
      },
      flush() {
        fs.fdatasyncSync(file);
      },
      close() {
        fs.closeSync(file);
      },
    });
  },
});

export default plugin;

type Transfer = (file: number, bytes: Uint8Array, offset: number, length: number, position: number) => number;

/** Repeats a transfer that the kernel cut short. */
function transferAll(transfer: Transfer, what: string, file: number, bytes: Uint8Array, position: number): void {
  let done = 0;
  while (done < bytes.length) {
    const count = transfer(file, bytes, done, bytes.length - done, position + done);
    if (count === 0) throw new DeviceError(`Cannot ${what} the loop file at byte ${position + done}: the file ends`);
    done += count;
  }
}

function open(path: string, flags: "r" | "r+"): number {
  try {
    return fs.openSync(path, flags);
  } catch (cause) {
    throw new DeviceError(`Cannot open the loop file ${path}: ${messageOf(cause)}`, { cause });
  }
}

function fill(path: string, sizeBytes: number): void {
  const file = fs.openSync(path, "w");
  try {
    const block = new Uint8Array(Math.min(FILL_BYTES, sizeBytes));
    for (let offset = 0; offset < sizeBytes; offset += block.length) {
      transferAll(fs.writeSync, "write", file, block.subarray(0, Math.min(block.length, sizeBytes - offset)), offset);
    }
  } finally {
    fs.closeSync(file);
  }
}
