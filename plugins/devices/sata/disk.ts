/**
 * A disk as the hypervisor opens it: by libc, past the page cache, and for nobody else while it is written to.
 *
 * Deno opens nothing below /dev, /proc and /sys unless everything is allowed, so all of it goes through libc. The files
 * below /sys are described in Linux's `Documentation/ABI/stable/sysfs-block`.
 *
 * @module
 */

import fs from "node:fs";
import { DeviceError } from "../../../core/errors.ts";
import { type CLibrary, describeErrno, openCLibrary } from "../../../core/libc.ts";
import { type DeviceControl, IoctlRequest, LibcControl } from "./ioctl.ts";
import { LibcFiles } from "./libc_files.ts";

const SYMBOLS = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  readlink: { parameters: ["buffer", "buffer", "u32"], result: "i32" },
} as const;
type Library = CLibrary<typeof SYMBOLS>;

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const STATX_TYPE = 1;
/** `struct statx` of Linux's `stat.h`: its size, and the places of the mode and of the device number. */
const STATX_BYTES = 256;
const STATX_MODE = 28;
const STATX_RDEV_MAJOR = 128;
const STATX_RDEV_MINOR = 132;
const O_CLOEXEC = 0o2000000;
const SYS_BLOCK = "/sys/dev/block";
const PATH_BYTES = 4096;
const ENOENT = 2;
const EACCES = 13;
const EPERM = 1;
const EBUSY = 16;
const EROFS = 30;

/** A disk that is open. Plain data: the descriptor is the process's. */
export interface OpenDisk {
  /** As it was named. */
  readonly path: string;
  /** Its file descriptor, for direct I/O. */
  readonly descriptor: number;
  /** Size in bytes. */
  readonly sizeBytes: number;
  /** Logical sector size in bytes: what transfers are multiples of. */
  readonly sectorSize: number;
  /** Physical sector size in bytes: smaller writes make the disk read first. */
  readonly physicalSectorSize: number;
  /** Whether it was opened for reading alone. */
  readonly readOnly: boolean;
  /** Whether it can discard (TRIM). */
  readonly canDiscard: boolean;
  /** What it is a partition of; null for a whole disk. */
  readonly partitionOf: string | null;
  /** Its major and minor number, as /sys/dev/block has them: `8:0`. */
  readonly number: string;
}

/**
 * Opens a disk.
 *
 * @param path a block device: a whole disk or a partition
 * @param writable whether it is to be written to; then nobody else may have it: no mount, no swap, no RAID
 * @throws {DeviceError} when there is none, it may not be opened, or it is no block device
 */
export function openDisk(path: string, writable: boolean): OpenDisk {
  const library = openCLibrary(SYMBOLS);
  if (library === null) throw new DeviceError(`Cannot open the disk ${path}: that takes --allow-ffi`);
  using undo = new DisposableStack();
  undo.defer(() => library.close());
  const control = undo.adopt(new LibcControl(), (each) => each.close());
  const files = undo.adopt(new LibcFiles(), (each) => each.close());
  const number = deviceNumber(library, path);
  const descriptor = openDirect(library, path, writable);
  try {
    if (deviceNumber(library, path, descriptor) !== number) throw replaced(path);
    if (writable && ask(control, path, descriptor, "BlkRoGet") !== 0) {
      throw new DeviceError(`Cannot write to the disk ${path}: the disk itself is read-only`);
    }
    return {
      path,
      descriptor,
      sizeBytes: ask(control, path, descriptor, "BlkGetSize64"),
      sectorSize: ask(control, path, descriptor, "BlkSszGet"),
      physicalSectorSize: ask(control, path, descriptor, "BlkPbszGet"),
      readOnly: !writable,
      canDiscard: writable && discardLimit(files, number) > 0,
      partitionOf: partitionOf(library, files, number),
      number,
    };
  } catch (thrown) {
    library.symbols.close(descriptor);
    throw thrown;
  }
}

/**
 * Makes sure that the path still leads to the disk that is open: what others find there is then on this disk.
 *
 * @throws {DeviceError} when it does not
 */
export function confirmPath({ path, number }: OpenDisk): void {
  const library = openCLibrary(SYMBOLS);
  if (library === null) throw new DeviceError(`Cannot look at ${path}: that takes --allow-ffi`);
  try {
    if (deviceNumber(library, path) !== number) throw replaced(path);
  } finally {
    library.close();
  }
}

/** Closes a disk. */
export function closeDisk({ descriptor }: OpenDisk): void {
  const library = openCLibrary(SYMBOLS);
  library?.symbols.close(descriptor);
  library?.close();
}

/** The number of the block device that a path leads to, or that is open. */
function deviceNumber(library: Library, path: string, descriptor?: number): string {
  const buffer = new Uint8Array(STATX_BYTES);
  const { statx } = library.symbols;
  const result = descriptor === undefined
    ? statx(AT_FDCWD, cString(path), 0, STATX_TYPE, buffer)
    : statx(descriptor, cString(""), AT_EMPTY_PATH, STATX_TYPE, buffer);
  if (result !== 0) {
    throw openFailure(path, false, library.errno());
  }
  const view = new DataView(buffer.buffer);
  if ((view.getUint16(STATX_MODE, true) & fs.constants.S_IFMT) !== fs.constants.S_IFBLK) {
    throw new DeviceError(`Cannot use ${path} as a disk: it is no block device. The device loop-file takes files`);
  }
  return `${view.getUint32(STATX_RDEV_MAJOR, true)}:${view.getUint32(STATX_RDEV_MINOR, true)}`;
}

function replaced(path: string): DeviceError {
  return new DeviceError(`${path} leads to another disk than a moment ago; nothing was written`);
}

function openDirect(library: Library, path: string, writable: boolean): number {
  const { O_RDONLY, O_RDWR, O_EXCL, O_DIRECT } = fs.constants;
  const flags = (writable ? O_RDWR | O_EXCL : O_RDONLY) | O_DIRECT | O_CLOEXEC;
  const descriptor = library.symbols.open(cString(path), flags);
  if (descriptor < 0) throw openFailure(path, writable, library.errno());
  return descriptor;
}

function openFailure(path: string, writable: boolean, errno: number): DeviceError {
  const how = writable ? "to write to it" : "to read it";
  return new DeviceError(`Cannot open the disk ${path} ${how}: ${describeErrno(errno)}${hintFor(errno)}`);
}

function hintFor(errno: number): string {
  switch (errno) {
    case ENOENT:
      return ". There is no such device; `sata list` lists those that there are";
    case EACCES:
    case EPERM:
      return ". As a rule root may, and who is in the group disk";
    case EBUSY:
      return ". Something else has it: a mount, swap, RAID, a volume group, or another run";
    case EROFS:
      return ". The disk itself is read-only";
    default:
      return "";
  }
}

/** The answer to one of the requests that return a number. */
function ask(control: DeviceControl, path: string, descriptor: number, request: keyof typeof IoctlRequest): number {
  const answer = new BigUint64Array(1);
  const result = control.ioctl(descriptor, IoctlRequest[request], new Uint8Array(answer.buffer));
  if (result < 0) throw new DeviceError(`The disk ${path} does not answer ${request}: ${describeErrno(-result)}`);
  return Number(answer[0]);
}

/** Bytes that one discard may have at most; 0 where there is none. Of a partition, its disk's. */
function discardLimit(files: LibcFiles, number: string): number {
  const file = "queue/discard_max_bytes";
  return Number(files.tryText(`${SYS_BLOCK}/${number}/${file}`) ?? files.tryText(`${SYS_BLOCK}/${number}/../${file}`));
}

function partitionOf(library: Library, files: LibcFiles, number: string): string | null {
  if (files.tryText(`${SYS_BLOCK}/${number}/partition`) === null) return null;
  // It links to …/block/sda/sda1.
  const buffer = new Uint8Array(PATH_BYTES);
  const length = library.symbols.readlink(cString(`${SYS_BLOCK}/${number}`), buffer, buffer.length);
  const disk = new TextDecoder().decode(buffer.subarray(0, Math.max(0, length))).split("/").at(-2);
  return disk === undefined ? "a disk" : `/dev/${disk}`;
}

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}
