/**
 * Numbers of Linux's system calls, on the two architectures that iddr runs on.
 *
 * From `asm/unistd_64.h` (x86-64) and `asm-generic/unistd.h` (ARM64); null where an architecture has no such call.
 *
 * @module
 */

/** The number on x86-64, and that on ARM64. */
type Numbers = readonly [x86: number | null, arm: number | null];

/** What a domain may call whatever the arguments are. It reaches nothing by these that it was not given. */
const HARMLESS = {
  // Files: which of them, Landlock decides when they are opened.
  read: [0, 63],
  write: [1, 64],
  readv: [19, 65],
  writev: [20, 66],
  pread64: [17, 67],
  pwrite64: [18, 68],
  preadv: [295, 69],
  pwritev: [296, 70],
  preadv2: [327, 286],
  pwritev2: [328, 287],
  open: [2, null],
  openat: [257, 56],
  openat2: [437, 437],
  creat: [85, null],
  close: [3, 57],
  close_range: [436, 436],
  dup: [32, 23],
  dup2: [33, null],
  dup3: [292, 24],
  lseek: [8, 62],
  stat: [4, null],
  fstat: [5, 80],
  lstat: [6, null],
  newfstatat: [262, 79],
  statx: [332, 291],
  access: [21, null],
  faccessat: [269, 48],
  faccessat2: [439, 439],
  readlink: [89, null],
  readlinkat: [267, 78],
  getdents: [78, null],
  getdents64: [217, 61],
  getcwd: [79, 17],
  chdir: [80, 49],
  fchdir: [81, 50],
  truncate: [76, 45],
  ftruncate: [77, 46],
  fallocate: [285, 47],
  fsync: [74, 82],
  fdatasync: [75, 83],
  sync_file_range: [277, 84],
  fadvise64: [221, 223],
  flock: [73, 32],
  rename: [82, null],
  renameat: [264, 38],
  renameat2: [316, 276],
  mkdir: [83, null],
  mkdirat: [258, 34],
  rmdir: [84, null],
  unlink: [87, null],
  unlinkat: [263, 35],
  sendfile: [40, 71],
  copy_file_range: [326, 285],
  splice: [275, 76],
  tee: [276, 77],
  statfs: [137, 43],
  fstatfs: [138, 44],
  umask: [95, 166],
  readahead: [187, 213],
  pipe: [22, null],
  pipe2: [293, 59],
  // Waiting on descriptors.
  poll: [7, null],
  ppoll: [271, 73],
  select: [23, null],
  pselect6: [270, 72],
  epoll_create: [213, null],
  epoll_create1: [291, 20],
  epoll_ctl: [233, 21],
  epoll_wait: [232, null],
  epoll_pwait: [281, 22],
  epoll_pwait2: [441, 441],
  eventfd: [284, null],
  eventfd2: [290, 19],
  timerfd_create: [283, 85],
  timerfd_settime: [286, 86],
  timerfd_gettime: [287, 87],
  signalfd: [282, null],
  signalfd4: [289, 74],
  // Memory.
  brk: [12, 214],
  mmap: [9, 222],
  munmap: [11, 215],
  mremap: [25, 216],
  mprotect: [10, 226],
  madvise: [28, 233],
  mincore: [27, 232],
  msync: [26, 227],
  mlock: [149, 228],
  mlock2: [325, 284],
  munlock: [150, 229],
  mlockall: [151, 230],
  munlockall: [152, 231],
  memfd_create: [319, 279],
  membarrier: [324, 283],
  mseal: [462, 462],
  pkey_alloc: [330, 289],
  pkey_free: [331, 290],
  pkey_mprotect: [329, 288],
  // Threads, and who one is.
  exit: [60, 93],
  exit_group: [231, 94],
  futex: [202, 98],
  futex_waitv: [449, 449],
  futex_wake: [454, 454],
  futex_wait: [455, 455],
  futex_requeue: [456, 456],
  set_robust_list: [273, 99],
  set_tid_address: [218, 96],
  rseq: [334, 293],
  arch_prctl: [158, null],
  restart_syscall: [219, 128],
  gettid: [186, 178],
  getpid: [39, 172],
  getppid: [110, 173],
  getpgrp: [111, null],
  getpgid: [121, 155],
  getsid: [124, 156],
  getuid: [102, 174],
  geteuid: [107, 175],
  getgid: [104, 176],
  getegid: [108, 177],
  getresuid: [118, 148],
  getresgid: [120, 150],
  getgroups: [115, 158],
  capget: [125, 90],
  sched_yield: [24, 124],
  sched_getaffinity: [204, 123],
  // Questions, to which the pthread library wants an answer.
  sched_getparam: [143, 121],
  sched_getscheduler: [145, 120],
  getcpu: [309, 168],
  uname: [63, 160],
  sysinfo: [99, 179],
  times: [100, 153],
  getrusage: [98, 165],
  getrlimit: [97, 163],
  // Signals and timers.
  rt_sigaction: [13, 134],
  rt_sigprocmask: [14, 135],
  rt_sigreturn: [15, 139],
  rt_sigpending: [127, 136],
  rt_sigtimedwait: [128, 137],
  rt_sigsuspend: [130, 133],
  sigaltstack: [131, 132],
  pause: [34, null],
  setitimer: [38, 103],
  getitimer: [36, 102],
  timer_create: [222, 107],
  timer_settime: [223, 110],
  timer_gettime: [224, 108],
  timer_getoverrun: [225, 109],
  timer_delete: [226, 111],
  alarm: [37, null],
  // Time and chance.
  clock_gettime: [228, 113],
  clock_getres: [229, 114],
  clock_nanosleep: [230, 115],
  nanosleep: [35, 101],
  gettimeofday: [96, 169],
  time: [201, null],
  getrandom: [318, 278],
  // Sockets that are open.
  recvfrom: [45, 207],
  recvmsg: [47, 212],
  recvmmsg: [299, 243],
  shutdown: [48, 210],
  getsockname: [51, 204],
  getpeername: [52, 205],
  getsockopt: [55, 209],
  setsockopt: [54, 208],
} as const satisfies Record<string, Numbers>;

/** What depends on the arguments, on what a plugin declares, or is the launcher's alone. */
const OTHERS = {
  clone: [56, 220],
  clone3: [435, 435],
  execve: [59, 221],
  fcntl: [72, 25],
  ioctl: [16, 29],
  prctl: [157, 167],
  prlimit64: [302, 261],
  sched_setaffinity: [203, 122],
  kill: [62, 129],
  tgkill: [234, 131],
  rt_sigqueueinfo: [129, 138],
  rt_tgsigqueueinfo: [297, 240],
  socket: [41, 198],
  socketpair: [53, 199],
  sendto: [44, 206],
  sendmsg: [46, 211],
  sendmmsg: [307, 269],
  connect: [42, 203],
  bind: [49, 200],
  listen: [50, 201],
  accept: [43, 202],
  accept4: [288, 242],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  capset: [126, 91],
  seccomp: [317, 277],
  landlock_create_ruleset: [444, 444],
  landlock_add_rule: [445, 445],
  landlock_restrict_self: [446, 446],
  setrlimit: [160, 164],
} as const satisfies Record<string, Numbers>;

const SYSCALLS: Readonly<Record<string, Numbers>> = { ...HARMLESS, ...OTHERS };

/** Names of the calls that are known here; all others are refused by not being known. */
export type SyscallName = keyof typeof HARMLESS | keyof typeof OTHERS;

/** Names of the calls that every domain may make. */
export const HARMLESS_CALLS = Object.keys(HARMLESS) as readonly SyscallName[];

/** The last call of the kernels whose calls were looked through (6.18: `file_setattr`). */
export const NEWEST_CALL = 469;

/** What differs between architectures. */
export interface Architecture {
  /** As Deno names it. */
  readonly name: "x86_64" | "aarch64";
  /** How the kernel names its table of calls to a filter: `AUDIT_ARCH_…`. */
  readonly audit: number;
  /** From this number on calls are of another table, that of 32-bit pointers; null where there is none. */
  readonly foreignFrom: number | null;
  /** What ELF programs name as their interpreter. */
  readonly interpreter: string;
}

/** The architectures, by Deno's names. */
export const ARCHITECTURES: Readonly<Record<typeof Deno.build.arch, Architecture>> = {
  x86_64: {
    name: "x86_64",
    audit: 0xc000_003e,
    foreignFrom: 0x4000_0000,
    interpreter: "/lib64/ld-linux-x86-64.so.2",
  },
  aarch64: { name: "aarch64", audit: 0xc000_00b7, foreignFrom: null, interpreter: "/lib/ld-linux-aarch64.so.1" },
};

/** A call's number; null where the architecture has no such call. */
export function syscallNumber(name: SyscallName, { name: architecture }: Architecture): number | null {
  return SYSCALLS[name][architecture === "x86_64" ? 0 : 1];
}
