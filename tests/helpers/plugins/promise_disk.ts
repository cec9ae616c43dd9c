/** A disk in memory whose operations are promises; it may fail, or end its domain with an error that nobody catches. */

import { DeviceError } from "../../../core/errors.ts";
import { API_VERSION, definePlugin, type DevicePlugin } from "../../../core/plugin.ts";
import { promised } from "../../../core/promise_device.ts";
import { z } from "../../../core/schema.ts";
import { size } from "../../../core/units.ts";
import { giveWay } from "../../../core/waiter.ts";

const SIZE = 1 << 20;
const options = z.strictObject({
  size: size().prefault("1MiB"),
  failing: z.boolean().default(false),
  crashing: z.boolean().default(false),
});

const plugin: DevicePlugin<typeof options, SharedArrayBuffer> = definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "promise-disk",
  description: "A device for tests.",
  events: true,
  options,
  // Some tests hand it options that no schema has completed.
  openMedium: ({ size = SIZE }, { allocate }) => allocate(size),
  create({ size = SIZE, failing, crashing }, medium) {
    const disk = new Uint8Array(medium);
    return promised({
      info: { sizeBytes: size, sectorSize: 512, readOnly: false, canFlush: true, canDiscard: false },
      async read(offsetBytes, into) {
        await giveWay();
        if (crashing) setTimeout(() => misplaced());
        if (failing) throw new DeviceError("the far end is gone");
        into.set(disk.subarray(offsetBytes, offsetBytes + into.length));
      },
      async write(offsetBytes, from) {
        await giveWay();
        disk.set(from, offsetBytes);
      },
      async flush() {
        await giveWay();
      },
    });
  },
});

function misplaced(): never {
  throw new DeviceError("an event went wrong");
}

export default plugin;
