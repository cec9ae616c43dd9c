/**
 * How a connection begins: the greeting, and the ways into the transmission.
 *
 * @module
 */

import assert from "node:assert/strict";
import { NbdClient } from "../client.ts";
import { exportOf } from "../option_replies.ts";
import {
  Command,
  concat,
  encodeContextData,
  encodeInfoData,
  encodeOption,
  encodeRequest,
  HandshakeFlag,
  InfoType,
  Option,
  OptionReplyType,
  PORTABLE_MAX_BYTES,
  TransmissionFlag,
  u32,
  utf8,
} from "../protocol.ts";
import type { NbdServerUnderTest, SuiteCase } from "../server.ts";
import { Wire } from "../wire.ts";
import { blockOf, REPLY_MODES, serves, withClient } from "./support.ts";

const { FixedNewstyle, NoZeroes } = HandshakeFlag;
const NO_EXPORT = "no such export";

/** Everything that a client sends to read one block, from its flags to its goodbye. */
function wholeSession(server: NbdServerUnderTest): Uint8Array<ArrayBuffer> {
  const header = { flags: 0, cookie: 7n, offset: 0n };
  return concat(
    u32(FixedNewstyle | NoZeroes),
    encodeOption(Option.StructuredReply),
    encodeOption(Option.SetMetaContext, encodeContextData(server.exportName, ["base:allocation"])),
    encodeOption(Option.Go, encodeInfoData(server.exportName, [InfoType.BlockSize])),
    encodeRequest({ ...header, command: Command.Read, length: blockOf(server) }),
    encodeRequest({ ...header, command: Command.Disconnect, length: 0 }),
  );
}

async function readWholeSession(client: NbdClient, server: NbdServerUnderTest): Promise<void> {
  await client.optionReplies(Option.StructuredReply);
  await client.optionReplies(Option.SetMetaContext);
  client.begin(exportOf((await client.optionReplies(Option.Go)).slice(0, -1)));
  client.announce({ command: Command.Read, cookie: 7n, length: blockOf(server) });
  assert.equal((await client.receive()).error, 0);
  await client.wire.ended("DISC was sent");
}

/** Whether an export is what the server has said of itself. */
function assertExport({ export: found }: NbdClient, server: NbdServerUnderTest, structured: boolean): void {
  const { HasFlags, ReadOnly, SendFlush, SendFua, SendTrim, SendWriteZeroes, SendDf, CanMultiConn } = TransmissionFlag;
  assert.equal(found.sizeBytes, server.sizeBytes);
  assert(found.flags & HasFlags, "HAS_FLAGS");
  assert.equal((found.flags & ReadOnly) !== 0, server.readOnly, "READ_ONLY");
  if (!server.readOnly) {
    for (const flag of [SendFlush, SendFua, SendTrim, SendWriteZeroes, CanMultiConn]) {
      assert(found.flags & flag, `transmission flags 0x${found.flags.toString(16)} without 0x${flag.toString(16)}`);
    }
  }
  if (!structured) assert.equal(found.flags & SendDf, 0, "DF is of structured replies");
}

export const handshakeCases: readonly SuiteCase[] = [
  {
    name: "it greets with the fixed newstyle and the offer to leave out the zeroes, and nothing else",
    async run(server) {
      using client = new NbdClient(await Wire.connect(server.path));
      assert.equal(await client.readGreeting(), FixedNewstyle | NoZeroes);
    },
  },
  {
    name: "it lets a client in by EXPORT_NAME, with the reserved zeroes or without them",
    async run(server) {
      for (const [flags, zeroes] of [[FixedNewstyle | NoZeroes, false], [FixedNewstyle, true], [0, true]] as const) {
        for (const name of [server.exportName, ""]) {
          using client = await NbdClient.greeted(server, flags);
          await client.exportName(name, { zeroes });
          assertExport(client, server, false);
          await serves(client, server);
          await client.disconnect();
        }
      }
    },
  },
  {
    name: "it lets a client in by EXPORT_NAME after other options, and keeps to what these have agreed on",
    async run(server) {
      using client = await NbdClient.greeted(server);
      await client.acknowledged(Option.StructuredReply);
      await client.selectContexts(server.exportName, ["base:allocation"]);
      await client.exportName(server.exportName);
      assertExport(client, server, true);
      await serves(client, server);
      await client.done({ command: Command.BlockStatus, length: blockOf(server) });
    },
  },
  {
    name: "it ends the connection of an EXPORT_NAME that it does not know",
    async run(server) {
      for (const name of [NO_EXPORT, `${server.exportName}x`, "x".repeat(4096)]) {
        using client = await NbdClient.greeted(server);
        await client.wire.write(encodeOption(Option.ExportName, utf8(name)));
        await client.wire.ended(`there is no export ${name.slice(0, 40)}`);
      }
    },
  },
  {
    name: "it ends the connection of a client with flags that it does not know",
    async run(server) {
      for (const flags of [4, FixedNewstyle | 4, FixedNewstyle | NoZeroes | 0x80000000, 0xffffffff]) {
        using client = await NbdClient.greeted(server, flags);
        await client.wire.ended(`the client's flags are 0x${flags.toString(16)}`);
      }
    },
  },
  ...REPLY_MODES.map(({ mode, options }): SuiteCase => ({
    name: `it lets a client in by GO, with ${mode}`,
    async run(server) {
      for (const exportName of [server.exportName, ""]) {
        await withClient(server, { ...options, exportName }, async (client) => {
          assertExport(client, server, options.structured === true);
          await serves(client, server);
          await client.disconnect();
        });
      }
    },
  })),
  {
    name: "INFO tells what GO tells, and leaves the client in the handshake",
    async run(server) {
      using client = await NbdClient.greeted(server);
      const { Export, Name, Description, BlockSize } = InfoType;
      const lists = [[], [Export], [Name], [Description], [BlockSize], [Export, Name, Description, BlockSize], [
        9,
        0xffff,
      ]];
      for (const items of lists) {
        const told = await client.acknowledged(Option.Info, encodeInfoData(server.exportName, items));
        assert.equal(exportOf(told).sizeBytes, server.sizeBytes);
        assert.deepEqual(await client.acknowledged(Option.Info, encodeInfoData(server.exportName, items)), told);
      }
      const asked = [Name, BlockSize, Export];
      const told = await client.acknowledged(Option.Info, encodeInfoData(server.exportName, asked));
      assert.deepEqual(exportOf(await client.go(server.exportName, asked)), exportOf(told));
      await serves(client, server);
    },
  },
  {
    name: "INFO tells the export's name and its block sizes, if it is asked for them",
    async run(server) {
      for (const name of [server.exportName, ""]) {
        using client = await NbdClient.greeted(server);
        const asked = encodeInfoData(name, [InfoType.Name, InfoType.BlockSize]);
        const told = exportOf(await client.acknowledged(Option.Info, asked));
        if (told.name !== undefined || name !== server.exportName) assert.equal(told.name, server.exportName);
        assert(told.blockSize, "no block sizes are told");
        const { minimum, preferred, maximum } = told.blockSize;
        assert.equal(minimum, server.sectorSize);
        assert.equal(Math.log2(preferred) % 1, 0, `the preferred size is ${preferred}`);
        assert(preferred >= Math.max(512, minimum) && preferred <= maximum, `the preferred size is ${preferred}`);
        assert(maximum % minimum === 0 || maximum === 0xffffffff, `the maximum is ${maximum}`);
        assert(maximum >= 1 << 20, `the maximum is ${maximum}`);
        assert.equal(server.sizeBytes % minimum, 0);
        await serves(await admitted(client, server), server);
      }
    },
  },
  {
    name: "it answers INFO and GO of an export that it does not know with UNKNOWN, and goes on",
    async run(server) {
      using client = await NbdClient.greeted(server);
      for (const option of [Option.Info, Option.Go]) {
        const name = encodeInfoData(NO_EXPORT, [InfoType.BlockSize]);
        assert.equal(await client.refused(option, name), OptionReplyType.ErrUnknown);
      }
      await serves(await admitted(client, server), server);
    },
  },
  {
    name: "it takes a session byte by byte",
    async run(server) {
      using client = new NbdClient(await Wire.connect(server.path));
      await client.readGreeting();
      // DISC ends the connection, whatever else the client would say.
      for (const byte of wholeSession(server)) await client.wire.write(Uint8Array.of(byte));
      await readWholeSession(client, server);
    },
  },
  {
    name: "it takes a session all at once, sent before the greeting is read",
    async run(server) {
      using client = new NbdClient(await Wire.connect(server.path));
      await client.wire.write(wholeSession(server));
      await client.readGreeting();
      await readWholeSession(client, server);
    },
  },
  {
    name: "it gets over a session that ends at any of its bytes",
    async run(server) {
      const session = wholeSession(server);
      for (let length = 0; length <= session.length; length++) {
        using wire = await Wire.connect(server.path);
        await wire.write(session.subarray(0, length));
        // Every other one is told that no more will come; the rest are left with the answers in the socket.
        if (length % 2 === 0) continue;
        await wire.closeWrite();
        while (await wire.fillOrEnd("the end of a session that was cut short")) {
          wire.received.skip(wire.received.length);
        }
      }
    },
  },
  {
    name: "it advertises a maximum that every client should be able to use",
    async run(server) {
      await withClient(server, {}, async (client) => {
        const maximum = client.export.blockSize?.maximum ?? PORTABLE_MAX_BYTES;
        assert(maximum >= Math.min(PORTABLE_MAX_BYTES, server.sizeBytes), `the maximum is ${maximum}`);
        await Promise.resolve();
      });
    },
  },
];

/** The same client, in the transmission. */
async function admitted(client: NbdClient, server: NbdServerUnderTest): Promise<NbdClient> {
  await client.go(server.exportName);
  return client;
}
