/**
 * The addresses of a host by its name, by the C library: as every other program on the machine finds them.
 *
 * @module
 */

import { isIPv4, isIPv6 } from "node:net";
import { DeviceError } from "../../../core/errors.ts";
import { cLibraryNeed, openCLibrary } from "../../../core/libc.ts";
import type { SocketAddress } from "../../../core/socket_address.ts";
import type { ServerPlace } from "./uri.ts";

const SYMBOLS = {
  getaddrinfo: { parameters: ["buffer", "buffer", "buffer", "buffer"], result: "i32" },
  freeaddrinfo: { parameters: ["usize"], result: "void" },
  memcpy: { parameters: ["buffer", "usize", "usize"], result: "usize" },
} as const;

// struct addrinfo of 64-bit glibc: flags, family, type, protocol and the address's length in 32 bits each, then at 24
// the address, at 32 a name, at 40 the next; 48 bytes.
const ADDRINFO_BYTES = 48;
const FAMILY = 1;
const SOCKET_TYPE = 2;
const ADDRESS = 3;
const NEXT = 5;
const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
/** Names have few addresses; a list without an end is not walked to it. */
const MAX_ADDRESSES = 16;
/** Glibc's `EAI_…`, in words. */
const FAILURES: Readonly<Record<number, string>> = {
  [-2]: "nobody knows the name",
  [-3]: "the name server does not answer at present",
  [-4]: "the name server failed",
  [-5]: "the name has no address",
};

/**
 * The addresses of a server, in the order in which they are to be tried.
 *
 * @throws {DeviceError} when the host's name cannot be resolved, with the reason
 */
export function resolveServer(server: ServerPlace): readonly SocketAddress[] {
  if (server.kind === "unix") return [server];
  const { host, port } = server;
  if (isIPv4(host)) return [{ kind: "tcp4", host, port }];
  if (isIPv6(host)) return [{ kind: "tcp6", host, port }];
  const library = openCLibrary(SYMBOLS);
  if (library === null) {
    throw new DeviceError(`To find the host ${host} takes the C library: allow --allow-ffi=${cLibraryNeed()}`);
  }
  const { getaddrinfo, freeaddrinfo, memcpy } = library.symbols;
  try {
    const hints = new Int32Array(ADDRINFO_BYTES / 4);
    hints[SOCKET_TYPE] = SOCK_STREAM;
    const first = new BigUint64Array(1);
    const name = new TextEncoder().encode(`${host}\0`);
    const result = getaddrinfo(name, new TextEncoder().encode(`${port}\0`), hints, first);
    if (result !== 0) {
      throw new DeviceError(`Cannot find the host ${host}: ${FAILURES[result] ?? `getaddrinfo returned ${result}`}`);
    }
    const found: SocketAddress[] = [];
    const entry = new Uint8Array(ADDRINFO_BYTES);
    const numbers = new Int32Array(entry.buffer);
    const pointers = new BigUint64Array(entry.buffer);
    for (let at = first[0]; at !== 0n && found.length < MAX_ADDRESSES; at = pointers[NEXT]) {
      memcpy(entry, at, BigInt(ADDRINFO_BYTES));
      const bytes = new Uint8Array(SOCKADDR_IN6_BYTES);
      if (numbers[FAMILY] === AF_INET) {
        memcpy(bytes, pointers[ADDRESS], BigInt(SOCKADDR_IN_BYTES));
        found.push({ kind: "tcp4", host: bytes.subarray(4, 8).join("."), port });
      } else if (numbers[FAMILY] === AF_INET6) {
        memcpy(bytes, pointers[ADDRESS], BigInt(SOCKADDR_IN6_BYTES));
        found.push({ kind: "tcp6", host: ipv6Text(bytes.subarray(8, 24)), port });
      }
    }
    freeaddrinfo(first[0]);
    if (found.length === 0) throw new DeviceError(`Cannot find the host ${host}: it has no address of IPv4 or IPv6`);
    return found;
  } finally {
    library.close();
  }
}

function ipv6Text(bytes: Uint8Array): string {
  return Array.from({ length: 8 }, (_, i) => (bytes[2 * i] * 256 + bytes[2 * i + 1]).toString(16)).join(":");
}
