/**
 * Partitions: how several clients have a range of one device each.
 *
 * The driver's side enforces it, as no client is trusted: what a request names is counted from the beginning of its
 * client's range, and what leads beyond the end is refused before the device sees it.
 *
 * @module
 */

import { Operation, Status } from "./blkif.ts";
import type { BlockRequest, DeviceInfo } from "./block_device.ts";
import type { DeviceView } from "./device_gate.ts";
import { DeviceError } from "./errors.ts";
import { FRAME_SIZE } from "./memory.ts";

/** Which part of a device a client has. Several clients may have the same. */
export interface PartitionPlan {
  /** Which, from 0. */
  readonly index: number;
  /** Into how many the device is cut; 1: it has all of it. */
  readonly count: number;
}

/** A range of a device. */
export interface DeviceRange {
  /** Where it begins, in bytes. */
  readonly offsetBytes: number;
  /** How long it is, in bytes. */
  readonly sizeBytes: number;
}

/**
 * One of the equal ranges that a device is cut into. Their length is a multiple of 4 KiB if the device is large enough,
 * and always of its sector size; what is left over at the device's end is in none.
 *
 * @throws {DeviceError} when the device has fewer sectors than there are to be ranges
 */
export function rangeOf({ sizeBytes, sectorSize }: DeviceInfo, { index, count }: PartitionPlan): DeviceRange {
  const aligned = (unit: number): number => Math.floor(sizeBytes / count / unit) * unit;
  const length = aligned(Math.max(FRAME_SIZE, sectorSize)) || aligned(sectorSize);
  if (length === 0) {
    const sectors = sizeBytes / sectorSize;
    throw new DeviceError(`The device has ${sectors} sectors of ${sectorSize} bytes, too few for ${count} clients`);
  }
  return { offsetBytes: index * length, sizeBytes: length };
}

/**
 * What a client sees of a device: the range that it has, or the device itself where that is all of it.
 *
 * @throws {DeviceError} see {@link rangeOf}
 */
export function viewOf(device: DeviceView, plan: PartitionPlan | undefined): DeviceView {
  return plan === undefined || plan.count === 1 ? device : new Partition(device, rangeOf(device.info, plan));
}

/** A range of a device, which looks like a device of its size. */
export class Partition implements DeviceView {
  /** That of the device, with the size of the range. */
  readonly info: DeviceInfo;
  readonly #device: DeviceView;
  readonly #offsetBytes: number;

  /**
   * A view of a range.
   *
   * @param range must lie on the device, at sectors of it
   */
  constructor(device: DeviceView, { offsetBytes, sizeBytes }: DeviceRange) {
    this.info = { ...device.info, sizeBytes };
    this.#device = device;
    this.#offsetBytes = offsetBytes;
  }

  get asynchronous(): boolean {
    return this.#device.asynchronous;
  }

  /** Passes a request on, moved to where the range is. A flush is of the whole device. On the hot path. */
  submit(request: BlockRequest): void {
    const { offsetBytes, byteLength } = request;
    if (request.operation !== Operation.Flush) {
      if (!(offsetBytes >= 0 && byteLength >= 0 && offsetBytes <= this.info.sizeBytes - byteLength)) {
        request.status = Status.Error;
        request.owner.completed(request);
        return;
      }
      request.offsetBytes = offsetBytes + this.#offsetBytes;
    }
    this.#device.submit(request);
  }
}
