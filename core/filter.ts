/**
 * Filters: devices made of other devices, stacked before the one that a driver drives.
 *
 * A request passes the first filter of a scenario's list first, and the device last. A filter has the device's operations
 * and `next`, the device below it, and overrides what it needs (the idea is nbdkit's).
 *
 * @module
 */

import type { BlockDevice } from "./block_device.ts";
import { addUp, type Counters } from "./counters.ts";
import { PluginError } from "./errors.ts";
import type { CreateContext, FilterPlugin } from "./plugin.ts";

/** A filter and its options, after the schema. */
export interface FilterUse {
  /** Its definition. */
  readonly plugin: FilterPlugin;
  /** Its options. */
  readonly options: unknown;
}

/**
 * A device that does what `next` does, but for what is overridden: an own member calls that of `next` where it wants it. Two
 * go without saying: `next` is closed after an own `close`, and what it counts is added to own `counters`. A member that is
 * given as undefined is left out: so a filter withholds the descriptor of `next`.
 *
 * @example Reads sectors as zeroes
 * ```ts
 * import { type BlockDevice, Operation, passThrough, Status } from "iddr";
 *
 * function zeroes(next: BlockDevice): BlockDevice {
 *   return passThrough(next, {
 *     submit(request) {
 *       if (request.operation !== Operation.Read) return next.submit(request);
 *       for (let i = 0; i < request.extentCount; i++) request.extent(i).fill(0);
 *       request.status = Status.Okay;
 *       return true;
 *     },
 *   });
 * }
 * ```
 */
export function passThrough(next: BlockDevice, own: Partial<BlockDevice> = {}): BlockDevice {
  return {
    info: own.info ?? next.info,
    submit: own.submit ?? next.submit.bind(next),
    poll: "poll" in own ? own.poll : next.poll?.bind(next),
    descriptor: "descriptor" in own ? own.descriptor : next.descriptor,
    pollNs: "pollNs" in own ? own.pollNs : next.pollNs,
    operationTimeoutNs: "operationTimeoutNs" in own ? own.operationTimeoutNs : next.operationTimeoutNs,
    listen: "listen" in own ? own.listen : next.listen?.bind(next),
    idle: "idle" in own ? own.idle : next.idle?.bind(next),
    arm: "arm" in own ? own.arm : next.arm?.bind(next),
    counters: own.counters === undefined ? next.counters?.bind(next) : () => countersOf(own, next),
    close: inTurn(own.close, next.close?.bind(next)),
  };
}

/** Both of two functions; undefined where there is neither. */
function inTurn(first: (() => void) | undefined, second: (() => void) | undefined): (() => void) | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return () => {
    try {
      first();
    } finally {
      second();
    }
  };
}

function countersOf(...devices: readonly Partial<BlockDevice>[]): Counters {
  return addUp(devices.map((device) => device.counters?.() ?? {}));
}

/**
 * Puts filters before a device, the first of them nearest to the application, and holds each against what its plugin
 * says of it. When one cannot be made, what it stood before is closed.
 *
 * @throws {PluginError} when a filter completes requests by events, or counts something, and its plugin does not say so; or
 * when it keeps to itself what the device below it counts
 * @throws what a plugin throws
 */
export function stackFilters(device: BlockDevice, filters: readonly FilterUse[], context: CreateContext): BlockDevice {
  let below = device;
  for (let layer = filters.length - 1; layer >= 0; layer--) {
    let made = below;
    try {
      made = filters[layer].plugin.create(filters[layer].options, below, { ...context, layer });
      checkFilter(filters[layer].plugin, made, below);
    } catch (thrown) {
      made.close?.();
      throw thrown;
    }
    below = made;
  }
  return below;
}

function checkFilter({ name, events, counters = {} }: FilterPlugin, made: BlockDevice, next: BlockDevice): void {
  if (made.listen !== undefined && next.listen === undefined && events !== true) {
    throw new PluginError(
      `The filter ${name} completes requests by events (it has listen), which its plugin does not say: add ` +
        "`events: true` to its definition",
    );
  }
  if (next.listen !== undefined && made.listen === undefined) {
    throw new PluginError(
      `The filter ${name} has no listen, by which the device below it says that it has something new`,
    );
  }
  if (next.poll !== undefined && made.poll === undefined) {
    throw new PluginError(`The filter ${name} has no poll, by which the device below it completes requests`);
  }
  const counted = Object.keys(countersOf(made));
  const below = Object.keys(countersOf(next));
  const unknown = counted.filter((each) => !below.includes(each) && !Object.hasOwn(counters, each));
  if (unknown.length > 0) {
    throw new PluginError(
      `The filter ${name} counts ${unknown.join(", ")}, which its plugin does not say: add a sentence for each to ` +
        "`counters` in its definition",
    );
  }
  const hidden = below.filter((each) => !counted.includes(each));
  if (hidden.length > 0) {
    throw new PluginError(`The filter ${name} does not return ${hidden.join(", ")}, which the device below it counts`);
  }
}
