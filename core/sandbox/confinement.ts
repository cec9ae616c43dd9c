/**
 * What a confined process may do, as plain data, and how it follows from what its plugins declare.
 *
 * @module
 */

import { isIPv4, isIPv6 } from "node:net";
import { PluginError } from "../errors.ts";
import type { PermissionNeeds } from "../permission_needs.ts";

/** Sockets that a confined process may make. */
export interface SocketAccess {
  /** Whether those of the file system. Which of them it connects to, nothing can limit. */
  readonly unix: boolean;
  /** Ports of TCP that it may connect to and listen on, of whatever host; `any` for all. */
  readonly tcpPorts: readonly number[] | "any";
  /** Whether UDP: to ask for the addresses of names. */
  readonly udp: boolean;
}

/** What a confined process may use; null where nothing is set. */
export interface ResourceLimits {
  /** Open descriptors. */
  readonly openFiles: number;
  /** Bytes of the longest file that it may write; memory files count too. */
  readonly fileBytes: number | null;
  /** Bytes of memory that it may lock. */
  readonly lockedBytes: number | null;
}

/** What a confined process may do. Paths are absolute; a folder stands for all that is in it. */
export interface Confinement {
  /** Paths to read. Those that do not exist are passed over. */
  readonly read: readonly string[];
  /** Paths to write, and where they are folders to make and remove files in. They must exist. */
  readonly write: readonly string[];
  /** Sockets. */
  readonly sockets: SocketAccess;
  /** Whether it may make io_urings. What goes by them no filter of system calls sees. */
  readonly ioUring: boolean;
  /** Capabilities of Linux that it keeps, if the user has them: `CAP_SYS_RAWIO`. */
  readonly capabilities: readonly string[];
  /** What it may use. */
  readonly limits: ResourceLimits;
}

/** The limits where nothing else is wanted. */
export const DEFAULT_LIMITS: ResourceLimits = { openFiles: 1024, fileBytes: null, lockedBytes: null };

/** What Deno reads to answer each question of the kind `sys`; those that take system calls alone read nothing. */
const FILES_OF_SYS: Readonly<Record<string, readonly string[]>> = {
  cpus: ["/proc/cpuinfo", "/proc/stat", "/sys/devices/system/cpu"],
  systemMemoryInfo: ["/proc/meminfo"],
  osUptime: ["/proc/uptime"],
  loadavg: ["/proc/loadavg"],
};
/** What the C library reads to find the addresses of a name. */
const FILES_OF_NAMES = ["/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf"];

/**
 * The least with which plugins can do what they declare.
 *
 * @param needs of all plugins of the process together
 * @param modules files and folders of the code that it imports, which it may read
 * @param scratchDirectory its folder for this run; null where it has none
 * @throws {PluginError} when that cannot be confined: a plugin that starts programs
 */
export function confinementOf(
  needs: PermissionNeeds,
  modules: readonly string[],
  scratchDirectory: string | null,
): Confinement {
  const { run = [], read = [], write = [], ffi = [], sys = [], system = {} } = needs;
  if (run.length > 0) {
    throw new PluginError(
      `A strict sandbox starts no programs, and the plugin's permissions name under run ${run.join(", ")}: ` +
        "take `sandbox: permissions`. What openMedium or conduct alone starts, leave out of driverPermissions or applicationPermissions",
    );
  }
  const places = [...(needs.net ?? []), ...(system.listens ?? [])].map(readPlace);
  const ports = places.flatMap(({ ports }) => ports);
  const names = places.some(({ named }) => named);
  const scratch = scratchDirectory === null ? [] : [scratchDirectory];
  return {
    read: [
      ...new Set([
        ...modules,
        ...scratch,
        ...read,
        ...ffi,
        ...sys.flatMap((kind) => FILES_OF_SYS[kind] ?? []),
        ...(names ? FILES_OF_NAMES : []),
      ]),
    ],
    write: [...new Set([...scratch, ...write])],
    sockets: {
      unix: places.some(({ unix }) => unix),
      tcpPorts: ports.includes("any") ? "any" : [...new Set(ports.filter((port) => port !== "any"))],
      udp: names,
    },
    ioUring: system.ioUring === true,
    capabilities: system.capabilities ?? [],
    limits: DEFAULT_LIMITS,
  };
}

interface Place {
  readonly unix: boolean;
  readonly ports: readonly (number | "any")[];
  /** Whether its address must be found first. */
  readonly named: boolean;
}

/** What a value of Deno's permission `net` needs: `unix:PATH`, `HOST`, `HOST:PORT`, `[ADDRESS]:PORT`, `*:PORT`. */
function readPlace(text: string): Place {
  if (/^unix(?::|$)/.test(text)) return { unix: true, ports: [], named: false };
  const [, inBrackets, plain = "", port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = inBrackets ?? plain;
  // What cannot be told apart here Deno's own check decides, for whom any port is the same question.
  const ports = port === undefined ? ["any" as const] : [Number(port)];
  const known = isIPv4(host) || isIPv6(host) || host === "*" || host === "localhost";
  return { unix: false, ports, named: !known };
}
