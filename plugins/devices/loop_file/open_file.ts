/**
 * The open file of a loop device: transfers that are whole or fail, with the file and the place in every error.
 *
 * @module
 */

import fs from "node:fs";
import { DeviceError, messageOf } from "../../../core/errors.ts";

/** How a file is opened. */
export interface OpenFileOptions {
  /** Whether it is opened for reading alone. */
  readonly readOnly: boolean;
  /** Whether transfers pass the page cache by (`O_DIRECT`): memory, place and length must then be aligned. */
  readonly direct: boolean;
}

/** A file that is open. Its size is never changed here. */
export class OpenFile {
  /** Where it is. */
  readonly path: string;
  /** Its file descriptor. */
  readonly descriptor: number;
  readonly #direct: boolean;

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
    this.path = path;
    this.#direct = direct;
    try {
      this.descriptor = fs.openSync(path, (readOnly ? O_RDONLY : O_RDWR) | (direct ? O_DIRECT : 0));
    } catch (cause) {
      const refused = direct && (cause as { code?: string }).code === "EINVAL";
      const hint = refused ? ". Its file system has no direct I/O: use direct: false" : "";
      throw new DeviceError(`Cannot open the loop file ${path} ${how}: ${messageOf(cause)}${hint}`, { cause });
    }
  }

  /** Fills `into` from a place in the file. On the hot path. */
  read(offsetBytes: number, into: Uint8Array): void {
    let done = 0;
    try {
      do {
        const count = fs.readSync(this.descriptor, into, done, into.length - done, offsetBytes + done);
        if (count === 0) throw new DeviceError(`the file ends at byte ${offsetBytes + done}`);
        done += count;
      } while (done < into.length);
    } catch (cause) {
      throw this.failure("read", offsetBytes, into.length, cause);
    }
  }

  /** Stores `from` at a place in the file. On the hot path. */
  write(offsetBytes: number, from: Uint8Array): void {
    let done = 0;
    try {
      do {
        const count = fs.writeSync(this.descriptor, from, done, from.length - done, offsetBytes + done);
        if (count === 0) throw new DeviceError("nothing more was written");
        done += count;
      } while (done < from.length);
    } catch (cause) {
      throw this.failure("write", offsetBytes, from.length, cause);
    }
  }

  /** Makes what was written durable. */
  flush(): void {
    try {
      fs.fdatasyncSync(this.descriptor);
    } catch (cause) {
      throw new DeviceError(`Cannot flush the loop file ${this.path}: ${messageOf(cause)}`, { cause });
    }
  }

  /** Closes the file. */
  close(): void {
    fs.closeSync(this.descriptor);
  }

  /** What to throw when an operation on some bytes of the file did not work. */
  failure(what: string, offsetBytes: number, byteLength: number, cause: unknown): DeviceError {
    const place = `${byteLength} bytes at byte ${offsetBytes}`;
    // A file that began with a hole may have passed for one with smaller sectors than its disk has.
    const hint = this.#direct && /EINVAL|os error 22/.test(messageOf(cause)) ? "; try sectorSize: 4KiB" : "";
    return new DeviceError(`Cannot ${what} ${place} of the loop file ${this.path}: ${messageOf(cause)}${hint}`, {
      cause,
    });
  }
}
