/**
 * A limit to the private memory of another process (`RLIMIT_DATA`): its heap and all else that it allocates, without what it
 * shares. A Deno that runs into it ends with an error of V8's, or gets an exception where it asked for a buffer.
 *
 * @module
 */

import { openCLibrary } from "./libc.ts";

const SYMBOLS = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  prlimit64: { parameters: ["i32", "i32", "buffer", "buffer"], result: "i32" },
} as const;

/** `O_CLOEXEC`, read-only. */
const O_CLOEXEC = 0o2000000;
const RLIMIT_DATA = 2;
const PAGE_BYTES = 4096;
/** Which number of `/proc/PID/statm` is data and stack, in pages. */
const DATA = 5;

/**
 * Limits what a process takes from now on. What it has does not count: V8 reserves half a gigabyte that it never touches.
 *
 * @param bytes how much more private memory it may have
 * @returns whether it is limited: not where libc may not be called, or the process is gone
 */
export function limitGrowth(processId: number, bytes: number): boolean {
  const library = openCLibrary(SYMBOLS);
  if (library === null) return false;
  const { open, read, close, prlimit64 } = library.symbols;
  const path = new TextEncoder().encode(`/proc/${processId}/statm\0`);
  const text = new Uint8Array(256);
  const descriptor = open(path, O_CLOEXEC);
  const length = descriptor < 0 ? 0 : Number(read(descriptor, text, BigInt(text.length)));
  if (descriptor >= 0) close(descriptor);
  const pages = Number(new TextDecoder().decode(text.subarray(0, Math.max(0, length))).split(" ")[DATA]);
  const limit = BigInt(pages > 0 ? pages * PAGE_BYTES + bytes : 0);
  const limited = limit > 0n &&
    prlimit64(processId, RLIMIT_DATA, new BigUint64Array([limit, limit]), new BigUint64Array(2)) === 0;
  library.close();
  return limited;
}
