/**
 * What a process gives up beside files and system calls: capabilities, new privileges, resources, and its life after its
 * parent's. All of it holds over `execve`.
 *
 * @module
 */

import { DomainError } from "../errors.ts";
import type { ResourceLimits } from "./confinement.ts";
import type { Kernel } from "./kernel.ts";

/** Linux's capabilities in the order of their numbers: `include/uapi/linux/capability.h`. */
const CAPABILITIES = [
  ...["CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"],
  ...["LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"],
  ...["SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"],
  ...["SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"],
  ...["MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"],
  "CHECKPOINT_RESTORE",
].map((name) => `CAP_${name}`);

// Linux include/uapi/linux/prctl.h.
const PR_SET_PDEATHSIG = 1;
const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_RAISE = 2;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;
const SIGKILL = 9;
/** `_LINUX_CAPABILITY_VERSION_3`: three sets of 64 bits, in two halves. */
const CAPABILITY_VERSION = 0x2008_0522;
const EINVAL = 22;
/** Numbers that a later kernel may have. */
const CAPABILITY_NUMBERS = 64;

// asm-generic/resource.h, the same on x86-64 and ARM64.
const RLIMIT_FSIZE = 1;
const RLIMIT_CORE = 4;
const RLIMIT_NOFILE = 7;
const RLIMIT_MEMLOCK = 8;

/** Sets limits that the process can only lower further: no core files, and what is wanted. */
export function limitResources(kernel: Kernel, { openFiles, fileBytes, lockedBytes }: ResourceLimits): void {
  const limits = [
    [RLIMIT_CORE, 0, "core files"],
    [RLIMIT_NOFILE, openFiles, "open files"],
    [RLIMIT_FSIZE, fileBytes, "the size of files"],
    [RLIMIT_MEMLOCK, lockedBytes, "locked memory"],
  ] as const;
  for (const [resource, wanted, what] of limits) {
    if (wanted === null) continue;
    const now = new BigUint64Array(2);
    const old = kernel.place(bytesOf(now));
    kernel.call(`learn the limit of ${what}`, "prlimit64", 0, resource, 0, old);
    kernel.read(old, now);
    // A lower limit that holds already stays.
    const least = now[1] < BigInt(wanted) ? now[1] : BigInt(wanted);
    const limit = kernel.place(bytesOf(BigUint64Array.of(least, least)));
    kernel.call(`limit ${what} to ${least}`, "prlimit64", 0, resource, limit, 0);
  }
}

/** No program that it starts has more privileges than it: set-user-ID bits and files' capabilities mean nothing. */
export function refuseNewPrivileges(kernel: Kernel): void {
  kernel.call("give up new privileges", "prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/**
 * Keeps some capabilities and gives up all others, root's too.
 *
 * @throws {DomainError} when one has no such name, or the user has not got it
 */
export function keepCapabilities(kernel: Kernel, kept: readonly string[]): void {
  const numbers = kept.map((name) => {
    const number = CAPABILITIES.indexOf(name);
    if (number < 0) throw new DomainError(`There is no capability ${name}; there are ${CAPABILITIES.join(", ")}`);
    return number;
  });
  // Where this process may not lower the bound, it has nothing that the bound would keep from it: no new privileges.
  for (let number = 0; number < CAPABILITY_NUMBERS; number++) {
    if (numbers.includes(number)) continue;
    const outcome = kernel.try("prctl", PR_CAPBSET_DROP, number, 0, 0, 0);
    if ("errno" in outcome && outcome.errno === EINVAL) break; // It was the last.
  }
  kernel.call("clear ambient capabilities", "prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  const set = numbers.reduce((all, number) => all | 1n << BigInt(number), 0n);
  const halves = [Number(set & 0xffff_ffffn), Number(set >> 32n)];
  const header = kernel.place(bytesOf(Uint32Array.of(CAPABILITY_VERSION, 0)));
  // Effective, permitted and inheritable: the lower halves of all three, then the upper.
  const data = kernel.place(bytesOf(Uint32Array.from(halves.flatMap((half) => [half, half, half]))));
  const what = kept.length === 0 ? "give up all capabilities" : `keep no capability but ${kept.join(", ")}`;
  kernel.call(what, "capset", header, data);
  for (const number of numbers) {
    kernel.call("keep a capability over execve", "prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0);
  }
}

/**
 * Is killed when the thread that started it ends.
 *
 * @param parent the process that this must be
 * @throws {DomainError} when it has ended already
 */
export function dieWithParent(kernel: Kernel, parent: number): void {
  kernel.call("be killed with its parent", "prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  const now = kernel.call("learn its parent", "getppid");
  if (now !== parent) {
    throw new DomainError(`The process ${parent} that started this one is gone: its parent is ${now}`);
  }
}

function bytesOf(view: BigUint64Array<ArrayBuffer> | Uint32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(view.buffer);
}
