/**
 * A device that tries what it should not before it answers its first request, and notes what came of it.
 *
 * @module
 */

import { messageOf } from "../../../core/errors.ts";
import { cLibraryNeed } from "../../../core/libc.ts";
import { API_VERSION, definePlugin, type DevicePlugin } from "../../../core/plugin.ts";
import { promised } from "../../../core/promise_device.ts";
import { z } from "../../../core/schema.ts";
import type { Targets } from "./attempts.ts";
import { type Findings, probeDeno, probeSystem } from "./prober.ts";

const SIZE = 1 << 20;
const options = z.strictObject({
  /** What to try. */
  targets: z.custom<Targets>(),
  /** Whether it declares that it uses the C library. */
  declaresFfi: z.boolean(),
});

const plugin: DevicePlugin<typeof options, SharedArrayBuffer> = definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "prying-disk",
  description: "A device for tests.",
  events: true,
  options,
  permissions: ({ declaresFfi }) => declaresFfi ? { ffi: [cLibraryNeed()] } : {},
  openMedium: (_, { allocate }) => allocate(SIZE),
  create({ targets }, medium, { note }) {
    const disk = new Uint8Array(medium);
    const pry = async (): Promise<void> => {
      let bySystemCalls: Findings | string;
      try {
        bySystemCalls = { ...await probeSystem("pool", targets), ...await probeSystem("main", targets) };
      } catch (thrown) {
        bySystemCalls = messageOf(thrown);
      }
      note(JSON.stringify({ byDeno: await probeDeno(targets), bySystemCalls }));
    };
    let pried: Promise<void> | undefined;
    return promised({
      info: { sizeBytes: SIZE, sectorSize: 512, readOnly: false, canFlush: true, canDiscard: false },
      async read(offsetBytes, into) {
        await (pried ??= pry());
        into.set(disk.subarray(offsetBytes, offsetBytes + into.length));
      },
      async write(offsetBytes, from) {
        await (pried ??= pry());
        disk.set(from, offsetBytes);
      },
      async flush() {
        await (pried ??= pry());
      },
    });
  },
});

export default plugin;
