/**
 * The sector size of a file under direct I/O: what its disk has, found by trying.
 *
 * @module
 */

import { DeviceError } from "../../../core/errors.ts";
import { FRAME_SIZE, SECTOR_SIZE, SharedMemory } from "../../../core/memory.ts";
import { formatSize } from "../../../core/units.ts";
import type { PositionedFile } from "../disk_io/positioned_file.ts";

/**
 * The smallest unit in which a file that was opened for direct I/O can be read, in bytes: 512 or 4096, as its disk has
 * it. Found by reading the first sectors; where the file begins with a hole, its file system may accept 512 and refuse
 * it elsewhere.
 *
 * @throws {DeviceError} when neither is accepted
 */
export function directSectorSize(file: PositionedFile): number {
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
export function chooseDirectSectorSize(file: PositionedFile, wanted: number | undefined): number {
  const smallest = directSectorSize(file);
  if (wanted === undefined) return smallest;
  if (wanted >= smallest) return wanted;
  throw new DeviceError(
    `Cannot give ${file.name} sectors of ${formatSize(wanted)} under direct I/O: ` +
      `its disk accepts ${formatSize(smallest)} and multiples`,
  );
}
