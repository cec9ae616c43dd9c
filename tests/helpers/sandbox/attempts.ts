/**
 * What a plugin might try that it should not: each by Deno's interface, or by a system call of its own. None of them harms
 * where it succeeds, so that an unconfined process can show that it would.
 *
 * @module
 */

import { openCLibrary } from "../../../core/libc.ts";
import { Kernel } from "../../../core/sandbox/kernel.ts";

/** What is tried, on what. */
export interface Targets {
  /** The home folder. */
  readonly home: string;
  /** A file in a folder that is not declared, which may be written to. */
  readonly file: string;
  /** An empty folder beside it. */
  readonly folder: string;
  /** Processes of the same user, one for each thread that tries: only one may trace a process. */
  readonly pids: readonly number[];
  /** A port at which somebody listens. */
  readonly port: number;
  /** Whether what only root may do is tried. */
  readonly root: boolean;
}

/** Succeeds or throws. */
type Attempt = (targets: Targets) => unknown;

/** By Deno's interface, with all of Deno's permissions. */
export const DENO_ATTEMPTS: Readonly<Record<string, Attempt>> = {
  "read the home folder": ({ home }) => [...Deno.readDirSync(home)],
  "read a foreign file": ({ file }) => Deno.readTextFileSync(file),
  "read the users": () => Deno.readTextFileSync("/etc/passwd"),
  "write to a foreign file": ({ file }) => Deno.writeTextFileSync(file, "x"),
  "cut a foreign file short": ({ file }) => Deno.truncateSync(file, 1),
  "make a file in a foreign folder": ({ folder }) => Deno.removeSync(Deno.makeTempFileSync({ dir: folder })),
  "change a foreign file's mode": ({ file }) => Deno.chmodSync(file, 0o666),
  "change a foreign file's time": ({ file }) => Deno.utimeSync(file, 1, 1),
  "read another process's memory map": ({ pids }) => Deno.readTextFileSync(`/proc/${pids[0]}/maps`),
  "connect to a TCP port": async ({ port }) => (await Deno.connect({ port })).close(),
  "listen on a TCP port": () => Deno.listen({ port: 0, hostname: "127.0.0.1" }).close(),
  "listen on a Unix socket": ({ folder }) => {
    Deno.listen({ transport: "unix", path: `${folder}/deno.sock` }).close();
  },
  "start a program": async () => await new Deno.Command("true").output(),
  "signal another process": ({ pids }) => Deno.kill(pids[0], "SIGCONT"),
  "learn the network's interfaces": () => Deno.networkInterfaces(),
};

const SIGCONT = 18;
const AT_FDCWD = -100;
const [O_RDONLY, O_WRONLY] = [0, 1];
const [AF_UNIX, AF_INET, AF_NETLINK, AF_PACKET] = [1, 2, 16, 17];
const [STREAM, DGRAM, RAW] = [1, 2, 3];
const PTRACE_SEIZE = 0x4206;
const RLIMIT_NOFILE = 7;
const PR_SET_PDEATHSIG = 1;
const F_SETOWN = 8;
const CLONE_NEWUTS = 0x0400_0000;

/** Numbers on x86-64 and ARM64, by hand: what is tried must not depend on the table that is tested. */
const NUMBERS = {
  openat: [257, 56],
  truncate: [76, 45],
  fchmodat: [268, 53],
  utimensat: [280, 88],
  linkat: [265, 37],
  symlinkat: [266, 36],
  unlinkat: [263, 35],
  socket: [41, 198],
  socketpair: [53, 199],
  kill: [62, 129],
  tgkill: [234, 131],
  tkill: [200, 130],
  pidfd_open: [434, 434],
  pidfd_send_signal: [424, 424],
  ptrace: [101, 117],
  mount: [165, 40],
  umount2: [166, 39],
  unshare: [272, 97],
  io_uring_setup: [425, 425],
  prlimit64: [302, 261],
  prctl: [157, 167],
  setuid: [105, 146],
  getuid: [102, 174],
  setpriority: [141, 140],
  sched_setaffinity: [203, 122],
  inotify_init1: [294, 26],
  userfaultfd: [323, 282],
  fcntl: [72, 25],
  close: [3, 57],
} as const;
type Call = (name: keyof typeof NUMBERS, ...args: (number | bigint)[]) => number | Promise<number>;

/** What an attempt by system calls has: calls that fail with -1, and memory. */
interface System {
  readonly call: Call;
  /** Starts a program by `posix_spawn`; returns 0 or what was wrong. */
  spawn(path: string): number | Promise<number>;
  /** The address of a text. */
  text(value: string): bigint;
  /** The address of words of 32 bits. */
  words(...values: number[]): bigint;
}

/** Returns -1 when it was refused. */
type SystemAttempt = (system: System, targets: Targets & { readonly pid: number }) => number | Promise<number>;

/** A descriptor that is closed again, or -1. */
async function opens({ call }: System, opened: number | Promise<number>): Promise<number> {
  const descriptor = await opened;
  if (descriptor >= 0) await call("close", descriptor);
  return descriptor;
}

/** By system calls. */
export const SYSTEM_ATTEMPTS: Readonly<Record<string, SystemAttempt>> = {
  "open the home folder": (system, { home }) =>
    opens(system, system.call("openat", AT_FDCWD, system.text(home), O_RDONLY)),
  "open a foreign file to read": (system, { file }) => {
    return opens(system, system.call("openat", AT_FDCWD, system.text(file), O_RDONLY));
  },
  "open a foreign file to write": (system, { file }) => {
    return opens(system, system.call("openat", AT_FDCWD, system.text(file), O_WRONLY));
  },
  "open another process's memory": (system, { pid }) => {
    return opens(system, system.call("openat", AT_FDCWD, system.text(`/proc/${pid}/mem`), O_RDONLY));
  },
  truncate: ({ call, text }, { file }) => call("truncate", text(file), 1),
  chmod: ({ call, text }, { file }) => call("fchmodat", AT_FDCWD, text(file), 0o600),
  utimensat: ({ call, text }, { file }) => call("utimensat", AT_FDCWD, text(file), 0, 0),
  link: async ({ call, text }, { file, folder }) => {
    const made = await call("linkat", AT_FDCWD, text(file), AT_FDCWD, text(`${folder}/link`), 0);
    if (made === 0) await call("unlinkat", AT_FDCWD, text(`${folder}/link`), 0);
    return made;
  },
  symlink: async ({ call, text }, { file, folder }) => {
    const made = await call("symlinkat", text(file), AT_FDCWD, text(`${folder}/symlink`));
    if (made === 0) await call("unlinkat", AT_FDCWD, text(`${folder}/symlink`), 0);
    return made;
  },
  "a TCP socket": (system) => opens(system, system.call("socket", AF_INET, STREAM, 0)),
  "a UDP socket": (system) => opens(system, system.call("socket", AF_INET, DGRAM, 0)),
  "a Unix socket": (system) => opens(system, system.call("socket", AF_UNIX, STREAM, 0)),
  "a netlink socket": (system) => opens(system, system.call("socket", AF_NETLINK, RAW, 0)),
  "a pair of datagram sockets": async ({ call, words }) => {
    return await call("socketpair", AF_UNIX, DGRAM, 0, words(0, 0));
  },
  kill: ({ call }, { pid }) => call("kill", pid, SIGCONT),
  tgkill: ({ call }, { pid }) => call("tgkill", pid, pid, SIGCONT),
  tkill: ({ call }, { pid }) => call("tkill", pid, SIGCONT),
  "a process's descriptor": (system, { pid }) => opens(system, system.call("pidfd_open", pid, 0)),
  pidfd_send_signal: async ({ call }, { pid }) => {
    const process = await call("pidfd_open", pid, 0);
    const sent = await call("pidfd_send_signal", process, SIGCONT, 0, 0);
    if (process >= 0) await call("close", process);
    return sent;
  },
  "signals to another by way of a descriptor": ({ call }, { pid }) => call("fcntl", 0, F_SETOWN, pid),
  ptrace: ({ call }, { pid }) => call("ptrace", PTRACE_SEIZE, pid, 0, 0),
  "another's priority": ({ call }, { pid }) => call("setpriority", 0, pid, 1),
  "another's cores": ({ call, words }, { pid }) => call("sched_setaffinity", pid, 8, words(1, 0)),
  io_uring_setup: (system) => opens(system, system.call("io_uring_setup", 1, system.words(...Array(32).fill(0)))),
  "its limits": async ({ call, words }) => {
    // No more than it had: this anybody may who is not confined.
    return await call("prlimit64", 0, RLIMIT_NOFILE, words(64, 0, 64, 0), 0);
  },
  "its death with its parent": ({ call }) => call("prctl", PR_SET_PDEATHSIG, 0, 0, 0, 0),
  "its own user": async ({ call }) => call("setuid", await call("getuid")),
  posix_spawn: async ({ spawn }) => await spawn("/bin/true") === 0 ? 0 : -1,
  inotify: (system) => opens(system, system.call("inotify_init1", 0)),
};

/** As {@link SYSTEM_ATTEMPTS}, of which only root could do any unconfined. */
export const ROOT_ATTEMPTS: typeof SYSTEM_ATTEMPTS = {
  "a packet socket": (system) => opens(system, system.call("socket", AF_PACKET, RAW, 0)),
  mount: async ({ call, text }, { folder }) => {
    const mounted = await call("mount", text("none"), text(folder), text("tmpfs"), 0, 0);
    if (mounted === 0) await call("umount2", text(folder), 0);
    return mounted;
  },
  "a namespace": ({ call }) => call("unshare", CLONE_NEWUTS),
};

const SEVEN = ["usize", "usize", "usize", "usize", "usize", "usize", "usize"] as const;
const SIX = ["buffer", "usize", "usize", "usize", "usize", "usize"] as const;
const SYMBOLS = {
  spawn: { name: "posix_spawn", parameters: SIX, result: "i32" },
  spawnPooled: { name: "posix_spawn", parameters: SIX, result: "i32", nonblocking: true },
  syscall: { parameters: SEVEN, result: "isize" },
  pooled: { name: "syscall", parameters: SEVEN, result: "isize", nonblocking: true },
} as const;

/** System calls of the calling thread, or of threads of Deno's pool. */
export function systemOf(threads: "own" | "pool"): System {
  const library = openCLibrary(SYMBOLS);
  const kernel = Kernel.open();
  if (library === null || kernel === null) throw new Error("The attempts take the C library");
  const { syscall, pooled, spawn, spawnPooled } = library.symbols;
  const text = (value: string): bigint => kernel.place(new TextEncoder().encode(`${value}\0`));
  return {
    spawn(path) {
      const child = new Int32Array(1);
      const argv = kernel.place(new Uint8Array(BigUint64Array.of(text(path), 0n).buffer));
      const env = kernel.place(new Uint8Array(8));
      const start = threads === "own" ? spawn : spawnPooled;
      return start(child, text(path), 0n, 0n, argv, env);
    },
    call: (name, ...args) => {
      const number = BigInt(NUMBERS[name][Deno.build.arch === "x86_64" ? 0 : 1]);
      const [a, b, c, d, e, f] = [...args, 0, 0, 0, 0, 0, 0].map(BigInt);
      if (threads === "own") return Number(syscall(number, a, b, c, d, e, f));
      return pooled(number, a, b, c, d, e, f).then(Number);
    },
    text,
    words: (...values) => kernel.place(new Uint8Array(Uint32Array.from(values).buffer)),
  };
}
