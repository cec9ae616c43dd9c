/**
 * KVM's halt polling (Linux, `Documentation/virt/kvm/halt-polling.rst` and `virt/kvm/kvm_main.c`: `kvm_vcpu_halt`,
 * `grow_halt_poll_ns`, `shrink_halt_poll_ns`).
 *
 * A virtual processor that halts polls for a time of its own before it sleeps. That time begins with 0 and changes after
 * each halt, by how long all of it took, poll and sleep together:
 *
 * | the halt took                              | the poll                                                              |
 * | ------------------------------------------ | --------------------------------------------------------------------- |
 * | no longer than the poll                    | stays: it was long enough                                             |
 * | longer than `halt_poll_ns`                 | is divided by `halt_poll_ns_shrink` (0: is 0), and is 0 below `halt_poll_ns_grow_start` |
 * | less than `halt_poll_ns`                   | is multiplied by `halt_poll_ns_grow` (0: stays), from `halt_poll_ns_grow_start` up to `halt_poll_ns` |
 * | any time, and there was nothing to do (s390) | is shrunk                                                           |
 *
 * The parameters are those of the kernel's module `kvm`, in its units; the defaults are those of Linux 6.12 on x86. In older
 * kernels `halt_poll_ns_shrink` was 0.
 *
 * Ours differs in this:
 *
 * - The last line holds for every wait that ended without work. On other processors than s390 KVM takes every wake to be
 *   one for work.
 * - KVM ends a poll as soon as another task wants the core. A thread cannot ask that without a system call; so where there
 *   are more busy threads than cores, this policy spins against them (`adaptive-spin` offers its core instead).
 *
 * The polling of QEMU's IOThreads (`poll-max-ns`, `poll-grow`, `poll-shrink`; `util/aio-posix.c`, `adjust_polling_time`)
 * is the same rule with other figures: `halt_poll_ns: 32768`, `halt_poll_ns_grow_start: 4000`, `halt_poll_ns_shrink: 0`.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import type { NotificationPolicy, WaitOutcome, WaitPlan } from "../../core/notification.ts";
import { API_VERSION, definePlugin, type PolicyPlugin } from "../../core/plugin.ts";

/** The kernel's parameters are unsigned integers of 32 bits. */
const MAX_PARAMETER = 2 ** 32 - 1;

const options = z.strictObject({
  halt_poll_ns: z.int().min(0).max(MAX_PARAMETER).default(200_000)
    .describe("Longest poll, in nanoseconds, and the longest wait that polling is thought to be worth; 0: no polling."),
  halt_poll_ns_grow: z.int().min(0).max(MAX_PARAMETER).default(2)
    .describe("What a poll that was too short is multiplied by; 0: it never grows."),
  halt_poll_ns_grow_start: z.int().min(0).max(MAX_PARAMETER).default(10_000)
    .describe("Shortest poll, in nanoseconds: from none it grows to this, below it there is none."),
  halt_poll_ns_shrink: z.int().min(0).max(MAX_PARAMETER).default(2)
    .describe("What a poll is divided by that a long wait made useless; 0: there is none then."),
});

/** The policy `halt-poll`. */
const plugin: PolicyPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "policy",
  name: "halt-poll",
  description: "Polls for a time that grows after short waits and shrinks after long ones, then sleeps, as KVM does.",
  options,
  create: (parameters) => new HaltPoll(parameters),
});

export default plugin;

class HaltPoll implements NotificationPolicy {
  readonly #parameters: z.output<typeof options>;
  #pollNs = 0;

  constructor(parameters: z.output<typeof options>) {
    this.#parameters = parameters;
  }

  plan(plan: WaitPlan): void {
    plan.spinNs = this.#pollNs;
  }

  waited(outcome: WaitOutcome): void {
    const maxNs = this.#parameters.halt_poll_ns;
    const pollNs = this.#pollNs;
    if (!outcome.found) return this.#shrink();
    const haltNs = outcome.spunNs + outcome.lostNs + outcome.sleptNs;
    // What was found while polling was found in time, also where the last look came a little late.
    if (outcome.spinHit || haltNs <= pollNs) return;
    if (pollNs > 0 && haltNs > maxNs) this.#shrink();
    else if (pollNs < maxNs && haltNs < maxNs) this.#grow();
  }

  #grow(): void {
    const { halt_poll_ns, halt_poll_ns_grow, halt_poll_ns_grow_start } = this.#parameters;
    if (halt_poll_ns_grow === 0) return;
    this.#pollNs = Math.min(halt_poll_ns, Math.max(halt_poll_ns_grow_start, this.#pollNs * halt_poll_ns_grow));
  }

  #shrink(): void {
    const { halt_poll_ns_grow_start, halt_poll_ns_shrink } = this.#parameters;
    const shrunkNs = halt_poll_ns_shrink === 0 ? 0 : Math.floor(this.#pollNs / halt_poll_ns_shrink);
    this.#pollNs = shrunkNs < halt_poll_ns_grow_start ? 0 : shrunkNs;
  }
}
