/**
 * Whether this machine can confine a process, and how well.
 *
 * @module
 */

import { cLibraryNeed } from "../libc.ts";
import { Verdict } from "./bpf.ts";
import { Kernel } from "./kernel.ts";
import { landlockVersion, shortfalls } from "./landlock.ts";

/** What there is of a strict sandbox. */
export interface StrictAvailability {
  /** What is missing, a sentence each. Unless this is empty, nothing can be confined. */
  readonly missing: readonly string[];
  /** What an older kernel does not keep from a process that is confined, a sentence each. */
  readonly notes: readonly string[];
}

/** `SECCOMP_GET_ACTION_AVAIL`: whether a verdict is known. */
const IS_ACTION_KNOWN = 2;

/** What there is of a strict sandbox on this machine, for this process. It changes nothing. */
export function strictAvailability(): StrictAvailability {
  const kernel = Kernel.open();
  if (kernel === null) return { missing: [whyNoKernel()], notes: [] };
  try {
    const missing: string[] = [];
    const version = landlockVersion(kernel);
    if (version === 0) {
      missing.push("This kernel has no Landlock (Linux 5.13), or lsm= of its command line leaves it out");
    }
    const verdict = kernel.place(new Uint8Array(Uint32Array.of(Verdict.KillProcess).buffer));
    if ("errno" in kernel.try("seccomp", IS_ACTION_KNOWN, 0, verdict)) {
      missing.push("This kernel has no filters of system calls (seccomp of Linux 4.14)");
    }
    return { missing, notes: shortfalls(version).map((without) => `Landlock of version ${version}: ${without}`) };
  } finally {
    kernel.close();
  }
}

function whyNoKernel(): string {
  if (Deno.build.os !== "linux") return `A process is confined on Linux alone, and this is ${Deno.build.os}`;
  const path = cLibraryNeed();
  if (Deno.permissions.querySync({ name: "ffi", path }).state === "granted") {
    return `There is no C library at ${path} or where other distributions have it`;
  }
  return `To confine a process takes the C library: allow --allow-ffi=${path}`;
}
