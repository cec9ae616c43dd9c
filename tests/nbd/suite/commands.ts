/**
 * What requests do when nothing is wrong with them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { NbdClient, type Request } from "../client.ts";
import { Command, CommandFlag, NbdError, PORTABLE_MAX_BYTES } from "../protocol.ts";
import type { NbdServerUnderTest, SuiteCase } from "../server.ts";
import { ConnectionEnded } from "../wire.ts";
import { assertBytes, blockOf, contentOf, inBothModes, pattern, serves, withClient } from "./support.ts";

const { Read, Write, Flush, Trim, WriteZeroes } = Command;
const { Fua, NoHole, Df } = CommandFlag;
/** What a server must be able to send in one piece. */
const UNFRAGMENTED_BYTES = 65_536;
const LAST_COOKIE = 0xffff_ffff_ffff_ffffn;

/** Offsets and lengths in blocks, around everything that an implementation may divide by. */
function ranges(server: NbdServerUnderTest): { readonly offset: number; readonly length: number }[] {
  const block = blockOf(server);
  const blocks = server.sizeBytes / block;
  const perMiB = (1 << 20) / block;
  return [
    [0, 1],
    [1, 1],
    [blocks - 1, 1],
    [3, 7],
    [7, 8],
    [1, 88],
    [87, 2],
    [blocks - 129, 129],
    [perMiB - 1, 2],
    [5, perMiB + 3],
    [11, 5 * perMiB + 1],
  ].map(([first, count]) => ({ offset: first * block, length: count * block }));
}

export const commandCases: readonly SuiteCase[] = [
  ...inBothModes("what is written is read, and nothing else has changed", async (client, server) => {
    const disk = await contentOf(server);
    for (const [index, { offset, length }] of ranges(server).entries()) {
      const data = pattern(length, index);
      disk.set(data, offset);
      await client.write(offset, data, index % 2 === 0 ? 0 : Fua);
      assertBytes(await client.read(offset, length, length), data, `${length} bytes at ${offset}`);
    }
    assertBytes(await client.read(0, server.sizeBytes), disk, "the export");
  }),
  ...inBothModes("write-zeroes make zeroes of their range, with all of its flags", async (client, server) => {
    const disk = pattern(server.sizeBytes, 1);
    await fill(client, disk);
    for (const [index, { offset, length }] of ranges(server).entries()) {
      disk.fill(0, offset, offset + length);
      await client.done({ command: WriteZeroes, offset, length, flags: [0, Fua, NoHole, Fua | NoHole][index % 4] });
    }
    assertBytes(await client.read(0, server.sizeBytes), disk, "the export");
  }),
  ...inBothModes("a trim changes nothing beside its range", async (client, server) => {
    const disk = pattern(server.sizeBytes, 2);
    await fill(client, disk);
    for (const [index, { offset, length }] of ranges(server).entries()) {
      await client.done({ command: Trim, offset, length, flags: index % 2 === 0 ? 0 : Fua });
      // What was trimmed may read as anything, but it can be written again.
      await client.write(offset, disk.slice(offset, offset + length));
    }
    assertBytes(await client.read(0, server.sizeBytes), disk, "the export");
    await client.done({ command: Trim, length: Math.min(server.sizeBytes, PORTABLE_MAX_BYTES) });
    await serves(client, server);
  }),
  ...inBothModes("it flushes, whether anything was written or not", async (client, server) => {
    await client.done({ command: Flush });
    await client.write(0, pattern(blockOf(server), 3));
    await client.done({ command: Flush });
    await client.done({ command: Flush });
  }),
  ...inBothModes("it takes FUA with every command, as it offers it", async (client, server) => {
    const length = blockOf(server);
    await client.write(length, pattern(length, 4), Fua);
    for (const command of [WriteZeroes, Trim, Read]) await client.done({ command, offset: length, length, flags: Fua });
    await client.done({ command: Flush, flags: Fua });
  }),
  ...inBothModes("one request may be as long as every client may make it", async (client, server) => {
    const length = Math.min(PORTABLE_MAX_BYTES, server.sizeBytes);
    const data = pattern(length, 5);
    const offset = server.sizeBytes - length;
    await client.write(offset, data);
    assertBytes(await client.read(offset, length, length), data, "the export's last 32 MiB");
    await client.done({ command: WriteZeroes, offset, length });
    assertBytes(await client.read(offset, length, length), new Uint8Array(length), "the zeroes");
  }),
  ...inBothModes("a cookie may be any number, and may be used again", async (client, server) => {
    const length = blockOf(server);
    for (const cookie of [0n, LAST_COOKIE, 1n << 63n, 0x25609513n, 0n, 0n]) {
      await client.done({ command: Read, length, cookie });
      await client.write(length, pattern(length, 6));
      await client.done({ command: Flush, cookie });
    }
  }),
  ...inBothModes("requests of no length keep the connection, and change nothing", async (client, server) => {
    const before = await contentOf(server);
    for (const command of [Read, Write, Trim, WriteZeroes]) {
      for (const offset of [0, blockOf(server), server.sizeBytes]) {
        const { error } = await client.request({ command, offset });
        assert([NbdError.None, NbdError.Invalid, NbdError.NoSpace].some((allowed) => allowed === error), `${error}`);
      }
    }
    assertBytes(await client.read(0, server.sizeBytes), before, "the export");
  }),
  ...inBothModes("it serves many requests in flight, each once, in any order", async (client, server) => {
    const block = blockOf(server);
    const areaBytes = 64 * block;
    const area = (index: number): number => index * areaBytes;
    const requests: Request[] = [];
    for (let index = 0; index < 200 && area(index + 1) <= server.sizeBytes; index++) {
      const length = (1 + index % 64) * block;
      requests.push({
        command: Write,
        offset: area(index),
        payload: pattern(length, index),
        cookie: BigInt(index) << 32n,
      });
    }
    for (const { error } of await client.requestAll(requests)) assert.equal(error, NbdError.None);
    const reads = requests.map(({ offset, payload }): Request => ({ command: Read, offset, length: payload?.length }));
    reads.push({ command: Flush });
    let bytes = 0;
    for (const { error, request, data } of await client.requestAll(reads)) {
      assert.equal(error, NbdError.None);
      if (request.command !== Read) continue;
      const index = Number(request.offset) / areaBytes;
      assertBytes(data, pattern(request.length, index), `area ${index}`);
      bytes += data.length;
    }
    assert.equal(bytes, requests.reduce((sum, { payload }) => sum + (payload?.length ?? 0), 0));
  }),
  ...inBothModes("it has done what came before DISC when it ends the connection", async (client, server) => {
    const block = blockOf(server);
    const payloads = Array.from({ length: 20 }, (_, index) => pattern(8 * block, index + 40));
    for (const [index, payload] of payloads.entries()) {
      await client.send({ command: Write, offset: index * 8 * block, payload });
    }
    await client.send({ command: Command.Disconnect });
    try {
      for (;;) assert.equal((await client.receive()).error, NbdError.None);
    } catch (thrown) {
      // Whether the last replies are sent is the server's choice.
      if (!(thrown instanceof ConnectionEnded)) throw thrown;
    }
    await withClient(server, {}, async (other) => {
      for (const [index, payload] of payloads.entries()) {
        assertBytes(await other.read(index * 8 * block, payload.length), payload, `write ${index}`);
      }
    });
  }),
  {
    name: "it keeps a reply in one piece if it is asked to, or says that it is too long for that",
    async run(server) {
      await withClient(server, { structured: true }, async (client) => {
        const block = blockOf(server);
        // Data between holes, if the server knows of any, so that there is something to fragment.
        await client.done({ command: WriteZeroes, length: Math.min(server.sizeBytes, PORTABLE_MAX_BYTES) });
        await client.write(8 * block, pattern(block, 7));
        for (let length = block; length <= UNFRAGMENTED_BYTES; length *= 2) {
          assert.equal((await client.done({ command: Read, length, flags: Df })).contentChunks, 1);
        }
        const length = Math.min(server.sizeBytes, PORTABLE_MAX_BYTES);
        const { error, contentChunks } = await client.request({ command: Read, length, flags: Df });
        assert(error === NbdError.None ? contentChunks === 1 : error === NbdError.Overflow, `error ${error}`);
        await serves(client, server);
      });
    },
  },
  {
    name: "what one connection has flushed, or written through, all connections read",
    async run(server) {
      using writer = await NbdClient.connect(server);
      using reader = await NbdClient.connect(server, { structured: false });
      const length = 4 * blockOf(server);
      for (let seed = 0; seed < 20; seed++) {
        const data = pattern(length, seed);
        const through = seed % 2 === 0 ? Fua : 0;
        await writer.write(length, data, through);
        if (!through) await writer.done({ command: Flush });
        assertBytes(await reader.read(length, length), data, `write ${seed}`);
        await writer.done({ command: WriteZeroes, offset: length, length, flags: Fua });
        assertBytes(await reader.read(length, length), new Uint8Array(length), `zeroes ${seed}`);
      }
    },
  },
];

/** Writes all of the export. */
async function fill(client: NbdClient, disk: Uint8Array): Promise<void> {
  const piece = 4 << 20;
  for (let at = 0; at < disk.length; at += piece) await client.write(at, disk.subarray(at, at + piece));
}
