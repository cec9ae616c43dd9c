/**
 * Direct I/O for a device that transfers at once: what is aligned goes straight between the disk and the application's
 * frames, the rest through a bounce buffer.
 *
 * @module
 */

import { Operation, Status } from "../../../core/blkif.ts";
import type { BlockDevice } from "../../../core/block_device.ts";
import { BounceBuffer, isAligned } from "./bounce_buffer.ts";
import type { PositionedFile } from "./positioned_file.ts";

/**
 * A device that is on an `O_DIRECT` file and only ever sees aligned memory.
 *
 * @param device the device for aligned requests
 * @param unit the alignment in bytes, a power of two
 * @param counters counts the requests that went through the buffer
 */
export function aligned(
  device: BlockDevice,
  file: PositionedFile,
  unit: number,
  counters: { bouncedRequests: number },
): BlockDevice {
  const buffer = new BounceBuffer();
  return {
    ...device,
    submit(request) {
      if (isAligned(request, unit)) return device.submit(request);
      counters.bouncedRequests++;
      if (request.operation === Operation.Read) {
        file.read(request.offsetBytes, buffer.reserve(request.byteLength));
        buffer.scatter(request);
      } else {
        file.write(request.offsetBytes, buffer.gather(request));
      }
      request.status = Status.Okay;
      return true;
    },
  };
}
