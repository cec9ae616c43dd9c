/**
 * What the server tells of the export's state.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { NbdClient } from "../client.ts";
import { AllocationFlag, Command, CommandFlag, NbdError, PORTABLE_MAX_BYTES } from "../protocol.ts";
import type { Extent } from "../replies.ts";
import type { NbdServerUnderTest, SuiteCase } from "../server.ts";
import { blockOf, failsWith, pattern, serves, withClient } from "./support.ts";

const { BlockStatus, WriteZeroes } = Command;

/** The extents of a range, of the one context that was selected. */
async function extentsOf(client: NbdClient, offset: number, length: number, flags = 0): Promise<readonly Extent[]> {
  const { extents } = await client.done({ command: BlockStatus, offset, length, flags });
  return [...extents.values()][0];
}

/** Fails unless all that extents call zero reads as zero. */
async function assertTrue(client: NbdClient, offset: number, extents: readonly Extent[]): Promise<void> {
  let at = offset;
  for (const { length, flags } of extents) {
    const zero = (flags & AllocationFlag.Zero) !== 0;
    if (zero) {
      assert((await client.read(at, length)).every((byte) => byte === 0), `${length} bytes at ${at} are not zero`);
    }
    at += length;
  }
}

/** Some data between zeroes. */
async function prepare(client: NbdClient, server: NbdServerUnderTest): Promise<void> {
  const block = blockOf(server);
  await client.done({ command: WriteZeroes, length: Math.min(PORTABLE_MAX_BYTES, server.sizeBytes) });
  for (const first of [0, 8, 64, 1024, 1040]) await client.write(first * block, pattern(8 * block, first + 1));
}

export const blockStatusCases: readonly SuiteCase[] = [
  {
    name: "what it calls zero reads as zero, wherever it is asked about",
    async run(server) {
      await withClient(server, {}, async (client) => {
        await prepare(client, server);
        const block = blockOf(server);
        const whole = Math.min(PORTABLE_MAX_BYTES, server.sizeBytes);
        const ranges = [[0, whole], [0, block], [4 * block, 100 * block], [server.sizeBytes - block, block]];
        for (const [offset, length] of ranges) {
          await assertTrue(client, offset, await extentsOf(client, offset, length));
        }
        await client.done({ command: BlockStatus, length: block, flags: CommandFlag.Fua });
      });
    },
  },
  {
    name: "the whole export can be walked over, extent by extent",
    async run(server) {
      await withClient(server, {}, async (client) => {
        await prepare(client, server);
        const end = Math.min(PORTABLE_MAX_BYTES, server.sizeBytes);
        for (let at = 0; at < end;) {
          // The reader demands one extent, of no more than what was asked for.
          const extents = await extentsOf(client, at, end - at, CommandFlag.ReqOne);
          await assertTrue(client, at, extents);
          at += extents[0].length;
        }
      });
    },
  },
  {
    name: "it refuses to tell the state of nothing, or if no context was selected",
    async run(server) {
      const length = blockOf(server);
      await withClient(server, {}, async (client) => {
        for (const flags of [0, CommandFlag.ReqOne]) {
          await failsWith(client, { command: BlockStatus, length: 0, flags }, NbdError.Invalid);
        }
        await serves(client, server);
      });
      for (const options of [{ structured: false }, { contexts: [] }]) {
        await withClient(server, options, async (client) => {
          await failsWith(client, { command: BlockStatus, length }, NbdError.Invalid);
          await serves(client, server);
        });
      }
    },
  },
];
