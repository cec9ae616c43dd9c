/**
 * Makes a device read-only.
 *
 * @module
 */

import { passThrough } from "../../core/filter.ts";
import { API_VERSION, definePlugin, type FilterPlugin } from "../../core/plugin.ts";
import { z } from "../../core/schema.ts";

const options = z.strictObject({});

/** The filter `readonly`. */
const plugin: FilterPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "filter",
  name: "readonly",
  description: "Makes the device refuse all that changes it.",
  options,
  // The gate before all filters refuses what the info does not allow.
  create: (_, next) => passThrough(next, { info: { ...next.info, readOnly: true } }),
});

export default plugin;
