/**
 * The open file of a loop device: transfers that are whole or fail, with the file and the place in every error.
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

/** A file that is open. Its size is never changed here. */
export class OpenFile implements PositionedFile {
  readonly name: string;
  readonly descriptor: number;
  /** A file that began with a hole may have passed for one with smaller sectors than its disk has. */
  readonly hint: string | undefined;
  readonly endHint: undefined;

  /**
   * Opens a file that is there.
   *
   * @throws {DeviceError} when it cannot be opened so
   */
  constructor(path: string, { readOnly, direct }: OpenFileOptions) {
    const { O_RDONLY, O_RDWR, O_DIRECT } = fs.constants;
    if (direct && O_DIRECT === undefined) {
      throw new DeviceError(
        `Cannot open the loop file ${path} for direct I/O: this system has none; use direct: false`,
      );
    }
    const how = `${readOnly ? "to read" : "to read and write"}${direct ? " by direct I/O" : ""}`;
    this.name = `the loop file ${path}`;
    this.hint = direct ? "try sectorSize: 4KiB" : undefined;
    try {
      this.descriptor = fs.openSync(path, (readOnly ? O_RDONLY : O_RDWR) | (direct ? O_DIRECT : 0));
    } catch (cause) {
      const refused = direct && (cause as { code?: string }).code === "EINVAL";
      const hint = refused ? ". Its file system has no direct I/O: use direct: false" : "";
      throw new DeviceError(`Cannot open the loop file ${path} ${how}: ${messageOf(cause)}${hint}`, { cause });
    }
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
