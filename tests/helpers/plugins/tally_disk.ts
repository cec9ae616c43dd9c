/** A disk in memory that counts what reaches it, and can say which thread it runs on. */

import { synchronous } from "../../../core/block_device.ts";
import { cLibraryNeed } from "../../../core/libc.ts";
import { API_VERSION, definePlugin, type DevicePlugin } from "../../../core/plugin.ts";
import { z } from "../../../core/schema.ts";
import { threadId } from "./thread_id.ts";

const SIZE = 1 << 20;
const options = z.strictObject({ tellThread: z.boolean().default(false) });

const tallyDisk: DevicePlugin<typeof options, SharedArrayBuffer> = definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "tally-disk",
  description: "A disk in memory that counts what reaches it.",
  options,
  permissions: ({ tellThread }) => tellThread ? { ffi: [cLibraryNeed()] } : {},
  counters: {
    diskReads: "Reads that reached the disk.",
    diskReadBytes: "Bytes of these.",
    diskWrites: "Writes that reached the disk.",
    diskWrittenBytes: "Bytes of these.",
  },
  openMedium: (_, { allocate }) => allocate(SIZE),
  create({ tellThread }, memory, { note }) {
    if (tellThread) note(`driver ${Deno.pid} ${threadId()}`);
    const disk = new Uint8Array(memory);
    const counters = { diskReads: 0, diskReadBytes: 0, diskWrites: 0, diskWrittenBytes: 0 };
    return synchronous({
      info: { sizeBytes: SIZE, sectorSize: 512, readOnly: false, canFlush: true, canDiscard: false },
      read(offset, into) {
        counters.diskReads++;
        counters.diskReadBytes += into.length;
        into.set(disk.subarray(offset, offset + into.length));
      },
      write(offset, from) {
        counters.diskWrites++;
        counters.diskWrittenBytes += from.length;
        disk.set(from, offset);
      },
      flush() {},
      counters: () => counters,
    });
  },
});

export default tallyDisk;
