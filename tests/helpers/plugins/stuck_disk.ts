/** A disk whose first read does not return before the test lets it; it tells how its medium fares. */

import { synchronous } from "../../../core/block_device.ts";
import { API_VERSION, definePlugin, type DevicePlugin } from "../../../core/plugin.ts";
import { z } from "../../../core/schema.ts";

/** The medium: words that say whether reads return, and whether the driver is in one. */
export const RETURNS = 0;
/** See {@link RETURNS}. */
export const READING = 1;

const SIZE = 1 << 20;
const options = z.strictObject({ stuck: z.boolean() });

/** What became of the medium in this thread. */
export const medium: { words?: Int32Array; closed: number; refusesToClose: boolean } = {
  closed: 0,
  refusesToClose: false,
};

const stuckDisk: DevicePlugin<typeof options, SharedArrayBuffer> = definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "stuck-disk",
  description: "A device for tests.",
  options,
  openMedium() {
    medium.words = new Int32Array(new SharedArrayBuffer(8));
    medium.closed = 0;
    return medium.words.buffer as SharedArrayBuffer;
  },
  closeMedium() {
    medium.closed++;
    if (medium.refusesToClose) throw new Error("the lid is jammed");
  },
  create({ stuck }, buffer) {
    const words = new Int32Array(buffer);
    return synchronous({
      info: { sizeBytes: SIZE, sectorSize: 512, readOnly: false, canFlush: true, canDiscard: false },
      read() {
        if (!stuck) return;
        Atomics.store(words, READING, 1);
        Atomics.wait(words, RETURNS, 0, 60_000);
        Atomics.store(words, READING, 0);
      },
      write() {},
      flush() {},
    });
  },
});

export default stuckDisk;
