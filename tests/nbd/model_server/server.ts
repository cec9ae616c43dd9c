/**
 * A right NBD server, as simple as it can be, that can be told to make one mistake: so that the suite and the fuzzer
 * are seen to pass what is right, all of it, and to find what is wrong.
 *
 * It does requests that have come together in any order, tells holes from data, and ends a connection only when
 * nothing that it has asked for goes on.
 *
 * @module
 */

import { join } from "node:path";
import type { NbdServerUnderTest, StartServer } from "../server.ts";
import { ModelConnection } from "./connection.ts";
import type { Fault } from "./faults.ts";

const SECTOR_SIZE = 512;

/** A model server, right or with one mistake. */
export function modelServer(sizeBytes: number, fault: Fault | null = null): StartServer {
  return async ({ readOnly }) => {
    const folder = await Deno.makeTempDir({ prefix: "nbd-under-test-" });
    return new ModelServer(folder, sizeBytes, readOnly, fault);
  };
}

class ModelServer implements NbdServerUnderTest {
  readonly path: string;
  readonly exportName = "model";
  readonly sizeBytes: number;
  readonly sectorSize = SECTOR_SIZE;
  readonly readOnly: boolean;
  readonly #folder: string;
  readonly #listener: Deno.UnixListener;
  readonly #connections = new Map<Deno.UnixConn, Promise<void>>();
  readonly #accepting: Promise<void>;

  constructor(folder: string, sizeBytes: number, readOnly: boolean, fault: Fault | null) {
    this.#folder = folder;
    this.path = join(folder, "nbd.sock");
    this.sizeBytes = sizeBytes;
    this.readOnly = readOnly;
    this.#listener = Deno.listen({ transport: "unix", path: this.path });
    this.#accepting = this.#accept(new Uint8Array(sizeBytes), fault);
  }

  openDescriptors(): number {
    return this.#connections.size;
  }

  async stop(): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    const serving = [...this.#connections.values()];
    for (const connection of this.#connections.keys()) connection.close();
    await Promise.all(serving);
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #accept(disk: Uint8Array, fault: Fault | null): Promise<void> {
    const { exportName, sectorSize, readOnly } = this;
    for await (const connection of this.#listener) {
      const model = new ModelConnection(connection, { disk, exportName, sectorSize, readOnly, fault });
      this.#connections.set(connection, this.#serve(connection, model, fault));
    }
  }

  async #serve(connection: Deno.UnixConn, model: ModelConnection, fault: Fault | null): Promise<void> {
    try {
      await model.serve();
    } catch {
      // The client has left.
    }
    if (fault === "keeps connections open that are over") return;
    this.#connections.delete(connection);
    try {
      connection.close();
    } catch {
      // The server was stopped.
    }
  }
}
