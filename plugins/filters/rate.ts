/**
 * Bounds what reaches a device: operations and bytes a second.
 *
 * @module
 */

import { Status } from "../../core/blkif.ts";
import type { BlockDevice, BlockRequest } from "../../core/block_device.ts";
import { passThrough } from "../../core/filter.ts";
import { cLibraryNeed, mayCallLibc } from "../../core/libc.ts";
import { API_VERSION, definePlugin, type FilterPlugin } from "../../core/plugin.ts";
import { TokenBucket } from "../../core/rate_limit.ts";
import { z } from "../../core/schema.ts";
import { duration, size } from "../../core/units.ts";
import { HeldRequests } from "./timed/held_requests.ts";

const NS_PER_MS = 1e6;

const options = z.strictObject({
  iops: z.number().positive().optional().describe("Operations a second; any number when absent."),
  bandwidth: size().refine((bytes) => bytes > 0, "must be above 0B").optional()
    .describe("Bytes read and written a second; any number when absent."),
  burst: duration().prefault("10ms").describe("How long a device that did nothing meanwhile may save up for."),
});

/** The filter `rate`. */
const plugin: FilterPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "filter",
  name: "rate",
  description: "Lets so many operations, or bytes, a second reach the device; what is too much waits, in order.",
  options,
  counters: {
    rateHeldRequests: "Requests that had to wait.",
    rateHeldNs: "How long they waited, all together, in nanoseconds.",
  },
  permissions: () => mayCallLibc() ? { ffi: [cLibraryNeed()] } : {},
  create: ({ iops, bandwidth, burst }, next) => {
    const buckets = [iops, bandwidth].map((rate) => rate === undefined ? null : new TokenBucket(rate, burst));
    return limited(next, buckets[0], buckets[1]);
  },
});

export default plugin;

/**
 * A request goes on when the buckets have been filled again after all those before it; so the times never go back, and
 * requests stay in their order.
 */
function limited(next: BlockDevice, operations: TokenBucket | null, bytes: TokenBucket | null): BlockDevice {
  const held = new HeldRequests(next);
  const { waiting } = held;
  let heldRequests = 0;
  let heldMs = 0;
  /** When the last of those that had to wait may go on: nothing passes it. */
  let lastDueMs = -Infinity;

  /** Takes what a request costs. When it may go on, in milliseconds; −Infinity: at once. */
  const charge = ({ extentCount, byteLength }: BlockRequest, nowMs: number): number => {
    let dueMs = -Infinity;
    if (operations !== null) {
      operations.fill(nowMs);
      dueMs = operations.dueMs;
      operations.tokens--;
    }
    if (bytes !== null) {
      bytes.fill(nowMs);
      dueMs = Math.max(dueMs, bytes.dueMs);
      if (extentCount > 0) bytes.tokens -= byteLength;
    }
    return dueMs;
  };

  /** Lets a request go on that had to wait. Whether it is done. */
  const release = (request: BlockRequest): boolean => {
    try {
      return held.submit(request);
    } catch (thrown) {
      request.status = Status.Error;
      request.cause = thrown;
      return true;
    }
  };

  return passThrough(next, {
    ...held.members(() => ({ rateHeldRequests: heldRequests, rateHeldNs: Math.round(heldMs * NS_PER_MS) })),
    submit(request) {
      const nowMs = held.now();
      const dueMs = charge(request, nowMs);
      if (waiting.size === 0 && dueMs <= nowMs) return held.submit(request);
      lastDueMs = Math.max(lastDueMs, dueMs);
      heldRequests++;
      heldMs += Math.max(0, lastDueMs - nowMs);
      waiting.push(request, lastDueMs);
      return false;
    },
    poll() {
      // First, as the device below may start them at its next poll.
      for (let request = held.due(); request !== null; request = held.due()) {
        if (release(request)) return request;
      }
      return held.poll();
    },
  });
}
