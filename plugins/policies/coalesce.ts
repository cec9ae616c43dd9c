/**
 * Interrupt moderation: is woken once for several entries, or some time after the first. (ethtool(8), `--coalesce`;
 * Linux, `include/uapi/linux/ethtool.h`, `struct ethtool_coalesce`; of disks NVM Express, feature "Interrupt Coalescing".)
 *
 * A network card raises no interrupt for a frame before `rx-frames` of them have arrived, or `rx-usecs` have gone by since
 * the first: fewer interrupts for more delay. Here an entry of the ring is a frame, and the sleeper's event index
 * (`armDistance`) does what the card does. The names and units are ethtool's. The defaults are those of the Linux driver
 * mlx5 without its adaptive moderation: 32 frames, 16 µs.
 *
 * Ours differs in this:
 *
 * - Who sleeps does not see the first entry arrive, so it cannot count the time from there: it counts from when it went to
 *   sleep. No entry waits longer than `rx-usecs` for that. When such a time goes by without any entry, the next wait is an
 *   ordinary one, which the next entry ends at once, however late that is; so an idle ring sleeps, and costs no timer.
 * - A thread's timers end some 35 to 80 µs late (see `hybrid-poll`), so a wait that is not ended by entries takes about 50 to
 *   100 µs with the default options.
 * - The frontend waits for no more entries than it has requests in flight. The backend does not know how many are still to
 *   come: with fewer in flight than `rx-frames`, each of its waits lasts for `rx-usecs`. That is so with cards, too, and the
 *   reason why moderation suits deep queues alone.
 * - Only entries that come while it sleeps are counted. When it has nothing to do and one is there already, it takes that.
 * - With `suppression: sleep-flag` a ring has no event index, and the first push wakes the sleeper: moderation needs
 *   `event-index`, which is the default.
 *
 * Linux's dynamic moderation (`lib/dim/`), which chooses the two by the rate of completions, is not here: its profiles are
 * steps of single microseconds, finer than a thread's timers.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import type { NotificationPolicy, WaitOutcome, WaitPlan } from "../../core/notification.ts";
import { API_VERSION, definePlugin, type PolicyPlugin } from "../../core/plugin.ts";

/** Entries of the largest ring: as many as can be waited for. */
const MAX_FRAMES = 512;
const NS_PER_US = 1000;

const options = z.strictObject({
  "rx-frames": z.int().min(0).max(MAX_FRAMES).default(32)
    .describe("Entries after which the sleeper is woken; 0: by the time alone."),
  "rx-usecs": z.int().min(0).max(50_000).default(16)
    .describe("Microseconds after which it wakes with fewer; 0 only with rx-frames: 1, which is not to moderate."),
}).refine((choice) => choice["rx-usecs"] > 0 || choice["rx-frames"] === 1, {
  path: ["rx-usecs"],
  message: "must be at least 1 unless rx-frames is 1: fewer entries than that may be on their way",
});

/** The policy `coalesce`. */
const plugin: PolicyPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "policy",
  name: "coalesce",
  description:
    "Sleeps until several entries have come or some time is over, as interrupt moderation of network cards does.",
  options,
  create: (choice) => new Coalesce(choice["rx-frames"] || MAX_FRAMES, choice["rx-usecs"] * NS_PER_US),
});

export default plugin;

class Coalesce implements NotificationPolicy {
  readonly #frames: number;
  readonly #delayNs: number;
  /** Whether entries are coming, so that waiting for several of them is likely to end by entries. */
  #busy = false;

  constructor(frames: number, delayNs: number) {
    this.#frames = frames;
    this.#delayNs = delayNs;
  }

  plan(plan: WaitPlan): void {
    if (!this.#busy || this.#frames === 1) return;
    plan.armDistance = this.#frames;
    plan.blockNs = this.#delayNs;
  }

  waited({ found }: WaitOutcome): void {
    this.#busy = found;
  }
}
