/**
 * NBD URIs: which export of which server. From `doc/uri.md` of the NetworkBlockDevice project.
 *
 * @module
 */

import { MAX_NAME_BYTES } from "../../nbd/protocol.ts";

/** Where a server is: the path of a Unix socket, or a host (a name, or an address without brackets) and a port. */
export type ServerPlace =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

/** What a URI names. */
export interface NbdTarget {
  /** Where the server is. */
  readonly server: ServerPlace;
  /** The name of the export; empty for the server's default. */
  readonly exportName: string;
}

/** Assigned to NBD by IANA. */
const DEFAULT_PORT = 10_809;
const MAX_PORT = 65_535;
const ALLOWED = "allowed are nbd://HOST:PORT/EXPORT and nbd+unix:///EXPORT?socket=PATH";
/** The parts of a URI (RFC 3986, appendix B): scheme, authority, path, query, fragment. */
const PARTS = /^([^:/?#]+):(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s;

/**
 * Reads a URI.
 *
 * @throws {RangeError} when it is none, or one that cannot be served, with what is allowed
 */
export function parseNbdUri(text: string): NbdTarget {
  const refuse = (why: string): never => {
    throw new RangeError(`Cannot use the NBD URI ${JSON.stringify(text)}: ${why}`);
  };
  const parts = PARTS.exec(text);
  if (parts === null) return refuse(ALLOWED);
  const [, scheme, authority = "", path, query = "", fragment] = parts;
  if (scheme === "nbds" || scheme === "nbds+unix") {
    return refuse(`${scheme} asks for TLS, which iddr does not speak. Use nbd or nbd+unix, by a tunnel that encrypts`);
  }
  if (scheme !== "nbd" && scheme !== "nbd+unix") return refuse(`the scheme ${scheme} is not known; ${ALLOWED}`);
  if (fragment !== undefined) return refuse(`it has a fragment (#${fragment}), which means nothing here`);
  const exportName = decode(path.replace(/^\//, ""), refuse);
  if (exportName.includes("\0")) return refuse("the export's name has a NUL character");
  const nameBytes = new TextEncoder().encode(exportName).length;
  if (nameBytes > MAX_NAME_BYTES) {
    return refuse(`the export's name has ${nameBytes} bytes; allowed are at most ${MAX_NAME_BYTES}`);
  }
  const parameters = query === "" ? [] : query.split("&").map((each) => {
    const [name, ...value] = each.split("=");
    return [decode(name, refuse), decode(value.join("="), refuse)] as const;
  });
  const known = scheme === "nbd+unix" ? ["socket"] : [];
  const unknown = parameters.find(([name]) => !known.includes(name));
  if (unknown !== undefined) {
    return refuse(`the parameter ${unknown[0]} is not known; ${known.length === 0 ? "none is" : "allowed is socket"}`);
  }
  if (scheme === "nbd") return { server: readAuthority(authority, refuse), exportName };
  if (authority !== "") return refuse(`a Unix socket has no host: found ${authority}; ${ALLOWED}`);
  const [socket, ...more] = parameters;
  if (socket === undefined || socket[1] === "") return refuse("it names no socket: add ?socket=PATH");
  if (more.length > 0) return refuse("it names more than one socket");
  if (socket[1].includes("\0")) return refuse("the socket's path has a NUL character; abstract sockets are not served");
  return { server: { kind: "unix", path: socket[1] }, exportName };
}

function readAuthority(authority: string, refuse: (why: string) => never): ServerPlace {
  if (authority.includes("@")) return refuse("it names a user, which only TLS has a use for");
  const found = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d*))?$/.exec(authority);
  if (found === null) return refuse(`it names no host: found ${JSON.stringify(authority)}; ${ALLOWED}`);
  const port = found[3] === undefined || found[3] === "" ? DEFAULT_PORT : Number(found[3]);
  if (port < 1 || port > MAX_PORT) return refuse(`the port ${port} is not one of 1 to ${MAX_PORT}`);
  return { kind: "tcp", host: decode(found[1] ?? found[2], refuse), port };
}

function decode(text: string, refuse: (why: string) => never): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse(`${JSON.stringify(text)} is not encoded as a URI has it: % is followed by two hexadecimal digits`);
  }
}
