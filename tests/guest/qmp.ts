/**
 * QEMU's control socket: the QEMU Machine Protocol, lines of JSON (QEMU documentation, interop/qmp-spec).
 *
 * @module
 */

import { linesOf } from "./lines.ts";

/** An event that QEMU has told of. */
export interface QmpEvent {
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

interface Answer extends Partial<QmpEvent> {
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

/** Somebody who waits for an event. */
interface Watcher {
  readonly hear: (event: QmpEvent) => void;
  readonly giveUp: (reason: Error) => void;
}

/** A connection to QEMU. */
export class Qmp {
  readonly #connection: Deno.UnixConn;
  /** Commands without an answer yet: QEMU answers in order. */
  readonly #asked: PromiseWithResolvers<unknown>[] = [];
  readonly #watchers = new Set<Watcher>();
  #ended = false;

  private constructor(connection: Deno.UnixConn) {
    this.#connection = connection;
    this.#listen();
  }

  /** Connects to the socket at `path`, and leaves the negotiation behind. */
  static async connect(path: string): Promise<Qmp> {
    const qmp = new Qmp(await Deno.connect({ transport: "unix", path }));
    await qmp.execute("qmp_capabilities");
    return qmp;
  }

  /** Runs a command and returns its answer. Throws what QEMU refuses. */
  async execute(command: string, given: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    if (this.#ended) throw new Error(`${command}: QEMU has ended`);
    const asked = Promise.withResolvers<unknown>();
    this.#asked.push(asked);
    const line = new TextEncoder().encode(`${JSON.stringify({ execute: command, arguments: given })}\n`);
    for (let at = 0; at < line.length;) at += await this.#connection.write(line.subarray(at));
    return await asked.promise;
  }

  /** Waits for an event that comes after this call. Throws when it does not come in time, or QEMU ends before. */
  waitFor(isWanted: (event: QmpEvent) => boolean, timeoutMs: number, what: string): Promise<void> {
    if (this.#ended) return Promise.reject(new Error(`${what}: QEMU has ended`));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const watcher: Watcher = {
      hear: (event) => isWanted(event) && resolve(),
      giveUp: reject,
    };
    this.#watchers.add(watcher);
    const timer = setTimeout(() => reject(new Error(`${what}: QEMU did not do so in ${timeoutMs} ms`)), timeoutMs);
    return promise.finally(() => {
      clearTimeout(timer);
      this.#watchers.delete(watcher);
    });
  }

  /** Ends the connection. */
  close(): void {
    if (!this.#ended) this.#connection.close();
    this.#ended = true;
  }

  async #listen(): Promise<void> {
    try {
      for await (const line of linesOf(this.#connection.readable)) this.#hear(JSON.parse(line));
    } catch {
      // The socket was closed, by us or by QEMU's end.
    }
    this.#ended = true;
    const reason = new Error("QEMU has ended");
    for (const { reject } of this.#asked) reject(reason);
    for (const { giveUp } of this.#watchers) giveUp(reason);
  }

  #hear(answer: Answer): void {
    if (answer.event !== undefined) {
      for (const { hear } of [...this.#watchers]) hear(answer as QmpEvent);
    } else if ("return" in answer || "error" in answer) {
      const asked = this.#asked.shift();
      if (answer.error === undefined) asked?.resolve(answer.return);
      else asked?.reject(new Error(answer.error.desc));
    }
  }
}
