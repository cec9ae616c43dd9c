/**
 * Direct I/O: what is aligned goes straight between the file and the application's frames, the rest through a buffer.
 *
 * @module
 */

import { carriesData, Operation, Status } from "../../../core/blkif.ts";
import type { BlockDevice, BlockRequest } from "../../../core/block_device.ts";
import { DeviceError } from "../../../core/errors.ts";
import { FRAME_SIZE, SECTOR_SIZE, SharedMemory } from "../../../core/memory.ts";
import { formatSize } from "../../../core/units.ts";
import type { OpenFile } from "./open_file.ts";

/**
 * The smallest unit in which a file that was opened for direct I/O can be read, in bytes: 512 or 4096, as its disk has
 * it. Found by reading the first sectors; where the file begins with a hole, its file system may accept 512 and refuse
 * it elsewhere.
 *
 * @throws {DeviceError} when neither is accepted
 */
export function directSectorSize(file: OpenFile): number {
  // One sector into a frame, so that the memory's alignment is tried too.
  const { bytes } = SharedMemory.allocate(2);
  let refused: unknown;
  for (const size of [SECTOR_SIZE, FRAME_SIZE]) {
    try {
      file.read(0, bytes.subarray(size, 2 * size));
      return size;
    } catch (cause) {
      refused = cause;
    }
  }
  throw refused;
}

/** The sector size of a file under direct I/O, at least the one that was asked for. */
export function chooseDirectSectorSize(file: OpenFile, wanted: number | undefined): number {
  const smallest = directSectorSize(file);
  if (wanted === undefined) return smallest;
  if (wanted >= smallest) return wanted;
  throw new DeviceError(
    `The loop file ${file.path} cannot have sectors of ${formatSize(wanted)} under direct I/O: ` +
      `its disk accepts ${formatSize(smallest)} and multiples`,
  );
}

/**
 * A device that is on an `O_DIRECT` file and only ever sees aligned memory.
 *
 * Regions begin on a page boundary ({@link SharedMemory.allocate}), so a piece is aligned where its place in its region
 * is. A request with any other piece is read or written as a whole through one buffer, which grows to the longest of them.
 *
 * @param device the device for aligned requests
 * @param sectorSize the alignment in bytes, a power of two
 */
export function aligned(device: BlockDevice, file: OpenFile, sectorSize: number): BlockDevice {
  let buffer = SharedMemory.allocate(1);
  const bufferFor = (byteLength: number): Uint8Array => {
    if (buffer.bytes.length < byteLength) buffer = SharedMemory.allocate(Math.ceil(byteLength / FRAME_SIZE));
    return buffer.view(0, byteLength);
  };
  return {
    ...device,
    submit(request) {
      if (!carriesData(request.operation) || isAligned(request, sectorSize)) return device.submit(request);
      const whole = bufferFor(request.byteLength);
      if (request.operation === Operation.Read) {
        file.read(request.offsetBytes, whole);
        scatter(whole, request);
      } else {
        gather(request, whole);
        file.write(request.offsetBytes, whole);
      }
      request.status = Status.Okay;
      return true;
    },
  };
}

/** On the hot path. */
function isAligned(request: BlockRequest, unit: number): boolean {
  let bits = 0;
  for (let i = 0; i < request.extentCount; i++) {
    const extent = request.extent(i);
    bits |= extent.byteOffset | extent.length;
  }
  return (bits & (unit - 1)) === 0;
}

function scatter(whole: Uint8Array, request: BlockRequest): void {
  let at = 0;
  for (let i = 0; i < request.extentCount; i++) {
    const extent = request.extent(i);
    extent.set(whole.subarray(at, at + extent.length));
    at += extent.length;
  }
}

function gather(request: BlockRequest, whole: Uint8Array): void {
  let at = 0;
  for (let i = 0; i < request.extentCount; i++) {
    const extent = request.extent(i);
    whole.set(extent, at);
    at += extent.length;
  }
}
