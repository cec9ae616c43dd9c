/**
 * File descriptors as processes hand them on: a child inherits those that are not closed at `exec`.
 *
 * @module
 */

import { DeviceError } from "./errors.ts";
import { describeErrno, openCLibrary } from "./libc.ts";

const SYMBOLS = { fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" } } as const;

const F_SETFD = 2;
const FD_CLOEXEC = 1;

/**
 * Says whether a descriptor is closed at `exec`, which is to say in every child.
 *
 * @throws {DeviceError} where libc may not be called, or it is no open descriptor
 */
export function closeOnExec(descriptor: number, closes: boolean): void {
  const library = openCLibrary(SYMBOLS);
  if (library === null) throw new DeviceError("Descriptors are handed on by the C library: allow --allow-ffi");
  const done = library.symbols.fcntl(descriptor, F_SETFD, closes ? FD_CLOEXEC : 0) === 0;
  const errno = done ? 0 : library.errno();
  library.close();
  if (!done) throw new DeviceError(`Descriptor ${descriptor} cannot be handed on: ${describeErrno(errno)}`);
}

/** Runs `spawn`, whose child inherits these descriptors and no others. It must have spawned when it returns. */
export function handingOn<T>(descriptors: readonly number[], spawn: () => T): T {
  const handed: number[] = [];
  try {
    for (const descriptor of descriptors) {
      closeOnExec(descriptor, false);
      handed.push(descriptor);
    }
    return spawn();
  } finally {
    for (const descriptor of handed) closeOnExec(descriptor, true);
  }
}
