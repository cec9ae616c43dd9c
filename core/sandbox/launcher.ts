/**
 * The launcher: the program that is started in place of a confined one, gives up what that may not have, and then becomes
 * it. Why before: Landlock and seccomp bind the calling thread and what comes after it, and Deno has other threads from
 * its start on. After `execve` there is one thread, and all others come of it.
 *
 * Its imports are few, as it runs each time that a domain is restarted.
 *
 * @module
 */

import { DomainError } from "../errors.ts";
import { passDescriptors, placeProgram } from "./execute.ts";
import { Kernel } from "./kernel.ts";
import { confineByLandlock } from "./landlock.ts";
import type { LaunchOrder } from "./launch.ts";
import { dieWithParent, keepCapabilities, limitResources, refuseNewPrivileges } from "./privileges.ts";
import { filterBytes, syscallRules } from "./syscall_filter.ts";

/** What Deno reads beside its program, its libraries and its cache. */
const SYSTEM_FILES = ["/etc/ld.so.cache", "/dev/urandom", "/dev/null"];
/** Where its parser learns how long the main thread's stack is. It panics where it cannot. */
const OWN_MAPS = "/proc/self/maps";
const AT_FDCWD = -100;
const O_PATH = 0o10000000;
/**
 * What Deno has fetched, compiled and found out about modules; without the latter it starts slower. What else it keeps in
 * its folder is of other programs: their `localStorage`.
 */
const CACHES = [
  ...["gen", "npm", "remote"],
  ...["dep", "node"].flatMap((what) => ["", "-wal", "-shm"].map((part) => `${what}_analysis_cache_v2${part}`)),
  ...["", "-wal", "-shm"].map((part) => `v8_code_cache_v2${part}`),
];
/** `SECCOMP_SET_MODE_FILTER`. */
const SET_FILTER = 1;
const INSTRUCTION_BYTES = 8;

const order: LaunchOrder = JSON.parse(Deno.args[0]);
launch(order);

function launch({ confinement, program, args, keepEnv, descriptors, parent }: LaunchOrder): never {
  const kernel = Kernel.open();
  if (kernel === null) {
    throw new DomainError("Cannot confine a process: that takes Linux, and its C library by --allow-ffi");
  }
  const inherited = Deno.env.toObject();
  const cache = cacheDirectory(inherited);
  const env = Object.fromEntries(Object.entries(inherited).filter(([name]) => keepEnv.includes(name)));
  limitResources(kernel, confinement.limits);
  refuseNewPrivileges(kernel);
  keepCapabilities(kernel, confinement.capabilities);
  dieWithParent(kernel, parent);
  const { interpreter } = kernel.architecture;
  const libraries = kernel.libraryPath.slice(0, kernel.libraryPath.lastIndexOf("/"));
  const caches = cache === null ? [] : CACHES.map((name) => `${cache}/${name}`);
  confineByLandlock(kernel, confinement, [program, interpreter], [libraries, OWN_MAPS, ...SYSTEM_FILES, ...caches]);
  const place = placeProgram(kernel, {
    path: program,
    argv: [program, ...args],
    env: cache === null ? env : { ...env, DENO_DIR: cache },
  });
  // Landlock knows a file by its inode. That of the maps is the same for as long as somebody has them open.
  const name = kernel.place(new TextEncoder().encode(`${OWN_MAPS}\0`));
  const maps = kernel.call("find its own memory map", "openat", AT_FDCWD, name, O_PATH, 0);
  passDescriptors(kernel, [...descriptors, maps]);
  const rules = syscallRules(confinement, { pid: Deno.pid, execve: place });
  confineBySeccomp(kernel, filterBytes(rules, kernel.architecture));
  kernel.call(`execute ${program}`, "execve", ...place);
  throw new DomainError(`${program} was executed, and yet this goes on`);
}

function confineBySeccomp(kernel: Kernel, filter: Uint8Array<ArrayBuffer>): void {
  // `struct sock_fprog`: the count of instructions in 16 bits, then their address at 8.
  const program = new BigUint64Array([BigInt(filter.length / INSTRUCTION_BYTES), kernel.place(filter)]);
  const address = kernel.place(new Uint8Array(program.buffer));
  kernel.call("confine itself by seccomp", "seccomp", SET_FILTER, 0, address);
}

/** Where Deno keeps what it has compiled and fetched. It would look for it by variables that the program has not got. */
function cacheDirectory({ DENO_DIR, XDG_CACHE_HOME, HOME }: Record<string, string>): string | null {
  if (DENO_DIR) return DENO_DIR;
  if (XDG_CACHE_HOME) return `${XDG_CACHE_HOME}/deno`;
  return HOME ? `${HOME}/.cache/deno` : null;
}
