/**
 * The adapter for devices whose operations are promises: asynchronous file calls, sockets, timers.
 *
 * Promises are settled by the event loop, which a spinning thread never serves. A driver domain with such a device
 * therefore runs another loop, which gives way to events at every turn (`domain/driver.ts`).
 *
 * @module
 */

import { Operation, Status } from "./blkif.ts";
import type { BlockDevice, BlockRequest, DeviceInfo } from "./block_device.ts";
import type { Counters } from "./counters.ts";

/** A device whose operations are over when their promises are fulfilled. A rejection fails the request and no more. */
export interface PromiseDevice {
  /** What it is; constant. */
  readonly info: DeviceInfo;
  /** Fills `into` with the device's bytes from `offsetBytes` on. */
  read(offsetBytes: number, into: Uint8Array): Promise<void>;
  /** Stores `from` on the device from `offsetBytes` on. */
  write(offsetBytes: number, from: Uint8Array): Promise<void>;
  /** Makes all finished writes durable. Needed where `info.canFlush`. */
  flush?(): Promise<void>;
  /** Forgets bytes. Needed where `info.canDiscard`. */
  discard?(offsetBytes: number, byteLength: number): Promise<void>;
  /** Makes bytes zero. Where it is missing, zeroes are written. */
  writeZeroes?(offsetBytes: number, byteLength: number): Promise<void>;
  /** See {@link BlockDevice.counters}. */
  counters?(): Counters;
  /** Lets go of everything. */
  close?(): void;
}

/** A block device from one of promises. */
export function promised(device: PromiseDevice): BlockDevice {
  const finished: BlockRequest[] = [];
  let wake = (): void => {};
  const finish = (request: BlockRequest, status: number): void => {
    request.status = status;
    finished.push(request);
    wake();
  };
  return {
    info: { ...device.info, canWriteZeroes: device.writeZeroes !== undefined, canFua: false },
    submit(request) {
      perform(device, request).then(
        () => finish(request, Status.Okay),
        (thrown) => {
          request.cause = thrown ?? "a promise was rejected without a reason";
          finish(request, Status.Error);
        },
      );
      return false;
    },
    poll: () => finished.shift() ?? null,
    listen(given) {
      wake = given;
    },
    counters: () => device.counters?.() ?? {},
    close: () => device.close?.(),
  };
}

async function perform(device: PromiseDevice, request: BlockRequest): Promise<void> {
  const { operation, offsetBytes, byteLength, extentCount } = request;
  if (operation === Operation.Flush) return await device.flush?.();
  if (operation === Operation.Discard) return await device.discard?.(offsetBytes, byteLength);
  if (operation === Operation.WriteZeroes) return await device.writeZeroes?.(offsetBytes, byteLength);
  let offset = offsetBytes;
  for (let i = 0; i < extentCount; i++) {
    const extent = request.extent(i);
    if (operation === Operation.Read) await device.read(offset, extent);
    else await device.write(offset, extent);
    offset += extent.length;
  }
}
