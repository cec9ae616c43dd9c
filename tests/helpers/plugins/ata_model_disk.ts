/** The pass-through device on a simulated disk, as a plugin, so that it can be held to what every device is held to. */

import { API_VERSION, definePlugin, type DevicePlugin } from "../../../core/plugin.ts";
import { z } from "../../../core/schema.ts";
import { passthroughDevice } from "../../../plugins/devices/sata/passthrough.ts";
import { AtaDiskModel, MODEL_DESCRIPTOR } from "../ata_disk_model.ts";

const SIZE = 128 * 1024;
const options = z.strictObject({
  sectorSize: z.int().default(512),
  fua: z.boolean().default(true),
  maxSectors: z.int().default(256),
  readOnly: z.boolean().default(false),
});

const ataModelDisk: DevicePlugin<typeof options, SharedArrayBuffer> = definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "ata-model-disk",
  description: "A simulated ATA disk by pass-through.",
  options,
  counters: { bouncedRequests: "Requests that the kernel copied." },
  openMedium: (_, { allocate }) => allocate(SIZE),
  create({ sectorSize, fua, maxSectors, readOnly }, storage) {
    const control = new AtaDiskModel({ sectors: SIZE / sectorSize, sectorSize, fua, maxSectors, storage });
    return passthroughDevice({ descriptor: MODEL_DESCRIPTOR, path: "/dev/model", readOnly, control });
  },
});

export default ataModelDisk;
