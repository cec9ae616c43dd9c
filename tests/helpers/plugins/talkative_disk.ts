/** A disk whose first driver prints a line of the test's to its standard output, once, and is honest otherwise. */

import { synchronous } from "../../../core/block_device.ts";
import { RECORD } from "../../../core/domain/report_text.ts";
import { API_VERSION, definePlugin, type DevicePlugin } from "../../../core/plugin.ts";
import { z } from "../../../core/schema.ts";

const SIZE = 1 << 20;
/** Bytes before the disk: a word that counts requests. */
const HEAD = 4096;
const TALKS_AT = 50;
const options = z.strictObject({
  says: z.string().describe("What it prints, as a report is printed."),
  times: z.int().default(1).describe("How often."),
  endsLine: z.boolean().default(true).describe("Whether the line has an end."),
});

const plugin: DevicePlugin<typeof options, SharedArrayBuffer> = definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "talkative-disk",
  description: "A device for tests.",
  options,
  openMedium: (_, { allocate }) => allocate(HEAD + SIZE),
  openAgain: (medium) => medium,
  create({ says, times, endsLine }, medium) {
    const words = new Int32Array(medium, 0, 1);
    const disk = new Uint8Array(medium, HEAD);
    const talk = (): void => {
      if (Atomics.add(words, 0, 1) !== TALKS_AT) return;
      let bytes = new TextEncoder().encode(`\n${RECORD}${says}${endsLine ? "\n" : ""}`.repeat(times));
      while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
    };
    return synchronous({
      info: { sizeBytes: SIZE, sectorSize: 512, readOnly: false, canFlush: true, canDiscard: false },
      read(offsetBytes, into) {
        talk();
        into.set(disk.subarray(offsetBytes, offsetBytes + into.length));
      },
      write(offsetBytes, from) {
        talk();
        disk.set(from, offsetBytes);
      },
      flush() {},
    });
  },
});

export default plugin;
