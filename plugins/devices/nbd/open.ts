/**
 * Makes the device of a server: the first connection, which says what the device is, and the others.
 *
 * @module
 */

import type { DeviceInfo } from "../../../core/block_device.ts";
import { Epoll } from "../../../core/epoll.ts";
import { DeviceError, messageOf } from "../../../core/errors.ts";
import type { CreateContext } from "../../../core/plugin.ts";
import { Sockets } from "../../../core/socket.ts";
import type { SocketAddress } from "../../../core/socket_address.ts";
import { formatDuration } from "../../../core/units.ts";
import { type ConnectionSettings, NbdConnection } from "./connection.ts";
import { NbdDevice } from "./device.ts";
import { allowsSeveral, changeOf, exportInfo, type ExportWishes } from "./export.ts";
import type { NbdExport } from "./handshake.ts";

/** The longest handshake: a server that is silent for longer is taken to be none, and is asked again. */
const ATTEMPT_MS = 10_000;
/** The longest wait without a sign of life. */
const LOOK_MS = 50;
const NS_PER_MS = 1e6;

/** Which export of which server. */
export interface NbdMedium {
  /** Where the server may be, in the order in which it is looked for. */
  readonly addresses: readonly SocketAddress[];
  /** The export's name. */
  readonly exportName: string;
}

/** How to use it. Times in nanoseconds. */
export interface NbdOptions extends ExportWishes {
  /** What the server is called in messages. */
  readonly uri: string;
  /** How many connections are wanted. */
  readonly connections: number;
  /** How long the server may take to be there. */
  readonly connectTimeout: number;
  /** How long requests wait while there is no connection. */
  readonly reconnectTimeout: number;
  /** The first pause between two attempts. */
  readonly retryFrom: number;
  /** The longest pause. */
  readonly retryTo: number;
}

/**
 * Connects, and makes the device.
 *
 * @throws {DeviceError} when there is no server in time, or it cannot be used
 */
export function openNbdDevice(medium: NbdMedium, given: NbdOptions, context: CreateContext): NbdDevice {
  const sockets = Sockets.open();
  const epoll = new Epoll();
  const connections: NbdConnection[] = [];
  let first: { readonly found: NbdExport; readonly info: DeviceInfo; readonly several: boolean } | null = null;
  const settings: ConnectionSettings = {
    ...medium,
    sockets,
    epoll,
    retryFromMs: given.retryFrom / NS_PER_MS,
    retryToMs: given.retryTo / NS_PER_MS,
    attemptMs: Math.min(ATTEMPT_MS, given.connectTimeout / NS_PER_MS),
    objection: (found) => first && changeOf(first.found, found, first.info, first.several),
  };
  const deadline = performance.now() + given.connectTimeout / NS_PER_MS;
  const connect = (): NbdConnection => {
    const connection = new NbdConnection(settings);
    connections.push(connection);
    return connection;
  };
  try {
    const { found } = establish(connect(), settings, deadline, context, false);
    const info = exportInfo(found, given);
    const count = connectionCount(found, given, context);
    first = { found, info, several: count > 1 };
    noteLeftOver(found, info, given, context);
    while (connections.length < count) {
      const another = connect();
      try {
        establish(another, settings, deadline, context, true);
      } catch (thrown) {
        context.note(`One of ${count} connections to ${given.uri} is wanting: ${messageOf(thrown)}. It is tried again`);
      }
    }
    return new NbdDevice({
      info,
      server: given.uri,
      maxPayloadBytes: found.maxPayloadBytes - found.maxPayloadBytes % info.sectorSize,
      connections,
      epoll,
      sockets,
      reconnectTimeoutNs: given.reconnectTimeout,
      note: (text) => context.note(text),
    });
  } catch (thrown) {
    for (const connection of connections) connection.close();
    epoll.close();
    sockets.detach();
    const patience = connections.length > 0 && !connections[0].refused && connections[0].state !== "ready"
      ? ` within ${formatDuration(given.connectTimeout)}`
      : "";
    throw new DeviceError(`Cannot use ${given.uri}${patience}: ${messageOf(thrown)}`, { cause: thrown });
  }
}

/**
 * Waits until a connection is ready.
 *
 * @param once whether the first failure ends the wait
 */
function establish(
  connection: NbdConnection,
  { epoll }: ConnectionSettings,
  deadline: number,
  { alive }: CreateContext,
  once: boolean,
): { readonly found: NbdExport } {
  for (let begun = false;;) {
    const now = performance.now();
    if (!connection.refused) connection.tend(now);
    if (connection.state === "ready" && connection.found !== null) return { found: connection.found };
    const isFailed = connection.state === "waiting" && begun && once;
    if (connection.refused || isFailed || now >= deadline) throw new DeviceError(connection.trouble);
    begun = true;
    alive();
    const untilNext = Math.min(connection.dueAt, deadline) - performance.now();
    const count = epoll.poll(Math.max(0, Math.min(LOOK_MS, Math.ceil(untilNext))));
    for (let i = 0; i < count; i++) {
      if (epoll.readyDescriptor(i) === connection.descriptor) connection.handshake(performance.now());
    }
  }
}

/** How many connections may be had: only what is written through one of them must be seen by all. */
function connectionCount(found: NbdExport, { connections, uri }: NbdOptions, { note }: CreateContext): number {
  if (connections === 1 || allowsSeveral(found)) return connections;
  note(`${uri} gets one connection instead of ${connections}: its server does not say that all see the same data`);
  return 1;
}

function noteLeftOver({ sizeBytes }: NbdExport, info: DeviceInfo, { uri }: NbdOptions, { note }: CreateContext): void {
  const rest = sizeBytes - info.sizeBytes;
  if (rest === 0) return;
  note(`${uri} has ${sizeBytes} bytes: the last ${rest}, which make no sector of ${info.sectorSize}, are left out`);
}
