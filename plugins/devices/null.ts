/**
 * A device that does nothing: what is left is the cost of reaching it.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import { Status } from "../../core/blkif.ts";
import type { BlockRequest } from "../../core/block_device.ts";
import { SECTOR_SIZE } from "../../core/memory.ts";
import { API_VERSION, definePlugin, type DevicePlugin } from "../../core/plugin.ts";
import { size } from "../../core/units.ts";

const options = z.strictObject({
  size: size().prefault("1GiB").describe("Size that the device claims to have."),
});

/** The device `null`. */
const plugin: DevicePlugin<typeof options, null> = definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "null",
  description: "Accepts every write and reads whatever is in the buffer, without touching either.",
  options,
  openMedium: () => null,
  openAgain: () => null,
  create: ({ size }) => ({
    info: {
      sizeBytes: size,
      sectorSize: SECTOR_SIZE,
      readOnly: false,
      canFlush: true,
      canDiscard: true,
      canWriteZeroes: true,
      canFua: true,
    },
    submit(request: BlockRequest): boolean {
      request.status = Status.Okay;
      return true;
    },
  }),
});

export default plugin;
