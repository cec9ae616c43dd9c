/**
 * Clients that leave in the midst of something, or never go on: nobody else must notice.
 *
 * @module
 */

import assert from "node:assert/strict";
import { NbdClient } from "../client.ts";
import { Command, concat, encodeOption, encodeRequest, GREETING_BYTES, Option, REQUEST_BYTES } from "../protocol.ts";
import type { NbdServerUnderTest, SuiteCase } from "../server.ts";
import { ConnectionEnded, Wire } from "../wire.ts";
import { assertBytes, blockOf, contentOf, livesOn, pattern, REPLY_MODES, serves, withClient } from "./support.ts";

const { Read, Write } = Command;
/** What a client that never reads asks for: 250 MiB, of which a server may hold less than half. */
const UNREAD = { requests: 2000, bytes: 128 * 1024, mayHoldBytes: 120 << 20 };

export const disconnectCases: readonly SuiteCase[] = [
  {
    name: "it gets over a request that ends at any byte of its header",
    async run(server) {
      const header = encodeRequest({ command: Read, flags: 0, cookie: 1n, offset: 0n, length: blockOf(server) });
      for (let length = 0; length < REQUEST_BYTES; length++) {
        using client = await NbdClient.connect(server, { structured: length % 2 === 0 });
        await client.wire.write(header.subarray(0, length));
        if (length % 3 === 0) continue;
        await client.wire.closeWrite();
        await client.wire.ended("the request will never be complete");
      }
    },
  },
  {
    name: "a WRITE whose payload never comes to its end changes nothing beside its range",
    async run(server) {
      const block = blockOf(server);
      const disk = await contentOf(server);
      const [offset, length] = [4 * block, 1024 * block];
      for (const sent of [0, 1, block - 1, block, block + 1, 100 * block + 7, length - 1]) {
        for (const isTold of [true, false]) {
          using client = await NbdClient.connect(server);
          const request = { command: Write, flags: 0, cookie: 1n, offset: BigInt(offset), length };
          const payload = pattern(length, sent);
          await client.wire.write(concat(encodeRequest(request), payload.subarray(0, sent)));
          if (isTold) await client.wire.closeWrite();
          if (isTold) await client.wire.ended("the payload will never be complete");
          client.close();
          await oldOrNew(server, disk, offset, payload.subarray(0, sent));
        }
      }
      assertBytes(await contentOf(server), disk, "the export");
    },
  },
  {
    name: "clients that stop in the midst keep nobody from being served",
    async run(server) {
      using stalled = new DisposableStack();
      const half = encodeRequest({ command: Write, flags: 0, cookie: 1n, offset: 0n, length: blockOf(server) });
      const greeted = stalled.use(await Wire.connect(server.path));
      await greeted.read(GREETING_BYTES, "the greeting");
      const optioning = stalled.use(await NbdClient.greeted(server));
      await optioning.wire.write(encodeOption(Option.Go, new Uint8Array(3), { length: 100 }));
      for (const bytes of [half.subarray(0, 1), half.subarray(0, 15), half, concat(half, new Uint8Array(100))]) {
        const client = stalled.use(await NbdClient.connect(server));
        await client.wire.write(bytes);
      }
      for (let again = 0; again < 5; again++) await livesOn(server);
    },
  },
  {
    name: "clients that leave with requests in flight keep nobody from being served",
    async run(server) {
      const length = 64 * blockOf(server);
      for (let again = 0; again < 20; again++) {
        const { options } = REPLY_MODES[again % 2];
        using client = await NbdClient.connect(server, options);
        const reads = Array.from({ length: 50 }, (_, index) => {
          return encodeRequest({ command: Read, flags: 0, cookie: BigInt(index), offset: 0n, length });
        });
        await client.wire.write(concat(...reads)).catch(ignoreEnd);
      }
      await livesOn(server);
    },
  },
  {
    name: "it answers what a client has asked before it stopped sending",
    async run(server) {
      for (const { options } of REPLY_MODES) {
        await withClient(server, options, async (client) => {
          await client.send({ command: Read, length: blockOf(server) });
          assert.equal((await client.receive()).error, 0);
          await client.wire.closeWrite();
          await client.wire.ended("the client sends no more");
        });
      }
    },
  },
  ...REPLY_MODES.map(({ mode, options }): SuiteCase => ({
    name: `a client that never reads keeps nobody from being served, and costs little memory, with ${mode}`,
    async run(server) {
      using client = await NbdClient.connect(server, options);
      await livesOn(server);
      const before = server.memoryBytes?.() ?? 0;
      const sending = (async (): Promise<number> => {
        let sent = 0;
        try {
          for (; sent < UNREAD.requests; sent++) {
            const header = { command: Read, flags: 0, cookie: BigInt(sent), offset: 0n, length: UNREAD.bytes };
            await client.wire.write(encodeRequest(header));
          }
        } catch {
          // The connection is closed while the server takes no more: by it, or by us.
        }
        return sent;
      })();
      for (let again = 0; again < 100; again++) await livesOn(server);
      const grown = (server.memoryBytes?.() ?? 0) - before;
      assert(grown < UNREAD.mayHoldBytes, `${grown} bytes of memory for a client that does not read`);
      client.close();
      await sending;
      await livesOn(server);
    },
  })),
  {
    name: "a client that sends slowly is served, while others are",
    async run(server) {
      using slow = await NbdClient.connect(server);
      const block = blockOf(server);
      const payload = pattern(4 * block, 77);
      const header = slow.announce({ command: Write, offset: 8 * block, payload });
      const bytes = concat(encodeRequest(header), payload);
      const piece = Math.ceil(bytes.length / 20);
      for (let at = 0; at < bytes.length; at += piece) {
        await slow.wire.write(bytes.subarray(at, at + piece));
        await livesOn(server);
      }
      assert.equal((await slow.receive()).error, 0);
      assertBytes(await slow.read(8 * block, payload.length), payload, "what was written slowly");
      await serves(slow, server);
    },
  },
];

/** Demands that each byte of a range is as before, or as it was sent; notes which. */
async function oldOrNew(server: NbdServerUnderTest, disk: Uint8Array, start: number, sent: Uint8Array): Promise<void> {
  const length = Math.ceil(sent.length / blockOf(server)) * blockOf(server);
  if (length === 0) return;
  using client = await NbdClient.connect(server);
  const now = await client.read(start, length);
  for (const [at, byte] of now.entries()) {
    const isOld = byte === disk[start + at];
    assert(
      isOld || at < sent.length && byte === sent[at],
      `byte ${start + at} is neither as before nor as it was sent`,
    );
  }
  disk.set(now, start);
}

function ignoreEnd(thrown: unknown): void {
  if (!(thrown instanceof ConnectionEnded)) throw thrown;
}
