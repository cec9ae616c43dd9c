/**
 * What a client may ask for in the handshake, rightly or wrongly.
 *
 * @module
 */

import assert from "node:assert/strict";
import { NbdClient } from "../client.ts";
import {
  BASE_ALLOCATION,
  Command,
  concat,
  encodeContextData,
  encodeInfoData,
  encodeOption,
  isOptionError,
  NbdError,
  Option,
  OPTION_MAGIC,
  OptionReplyType,
  u16,
  u32,
  utf8,
} from "../protocol.ts";
import type { NbdServerUnderTest, SuiteCase } from "../server.ts";
import { ConnectionEnded } from "../wire.ts";
import { blockOf, failsWith, livesOn, serves } from "./support.ts";

const { ErrInvalid, ErrUnknown, ErrUnsup, ErrPolicy, ErrTooBig } = OptionReplyType;
const NO_EXPORT = "no such export";
const FOREIGN_QUERIES = ["base:nothing", "x-foreign:thing", "qemu:dirty-bitmap:none"];
/** More than any server needs to hear; the flood of a client that means harm. */
const FLOOD = 5000;

export const optionCases: readonly SuiteCase[] = [
  {
    name: "it acknowledges ABORT, whatever comes with it, and ends the connection",
    async run(server) {
      for (const data of [new Uint8Array(), utf8("goodbye")]) {
        using client = await NbdClient.greeted(server);
        await client.acknowledged(Option.Abort, data);
        await client.wire.ended("ABORT was sent");
      }
    },
  },
  {
    name: "it lists its export by name, again and again",
    async run(server) {
      using client = await NbdClient.greeted(server);
      for (let again = 0; again < 3; again++) {
        const names = (await client.acknowledged(Option.List)).map(({ text }) => text);
        assert.deepEqual(names, [server.exportName]);
      }
      await admittedAfter(client, server);
    },
  },
  {
    name: "it refuses options that take no data, if they have some, and goes on",
    async run(server) {
      using client = await NbdClient.greeted(server);
      for (const option of [Option.List, Option.StructuredReply]) {
        for (const length of [1, 8, 1000]) {
          assert.equal(await client.refused(option, new Uint8Array(length)), ErrInvalid);
        }
      }
      // The refused one has agreed on nothing.
      await client.go(server.exportName);
      await serves(client, server);
    },
  },
  {
    name: "it says of options that it does not know that it does not, skips their data and goes on",
    async run(server) {
      using client = await NbdClient.greeted(server);
      for (const option of [0, 4, 12, 100, 0x10000, 0x7fffffff, 0x80000001, 0xffffffff]) {
        // The data look like options, so that a server which does not skip them is found out.
        for (const data of [new Uint8Array(), encodeOption(Option.Abort), new Uint8Array(4096)]) {
          assert.equal(await client.refused(option, data), ErrUnsup, `option ${option}`);
        }
      }
      await admittedAfter(client, server);
    },
  },
  {
    name: "it declines TLS, and goes on in the clear",
    async run(server) {
      using client = await NbdClient.greeted(server);
      const error = await client.refused(Option.StartTls);
      assert([ErrUnsup, ErrPolicy].some((allowed) => allowed === error), `error 0x${error.toString(16)}`);
      await client.refused(Option.StartTls, new Uint8Array(3));
      await admittedAfter(client, server);
    },
  },
  {
    name: "it refuses INFO and GO whose lengths do not fit together, and goes on",
    async run(server) {
      using client = await NbdClient.greeted(server);
      const name = utf8(server.exportName);
      const malformed = [
        new Uint8Array(),
        u16(0),
        u32(0),
        concat(u32(name.length), name),
        concat(u32(name.length + 1), name, u16(0)),
        concat(u32(name.length + 2), name, u16(0)),
        concat(u32(name.length), name, u16(1)),
        concat(u32(name.length), name, u16(2), u16(0)),
        concat(u32(name.length), name, u16(0xffff), u16(3), u16(0)),
        concat(u32(name.length), name, u16(0), u16(0)),
        concat(u32(name.length), name, u16(1), u16(0), Uint8Array.of(1)),
        concat(u32(0xffffffff), name, u16(0)),
        concat(u32(0x80000000), new Uint8Array(40)),
        concat(u32(0xfffffffa), name, u16(0)),
      ];
      for (const option of [Option.Info, Option.Go]) {
        for (const data of malformed) {
          const error = await client.refused(option, data);
          // Without an item of information at its end, the rest is a longer name, and none of an export.
          assert([ErrInvalid, ErrUnknown, ErrTooBig].some((allowed) => allowed === error), `${data}: ${error}`);
        }
      }
      await admittedAfter(client, server);
    },
  },
  {
    name: "it lists its metadata contexts: all, all of a namespace, or those that were asked for",
    async run(server) {
      using client = await NbdClient.greeted(server);
      await client.acknowledged(Option.StructuredReply);
      const list = async (...queries: string[]): Promise<(string | undefined)[]> => {
        const data = encodeContextData(server.exportName, queries);
        const replies = await client.acknowledged(Option.ListMetaContext, data);
        return replies.map(({ context }) => context?.name);
      };
      for (const queries of [[], ["base:"], [BASE_ALLOCATION], [...FOREIGN_QUERIES, BASE_ALLOCATION]]) {
        assert((await list(...queries)).includes(BASE_ALLOCATION), `queries ${queries}`);
      }
      assert.deepEqual(await list(BASE_ALLOCATION), [BASE_ALLOCATION]);
      for (const query of FOREIGN_QUERIES) assert.deepEqual(await list(query), [], `query ${query}`);
      await admittedAfter(client, server);
    },
  },
  {
    name: "it selects the metadata contexts of the last question only, and none by a wildcard",
    async run(server) {
      using client = await NbdClient.greeted(server);
      await client.acknowledged(Option.StructuredReply);
      const select = (...queries: string[]): Promise<string[]> => client.selectContexts(server.exportName, queries);
      for (const queries of [[], ["base:"], FOREIGN_QUERIES]) assert.deepEqual(await select(...queries), []);
      assert.deepEqual(await select(BASE_ALLOCATION), [BASE_ALLOCATION]);
      assert.deepEqual(await select(...FOREIGN_QUERIES, BASE_ALLOCATION), [BASE_ALLOCATION]);
      assert.deepEqual(await select(...FOREIGN_QUERIES), []);
      await client.go(server.exportName);
      await failsWith(client, { command: Command.BlockStatus, length: blockOf(server) }, NbdError.Invalid);
      await serves(client, server);
    },
  },
  {
    name: "it selects a metadata context once, however often it was asked for",
    async run(server) {
      using client = await NbdClient.greeted(server);
      await client.acknowledged(Option.StructuredReply);
      const queries = [BASE_ALLOCATION, BASE_ALLOCATION];
      assert.deepEqual(await client.selectContexts(server.exportName, queries), [BASE_ALLOCATION]);
    },
  },
  {
    name: "it selects no metadata contexts before structured replies",
    async run(server) {
      using client = await NbdClient.greeted(server);
      const wanted = encodeContextData(server.exportName, [BASE_ALLOCATION]);
      assert.equal(await client.refused(Option.SetMetaContext, wanted), ErrInvalid);
      await client.go(server.exportName);
      await failsWith(client, { command: Command.BlockStatus, length: blockOf(server) }, NbdError.Invalid);
    },
  },
  {
    name: "it has no metadata contexts of an export that it does not know",
    async run(server) {
      using client = await NbdClient.greeted(server);
      await client.acknowledged(Option.StructuredReply);
      for (const option of [Option.ListMetaContext, Option.SetMetaContext]) {
        assert.equal(await client.refused(option, encodeContextData(NO_EXPORT, [BASE_ALLOCATION])), ErrUnknown);
      }
      await client.go(server.exportName);
      await failsWith(client, { command: Command.BlockStatus, length: blockOf(server) }, NbdError.Invalid);
    },
  },
  {
    name: "a refused question for metadata contexts leaves none selected",
    async run(server) {
      using client = await NbdClient.greeted(server);
      await client.acknowledged(Option.StructuredReply);
      assert.equal((await client.selectContexts(server.exportName, [BASE_ALLOCATION])).length, 1);
      await client.refused(Option.SetMetaContext, concat(u32(0xffff), u32(1)));
      await client.go(server.exportName);
      await failsWith(client, { command: Command.BlockStatus, length: blockOf(server) }, NbdError.Invalid);
    },
  },
  {
    name: "it refuses questions for metadata contexts whose lengths do not fit together, and goes on",
    async run(server) {
      using client = await NbdClient.greeted(server);
      await client.acknowledged(Option.StructuredReply);
      const name = concat(u32(utf8(server.exportName).length), utf8(server.exportName));
      const query = concat(u32(BASE_ALLOCATION.length), utf8(BASE_ALLOCATION));
      const malformed = [
        new Uint8Array(),
        u32(0),
        name,
        concat(u32(0xffffffff), u32(0)),
        concat(name, u16(0)),
        concat(name, u32(2), query),
        concat(name, u32(0xffffffff), query),
        concat(name, u32(1), u32(BASE_ALLOCATION.length + 1), utf8(BASE_ALLOCATION)),
        concat(name, u32(1), u32(0xfffffff0), utf8(BASE_ALLOCATION)),
      ];
      for (const option of [Option.ListMetaContext, Option.SetMetaContext]) {
        for (const data of malformed) {
          assert.equal(await client.refused(option, data), ErrInvalid, `${option}: ${data}`);
        }
      }
      await client.selectContexts(server.exportName, [BASE_ALLOCATION]);
      await client.go(server.exportName);
      await client.done({ command: Command.BlockStatus, length: blockOf(server) });
    },
  },
  {
    name: "it refuses questions for metadata contexts that have something after the last, and goes on",
    async run(server) {
      using client = await NbdClient.greeted(server);
      await client.acknowledged(Option.StructuredReply);
      for (const queries of [[], [BASE_ALLOCATION]]) {
        const data = concat(encodeContextData(server.exportName, queries), u32(1));
        for (const option of [Option.ListMetaContext, Option.SetMetaContext]) {
          assert.equal(await client.refused(option, data), ErrInvalid);
        }
      }
      await admittedAfter(client, server);
    },
  },
  {
    name: "it ends the connection of an option that does not begin as one",
    async run(server) {
      for (const magic of [0n, OPTION_MAGIC ^ 1n, OPTION_MAGIC << 1n & 0xffffffffffffffffn]) {
        using client = await NbdClient.greeted(server);
        await client.wire.write(encodeOption(Option.List, undefined, { magic }));
        // What an error could answer is not known, so all that may come is the end.
        await client.wire.ended("the option has another magic");
      }
    },
  },
  {
    name: "it takes no option of any length: it refuses it and goes on, or ends the connection",
    async run(server) {
      for (const option of [Option.ExportName, Option.List, Option.Go, Option.SetMetaContext, 77]) {
        for (const length of [1 << 20, 0x7fffffff, 0xffffffff]) {
          using client = await NbdClient.greeted(server);
          await client.wire.write(encodeOption(option, undefined, { length }));
          await endsOrRefuses(client, option, length);
        }
      }
      await livesOn(server);
    },
  },
  {
    name: "a handshake that never ends is ended",
    async run(server) {
      for (const option of [Option.List, 77]) {
        using client = await NbdClient.greeted(server);
        const flood = (async (): Promise<void> => {
          for (let count = 0; count < FLOOD; count++) await client.wire.write(encodeOption(option));
        })();
        const answers = (async (): Promise<void> => {
          for (let count = 0; count < FLOOD; count++) await client.optionReplies(option);
        })();
        const outcomes = await Promise.allSettled([flood, answers]);
        for (const outcome of outcomes) {
          if (outcome.status === "rejected" && !(outcome.reason instanceof ConnectionEnded)) throw outcome.reason;
        }
        assert.equal(outcomes[1].status, "rejected", `${FLOOD} options were answered`);
        await livesOn(server);
      }
    },
  },
];

/** Sends a lot of an option's data: all of it if that is a MiB, and reads what the server makes of it. */
async function endsOrRefuses(client: NbdClient, option: number, length: number): Promise<void> {
  try {
    const piece = new Uint8Array(64 * 1024);
    for (let sent = 0; sent < Math.min(length, 4 << 20); sent += piece.length) await client.wire.write(piece);
    if (length > 4 << 20) await client.wire.closeWrite();
    if (option === Option.ExportName) return await client.wire.ended("the name is too long");
    const replies = await client.optionReplies(option);
    assert(isOptionError(replies[replies.length - 1].type), `an option of ${length} bytes is not refused`);
    // It goes on only if the data were skipped.
    if (length === 1 << 20) await client.acknowledged(Option.List);
  } catch (thrown) {
    if (!(thrown instanceof ConnectionEnded)) throw thrown;
  }
}

/** Whether the client can still enter the transmission. */
async function admittedAfter(client: NbdClient, server: NbdServerUnderTest): Promise<void> {
  await client.acknowledged(Option.Info, encodeInfoData(server.exportName));
  await client.go(server.exportName);
  await serves(client, server);
}
