/** A disk in memory that does operations when it is polled, the last ones first. */

import { type BlockDevice, type BlockRequest, synchronous } from "../../../core/block_device.ts";
import { API_VERSION, definePlugin, type DevicePlugin } from "../../../core/plugin.ts";
import { z } from "../../../core/schema.ts";
import { size } from "../../../core/units.ts";

const options = z.strictObject({ size: size().prefault("1MiB") });

const plugin: DevicePlugin<typeof options, SharedArrayBuffer> = definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "later-disk",
  description: "A device for tests.",
  options,
  openMedium: ({ size }, { allocate }) => allocate(size),
  openAgain: (medium) => medium,

  create({ size }, medium): BlockDevice {
    const disk = new Uint8Array(medium, 0, size);
    const held: BlockRequest[] = [];
    const inner = synchronous({
      info: { sizeBytes: size, sectorSize: 512, readOnly: false, canFlush: true, canDiscard: true },
      read: (offsetBytes, into) => into.set(disk.subarray(offsetBytes, offsetBytes + into.length)),
      write: (offsetBytes, from) => disk.set(from, offsetBytes),
      flush() {},
      discard: (offsetBytes, byteLength) => void disk.fill(0, offsetBytes, offsetBytes + byteLength),
    });
    return {
      info: inner.info,
      submit(request) {
        held.push(request);
        return false;
      },
      poll() {
        const request = held.pop() ?? null;
        if (request !== null) inner.submit(request);
        return request;
      },
      counters: () => ({}),
    };
  },
});

export default plugin;
