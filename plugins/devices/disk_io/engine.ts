/**
 * The engines by which a disk on a descriptor transfers: one command at a time, or many by io_uring.
 *
 * @module
 */

import { Operation } from "../../../core/blkif.ts";
import { type BlockDevice, type DeviceInfo, synchronous } from "../../../core/block_device.ts";
import { messageOf } from "../../../core/errors.ts";
import { IoUring } from "../../../core/io_uring.ts";
import { aligned } from "./aligned.ts";
import type { PositionedFile } from "./positioned_file.ts";
import { UringDevice } from "./uring_device.ts";

/** What can be asked for: an engine, or the better of those that there are. */
export const ENGINES = ["auto", "sync", "io-uring"] as const;
/** One of {@link ENGINES}. */
export type Engine = typeof ENGINES[number];

/** What the devices of {@link openEngine} count. */
export const BOUNCE_COUNTERS = {
  bouncedRequests: "Requests whose memory direct I/O does not accept, so that their data was copied.",
} as const;

/** Commands in flight at most: a SATA disk takes 32 (NCQ), a file or an NVMe disk more. Others wait here. */
const URING_ENTRIES = 64;

/** A disk on an open descriptor. */
export interface DescriptorDisk {
  /** What it transfers to and from; closed with the device. */
  readonly file: PositionedFile;
  /** What it is. */
  readonly info: DeviceInfo;
  /** Whether it is opened for direct I/O: then all that is transferred is aligned to its sectors. */
  readonly direct: boolean;
  /** The longest time that one of its operations may take, in nanoseconds. */
  readonly operationTimeoutNs: number;
  /** Forgets bytes. Needed where `info.canDiscard`. */
  readonly discard?: (offsetBytes: number, byteLength: number) => void;
  /** Makes bytes zero. Where it is missing, zeroes are written. */
  readonly writeZeroes?: (offsetBytes: number, byteLength: number) => void;
  /** Lets go of what discards and makes zero. */
  readonly close?: () => void;
}

/**
 * The block device of a disk on a descriptor.
 *
 * @param wanted the engine; `auto` takes io_uring under direct I/O where there is one, and else transfers at once: what
 *   is in the page cache comes sooner so
 * @param note told when io_uring would have been taken and is not to be had
 * @throws {DeviceError} when io_uring is asked for and not to be had
 */
export function openEngine(wanted: Engine, disk: DescriptorDisk, note: (text: string) => void): BlockDevice {
  const ring = wanted === "io-uring" || (wanted === "auto" && disk.direct) ? openRing(wanted, note) : null;
  return ring === null ? synchronousDisk(disk) : uringDisk(disk, ring);
}

function openRing(wanted: Engine, note: (text: string) => void): IoUring | null {
  try {
    return new IoUring(URING_ENTRIES);
  } catch (thrown) {
    if (wanted === "io-uring") throw thrown;
    note(`${messageOf(thrown)}; one command is in flight at a time (engine: sync)`);
    return null;
  }
}

function synchronousDisk(disk: DescriptorDisk): BlockDevice {
  const { file, info, direct, operationTimeoutNs, discard, writeZeroes, close } = disk;
  const counters = { bouncedRequests: 0 };
  const device = synchronous({
    info,
    operationTimeoutNs,
    read: (offset, into) => file.read(offset, into),
    write: (offset, from) => file.write(offset, from),
    flush: () => file.flush(),
    discard,
    writeZeroes,
    counters: () => counters,
    close() {
      close?.();
      file.close();
    },
  });
  return direct ? aligned(device, file, info.sectorSize, counters) : device;
}

function uringDisk(disk: DescriptorDisk, ring: IoUring): BlockDevice {
  const { file, info, direct, operationTimeoutNs, discard, writeZeroes, close } = disk;
  return new UringDevice({
    ring,
    file,
    info: { ...info, canWriteZeroes: writeZeroes !== undefined },
    alignment: direct ? info.sectorSize : 1,
    operationTimeoutNs,
    erase({ operation, offsetBytes, byteLength }) {
      if (operation === Operation.Discard) discard?.(offsetBytes, byteLength);
      else writeZeroes?.(offsetBytes, byteLength);
    },
    counters: { bouncedRequests: 0 },
    close() {
      close?.();
      file.close();
    },
  });
}
