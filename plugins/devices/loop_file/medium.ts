/**
 * The medium of a loop device: a regular file, found or made.
 *
 * @module
 */

import fs from "node:fs";
import { join } from "node:path";
import { DeviceError, messageOf } from "../../../core/errors.ts";
import { mayCallLibc } from "../../../core/libc.ts";
import { SECTOR_SIZE } from "../../../core/memory.ts";
import { formatSize } from "../../../core/units.ts";
import { closeDescriptor, openOnceMore } from "../disk_io/descriptor.ts";
import { describeLoopFile, openFile, type OpenFileOptions, openFlags } from "./open_file.ts";

/** A file that is large enough for a disk. */
export interface LoopMedium {
  /** Where it was found or made. */
  readonly path: string;
  /** Its descriptor, which drivers inherit; null where libc may not be called: each driver then opens the path. */
  readonly descriptor: number | null;
  /** Bytes of it that are the disk: its size without what is left over after the last whole sector. */
  readonly sizeBytes: number;
}

/** Which file is wanted, and how it is opened. */
export interface LoopMediumOptions extends OpenFileOptions {
  /** The file; without it one is made in the scratch folder. */
  readonly path?: string;
  /** Its size in bytes. A file that is there must have it; one that is made without it has {@link DEFAULT_SIZE}. */
  readonly size?: number;
  /** Whether the file is made when it is not there. */
  readonly create: boolean;
  /** Whether a made file is written in full (`full`) or is one hole (`off`). */
  readonly preallocation: "full" | "off";
}

/** Bytes in a file that is made without a given size. */
export const DEFAULT_SIZE = 256 * 2 ** 20;

/** Bytes written at a time while a file is made. */
const FILL_BYTES = 1 << 20;

/**
 * Finds or makes the file, and opens it where libc may be called.
 *
 * @throws {DeviceError} when there is none, it cannot be made, or it is not what was wanted
 */
export function openLoopMedium(options: LoopMediumOptions, scratchDirectory: string | null): LoopMedium {
  const path = options.path ?? join(scratchDirectory ?? "", `loop-file-${crypto.randomUUID()}.img`);
  const mayMake = options.create || options.path === undefined;
  let found = look(path, !mayMake);
  if (found === undefined) {
    make(path, options.size ?? DEFAULT_SIZE, options.preallocation);
    found = look(path, true) as fs.Stats;
  }
  if (!found.isFile()) throw new DeviceError(`Cannot use ${path} as a loop file: it is no regular file`);
  if (options.size !== undefined && found.size !== options.size) {
    throw new DeviceError(
      `The loop file ${path} has ${formatSize(found.size)} where ${formatSize(options.size)} was asked for: ` +
        "leave size away to use the file as it is",
    );
  }
  if (found.size < SECTOR_SIZE) {
    throw new DeviceError(
      `The loop file ${path} is too small for a disk: it has ${found.size} bytes, at least ${SECTOR_SIZE} are needed`,
    );
  }
  return { path, descriptor: openForDrivers(path, options), sizeBytes: found.size - found.size % SECTOR_SIZE };
}

/**
 * Opens the same file once more, even if its path leads elsewhere by now. Where it was not opened, nor is it here.
 *
 * @throws {DeviceError} when that is impossible
 */
export function openLoopMediumAgain(medium: LoopMedium, options: OpenFileOptions): LoopMedium {
  const { path, descriptor } = medium;
  if (descriptor === null) return medium;
  return { ...medium, descriptor: openOnceMore(descriptor, openFlags(options), describeLoopFile(path, options).name) };
}

/** Lets go of the file. */
export function closeLoopMedium({ descriptor }: LoopMedium): void {
  if (descriptor !== null) closeDescriptor(descriptor);
}

/** Deno opens it, as the permissions of a path are Deno's to check; what drivers use is libc's own. */
function openForDrivers(path: string, options: OpenFileOptions): number | null {
  if (!mayCallLibc()) return null;
  const opened = openFile(path, options);
  try {
    return openOnceMore(opened, openFlags(options), describeLoopFile(path, options).name);
  } finally {
    fs.closeSync(opened);
  }
}

function look(path: string, throwIfNoEntry: boolean): fs.Stats | undefined {
  try {
    return fs.statSync(path, { throwIfNoEntry });
  } catch (cause) {
    throw new DeviceError(`Cannot open the loop file ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** Makes a new file of zeroes. What cannot be made in full is removed again. */
function make(path: string, sizeBytes: number, preallocation: LoopMediumOptions["preallocation"]): void {
  let file: number | undefined;
  try {
    file = fs.openSync(path, "wx");
    // The size comes first: a file that is left half made, by a power cut say, must not pass for a smaller disk.
    fs.ftruncateSync(file, sizeBytes);
    // Holes are read without touching the disk, and blocks that were not yet written back have no place on it.
    if (preallocation === "full") fill(file, sizeBytes);
    fs.fsyncSync(file);
  } catch (cause) {
    if (file !== undefined) fs.rmSync(path, { force: true });
    throw new DeviceError(`Cannot make the loop file ${path} of ${formatSize(sizeBytes)}: ${messageOf(cause)}`, {
      cause,
    });
  } finally {
    if (file !== undefined) fs.closeSync(file);
  }
}

function fill(file: number, sizeBytes: number): void {
  const zeroes = new Uint8Array(Math.min(FILL_BYTES, sizeBytes));
  for (let offset = 0; offset < sizeBytes;) {
    offset += fs.writeSync(file, zeroes, 0, Math.min(zeroes.length, sizeBytes - offset), offset);
  }
}
