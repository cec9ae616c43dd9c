/**
 * Which system calls a confined process may make: the rules, and the filter that they become.
 *
 * What is not named is refused, so that a call that a later kernel brings is refused too. Files are Landlock's business;
 * this is for what Landlock does not see: other processes, namespaces, sockets other than TCP, the owner and mode of files.
 *
 * @module
 */

import {
  encode,
  onArchitecture,
  type Program,
  requireAmong,
  requireExactly,
  search,
  type Segment,
  Verdict,
  verdict,
} from "./bpf.ts";
import type { Confinement, SocketAccess } from "./confinement.ts";
import { type Architecture, HARMLESS_CALLS, NEWEST_CALL, type SyscallName, syscallNumber } from "./syscalls.ts";

/** What must hold of a call's arguments: some have exactly these values, or one, masked, is or is not among some. */
export type Condition =
  | { readonly exactly: ReadonlyMap<number, bigint> }
  | {
    readonly argument: number;
    readonly mask?: number;
    readonly values: readonly number[];
    /** Whether it must be one of the values, or none. */
    readonly among: boolean;
  };

/** What is asked of a call before it is made; it is not made where it has no rule. */
export type Rules = ReadonlyMap<SyscallName, readonly Condition[]>;

/** What the launcher knows of the process. */
export interface ProcessFacts {
  /** Its id, which it keeps over `execve`. */
  readonly pid: number;
  /** The three arguments of the one `execve` that may be made: random addresses that nobody knows afterwards. */
  readonly execve: readonly bigint[];
}

const EPERM = 1;
const ENOSYS = 38;
const REFUSED = Verdict.fail(EPERM);
const UNKNOWN = Verdict.fail(ENOSYS);

// Linux include/uapi/linux/sched.h: a thread shares memory and signals, and is in the same namespaces.
const CLONE_VM = 0x100;
const CLONE_SIGHAND = 0x800;
const CLONE_THREAD = 0x10000;
const THREAD = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
const NEW_NAMESPACES = 0x7e02_0000;

/** `F_SETOWN`, `F_SETSIG`, `F_SETOWN_EX`, `F_SETLEASE`, `F_NOTIFY`: signals by way of a file, to whom one likes. */
const SIGNALLING_FCNTLS = [8, 10, 15, 1024, 1026];
/** `TIOCSTI`, `TIOCLINUX`: keys for a terminal's other users. `FIOSETOWN`, `SIOCSPGRP`: signals by way of a file. */
const SIGNALLING_IOCTLS = [0x5412, 0x541c, 0x8901, 0x8902];
/** `FS_IOC_SETFLAGS`, `FS_IOC_FSSETXATTR`: a file's attributes, for which it need not be open for writing. */
const ATTRIBUTE_IOCTLS = [0x4008_6602, 0x401c_5820];
/**
 * Names of threads and of memory, timer slack, and questions: `PR_SET_NAME`, `PR_GET_NAME`, `PR_SET_VMA`,
 * `PR_SET_TIMERSLACK`, `PR_GET_TIMERSLACK`, `PR_GET_PDEATHSIG`, `PR_GET_DUMPABLE`, `PR_GET_SECCOMP`, `PR_CAPBSET_READ`,
 * `PR_GET_NO_NEW_PRIVS`.
 */
const HARMLESS_PRCTLS = [15, 16, 0x5356_4d41, 29, 30, 2, 3, 21, 23, 39];

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
/** What of a socket's type is the type, the rest being flags. */
const SOCK_TYPE_MASK = 0xf;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
/** It connects without `connect`, and so without being asked by Landlock. */
const MSG_FASTOPEN = 0x2000_0000;

/** The rules for a process. */
export function syscallRules({ sockets, ioUring }: Confinement, { pid, execve }: ProcessFacts): Rules {
  const itself = (argument: number): Condition => ({ argument, values: [pid], among: true });
  return new Map<SyscallName, readonly Condition[]>([
    ...HARMLESS_CALLS.map((name) => [name, []] as const),
    ["execve", [{ exactly: new Map(execve.map((address, argument) => [argument, address])) }]],
    // Threads, and no processes. Of `clone3` the filter sees an address alone: it is unknown, so that libc takes `clone`.
    ["clone", [
      { argument: 0, mask: THREAD, values: [THREAD], among: true },
      { argument: 0, mask: NEW_NAMESPACES, values: [0], among: true },
    ]],
    ["kill", [itself(0)]],
    ["tgkill", [itself(0)]],
    ["rt_sigqueueinfo", [itself(0)]],
    ["rt_tgsigqueueinfo", [itself(0)]],
    ["fcntl", [{ argument: 1, values: SIGNALLING_FCNTLS, among: false }]],
    ["ioctl", [{ argument: 1, values: [...SIGNALLING_IOCTLS, ...ATTRIBUTE_IOCTLS], among: false }]],
    ["prctl", [{ argument: 0, values: HARMLESS_PRCTLS, among: true }]],
    // To look at its own limits, and set none.
    ["prlimit64", [{ argument: 0, values: [0, pid], among: true }, { exactly: new Map([[2, 0n]]) }]],
    ["sched_setaffinity", [{ argument: 0, values: [0], among: true }]],
    ...socketRules(sockets),
    ...(ioUring ? (["io_uring_setup", "io_uring_enter", "io_uring_register"] as const) : [])
      .map((name) => [name, []] as const),
  ]);
}

function socketRules({ unix, tcpPorts, udp }: SocketAccess): (readonly [SyscallName, readonly Condition[]])[] {
  const tcp = tcpPorts === "any" || tcpPorts.length > 0;
  // Connected to each other, streams stay so. A datagram socket of a pair could be used to reach others.
  const pair: Condition[] = [
    { argument: 0, values: [AF_UNIX], among: true },
    { argument: 1, mask: SOCK_TYPE_MASK, values: [SOCK_STREAM], among: true },
  ];
  const noFastOpen = (argument: number): Condition[] => {
    return tcp || udp ? [{ argument, mask: MSG_FASTOPEN, values: [0], among: true }] : [];
  };
  const sending = [
    ["socketpair", pair],
    ["sendto", noFastOpen(3)],
    ["sendmsg", noFastOpen(2)],
    ["sendmmsg", noFastOpen(3)],
  ] as const;
  if (!unix && !tcp && !udp) return [...sending];
  const internet = tcp || udp ? [AF_INET, AF_INET6] : [];
  return [
    ...sending,
    ["socket", [
      { argument: 0, values: [...(unix ? [AF_UNIX] : []), ...internet], among: true },
      { argument: 1, mask: SOCK_TYPE_MASK, values: udp ? [SOCK_STREAM, SOCK_DGRAM] : [SOCK_STREAM], among: true },
      // Other protocols, as MPTCP, Landlock does not know.
      { argument: 2, values: udp ? [0, IPPROTO_TCP, IPPROTO_UDP] : [0, IPPROTO_TCP], among: true },
    ]],
    ...(["connect", "bind", "listen", "accept", "accept4"] as const).map((name) => [name, []] as const),
  ];
}

/** The program that decides of each call by some rules. */
export function filterProgram(rules: Rules, architecture: Architecture): Program {
  const bodies = new Map<number, Program>();
  for (const [name, conditions] of rules) {
    const number = syscallNumber(name, architecture);
    if (number !== null) bodies.set(number, conditions.length === 0 ? ALLOW : [...conditions.flatMap(test), ...ALLOW]);
  }
  const clone3 = syscallNumber("clone3", architecture);
  if (clone3 !== null) bodies.set(clone3, IS_UNKNOWN);
  const { foreignFrom } = architecture;
  return [
    ...onArchitecture(architecture.audit, Verdict.KillProcess),
    ...search([
      ...segmentsOf(bodies),
      { from: NEWEST_CALL + 1, body: IS_UNKNOWN },
      ...(foreignFrom === null ? [] : [{ from: foreignFrom, body: verdict(Verdict.KillProcess) }]),
    ]),
  ];
}

const ALLOW = verdict(Verdict.Allow);
const REFUSE = verdict(REFUSED);
const IS_UNKNOWN = verdict(UNKNOWN);

function test(condition: Condition): Program {
  return "exactly" in condition ? requireExactly(condition.exactly, REFUSED) : requireAmong(condition, REFUSED);
}

/** Runs of calls with the same body; what lies between is refused. */
function segmentsOf(bodies: ReadonlyMap<number, Program>): Segment[] {
  const segments: Segment[] = [];
  for (let from = 0; from <= NEWEST_CALL; from++) {
    const body = bodies.get(from) ?? REFUSE;
    if (segments.at(-1)?.body !== body) segments.push({ from, body });
  }
  return segments;
}

/** The filter of a process, as the kernel takes it. */
export function filterBytes(rules: Rules, architecture: Architecture): Uint8Array<ArrayBuffer> {
  return encode(filterProgram(rules, architecture));
}
