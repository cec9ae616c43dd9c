/** A disk whose driver loads, and then cannot be made. */

import { DeviceError } from "../../../core/errors.ts";
import { API_VERSION, definePlugin, type DevicePlugin } from "../../../core/plugin.ts";
import { z } from "../../../core/schema.ts";

const options = z.strictObject({});

const plugin: DevicePlugin<typeof options, null> = definePlugin({
  apiVersion: API_VERSION,
  kind: "device",
  name: "unmakeable-disk",
  description: "A device for tests.",
  options,
  openMedium: () => null,
  openAgain: () => null,
  create() {
    throw new DeviceError("it cannot be made");
  },
});

export default plugin;
