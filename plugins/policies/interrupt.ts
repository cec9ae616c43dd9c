/**
 * Never spins: arms the event and sleeps. This is Xen's split driver as it comes, the baseline of the thesis.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import { API_VERSION, definePlugin, type PolicyPlugin } from "../../core/plugin.ts";

const options = z.strictObject({});

/** The policy `interrupt`. */
const plugin: PolicyPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "policy",
  name: "interrupt",
  description: "Sleeps at once and is woken by a notification, as Xen's split drivers do.",
  options,
  create: () => ({
    plan(): void {}, // An untouched plan is to arm for the next entry and sleep.
  }),
});

export default plugin;
