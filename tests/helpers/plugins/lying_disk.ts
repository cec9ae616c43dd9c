/** A disk whose first driver gives a request another operation's name before it answers; the others are honest. */

import { Operation } from "../../../core/blkif.ts";
import { synchronous } from "../../../core/block_device.ts";
import { API_VERSION, definePlugin, type DevicePlugin } from "../../../core/plugin.ts";
import { z } from "../../../core/schema.ts";

const SIZE = 1 << 20;
/** Bytes before the disk: a word that counts requests. */
const HEAD = 4096;
const LIES_AT = 50;
const options = z.strictObject({});

const plugin: DevicePlugin<typeof options, SharedArrayBuffer> = definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "lying-disk",
  description: "A device for tests.",
  options,
  openMedium: (_, { allocate }) => allocate(HEAD + SIZE),
  openAgain: (medium) => medium,
  create(_, medium) {
    const words = new Int32Array(medium, 0, 1);
    const disk = new Uint8Array(medium, HEAD);
    const honest = synchronous({
      info: { sizeBytes: SIZE, sectorSize: 512, readOnly: false, canFlush: true, canDiscard: false },
      read: (offsetBytes, into) => into.set(disk.subarray(offsetBytes, offsetBytes + into.length)),
      write: (offsetBytes, from) => disk.set(from, offsetBytes),
      flush() {},
    });
    return {
      ...honest,
      submit(request) {
        const done = honest.submit(request);
        if (Atomics.add(words, 0, 1) === LIES_AT) request.operation = Operation.Discard;
        return done;
      },
    };
  },
});

export default plugin;
