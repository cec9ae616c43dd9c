/** A disk in memory that counts its reads, notes things, and can say that it destroys a path. */

import { synchronous } from "../../../core/block_device.ts";
import { API_VERSION, definePlugin, type DevicePlugin } from "../../../core/plugin.ts";
import { z } from "../../../core/schema.ts";

const SIZE = 1 << 20;
const options = z.strictObject({ path: z.string().optional() });

const countingDisk: DevicePlugin<typeof options, SharedArrayBuffer> = definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "counting-disk",
  description: "A disk in memory that counts its reads.",
  options,
  counters: { diskReads: "Reads that reached the disk." },
  destroys: ({ path }) => path === undefined ? [] : [path],
  openMedium(_, { note, allocate }) {
    note("opened");
    return allocate(SIZE);
  },
  create(_, memory, { note }) {
    for (const text of ["made", "again", "made"]) note(text);
    const disk = new Uint8Array(memory);
    let diskReads = 0;
    return synchronous({
      info: { sizeBytes: SIZE, sectorSize: 512, readOnly: false, canFlush: false, canDiscard: false },
      read(offset, into) {
        diskReads++;
        into.set(disk.subarray(offset, offset + into.length));
      },
      write: (offset, from) => disk.set(from, offset),
      counters: () => ({ diskReads }),
    });
  },
});

export default countingDisk;
