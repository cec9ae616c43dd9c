/**
 * What the kernel knows of the whole machine: how long its cores worked, and how long the host of a virtual machine kept
 * them for others (steal time).
 *
 * It is read from `/proc/stat`, which Deno opens to `--allow-all` only, so by libc where `--allow-ffi` allows that. The
 * kernel counts in ticks of 10 ms.
 *
 * @module
 */

import { type CLibrary, openCLibrary } from "../libc.ts";
import { processCpuNs } from "./thread.ts";

const SYMBOLS = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

/** `USER_HZ` of all architectures of Linux but Alpha and IA-64. */
const NS_PER_TICK = 1e9 / 100;
/** The line of all cores comes first, and is shorter. */
const LINE_BYTES = 512;

/** What all cores have done since the machine started, in nanoseconds. */
export interface HostTimes {
  /** Time at work, for whomever. */
  readonly busyNs: number;
  /** Time that the host kept for others; 0 where there is none, or it does not say. */
  readonly stealNs: number;
}

/** What the machine did in some time. */
export interface HostUse {
  /** Time that its host took from all cores together, in nanoseconds. */
  readonly stealNs: number;
  /** CPU time of all but this process, in nanoseconds: of other programs, of children of this one, of the kernel. */
  readonly othersNs: number;
}

let libc: CLibrary<typeof SYMBOLS> | null | undefined;

/** What all cores have done; null where that cannot be known. */
export function hostTimes(): HostTimes | null {
  const text = readStart("/proc/stat");
  return text === null ? null : parseHostTimes(text);
}

/** What the line of all cores says, in the file's text (proc_stat(5)); null where there is none. */
export function parseHostTimes(text: string): HostTimes | null {
  const line = /^cpu +([\d ]+)$/m.exec(text);
  if (line === null) return null;
  const [user, nice, system, _idle, _iowait, irq = 0, softirq = 0, steal = 0] = line[1].split(" ").map(Number);
  // The time of guests is part of `user` and `nice`.
  return { busyNs: (user + nice + system + irq + softirq) * NS_PER_TICK, stealNs: steal * NS_PER_TICK };
}

/** Begins to measure what the machine does. Returns a function that says what it has done since; null if none can. */
export function watchHost(): () => HostUse | null {
  const [start, startCpuNs] = [hostTimes(), processCpuNs()];
  return () => {
    const [end, endCpuNs] = [hostTimes(), processCpuNs()];
    if (start === null || end === null || startCpuNs === null || endCpuNs === null) return null;
    // The ticks are coarser than the process's own clock.
    const othersNs = Math.max(0, end.busyNs - start.busyNs - (endCpuNs - startCpuNs));
    return { stealNs: Math.max(0, end.stealNs - start.stealNs), othersNs };
  };
}

function readStart(path: string): string | null {
  libc ??= openCLibrary(SYMBOLS);
  if (libc === null) return null;
  const { symbols } = libc;
  const file = symbols.open(new TextEncoder().encode(`${path}\0`), 0);
  if (file < 0) return null;
  const bytes = new Uint8Array(LINE_BYTES);
  const length = Number(symbols.read(file, bytes, BigInt(bytes.length)));
  symbols.close(file);
  return length <= 0 ? null : new TextDecoder().decode(bytes.subarray(0, length));
}
