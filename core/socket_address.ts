/**
 * Where sockets are: paths of Unix sockets, and numeric addresses of TCP.
 *
 * @module
 */

import { closeSync, constants, openSync } from "node:fs";
import { isIPv4, isIPv6 } from "node:net";
import { basename, dirname } from "node:path";

/** Where a socket listens. Hosts are numeric addresses. */
export type SocketAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp4" | "tcp6"; readonly host: string; readonly port: number };

/** Bytes of a name in a folder of any length: what is left of a path through `/proc`. */
const UNIX_NAME_BYTES = 80;
/** Bytes of a path that fit into `struct sockaddr_un`, less its end. */
const UNIX_PATH_BYTES = 107;
const MAX_PORT = 65_535;

/**
 * Reads `unix:PATH`, `tcp:127.0.0.1:PORT` or `tcp:[::1]:PORT`.
 *
 * @throws {RangeError} when it is something else, with what is allowed
 */
export function parseSocketAddress(text: string): SocketAddress {
  const unix = /^unix:([^\0]+)$/.exec(text);
  if (unix !== null) return { kind: "unix", path: unix[1] };
  const tcp = /^tcp:(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const [, inBrackets = "", plain = "", digits] = tcp ?? [];
  const host = plain === "localhost" ? "127.0.0.1" : plain;
  const port = Number(digits);
  if (port <= MAX_PORT && isIPv4(host)) return { kind: "tcp4", host, port };
  if (port <= MAX_PORT && isIPv6(inBrackets)) return { kind: "tcp6", host: inBrackets, port };
  throw new RangeError(
    `Cannot read the address ${JSON.stringify(text)}: allowed are unix:PATH, tcp:127.0.0.1:PORT and tcp:[::1]:PORT, ` +
      "with hosts as numbers",
  );
}

/** Whether only this machine reaches an address. */
export function isLocal(address: SocketAddress): boolean {
  if (address.kind === "unix") return true;
  return address.kind === "tcp4" ? address.host.startsWith("127.") : parseIPv6(address.host).join() === LOOPBACK_IPV6;
}

const LOOPBACK_IPV6 = "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1";

/** An address as the kernel takes it: `struct sockaddr_un`, `sockaddr_in` or `sockaddr_in6` of Linux. */
export function socketAddressBytes(address: SocketAddress): Uint8Array<ArrayBuffer> {
  if (address.kind === "unix") return Uint8Array.of(1, 0, ...new TextEncoder().encode(address.path), 0);
  const port = [address.port >>> 8, address.port & 0xff];
  if (address.kind === "tcp4") {
    return Uint8Array.of(2, 0, ...port, ...address.host.split(".").map(Number), 0, 0, 0, 0, 0, 0, 0, 0);
  }
  return Uint8Array.of(10, 0, ...port, 0, 0, 0, 0, ...parseIPv6(address.host), 0, 0, 0, 0);
}

/**
 * Calls `use` with an address that the kernel takes. A Unix path may be too long for it: then its folder is opened, and
 * the socket named through that.
 *
 * @throws {RangeError} when the name in the folder is too long even so
 */
export function unixSocketPath<T>(address: SocketAddress, use: (address: SocketAddress) => T): T {
  if (address.kind !== "unix" || !isTooLong(address.path)) return use(address);
  const name = basename(address.path);
  if (byteLength(name) > UNIX_NAME_BYTES) {
    throw new RangeError(`The socket's name ${JSON.stringify(name)} is too long: allowed are ${UNIX_NAME_BYTES} bytes`);
  }
  const folder = openSync(dirname(address.path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return use({ kind: "unix", path: `/proc/self/fd/${folder}/${name}` });
  } finally {
    closeSync(folder);
  }
}

/** The paths that must be readable to use an address: a Unix socket's, and its folder if that must be opened. */
export function pathsOf(address: SocketAddress): readonly string[] {
  if (address.kind !== "unix") return [];
  return isTooLong(address.path) ? [address.path, dirname(address.path)] : [address.path];
}

function isTooLong(path: string): boolean {
  return byteLength(path) > UNIX_PATH_BYTES;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** The 16 bytes of an IPv6 address, which is known to be one. */
function parseIPv6(host: string): number[] {
  const withoutZone = host.split("%")[0];
  // The last 32 bits may be written as an IPv4 address.
  const text = withoutZone.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    return `${(a * 256 + Number(b)).toString(16)}:${(c * 256 + Number(d)).toString(16)}`;
  });
  const [head, tail] = text.split("::");
  const groups = (part: string | undefined): number[] => {
    return part === undefined || part === "" ? [] : part.split(":").map((group) => parseInt(group, 16));
  };
  const [first, last] = [groups(head), groups(tail)];
  const zeroes = Array<number>(8 - first.length - last.length).fill(0);
  return [...first, ...zeroes, ...last].flatMap((group) => [group >>> 8, group & 0xff]);
}
