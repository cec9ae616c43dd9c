/**
 * Linux's Landlock: a thread gives up the files, ports and processes that it does not name, for itself and for all that
 * it starts.
 *
 * Numbers: Linux `include/uapi/linux/landlock.h`; what each version (ABI) brought: `man 7 landlock`.
 *
 * @module
 */

import { DomainError } from "../errors.ts";
import { describeErrno } from "../libc.ts";
import type { Confinement } from "./confinement.ts";
import type { Kernel, Outcome } from "./kernel.ts";

/** Rights over files: `LANDLOCK_ACCESS_FS_…`. */
const EXECUTE = 1 << 0;
const WRITE_FILE = 1 << 1;
const READ_FILE = 1 << 2;
const READ_DIR = 1 << 3;
const REMOVE_DIR = 1 << 4;
const REMOVE_FILE = 1 << 5;
const MAKE_DIR = 1 << 7;
const MAKE_REG = 1 << 8;
const MAKE_SOCK = 1 << 9;
const REFER = 1 << 13;
const TRUNCATE = 1 << 14;
const IOCTL_DEV = 1 << 15;
/** Those that a file which is no folder can have. */
const OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;
/** Rights over ports: bind and connect of TCP. */
const TCP = 3;
/** To connect to abstract Unix sockets, and to signal, outside of what is confined. */
const SCOPES = 3;

/** What each version of Landlock first knew, and what is not kept from a process under an older one. */
const VERSIONS = [
  { version: 2, rights: REFER, without: null },
  { version: 3, rights: TRUNCATE, without: "files that it may read can be cut short" },
  { version: 4, rights: 0, without: "TCP ports are not told apart: who may make TCP sockets reaches all" },
  { version: 5, rights: IOCTL_DEV, without: "who may open a device may send it any ioctl" },
  { version: 6, rights: 0, without: "abstract Unix sockets are not kept apart from others" },
] as const;
/** Everything of version 1. */
const FIRST_RIGHTS = (1 << 13) - 1;
const PORTS_VERSION = 4;
const SCOPES_VERSION = 6;

/** `LANDLOCK_CREATE_RULESET_VERSION`. */
const ASK_VERSION = 1;
const RULE_PATH_BENEATH = 1;
const RULE_NET_PORT = 2;

const AT_FDCWD = -100;
/** `O_PATH | O_CLOEXEC`. */
const PATH_ONLY = 0o12000000;
/** Where flags differ between architectures, only this one does: `O_DIRECTORY`. */
const DIRECTORY = { x86_64: 0o200000, aarch64: 0o40000 };
const ENOENT = 2;
const ENOTDIR = 20;

/** The version of the kernel's Landlock; 0 where it has none, or it was not switched on at boot. */
export function landlockVersion(kernel: Kernel): number {
  const outcome = kernel.try("landlock_create_ruleset", 0, 0, ASK_VERSION);
  return "value" in outcome ? outcome.value : 0;
}

/** What is not kept from a confined process because a version is older than what is known here, a sentence each. */
export function shortfalls(version: number): readonly string[] {
  return VERSIONS.flatMap((each) => version < each.version && each.without !== null ? [each.without] : []);
}

/** A path, and the rights to it and what is below. */
interface PathRule {
  readonly path: string;
  readonly rights: number;
  /** Whether it may be missing. */
  readonly optional: boolean;
}

/**
 * Confines the calling thread, which must have given up new privileges.
 *
 * @param executables what may be executed, and read
 * @param folders what Deno itself reads
 * @throws {DomainError} when there is no Landlock, or when a path to write does not exist
 */
export function confineByLandlock(
  kernel: Kernel,
  { read, write, sockets }: Confinement,
  executables: readonly string[],
  folders: readonly string[],
): void {
  const version = landlockVersion(kernel);
  if (version === 0) {
    throw new DomainError("Cannot confine a process: this kernel has no Landlock, or it is switched off");
  }
  const handled = VERSIONS.reduce((all, each) => version >= each.version ? all | each.rights : all, FIRST_RIGHTS);
  const { tcpPorts } = sockets;
  const handlesPorts = version >= PORTS_VERSION && tcpPorts !== "any";
  const ruleset = kernel.call(
    "make a ruleset of Landlock",
    "landlock_create_ruleset",
    ...structure(kernel, [handled, handlesPorts ? TCP : 0, version >= SCOPES_VERSION ? SCOPES : 0], version),
    0,
  );
  const reading = READ_FILE | READ_DIR;
  const writing = WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER;
  const rules: PathRule[] = [
    ...executables.map((path) => ({ path, rights: EXECUTE | READ_FILE, optional: false })),
    ...folders.map((path) => ({ path, rights: reading, optional: true })),
    ...read.map((path) => ({ path, rights: reading | IOCTL_DEV, optional: true })),
    ...write.map((path) => ({ path, rights: writing | IOCTL_DEV | (sockets.unix ? MAKE_SOCK : 0), optional: false })),
  ];
  for (const rule of rules) addPath(kernel, ruleset, rule, handled);
  if (handlesPorts) {
    for (const port of tcpPorts) {
      const rule = kernel.place(words(TCP, port));
      kernel.call(`allow the port ${port}`, "landlock_add_rule", ruleset, RULE_NET_PORT, rule, 0);
    }
  }
  kernel.call("confine itself by Landlock", "landlock_restrict_self", ruleset, 0);
  kernel.call("close a ruleset", "close", ruleset);
}

/** `struct landlock_ruleset_attr`, as long as a version knows it: address and length. */
function structure(kernel: Kernel, members: readonly number[], version: number): [address: bigint, length: number] {
  const known = version >= SCOPES_VERSION ? 3 : version >= PORTS_VERSION ? 2 : 1;
  const bytes = words(...members.slice(0, known));
  return [kernel.place(bytes), bytes.length];
}

function addPath(kernel: Kernel, ruleset: number, { path, rights, optional }: PathRule, handled: number): void {
  const name = kernel.place(new TextEncoder().encode(`${path}\0`));
  const open = (flags: number): Outcome => kernel.try("openat", AT_FDCWD, name, PATH_ONLY | flags, 0);
  const asFolder = open(DIRECTORY[kernel.architecture.name]);
  const opened = "errno" in asFolder && asFolder.errno === ENOTDIR ? open(0) : asFolder;
  if ("errno" in opened) {
    if (optional && (opened.errno === ENOENT || opened.errno === ENOTDIR)) return;
    throw new DomainError(
      `Cannot confine a process to ${path}: it cannot be opened, ${
        describeErrno(opened.errno)
      }. Only what exists can be ` +
        "named, to a user without capabilities; for a file that is yet to be made, declare its folder",
    );
  }
  const { value: descriptor } = opened;
  const allowed = rights & handled & (opened === asFolder ? ~0 : OF_FILES);
  // `struct landlock_path_beneath_attr` is packed: 64 bits of rights, 32 of the descriptor.
  const rule = new Uint8Array(12);
  const view = new DataView(rule.buffer);
  view.setUint32(0, allowed, true);
  view.setInt32(8, descriptor, true);
  kernel.call(`confine a process to ${path}`, "landlock_add_rule", ruleset, RULE_PATH_BENEATH, kernel.place(rule), 0);
  kernel.call(`close ${path}`, "close", descriptor);
}

/** Numbers of 64 bits, one after the other. */
function words(...values: readonly number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(BigUint64Array.from(values, BigInt).buffer);
}
