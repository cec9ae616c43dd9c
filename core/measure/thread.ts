/**
 * What the kernel knows of the calling thread: CPU time, context switches, and on which cores it runs.
 *
 * CPU time needs no permission (to 10 ms). The rest is asked of libc, where `--allow-ffi` allows it; without
 * it the rest is null and threads are not pinned. `/proc` has the same figures, but Deno opens it to `--allow-all` only.
 *
 * @module
 */

import process from "node:process";
import { type CLibrary, openCLibrary } from "../libc.ts";

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

const SYMBOLS = {
  getrusage: { parameters: ["i32", "buffer"], result: "i32" },
  sched_yield: { parameters: [], result: "i32" },
  sched_getcpu: { parameters: [], result: "i32" },
  sched_getaffinity: { parameters: ["i32", "usize", "buffer"], result: "i32" },
  sched_setaffinity: { parameters: ["i32", "usize", "buffer"], result: "i32" },
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  prctl: { parameters: ["i32", "usize", "usize", "usize", "usize"], result: "i32" },
} as const;

const RUSAGE_SELF = 0;
const RUSAGE_THREAD = 1;
const RUSAGE_BYTES = 144;
const CLOCK_MONOTONIC = 1;
const CLOCK_THREAD_CPUTIME_ID = 3;
const CPU_SET_BYTES = 128;
// Linux include/uapi/linux/prctl.h.
const PR_SET_TIMERSLACK = 29;
const PR_GET_TIMERSLACK = 30;

let libc: CLibrary<typeof SYMBOLS> | null | undefined;

/** The C library, or null where it may not or cannot be opened. It stays open. */
function openLibC(): CLibrary<typeof SYMBOLS> | null {
  libc ??= openCLibrary(SYMBOLS);
  return libc;
}

/** The path of the C library, which `--allow-ffi` must name for all figures to be known; null where there is none. */
export function cLibraryPath(): string | null {
  return openLibC()?.path ?? null;
}

/** A function that lets other threads run on this one's core, if any want to; null where that is impossible. */
export function coreOffer(): (() => void) | null {
  const symbols = openLibC()?.symbols;
  return symbols === undefined ? null : () => void symbols.sched_yield();
}

/** The machine's monotonic clock, in nanoseconds: the same in all threads and processes. Null where it cannot be read. */
export function monotonicClock(): (() => number) | null {
  return clock(CLOCK_MONOTONIC);
}

/** The calling thread's own CPU time, in nanoseconds; null where it cannot be read. */
export function threadCpuClock(): (() => number) | null {
  return clock(CLOCK_THREAD_CPUTIME_ID);
}

/** Reads a clock (clock_gettime(2)): two longs, whose low words are enough for 68 years since the start. */
function clock(id: number): (() => number) | null {
  const symbols = openLibC()?.symbols;
  if (symbols === undefined) return null;
  const words = new Uint32Array(4);
  const bytes = new Uint8Array(words.buffer);
  return () => {
    symbols.clock_gettime(id, bytes);
    return words[0] * 1e9 + words[2];
  };
}

/**
 * Lets the calling thread's timed sleeps end when they are over. By default Linux lets them end up to 50 us later (the
 * timer slack), so that several wake the processor together.
 *
 * @returns whether that was possible
 */
export function sleepExactly(): boolean {
  // 1 ns, as 0 would stand for the default.
  return openLibC()?.symbols.prctl(PR_SET_TIMERSLACK, 1n, 0n, 0n, 0n) === 0;
}

/** How much later the calling thread's timed sleeps may end, in nanoseconds; null where that cannot be known. */
export function timerSlackNs(): number | null {
  return openLibC()?.symbols.prctl(PR_GET_TIMERSLACK, 0n, 0n, 0n, 0n) ?? null;
}

/** The cores that the calling thread may run on, ascending; null where that cannot be known. */
export function allowedCpus(): readonly number[] | null {
  const set = new Uint8Array(CPU_SET_BYTES);
  if (openLibC()?.symbols.sched_getaffinity(0, BigInt(set.length), set) !== 0) return null;
  const cpus = Array.from({ length: set.length * 8 }, (_, cpu) => cpu);
  return cpus.filter((cpu) => (set[cpu >> 3] & (1 << (cpu & 7))) !== 0);
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

/** Reads `struct rusage` (getrusage(2)): two timevals, then 14 longs; null where that is not possible. */
function readUsage(who: number): ((index: number) => number) | null {
  const usage = new DataView(new ArrayBuffer(RUSAGE_BYTES));
  if (openLibC()?.symbols.getrusage(who, new Uint8Array(usage.buffer)) !== 0) return null;
  return (index) => Number(usage.getBigInt64(index * 8, true));
}

/** The most memory that this process has had, in bytes, with what it shares; null where that cannot be known. */
export function peakMemoryBytes(): number | null {
  const long = readUsage(RUSAGE_SELF);
  return long === null ? null : long(4) * 1024;
}

/** What the calling thread has used. */
export function threadUsage(): ThreadUsage {
  const long = readUsage(RUSAGE_THREAD);
  const library = openLibC();
  if (long === null || library === null) {
    return { cpuNs: coarseCpuNs(), voluntarySwitches: null, involuntarySwitches: null, cpu: null };
  }
  return {
    cpuNs: (long(0) + long(2)) * 1e9 + (long(1) + long(3)) * 1e3,
    voluntarySwitches: long(16),
    involuntarySwitches: long(17),
    cpu: library.symbols.sched_getcpu(),
  };
}

/** CPU time that all threads of this process have used, in nanoseconds; null where it cannot be known. */
export function processCpuNs(): number | null {
  const long = readUsage(RUSAGE_SELF);
  return long === null ? null : (long(0) + long(2)) * 1e9 + (long(1) + long(3)) * 1e3;
}

/** CPU time that the calling thread has used, to 10 ms, without libc; null where it cannot be known. */
export function coarseCpuNs(): number | null {
  const { threadCpuUsage } = process as { threadCpuUsage?: () => { user: number; system: number } };
  if (threadCpuUsage === undefined) return null;
  const { user, system } = threadCpuUsage();
  return (user + system) * 1e3;
}
