/**
 * A disk in memory. The memory is the medium: the hypervisor owns it, so that it outlives the driver; the device is what
 * a driver domain makes of it.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import { synchronous } from "../../core/block_device.ts";
import { DeviceError } from "../../core/errors.ts";
import { FRAME_SIZE, SECTOR_SIZE } from "../../core/memory.ts";
import { API_VERSION, definePlugin, type DevicePlugin } from "../../core/plugin.ts";
import { formatSize, size } from "../../core/units.ts";

const options = z.strictObject({
  size: size().prefault("256MiB").describe("Size of the disk, a multiple of 512 bytes."),
});

/** The device `ramdisk`. */
const plugin: DevicePlugin<typeof options, SharedArrayBuffer> = definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "ramdisk",
  description: "A disk in memory, which is gone after the run.",
  options,

  openMedium({ size }, { allocate }) {
    try {
      const disk = allocate(size);
      // Make the kernel give every page now, not at its first use inside the measurement: for that it must be written
      // to, with something else than it holds.
      const words = new Uint32Array(disk, 0, Math.floor(size / 4));
      for (let word = 0; word < words.length; word += FRAME_SIZE / 4) words[word] = 1;
      for (let word = 0; word < words.length; word += FRAME_SIZE / 4) words[word] = 0;
      return disk;
    } catch (cause) {
      throw new DeviceError(`Cannot allocate a ramdisk of ${formatSize(size)}`, { cause });
    }
  },

  openAgain: (medium) => medium, // Nothing of it is ever written back.

  create({ size }, medium) {
    const disk = new Uint8Array(medium, 0, size);
    const zero = (offsetBytes: number, byteLength: number): void => {
      disk.fill(0, offsetBytes, offsetBytes + byteLength);
    };
    return synchronous({
      info: { sizeBytes: size, sectorSize: SECTOR_SIZE, readOnly: false, canFlush: true, canDiscard: true },
      read(offsetBytes, into) {
        into.set(disk.subarray(offsetBytes, offsetBytes + into.length));
      },
      write(offsetBytes, from) {
        disk.set(from, offsetBytes);
      },
      flush() {}, // There is nothing behind the memory.
      discard: zero,
      writeZeroes: zero,
    });
  },
});

export default plugin;
