/**
 * An open file or disk that is read and written at places: what both engines and all devices on descriptors work with.
 *
 * @module
 */

import { DeviceError, messageOf } from "../../../core/errors.ts";

/** An open descriptor with a name for messages. Transfers are whole or fail. */
export interface PositionedFile {
  /** What it is, for messages: `the loop file disk.img`, `the disk /dev/sda`. */
  readonly name: string;
  /** Its file descriptor. */
  readonly descriptor: number;
  /** What to add to a message about a transfer that was refused as invalid (`EINVAL`), if anything. */
  readonly hint?: string;
  /** What it may mean that it ends where it did not before, for messages. */
  readonly endHint?: string;
  /** Fills `into` from a place in the file. On the hot path. */
  read(offsetBytes: number, into: Uint8Array): void;
  /** Stores `from` at a place in the file. On the hot path. */
  write(offsetBytes: number, from: Uint8Array): void;
  /** Makes what was written durable. */
  flush(): void;
  /** Lets go of it. */
  close(): void;
}

/** What to throw when an operation on some bytes did not work. */
export function transferFailure(
  { name, hint }: Pick<PositionedFile, "name" | "hint">,
  what: string,
  offsetBytes: number,
  byteLength: number,
  cause: unknown,
): DeviceError {
  const said = messageOf(cause);
  const more = hint !== undefined && /EINVAL|os error 22/.test(said) ? `; ${hint}` : "";
  return new DeviceError(`Cannot ${what} ${byteLength} bytes at byte ${offsetBytes} of ${name}: ${said}${more}`, {
    cause,
  });
}

/** The cause of a read that finds the end before it has all. */
export function earlyEnd({ endHint }: Pick<PositionedFile, "endHint">, atByte: number): string {
  return `it ends at byte ${atByte}${endHint === undefined ? "" : `; ${endHint}`}`;
}

/** What to throw when a flush did not work. */
export function flushFailure({ name }: Pick<PositionedFile, "name">, cause: unknown): DeviceError {
  return new DeviceError(`Cannot flush ${name}: ${messageOf(cause)}`, { cause });
}
