/**
 * Which disks there are, and what each says of itself.
 *
 * @module
 */

import { messageOf } from "../../../core/errors.ts";
import { AtaDisk } from "./ata_disk.ts";
import type { AtaIdentity } from "./identify.ts";
import { closeDisk, type OpenDisk, openDisk } from "./disk.ts";
import { type DeviceControl, LibcControl } from "./ioctl.ts";
import { LibcFiles } from "./libc_files.ts";

/** What a disk says of itself. */
export interface InspectedDisk {
  /** IDENTIFY DEVICE. */
  readonly identity: AtaIdentity;
  /** What the device that was opened is a partition of; null for the disk. */
  readonly partitionOf: string | null;
  /** Bytes of the device that was opened. */
  readonly openedBytes: number;
}

/** A disk that the kernel drives as a SCSI disk, as it does all ATA disks. */
export interface ListedDisk {
  /** Its device file. */
  readonly path: string;
  /** What the kernel calls its model; null when it does not say. */
  readonly kernelModel: string | null;
  /** Its size as the kernel has it; null when it does not say. */
  readonly sizeBytes: number | null;
  /** IDENTIFY DEVICE; null when it cannot be asked. */
  readonly identity: AtaIdentity | null;
  /** Why it cannot be asked, or null. */
  readonly problem: string | null;
}

/** Where disks are looked for, and how they are asked. */
export interface InspectOptions {
  /** The kernel's list of block devices; `/sys/block` when absent. */
  readonly blockFolder?: string;
  /** Where device files are; `/dev` when absent. */
  readonly deviceFolder?: string;
  /** How disks are controlled; by libc when absent. */
  readonly control?: DeviceControl;
  /** Opens a disk for reading; {@link openDisk} when absent. */
  readonly openDisk?: (path: string) => OpenDisk;
  /** Closes what `openDisk` opened; {@link closeDisk} when absent. */
  readonly closeDisk?: (disk: OpenDisk) => void;
}

/** Bytes in the unit in which the kernel tells sizes, whatever the disk's sectors are. */
const KERNEL_SECTOR_BYTES = 512;

/**
 * Asks one disk.
 *
 * @param path its device file, or a partition's
 * @throws {DeviceError} when there is none, it may not be asked, or is no ATA disk
 */
export function inspectDisk(path: string, options: InspectOptions = {}): InspectedDisk {
  const { openDisk: open = openForReading, closeDisk: close = closeDisk } = options;
  const disk = open(path);
  try {
    const control = options.control ?? new LibcControl();
    try {
      const { partitionOf, sizeBytes, descriptor } = disk;
      return { identity: new AtaDisk(control, descriptor, path).identify(), partitionOf, openedBytes: sizeBytes };
    } finally {
      if (options.control === undefined) control.close();
    }
  } finally {
    close(disk);
  }
}

/**
 * Asks all disks.
 *
 * @throws {DeviceError} when the kernel's list cannot be read
 */
export function listDisks(options: InspectOptions = {}): ListedDisk[] {
  const { blockFolder = "/sys/block", deviceFolder = "/dev" } = options;
  const files = new LibcFiles();
  try {
    const names = files.list(blockFolder).filter((name) => /^sd[a-z]+$/.test(name)).sort(byAge);
    return names.map((name) => listedDisk(files, `${deviceFolder}/${name}`, `${blockFolder}/${name}`, options));
  } finally {
    files.close();
  }
}

function listedDisk(files: LibcFiles, path: string, folder: string, options: InspectOptions): ListedDisk {
  const sectors = files.tryText(`${folder}/size`);
  const known = {
    path,
    kernelModel: files.tryText(`${folder}/device/model`),
    sizeBytes: sectors === null ? null : Number(sectors) * KERNEL_SECTOR_BYTES,
  };
  try {
    return { ...known, identity: inspectDisk(path, options).identity, problem: null };
  } catch (thrown) {
    return { ...known, identity: null, problem: messageOf(thrown) };
  }
}

function openForReading(path: string): OpenDisk {
  return openDisk(path, false);
}

/** The kernel names disks sda to sdz, then sdaa. */
function byAge(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : 1);
}
