/**
 * Makes a device slower: gives it a service time, of a processor or of a device.
 *
 * @module
 */

import { Operation } from "../../core/blkif.ts";
import type { BlockDevice, BlockRequest } from "../../core/block_device.ts";
import { passThrough } from "../../core/filter.ts";
import { cLibraryNeed, mayCallLibc } from "../../core/libc.ts";
import { API_VERSION, definePlugin, type FilterContext, type FilterPlugin } from "../../core/plugin.ts";
import { z } from "../../core/schema.ts";
import { duration } from "../../core/units.ts";
import { DISTRIBUTIONS, mistakeInShape, serviceTimes } from "./delay/service_time.ts";
import { chosenOperations, OPERATION_CHOICES } from "./operations.ts";
import { HeldRequests } from "./timed/held_requests.ts";

const NS_PER_MS = 1e6;
/** So much longer than asked for is a delay, so that no rounding of sums makes it shorter. */
const ROUNDING_MS = 1e-6;
/** How long the thread may be busy with one request before it shows that it lives. */
const BEAT_MS = 20;
/** A thread that is busy for less in one call is not taken to hang: `recovery.hangTimeout` is at least twice as long. */
const LONG_NS = 100e6;

const options = z.strictObject({
  time: duration().prefault("10us").describe("How long a request takes in addition, on average."),
  distribution: z.enum(DISTRIBUTIONS).default("constant").describe(
    "How the times are distributed. Those of pareto and lognormal have a heavy tail.",
  ),
  shape: z.number().positive().optional().describe(
    "The exponent of pareto, above 1, 1.5 when absent; the standard deviation of the logarithm of lognormal, 1 when " +
      "absent. The smaller the first and the larger the second, the heavier the tail.",
  ),
  max: duration().prefault("1s").describe("The longest time: longer ones become this, which lowers the mean."),
  operations: z.enum(OPERATION_CHOICES).default("all").describe(
    "Which operations; writes are all that change the device.",
  ),
  every: z.int().min(1).default(1).describe("Of these operations every so many-th alone: the others take no time."),
  by: z.enum(["device", "processor"]).default("device").describe(
    "Who takes the time: a device, while the thread may sleep or do other things; or the driver's thread, which is busy.",
  ),
  parallel: z.int().min(1).max(1024).optional().describe(
    "How many requests the device serves at a time, in the order in which they came; all when absent.",
  ),
  seed: z.int().min(1).max(2 ** 31 - 1).default(1).describe("Seeds the times."),
}).superRefine(({ time, max, shape, distribution, by, parallel }, { addIssue }) => {
  const mistake = (key: string, message: string): void => addIssue({ code: "custom", path: [key], message });
  if (time > max) mistake("time", "must be at most max");
  const ofShape = mistakeInShape(distribution, shape);
  if (ofShape !== null) mistake("shape", ofShape);
  if (by === "processor" && parallel !== undefined) {
    mistake("parallel", "is for a device: a processor does one at a time");
  }
});

type Options = z.output<typeof options>;

/** The filter `delay`. */
const plugin: FilterPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "filter",
  name: "delay",
  description: "Makes requests take longer, by a time that is constant or random.",
  options,
  counters: {
    delayedRequests: "Requests that were delayed.",
    delayNs: "By how much they were to be delayed, all together, in nanoseconds.",
    delayLateNs: "By how much they were later than that, all together, in nanoseconds.",
  },
  // The timer that wakes the thread. Without it the thread looks on while it has requests.
  permissions: ({ by }) => by === "device" && mayCallLibc() ? { ffi: [cLibraryNeed()] } : {},
  create: (given, next, context) => given.by === "device" ? byDevice(given, next) : byProcessor(given, next, context),
});

export default plugin;

/** Whose turn it is, for how long. */
class Delays {
  requests = 0;
  totalNs = 0;
  lateNs = 0;
  readonly #chosen: Uint8Array;
  readonly #draw: () => number;
  readonly #every: number;
  #untilNext: number;

  constructor(given: Options) {
    this.#chosen = chosenOperations(given.operations);
    this.#draw = serviceTimes(given);
    this.#every = given.every;
    this.#untilNext = given.every;
  }

  /** How long a request is to take, in milliseconds; 0 where it is to take no time. On the hot path. */
  of(request: BlockRequest): number {
    if (this.#chosen[request.operation] === 0 || --this.#untilNext > 0) return 0;
    this.#untilNext = this.#every;
    const ns = this.#draw();
    this.requests++;
    this.totalNs += ns;
    return ns / NS_PER_MS;
  }

  counters(): Record<string, number> {
    return {
      delayedRequests: this.requests,
      delayNs: Math.round(this.totalNs),
      delayLateNs: Math.round(this.lateNs),
    };
  }
}

function byProcessor(given: Options, next: BlockDevice, { alive }: FilterContext): BlockDevice {
  const delays = new Delays(given);
  const longest = given.distribution === "constant" ? given.time : given.max;
  const below = next.operationTimeoutNs ?? 0;
  return passThrough(next, {
    operationTimeoutNs: longest < LONG_NS ? next.operationTimeoutNs : below + longest,
    submit(request) {
      const forMs = delays.of(request);
      if (forMs > 0) {
        const start = performance.now();
        const end = start + forMs + ROUNDING_MS;
        let now = start;
        for (let beatAt = start + BEAT_MS; now < end; now = performance.now()) {
          if (now < beatAt) continue;
          alive();
          beatAt = now + BEAT_MS;
        }
        delays.lateNs += (now - end) * NS_PER_MS;
      }
      return next.submit(request);
    },
    counters: () => delays.counters(),
  });
}

/**
 * A request enters service when the device below has done it, and is reported when its service is over. So its data is on
 * that device, or in memory, before it is reported, and never later.
 */
function byDevice(given: Options, next: BlockDevice): BlockDevice {
  const delays = new Delays(given);
  const held = new HeldRequests(next);
  const { waiting } = held;
  /** When each server has done all that it was given; null for as many servers as there are requests. */
  const freeAt = given.parallel === undefined ? null : new Float64Array(given.parallel);
  /** When the last of what has changed the device so far is reported. */
  let changedMs = 0;

  /** Puts a request that is done into service. Whether it has to wait. */
  const serve = (request: BlockRequest): boolean => {
    const forMs = delays.of(request);
    const { operation } = request;
    const isFlush = operation === Operation.Flush;
    if (forMs === 0 && !(isFlush && waiting.size > 0)) return false;
    const now = held.now();
    let dueMs = now;
    if (forMs > 0) dueMs = (freeAt === null ? now : served(freeAt, now, forMs)) + forMs + ROUNDING_MS;
    if (isFlush) dueMs = Math.max(dueMs, changedMs); // Not before what it covers.
    else if (operation !== Operation.Read) changedMs = Math.max(changedMs, dueMs);
    if (dueMs <= now) return false;
    waiting.push(request, dueMs);
    return true;
  };

  return passThrough(next, {
    ...held.members(() => delays.counters()),
    submit: (request) => held.submit(request) && !serve(request),
    poll() {
      for (let request = held.poll(); request !== null; request = held.poll()) {
        if (!serve(request)) return request;
      }
      const { dueMs } = waiting;
      const request = held.due();
      if (request !== null) delays.lateNs += (held.lastMs - dueMs) * NS_PER_MS;
      return request;
    },
  });
}

/** Gives a server that is free first something to do for so long. When it begins, in milliseconds. */
function served(freeAt: Float64Array, now: number, forMs: number): number {
  let first = 0;
  for (let i = 1; i < freeAt.length; i++) {
    if (freeAt[i] < freeAt[first]) first = i;
  }
  const beginsAt = Math.max(now, freeAt[first]);
  freeAt[first] = beginsAt + forMs;
  return beginsAt;
}
