/**
 * What the kernel knows of the calling thread: CPU time, context switches, and on which cores it runs.
 *
 * CPU time needs no permission (to 10 ms). The rest is asked of libc, where `--allow-ffi=libc.so.6` allows it; without
 * it the rest is null and threads are not pinned. `/proc` has the same figures, but Deno opens it to `--allow-all` only.
 *
 * @module
 */

import process from "node:process";

/** What a thread has used since it started. Null where it cannot be known. */
export interface ThreadUsage {
  /** CPU time in nanoseconds, user and system. */
  readonly cpuNs: number | null;
  /** Times it gave the core up, by sleeping. */
  readonly voluntarySwitches: number | null;
  /** Times the core was taken from it. */
  readonly involuntarySwitches: number | null;
  /** The core that it runs on at this moment. */
  readonly cpu: number | null;
}

const LIBRARY = "libc.so.6";
const SYMBOLS = {
  getrusage: { parameters: ["i32", "buffer"], result: "i32" },
  sched_getcpu: { parameters: [], result: "i32" },
  sched_setaffinity: { parameters: ["i32", "usize", "buffer"], result: "i32" },
} as const;

const RUSAGE_THREAD = 1;
const RUSAGE_BYTES = 144;
const CPU_SET_BYTES = 128;

type LibC = Deno.DynamicLibrary<typeof SYMBOLS>;
let libc: LibC | null | undefined;

/** The C library, or null where it may not or cannot be opened. */
function openLibC(): LibC | null {
  if (libc === undefined) {
    const allowed = Deno.permissions.querySync({ name: "ffi", path: LIBRARY }).state === "granted";
    try {
      libc = allowed ? Deno.dlopen(LIBRARY, SYMBOLS) : null;
    } catch {
      libc = null; // Another C library than glibc: the figures stay unknown.
    }
  }
  return libc;
}

/** Whether threads can be pinned here. */
export function canPin(): boolean {
  return openLibC() !== null;
}

/**
 * Confines the calling thread to some cores.
 *
 * @returns whether that was possible
 */
export function pinThread(cpus: readonly number[]): boolean {
  const library = openLibC();
  if (library === null) return false;
  const set = new Uint8Array(CPU_SET_BYTES);
  for (const cpu of cpus) set[cpu >> 3] |= 1 << (cpu & 7);
  return library.symbols.sched_setaffinity(0, BigInt(set.length), set) === 0;
}

/** What the calling thread has used. */
export function threadUsage(): ThreadUsage {
  const library = openLibC();
  const usage = new DataView(new ArrayBuffer(RUSAGE_BYTES));
  if (library === null || library.symbols.getrusage(RUSAGE_THREAD, new Uint8Array(usage.buffer)) !== 0) {
    return { cpuNs: coarseCpuNs(), voluntarySwitches: null, involuntarySwitches: null, cpu: null };
  }
  // struct rusage (getrusage(2)): two timevals, then 14 longs, the last two of which count switches.
  const long = (index: number): number => Number(usage.getBigInt64(index * 8, true));
  return {
    cpuNs: (long(0) + long(2)) * 1e9 + (long(1) + long(3)) * 1e3,
    voluntarySwitches: long(16),
    involuntarySwitches: long(17),
    cpu: library.symbols.sched_getcpu(),
  };
}

function coarseCpuNs(): number | null {
  const { threadCpuUsage } = process as { threadCpuUsage?: () => { user: number; system: number } };
  if (threadCpuUsage === undefined) return null;
  const { user, system } = threadCpuUsage();
  return (user + system) * 1e3;
}
