/**
 * A connection whose every wait is bounded, and says what it waited for.
 *
 * @module
 */

import { ReceiveBuffer } from "./receive_buffer.ts";

/**
 * How long a server may take for anything. Far more than it needs, even on a machine that is busy with other work. Only
 * who waits for what will never come makes it shorter.
 */
export const deadline = { ms: 20_000 };
const READ_BYTES = 256 * 1024;

/** The server has ended the connection. */
export class ConnectionEnded extends Error {
  override name = "ConnectionEnded";
}

/** The server has sent what the protocol does not allow. */
export class ProtocolViolation extends Error {
  override name = "ProtocolViolation";
}

/** Throws a {@link ProtocolViolation} unless the condition holds. */
export function demand(condition: boolean, violation: string | (() => string)): asserts condition {
  if (!condition) throw new ProtocolViolation(typeof violation === "string" ? violation : violation());
}

/** Bytes to a server, and from it. */
export class Wire implements Disposable {
  /** What has come and was not taken. */
  readonly received = new ReceiveBuffer();
  readonly #connection: Deno.UnixConn;
  readonly #chunk = new Uint8Array(READ_BYTES);
  #reading: Promise<number | null> | null = null;
  #closed = false;

  private constructor(connection: Deno.UnixConn) {
    this.#connection = connection;
  }

  /** Connects to a Unix socket. */
  static async connect(path: string): Promise<Wire> {
    return new Wire(await Deno.connect({ transport: "unix", path }));
  }

  /** Sends all of the bytes. A server that waits for somebody to read its replies is waited for, unless `reads`. */
  async write(bytes: Uint8Array, what = "the server to take what is sent", reads = false): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const writing = this.#connection.write(bytes.subarray(at));
      const count = await this.#bounded(reads ? this.#readingDuring(writing) : writing, what);
      if (count === null) throw new ConnectionEnded(`the server ended the connection: it was waited for ${what}`);
      at += count;
    }
  }

  /** Takes exactly so many bytes, in their time. */
  async read(length: number, what: string): Promise<Uint8Array<ArrayBuffer>> {
    while (this.received.length < length) await this.fill(what);
    return this.received.take(length);
  }

  /** Waits for some bytes more. Throws {@link ConnectionEnded} if none will come. */
  async fill(what: string): Promise<void> {
    if (await this.fillOrEnd(what)) return;
    const waiting = this.received.length;
    throw new ConnectionEnded(`the server ended the connection with ${waiting} bytes not taken: awaited was ${what}`);
  }

  /** Waits for some bytes more. Tells whether there were any before the connection ended. */
  async fillOrEnd(what: string | (() => string)): Promise<boolean> {
    return await this.#bounded(this.#read(), what) !== null;
  }

  /** Waits until the server has ended the connection, and demands that it has sent nothing more. */
  async ended(reason: string): Promise<void> {
    while (this.received.length === 0) {
      if (!await this.fillOrEnd(`the connection's end: ${reason}`)) return;
    }
    throw new ProtocolViolation(`${this.received.length} bytes came where the connection should end: ${reason}`);
  }

  /** Tells the server that nothing more will be sent. What it still sends can be read. */
  async closeWrite(): Promise<void> {
    await this.#bounded(this.#connection.closeWrite(), "the socket to be shut down");
  }

  /** Ends the connection at once, whatever waits in it. */
  close(): void {
    if (!this.#closed) this.#connection.close();
    this.#closed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Reads once more, or goes on with the reading that is going on. */
  #read(): Promise<number | null> {
    this.#reading ??= this.#connection.read(this.#chunk).then((count) => {
      this.received.append(this.#chunk.subarray(0, count ?? 0));
      return count;
    }, (thrown) => {
      if (this.#closed || hasEnded(thrown)) return null;
      throw thrown;
    }).finally(() => this.#reading = null);
    return this.#reading;
  }

  async #readingDuring<T>(writing: Promise<T>): Promise<T> {
    let isOver = false;
    const over = writing.finally(() => isOver = true).catch(() => {});
    while (!isOver) {
      const count = await Promise.race([over, this.#read()]);
      if (count === null) break;
    }
    return await writing;
  }

  /** The operation's result; null if the connection has ended. */
  async #bounded<T>(operation: Promise<T>, what: string | (() => string)): Promise<T | null> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.close();
    }, deadline.ms);
    try {
      const result = await operation;
      if (!late) return result;
    } catch (thrown) {
      if (!late && (this.#closed || hasEnded(thrown))) return null;
      if (!late) throw thrown;
    } finally {
      clearTimeout(timer);
    }
    throw new Error(inVain(typeof what === "string" ? what : what()));
  }
}

/** What is said of something that did not come in time. */
export function inVain(what: string): string {
  return `waited ${deadline.ms / 1000} s in vain for ${what}`;
}

/** A peer that closes a socket with bytes in it not read resets the connection. */
function hasEnded(thrown: unknown): boolean {
  return thrown instanceof Deno.errors.ConnectionReset || thrown instanceof Deno.errors.BrokenPipe ||
    thrown instanceof Deno.errors.NotConnected;
}
