/**
 * The file of a loop device, opened by Deno; and the transfers of a driver that opened it so, where libc may not be
 * called: whole, or failed with the file and the place in the error.
 *
 * @module
 */

import fs from "node:fs";
import { DeviceError, messageOf } from "../../../core/errors.ts";
import { earlyEnd, flushFailure, type PositionedFile, transferFailure } from "../disk_io/positioned_file.ts";

/** How a file is opened. */
export interface OpenFileOptions {
  /** Whether it is opened for reading alone. */
  readonly readOnly: boolean;
  /** Whether transfers pass the page cache by (`O_DIRECT`): memory, place and length must then be aligned. */
  readonly direct: boolean;
}

/** What errors say of a loop file. */
export function describeLoopFile(
  path: string,
  { direct }: OpenFileOptions,
): { name: string; hint: string | undefined } {
  // A file that began with a hole may have passed for one with smaller sectors than its disk has.
  return { name: `the loop file ${path}`, hint: direct ? "try sectorSize: 4KiB" : undefined };
}

/** How a file is opened, as flags of `open(2)`. */
export function openFlags({ readOnly, direct }: OpenFileOptions): number {
  const { O_RDONLY, O_RDWR, O_DIRECT } = fs.constants;
  return (readOnly ? O_RDONLY : O_RDWR) | (direct ? O_DIRECT : 0);
}

/**
 * Opens a file that is there.
 *
 * @returns a descriptor for `node:fs` in this thread
 * @throws {DeviceError} when it cannot be opened so
 */
export function openFile(path: string, options: OpenFileOptions): number {
  const { readOnly, direct } = options;
  if (direct && fs.constants.O_DIRECT === undefined) {
    throw new DeviceError(`Cannot open the loop file ${path} for direct I/O: this system has none; use direct: false`);
  }
  const how = `${readOnly ? "to read" : "to read and write"}${direct ? " by direct I/O" : ""}`;
  try {
    return fs.openSync(path, openFlags(options));
  } catch (cause) {
    const refused = direct && (cause as { code?: string }).code === "EINVAL";
    const hint = refused ? ". Its file system has no direct I/O: use direct: false" : "";
    throw new DeviceError(`Cannot open the loop file ${path} ${how}: ${messageOf(cause)}${hint}`, { cause });
  }
}

/** A file that this thread has opened. Its size is never changed here. */
export class OpenFile implements PositionedFile {
  readonly name: string;
  readonly descriptor: number;
  readonly hint: string | undefined;
  readonly endHint: undefined;

  /**
   * Opens a file that is there.
   *
   * @throws {DeviceError} when it cannot be opened so
   */
  constructor(path: string, options: OpenFileOptions) {
    const { name, hint } = describeLoopFile(path, options);
    this.name = name;
    this.hint = hint;
    this.descriptor = openFile(path, options);
  }

  read(offsetBytes: number, into: Uint8Array): void {
    let done = 0;
    try {
      do {
        const count = fs.readSync(this.descriptor, into, done, into.length - done, offsetBytes + done);
        if (count === 0) throw new DeviceError(earlyEnd(this, offsetBytes + done));
        done += count;
      } while (done < into.length);
    } catch (cause) {
      throw transferFailure(this, "read", offsetBytes, into.length, cause);
    }
  }

  write(offsetBytes: number, from: Uint8Array): void {
    let done = 0;
    try {
      do {
        const count = fs.writeSync(this.descriptor, from, done, from.length - done, offsetBytes + done);
        if (count === 0) throw new DeviceError("nothing more was written");
        done += count;
      } while (done < from.length);
    } catch (cause) {
      throw transferFailure(this, "write", offsetBytes, from.length, cause);
    }
  }

  flush(): void {
    try {
      fs.fdatasyncSync(this.descriptor);
    } catch (cause) {
      throw flushFailure(this, cause);
    }
  }

  close(): void {
    fs.closeSync(this.descriptor);
  }
}
