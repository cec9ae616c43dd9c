/**
 * Descriptors of a medium: opened by libc in the hypervisor, used by libc in whichever driver inherits them. Deno's own
 * functions know only what they have opened themselves, in the same thread.
 *
 * @module
 */

import { DeviceError } from "../../../core/errors.ts";
import { type CLibrary, describeErrno, openCLibrary } from "../../../core/libc.ts";

const SYMBOLS = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

const O_CLOEXEC = 0o2000000;

/**
 * Opens what a descriptor stands for once more, by whatever name it has by now or none: a new open file description, with
 * flags and a place of its own, and its own account of the write-backs that failed. It is closed at `exec`.
 *
 * @param flags of `open(2)`, for an existing file
 * @param name what it is, for messages
 * @throws {DeviceError} where libc may not be called, or it cannot be opened so
 */
export function openOnceMore(descriptor: number, flags: number, name: string): number {
  return withLibc(`open ${name} once more`, (library) => {
    const path = new TextEncoder().encode(`/proc/self/fd/${descriptor}\0`);
    const opened = library.symbols.open(path, flags | O_CLOEXEC);
    if (opened < 0) throw new DeviceError(`Cannot open ${name} once more: ${describeErrno(library.errno())}`);
    return opened;
  });
}

/**
 * Closes a descriptor that {@link openOnceMore} returned.
 *
 * @throws {DeviceError} where libc may not be called
 */
export function closeDescriptor(descriptor: number): void {
  withLibc(`close descriptor ${descriptor}`, ({ symbols }) => symbols.close(descriptor));
}

function withLibc<Result>(what: string, use: (library: CLibrary<typeof SYMBOLS>) => Result): Result {
  const library = openCLibrary(SYMBOLS);
  if (library === null) throw new DeviceError(`Cannot ${what}: that takes --allow-ffi`);
  try {
    return use(library);
  } finally {
    library.close();
  }
}
