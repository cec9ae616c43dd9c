/**
 * Which disks there are, and what each says of itself.
 *
 * @module
 */

import { messageOf } from "../../../core/errors.ts";
import { AtaDisk } from "./ata_disk.ts";
import type { AtaIdentity } from "./identify.ts";
import { blockDeviceBytes, type DeviceControl, LibcControl } from "./ioctl.ts";
import { LibcFiles } from "./libc_files.ts";

/** What a disk says of itself. */
export interface InspectedDisk {
  /** IDENTIFY DEVICE. */
  readonly identity: AtaIdentity;
  /** Bytes of the device that was opened: less than the disk's for a partition. */
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
  return withLibc(options, (files, control) => inspect(path, files, control));
}

/**
 * Asks all disks.
 *
 * @throws {DeviceError} when the kernel's list cannot be read
 */
export function listDisks(options: InspectOptions = {}): ListedDisk[] {
  const { blockFolder = "/sys/block", deviceFolder = "/dev" } = options;
  return withLibc(options, (files, control) => {
    const names = files.list(blockFolder).filter((name) => /^sd[a-z]+$/.test(name));
    return names.sort(byAge).map((name): ListedDisk => {
      const path = `${deviceFolder}/${name}`;
      const told = (file: string): string | null => readIfThere(files, `${blockFolder}/${name}/${file}`);
      const sectors = told("size");
      const known = {
        path,
        kernelModel: told("device/model"),
        sizeBytes: sectors === null ? null : Number(sectors) * KERNEL_SECTOR_BYTES,
      };
      try {
        return { ...known, identity: inspect(path, files, control).identity, problem: null };
      } catch (thrown) {
        return { ...known, identity: null, problem: messageOf(thrown) };
      }
    });
  });
}

function inspect(path: string, files: LibcFiles, control: DeviceControl): InspectedDisk {
  const descriptor = files.openForReading(path);
  try {
    const openedBytes = blockDeviceBytes(control, descriptor, path);
    return { identity: new AtaDisk(control, descriptor, path).identify(), openedBytes };
  } finally {
    files.closeFile(descriptor);
  }
}

function withLibc<Result>(
  options: InspectOptions,
  body: (files: LibcFiles, control: DeviceControl) => Result,
): Result {
  const files = new LibcFiles();
  let control: DeviceControl | undefined;
  try {
    control = options.control ?? new LibcControl();
    return body(files, control);
  } finally {
    if (control !== options.control) control?.close();
    files.close();
  }
}

function readIfThere(files: LibcFiles, path: string): string | null {
  try {
    return files.readText(path);
  } catch {
    return null;
  }
}

/** The kernel names disks sda to sdz, then sdaa. */
function byAge(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : 1);
}
