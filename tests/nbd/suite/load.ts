/**
 * Many connections: one after another, all at once, and at random.
 *
 * @module
 */

import assert from "node:assert/strict";
import { fc } from "../../conformance/properties.ts";
import { NbdClient } from "../client.ts";
import { Command } from "../protocol.ts";
import type { SuiteCase } from "../server.ts";
import { until } from "../until.ts";
import { assertBytes, blockOf, pattern, serves } from "./support.ts";
import { operations, runOperations } from "./operations.ts";

/** How many connections are open at once. */
const AT_ONCE = 200;
const CONNECTIONS = 300;
/** What a server may keep of connections that are over, in bytes each. */
const MAY_KEEP_BYTES = 64 * 1024;

export const loadCases: readonly SuiteCase[] = [
  {
    name: "it serves many connections one after another, and keeps nothing of them",
    async run(server, { connections = CONNECTIONS }) {
      let before = NaN;
      for (let count = 0; count < connections; count++) {
        // By then it has what it needs for one after another.
        if (count === connections / 2) before = server.memoryBytes?.() ?? 0;
        using client = await NbdClient.connect(server, { structured: count % 2 === 0 });
        await serves(client, server);
        // Some say goodbye, some just leave.
        if (count % 3 !== 0) await client.disconnect();
      }
      const allowed = (16 << 20) + connections * MAY_KEEP_BYTES;
      await until(() => (server.memoryBytes?.() ?? 0) - before < allowed, `less than ${allowed} bytes more to be held`);
    },
  },
  {
    name: `it serves ${AT_ONCE} connections at once`,
    async run(server) {
      using open = new DisposableStack();
      const clients: NbdClient[] = [];
      for (let count = 0; count < AT_ONCE; count++) {
        clients.push(open.use(await NbdClient.connect(server, { structured: count % 2 === 0 })));
      }
      const block = blockOf(server);
      await Promise.all(clients.map(async (client, index) => {
        const [offset, length] = [index * 8 * block, 8 * block];
        for (let again = 0; again < 5; again++) {
          const data = pattern(length, index * 5 + again);
          await client.write(offset, data, again % 2);
          assertBytes(await client.read(offset, length), data, `the area of connection ${index}`);
          await client.done({ command: Command.Flush });
        }
        await client.disconnect();
      }));
      assert.equal(clients.length, AT_ONCE);
    },
  },
  {
    name: "random operations of several connections lead to the bytes that they should",
    async run(server) {
      using open = new DisposableStack();
      const clients: NbdClient[] = [];
      for (const structured of [true, true, false]) {
        clients.push(open.use(await NbdClient.connect(server, { structured })));
      }
      const disk = await clients[0].read(0, server.sizeBytes);
      await fc.assert(
        fc.asyncProperty(operations(server, clients.length), (steps) => runOperations(clients, disk, steps)),
        { numRuns: 15, seed: 2026, endOnFailure: true },
      );
      assertBytes(await clients[2].read(0, server.sizeBytes), disk, "the export");
    },
  },
];
