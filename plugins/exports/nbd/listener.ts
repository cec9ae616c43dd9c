/**
 * Where a server listens: a Unix socket that only its owner may use, or TCP on this machine alone.
 *
 * @module
 */

import { DeviceError } from "../../../core/errors.ts";
import type { Sockets } from "../../../core/socket.ts";
import { isLocal, parseSocketAddress, type SocketAddress } from "../../../core/socket_address.ts";

const ECONNREFUSED = 111;

/** A socket that listens, until {@link close}. */
export class Listener {
  /** The socket. */
  readonly descriptor: number;
  /** What clients connect to, as an NBD URI (`doc/uri.md` of the NetworkBlockDevice project). */
  readonly uri: string;
  /** Whether connections are of TCP. */
  readonly isTcp: boolean;
  readonly #sockets: Sockets;
  readonly #path: string | null;
  #open = true;

  /**
   * Listens. A Unix socket that nobody listens on any more is replaced.
   *
   * @param text `unix:PATH` or `tcp:HOST:PORT`, with port 0 for any
   * @param exportName the name in the URI
   * @throws {DeviceError} when that is impossible
   */
  constructor(sockets: Sockets, text: string, exportName: string) {
    const address = parseSocketAddress(text);
    if (!isLocal(address)) {
      throw new DeviceError(
        `Cannot listen on ${text}: what is sent is not encrypted, so only this machine may reach it. Allowed are ` +
          "unix:PATH, tcp:127.0.0.1:PORT and tcp:[::1]:PORT; let a tunnel, such as ssh -L, lead others to it",
      );
    }
    if (address.kind === "unix") removeStale(sockets, address);
    this.#sockets = sockets;
    this.#path = address.kind === "unix" ? address.path : null;
    this.isTcp = address.kind !== "unix";
    this.descriptor = sockets.listen(address);
    this.uri = uriOf(address, exportName, () => sockets.localPort(this.descriptor));
  }

  /** Listens no more. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#sockets.close(this.descriptor);
    if (this.#path === null) return;
    try {
      Deno.removeSync(this.#path);
    } catch (thrown) {
      if (!(thrown instanceof Deno.errors.NotFound)) throw thrown;
    }
  }
}

/** Removes a socket that a server has left behind which is no more. */
function removeStale(sockets: Sockets, address: SocketAddress & { readonly kind: "unix" }): void {
  const connected = sockets.connect(address);
  if (connected >= 0) {
    sockets.close(connected);
    throw new DeviceError(`Cannot listen on unix:${address.path}: another server listens there`);
  }
  if (connected !== -ECONNREFUSED) return; // There is nothing, or what there is keeps us from listening, with a reason.
  if (Deno.lstatSync(address.path).isSocket) return Deno.removeSync(address.path);
  throw new DeviceError(`Cannot listen on unix:${address.path}: there is something that is no socket`);
}

function uriOf(address: SocketAddress, exportName: string, port: () => number): string {
  const name = encodeURIComponent(exportName);
  if (address.kind === "unix") {
    return `nbd+unix:///${name}?socket=${encodeURIComponent(address.path).replaceAll("%2F", "/")}`;
  }
  const host = address.kind === "tcp6" ? `[${address.host}]` : address.host;
  return `nbd://${host}:${address.port === 0 ? port() : address.port}/${name}`;
}
