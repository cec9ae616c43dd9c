import assert from "node:assert/strict";
import { Verdict } from "../../../core/sandbox/bpf.ts";
import { type Confinement, DEFAULT_LIMITS, type SocketAccess } from "../../../core/sandbox/confinement.ts";
import {
  type Condition,
  filterBytes,
  filterProgram,
  type Rules,
  syscallRules,
} from "../../../core/sandbox/syscall_filter.ts";
import {
  type Architecture,
  ARCHITECTURES,
  HARMLESS_CALLS,
  NEWEST_CALL,
  type SyscallName,
  syscallNumber,
} from "../../../core/sandbox/syscalls.ts";
import { runBpf, type SystemCall } from "../../helpers/bpf_machine.ts";
import { fc } from "../../conformance/properties.ts";
import { testUnless } from "../../helpers/test_unless.ts";

const PID = 4321;
const EXECVE = [0x12_3456_7890n, 0x23_4567_8908n, 0x3f_ffff_fff8n];
const FACTS = { pid: PID, execve: EXECVE };
const REFUSED = Verdict.fail(1);
const UNKNOWN = Verdict.fail(38);
const NO_SOCKETS: SocketAccess = { unix: false, tcpPorts: [], udp: false };
const architectures = Object.values(ARCHITECTURES);

function confinement(sockets: Partial<SocketAccess> = {}, ioUring = false): Confinement {
  const nothing = { read: [], write: [], capabilities: [], limits: DEFAULT_LIMITS };
  return { ...nothing, sockets: { ...NO_SOCKETS, ...sockets }, ioUring };
}

/** What the rules say of a call, told in words of this test: the program must say the same. */
function intent(rules: Rules, architecture: Architecture, { number, audit, args }: SystemCall): number {
  if (audit !== architecture.audit) return Verdict.KillProcess;
  if (architecture.name === "x86_64" && number >= 0x4000_0000) return Verdict.KillProcess;
  const [, conditions] = [...rules].find(([name]) => syscallNumber(name, architecture) === number) ?? [];
  if (conditions !== undefined) return conditions.every((each) => holds(each, args)) ? Verdict.Allow : REFUSED;
  return number > NEWEST_CALL || number === 435 ? UNKNOWN : REFUSED; // 435: clone3, on both.
}

function holds(condition: Condition, args: readonly bigint[]): boolean {
  if ("exactly" in condition) return [...condition.exactly].every(([i, value]) => args[i] === value);
  const { argument, mask = 0xffff_ffff, values, among } = condition;
  return values.some((value) => BigInt(value) === (args[argument] & BigInt(mask))) === among;
}

const policies = [
  ["no sockets", confinement()],
  ["Unix sockets", confinement({ unix: true })],
  ["a TCP port and names", confinement({ tcpPorts: [10809], udp: true })],
  ["any TCP port, io_uring", confinement({ tcpPorts: "any" }, true)],
] as const;

/** Arguments near those that the rules ask for. */
const interesting = [
  0n,
  1n,
  2n,
  6n,
  8n,
  10n,
  15n,
  17n,
  0x5412n,
  0x541cn,
  BigInt(PID),
  ...EXECVE,
  0x10900n,
  0x3d0f00n,
  0x1000_0000n,
];
const argument = fc.oneof(
  fc.constantFrom(...interesting),
  fc.tuple(fc.constantFrom(...interesting), fc.nat(63)).map(([value, bit]) => value ^ 1n << BigInt(bit)),
  fc.bigInt(0n, 2n ** 64n - 1n),
);
const call = fc.record({
  number: fc.oneof(
    { weight: 20, arbitrary: fc.nat(NEWEST_CALL + 10) },
    fc.nat(0x7fff_ffff),
    fc.nat(NEWEST_CALL).map((number) => number + 0x4000_0000),
    fc.constant(0xffff_ffff),
  ),
  audit: fc.constantFrom(0xc000_003e, 0xc000_003e, 0xc000_00b7, 0xc000_00b7, 0x4000_0003),
  args: fc.array(argument, { minLength: 6, maxLength: 6 }),
});

for (const architecture of architectures) {
  for (const [name, allowed] of policies) {
    Deno.test(`${architecture.name}, ${name}: the program decides of every call as its rules say`, () => {
      const rules = syscallRules(allowed, FACTS);
      const program = filterProgram(rules, architecture);
      const same = (given: SystemCall): void => {
        assert.equal(runBpf(program, given).verdict, intent(rules, architecture, given), JSON.stringify(given.number));
      };
      const { audit } = architecture;
      for (let number = 0; number < NEWEST_CALL + 5; number++) {
        for (const value of [...interesting, 2n ** 64n - 1n]) same({ number, audit, args: Array(6).fill(value) });
      }
      fc.assert(fc.property(call, same), { numRuns: 2000 });
    });
  }

  const verdictOf = (allowed: Confinement, name: SyscallName, ...args: (number | bigint)[]): number => {
    const number = syscallNumber(name, architecture);
    assert.ok(number !== null);
    const given = [...args.map(BigInt), ...Array(6).fill(0n)].slice(0, 6);
    return runBpf(filterProgram(syscallRules(allowed, FACTS), architecture), {
      number,
      audit: architecture.audit,
      args: given,
    })
      .verdict;
  };

  Deno.test(`${architecture.name}: threads may be made; processes and namespaces not`, () => {
    const pthread = 0x3d0f00;
    const of = (...args: number[]) => verdictOf(confinement(), "clone", ...args);
    assert.equal(of(pthread), Verdict.Allow);
    assert.equal(of(17), REFUSED, "fork");
    assert.equal(of(0x4111), REFUSED, "vfork");
    assert.equal(of(pthread & ~0x10000), REFUSED, "no thread");
    assert.equal(of(pthread & ~0x100), REFUSED, "memory of its own");
    for (const namespace of [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000]) {
      assert.equal(of(pthread | namespace), REFUSED, namespace.toString(16));
    }
    assert.equal(verdictOf(confinement(), "clone3", 0, 88), UNKNOWN);
  });

  Deno.test(`${architecture.name}: signals reach the process itself alone`, () => {
    for (const name of ["kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"] as const) {
      assert.equal(verdictOf(confinement(), name, PID, PID, 9), Verdict.Allow);
      for (const other of [1, PID + 1, 0, 0xffff_ffff, -PID >>> 0]) {
        assert.equal(verdictOf(confinement(), name, other, PID, 9), REFUSED, `${name} ${other}`);
      }
    }
  });

  Deno.test(`${architecture.name}: one execve passes, by the addresses of its arguments`, () => {
    assert.equal(verdictOf(confinement(), "execve", ...EXECVE), Verdict.Allow);
    assert.equal(verdictOf(confinement(), "execve", EXECVE[0], EXECVE[1], 0), REFUSED);
    assert.equal(verdictOf(confinement(), "execve", 0x7fff_1234_5678n, EXECVE[1], EXECVE[2]), REFUSED);
  });

  Deno.test(`${architecture.name}: sockets are those that are declared`, () => {
    const [UNIX, INET, INET6, NETLINK, PACKET] = [1, 2, 10, 16, 17];
    const [STREAM, DGRAM, RAW] = [1, 2, 3];
    const flags = 0o2000000 | 0o4000;
    const families = (allowed: Confinement, type = STREAM, protocol = 0) => {
      return [UNIX, INET, INET6, NETLINK, PACKET].filter((family) => {
        return verdictOf(allowed, "socket", family, type | flags, protocol) === Verdict.Allow;
      });
    };
    assert.deepEqual(families(confinement()), []);
    assert.deepEqual(families(confinement({ unix: true })), [UNIX]);
    assert.deepEqual(families(confinement({ unix: true }), DGRAM), []);
    assert.deepEqual(families(confinement({ tcpPorts: [80] })), [INET, INET6]);
    assert.deepEqual(families(confinement({ tcpPorts: [80] }), DGRAM), []);
    assert.deepEqual(families(confinement({ tcpPorts: [80], udp: true }), DGRAM), [INET, INET6]);
    assert.deepEqual(families(confinement({ tcpPorts: "any", udp: true }), RAW), []);
    assert.deepEqual(families(confinement({ tcpPorts: "any" }), STREAM, 262), [], "MPTCP");
    for (const name of ["connect", "bind", "listen", "accept4"] as const) {
      assert.equal(verdictOf(confinement(), name, 7), REFUSED);
      assert.equal(verdictOf(confinement({ unix: true }), name, 7), Verdict.Allow);
    }
    assert.equal(verdictOf(confinement({ tcpPorts: [80] }), "sendto", 7, 0, 0, 0x2000_0000), REFUSED, "fast open");
    assert.equal(verdictOf(confinement({ tcpPorts: [80] }), "sendto", 7, 0, 0, 0x4000), Verdict.Allow);
    assert.equal(verdictOf(confinement(), "socketpair", UNIX, STREAM | flags), Verdict.Allow);
    assert.equal(verdictOf(confinement({ unix: true }), "socketpair", UNIX, DGRAM), REFUSED);
  });

  Deno.test(`${architecture.name}: io_uring is for who declares it`, () => {
    for (const name of ["io_uring_setup", "io_uring_enter", "io_uring_register"] as const) {
      assert.equal(verdictOf(confinement(), name, 1), REFUSED);
      assert.equal(verdictOf(confinement({}, true), name, 1), Verdict.Allow);
    }
  });

  Deno.test(`${architecture.name}: the filter is shorter than a quarter of what the kernel takes`, () => {
    for (const [, allowed] of policies) {
      assert.ok(filterBytes(syscallRules(allowed, FACTS), architecture).length < 1024 * 8);
    }
  });
}

const DANGEROUS = [
  ...[
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_open",
    "pidfd_getfd",
    "pidfd_send_signal",
    "kcmp",
    "tkill",
  ],
  ...[
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "unshare",
    "setns",
    "bpf",
    "perf_event_open",
    "kexec_load",
    "init_module",
  ],
  ...[
    "finit_module",
    "delete_module",
    "keyctl",
    "add_key",
    "request_key",
    "userfaultfd",
    "reboot",
    "swapon",
    "swapoff",
  ],
  ...["iopl", "ioperm", "open_by_handle_at", "name_to_handle_at", "personality", "quotactl", "acct", "settimeofday"],
  ...["clock_settime", "adjtimex", "setuid", "setgid", "setresuid", "setresgid", "setreuid", "setgroups", "capset"],
  ...[
    "fork",
    "vfork",
    "execveat",
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "fchown",
    "fchownat",
    "setxattr",
    "utimensat",
  ],
  ...["link", "linkat", "symlink", "symlinkat", "mknod", "mknodat", "shmget", "msgget", "semget", "mq_open", "syslog"],
  ...[
    "fanotify_init",
    "inotify_init1",
    "memfd_secret",
    "process_madvise",
    "migrate_pages",
    "move_pages",
    "setpriority",
  ],
  ...[
    "sched_setscheduler",
    "sched_setattr",
    "ioprio_set",
    "setrlimit",
    "seccomp",
    "landlock_restrict_self",
    "sethostname",
  ],
  ...["move_mount", "open_tree", "fsopen", "fsmount", "mount_setattr", "vhangup", "modify_ldt", "setpgid", "setsid"],
];

/** Numbers as the system's own headers have them. */
function numbersOfHeaders(architecture: Architecture): ReadonlyMap<string, number> | null {
  const path = architecture.name === "x86_64"
    ? "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
    : "/usr/include/asm-generic/unistd.h";
  try {
    const found = Deno.readTextFileSync(path).matchAll(/^#define __NR(3264)?_(\w+)\s+(\d+)$/gm);
    const names: Record<string, string> = { fstatat: "newfstatat" };
    return new Map([...found].map(([, wide, name, number]) => [wide ? names[name] ?? name : name, Number(number)]));
  } catch {
    return null;
  }
}

for (const architecture of architectures) {
  const headers = numbersOfHeaders(architecture);
  const missing = headers === null ? "the kernel's headers are not installed" : null;
  testUnless(missing, `${architecture.name}: numbers are those of the kernel's headers`, () => {
    const rules = [
      ...syscallRules(confinement({ unix: true }, true), FACTS).keys(),
      "clone3",
      "capset",
      "seccomp",
    ] as const;
    const compared = (rules as readonly SyscallName[]).map((name) => {
      const number = syscallNumber(name, architecture);
      // Headers may be older than the table; that a call does not exist they say by not having it.
      if (number !== null && number > Math.max(...headers!.values())) return null;
      return assert.equal(headers!.get(name) ?? null, number, name);
    });
    assert.ok(compared.filter((each) => each !== null).length >= 150);
  });

  testUnless(
    missing,
    `${architecture.name}: what reaches other processes, mounts, keys, clocks or the kernel is refused`,
    () => {
      const program = filterProgram(
        syscallRules(confinement({ unix: true, tcpPorts: "any", udp: true }, true), FACTS),
        architecture,
      );
      const found = DANGEROUS.filter((name) => headers!.has(name));
      assert.ok(found.length >= 60, String(found.length));
      for (const name of found) {
        for (const value of interesting) {
          const given = { number: headers!.get(name)!, audit: architecture.audit, args: Array(6).fill(value) };
          assert.equal(runBpf(program, given).verdict, REFUSED, name);
        }
      }
    },
  );
}

Deno.test("no two calls have one number, and all are known to the newest", () => {
  for (const architecture of architectures) {
    const numbers = HARMLESS_CALLS.map((name) => syscallNumber(name, architecture)).filter((number) => number !== null);
    assert.equal(new Set(numbers).size, numbers.length);
    assert.ok(numbers.every((number) => number <= NEWEST_CALL));
  }
});
