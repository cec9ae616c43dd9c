/** A policy that does something else than waiting once it was asked so often. */

import { DomainError } from "../../../core/errors.ts";
import { API_VERSION, definePlugin, type PolicyPlugin } from "../../../core/plugin.ts";
import { z } from "../../../core/schema.ts";

const options = z.strictObject({
  after: z.int().min(0),
  does: z.enum(["throw", "end its worker", "hang"]),
});

const plugin: PolicyPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "policy",
  name: "misbehaving-policy",
  description: "A policy for tests.",
  options,
  create({ after, does }) {
    let asked = 0;
    return {
      plan() {
        if (++asked <= after) return;
        if (does === "throw") throw new DomainError("no more of it");
        if (does === "end its worker") Deno.exit(0);
        // For longer than any domain may be silent, and not for ever: nothing outlives the test.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5000);
      },
    };
  },
});

export default plugin;
