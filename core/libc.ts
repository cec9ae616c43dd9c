/**
 * The C library, for what Deno has no function for. It is opened where `--allow-ffi` allows it; whoever asks must be able
 * to do without.
 *
 * @module
 */

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

/** The C library, opened for some of its symbols. */
export interface CLibrary<Symbols extends Deno.ForeignLibraryInterface> {
  /** The path that `--allow-ffi` must name. */
  readonly path: string;
  /** The functions that were asked for. */
  readonly symbols: Deno.DynamicLibrary<Symbols>["symbols"];
  /** Lets go of it: the functions must not be called afterwards. */
  close(): void;
}

/** Opens the C library; null where that is not allowed, or where none is found that has all of these symbols. */
export function openCLibrary<const Symbols extends Deno.ForeignLibraryInterface>(
  symbols: Symbols,
): CLibrary<Symbols> | null {
  for (const path of C_LIBRARIES) {
    if (Deno.permissions.querySync({ name: "ffi", path }).state !== "granted") continue;
    try {
      const library = Deno.dlopen(path, symbols);
      return { path, symbols: library.symbols, close: () => library.close() };
    } catch {
      // No such file: another distribution.
    }
  }
  return null;
}
