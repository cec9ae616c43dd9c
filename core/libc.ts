/**
 * The C library, for what Deno has no function for. It is opened where `--allow-ffi` allows it; whoever asks must be able
 * to do without.
 *
 * @module
 */

import { getSystemErrorMap } from "node:util";
import { DeviceError } from "./errors.ts";

/**
 * Where glibc is: Debian, Fedora, Arch and their kin on x86-64 and ARM. Full paths, because Deno checks a permission for
 * one library by its path, and does not search for a library that is allowed by its name.
 */
const C_LIBRARIES = [
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/lib/aarch64-linux-gnu/libc.so.6",
  "/lib64/libc.so.6",
  "/usr/lib/libc.so.6",
];

/**
 * The path that `--allow-ffi` must name for {@link openCLibrary}: the library that was found, or where it is on the
 * distributions that most people have when none may be opened yet.
 */
export function cLibraryNeed(): string {
  const library = openCLibrary({});
  library?.close();
  return library?.path ?? C_LIBRARIES[Deno.build.arch === "x86_64" ? 0 : 1];
}

/** Whether the C library may be called. */
export function mayCallLibc(): boolean {
  const library = openCLibrary({});
  library?.close();
  return library !== null;
}

/** The C library, opened for some of its symbols. */
export interface CLibrary<Symbols extends Deno.ForeignLibraryInterface> {
  /** The path that `--allow-ffi` must name. */
  readonly path: string;
  /** The functions that were asked for. */
  readonly symbols: Deno.DynamicLibrary<Symbols>["symbols"];
  /** This thread's `errno`: why the last call failed that did. Ask at once, as any other call may change it. */
  errno(): number;
  /** Lets go of it: the functions must not be called afterwards. */
  close(): void;
}

/**
 * Addresses are numbers here and never Deno's pointers: those are refused where `--allow-ffi` names a library, even the
 * reading of `errno` by them.
 */
const OWN_SYMBOLS = {
  __errno_location: { parameters: [], result: "usize" },
  memcpy: { parameters: ["buffer", "usize", "usize"], result: "usize" },
} as const;

/** The name and the words for an error of the C library: `EIO (input/output error)`. */
export function describeErrno(errno: number): string {
  const [name, words] = getSystemErrorMap().get(-errno) ?? [`error ${errno}`, undefined];
  return words === undefined ? name : `${name} (${words})`;
}

/** Opens the C library; null where that is not allowed, or where none is found that has all of these symbols. */
export function openCLibrary<const Symbols extends Deno.ForeignLibraryInterface>(
  symbols: Symbols,
): CLibrary<Symbols> | null {
  for (const path of C_LIBRARIES) {
    if (Deno.permissions.querySync({ name: "ffi", path }).state !== "granted") continue;
    try {
      const library = Deno.dlopen(path, symbols);
      const own = Deno.dlopen(path, OWN_SYMBOLS);
      const location = own.symbols.__errno_location();
      const errno = new Int32Array(1);
      return {
        path,
        symbols: library.symbols,
        errno() {
          own.symbols.memcpy(errno, location, BigInt(errno.byteLength));
          return errno[0];
        },
        close() {
          library.close();
          own.close();
        },
      };
    } catch {
      // No such file: another distribution.
    }
  }
  return null;
}

/**
 * Where a view's bytes lie in this process, for system calls that take addresses within a structure. They stay there
 * as long as the view's buffer is referenced and is shared memory, or of some size: V8 moves small unshared ones.
 *
 * @throws {DeviceError} where libc may not be called
 */
export function addressOf(view: Uint8Array): number {
  const library = openCLibrary({ memmove: { parameters: ["buffer", "buffer", "usize"], result: "usize" } });
  if (library === null) throw new DeviceError("The address of memory needs the C library: allow --allow-ffi");
  const bytes = view as Uint8Array<ArrayBuffer>;
  const address = Number(library.symbols.memmove(bytes, bytes, 0n)); // It returns where it moved nothing to.
  library.close();
  return address;
}
