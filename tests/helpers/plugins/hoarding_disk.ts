/** A disk in memory whose driver keeps what is written in its own heap, and acknowledges it: it dies with the driver. */

import { synchronous } from "../../../core/block_device.ts";
import { API_VERSION, definePlugin, type DevicePlugin } from "../../../core/plugin.ts";
import { z } from "../../../core/schema.ts";

const SIZE = 1 << 20;
const options = z.strictObject({});

const plugin: DevicePlugin<typeof options, SharedArrayBuffer> = definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "hoarding-disk",
  description: "A disk in memory whose driver keeps what is written to itself.",
  options,
  openMedium: (_options, { allocate }) => allocate(SIZE),
  openAgain: (medium) => medium,
  create(_options, medium) {
    const own = new Uint8Array(medium, 0, SIZE).slice();
    return synchronous({
      info: { sizeBytes: SIZE, sectorSize: 512, readOnly: false, canFlush: true, canDiscard: false },
      read: (offsetBytes, into) => into.set(own.subarray(offsetBytes, offsetBytes + into.length)),
      write: (offsetBytes, from) => own.set(from, offsetBytes),
      flush() {},
    });
  },
});

export default plugin;
