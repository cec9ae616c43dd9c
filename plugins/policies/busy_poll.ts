/**
 * Polls for ever, as a reactor of SPDK does ("SPDK: A Development Kit to Build High Performance Storage Applications",
 * CloudCom 2017; `lib/event/reactor.c`).
 *
 * A reactor owns a core and calls its pollers in turn without a pause. Nothing ever wakes it, so nobody who has work for
 * it makes a system call: the first look after the work is there finds it. It takes its core whole, idle or not, which is
 * what SPDK's users complain of most.
 *
 * Ours differs in this: a wait without work ends after 100 ms and the thread polls on, having looked whether it is to
 * stop and whether its peer is still there. Nothing is armed meanwhile. A ring of the doorbell, as a command of the
 * hypervisor makes it, ends the wait at once. SPDK's interrupt mode, which sleeps, is what other policies are.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import type { WaitPlan } from "../../core/notification.ts";
import { API_VERSION, definePlugin, type PolicyPlugin } from "../../core/plugin.ts";

const options = z.strictObject({});

/** The policy `busy-poll`. */
const plugin: PolicyPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "policy",
  name: "busy-poll",
  description: "Polls for ever and never sleeps, as a reactor of SPDK does: a core for each thread, idle or not.",
  options,
  create: () => ({
    plan(plan: WaitPlan): void {
      plan.spinNs = Infinity;
    },
  }),
});

export default plugin;
