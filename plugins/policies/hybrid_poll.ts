/**
 * The hybrid polling of Linux's block layer (`block/blk-mq.c` from 4.10 to 5.x: `blk_mq_poll_hybrid`, `blk_mq_poll_nsecs`;
 * `Documentation/block/queue-sysfs.rst`: `io_poll_delay`).
 *
 * Whoever waits for a request sleeps for about half the time that requests of its kind take, by a timer and whatever
 * happens, and polls from then on. So most of the wait costs no CPU time, and no interrupt is needed at its end. As long
 * as there is no mean yet, it polls from the beginning. Linux has a mean for each direction and size of requests, of those
 * that were completed in the last window of 100 ms in which there were any.
 *
 * `io_poll_delay` is that of Linux: -1 is not to sleep, 0 is to sleep for half the mean, more is to sleep for so many
 * microseconds. Linux's default is -1, which here is `busy-poll`; ours is 0.
 *
 * Ours differs in this:
 *
 * - A policy is told of waits, not of requests. So there is one mean, of the waits that ended with work, from their
 *   beginning to the first look that found it, less the time that others had the core; where many requests are in flight that is shorter than any of them takes.
 *   Where reads and writes, or small and large ones, take different times, it is right for neither.
 * - A window is 100 ms of such waits, not of the clock, which costs as much to read as a short wait takes.
 * - The kernel's own timers end a sleep to the microsecond; a thread's come some 35 µs late, and some 80 µs where libc may
 *   not be asked to take their slack away (`PR_SET_TIMERSLACK`). This policy measures how much later than asked its sleeps
 *   end, and asks for so much less; where half the mean is less than that, it polls, but for one sleep in each window that
 *   is there to measure. Otherwise it would sleep past the end of all short waits, take that to be how long they are, and
 *   never come back. A delay that is given in microseconds is slept as it stands.
 * - A driver waits for requests as an application waits for their completion, by this policy as by any other. Linux polls
 *   only while a request is in flight. So an idle driver polls for ever.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import type { NotificationPolicy, WaitOutcome, WaitPlan } from "../../core/notification.ts";
import { API_VERSION, definePlugin, type PolicyPlugin } from "../../core/plugin.ts";

const options = z.strictObject({
  io_poll_delay: z.int().min(-1).max(1_000_000).default(0).describe(
    "How long to sleep before polling, in microseconds; 0: half the mean of the waits so far; -1: not at all.",
  ),
});

const NS_PER_US = 1000;
/** Time in waits after which their mean is taken anew. */
const WINDOW_NS = 100e6;
/** How much later than asked sleeps end before one was measured: the slack that Linux's timers for threads have. */
const TIMER_SLACK_NS = 50_000;
/** The shortest sleep: all of it is lateness. */
const SHORTEST_NS = 1;
/** What the latest sleep counts among those that were measured. */
const OVERSLEEP_WEIGHT = 1 / 8;

/** The policy `hybrid-poll`. */
const plugin: PolicyPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "policy",
  name: "hybrid-poll",
  description:
    "Sleeps for half of what waits take on average, then polls until there is work, as Linux's block layer did.",
  options,
  create: ({ io_poll_delay }) => io_poll_delay === 0 ? new AdaptiveDelay() : new FixedDelay(io_poll_delay * NS_PER_US),
});

export default plugin;

class FixedDelay implements NotificationPolicy {
  readonly #delayNs: number;

  constructor(delayNs: number) {
    this.#delayNs = Math.max(0, delayNs);
  }

  plan(plan: WaitPlan): void {
    plan.preSleepNs = this.#delayNs;
    plan.spinNs = Infinity;
  }
}

class AdaptiveDelay implements NotificationPolicy {
  /** 0 before the first window is over. */
  #meanNs = 0;
  #windowNs = 0;
  #windowWaits = 0;
  #askedNs = 0;
  #oversleepNs = TIMER_SLACK_NS;
  /** Whether to sleep once, to see how late that ends. */
  #measures = false;

  plan(plan: WaitPlan): void {
    this.#askedNs = Math.max(this.#measures ? SHORTEST_NS : 0, this.#meanNs / 2 - this.#oversleepNs);
    this.#measures = false;
    plan.preSleepNs = this.#askedNs;
    plan.spinNs = Infinity;
  }

  waited(outcome: WaitOutcome): void {
    // A sleep that was shorter than asked was ended by a ring, and says nothing of timers.
    const oversleptNs = outcome.sleptNs - this.#askedNs;
    if (this.#askedNs > 0 && oversleptNs >= 0) {
      this.#oversleepNs += (oversleptNs - this.#oversleepNs) * OVERSLEEP_WEIGHT;
    }
    if (!outcome.found) return;
    this.#windowNs += outcome.spunNs + outcome.sleptNs;
    this.#windowWaits++;
    if (this.#windowNs < WINDOW_NS) return;
    this.#meanNs = this.#windowNs / this.#windowWaits;
    this.#windowNs = 0;
    this.#windowWaits = 0;
    this.#measures = true;
  }
}
