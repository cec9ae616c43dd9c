/**
 * What is wrong with a request, and how the server says so: the connection lives on, and the export is unchanged.
 *
 * @module
 */

import { NbdClient, type Request } from "../client.ts";
import {
  Command,
  CommandFlag,
  encodeRequest,
  NbdError,
  PORTABLE_MAX_BYTES,
  REQUEST_MAGIC,
  SIMPLE_REPLY_MAGIC,
  TransmissionFlag,
} from "../protocol.ts";
import type { NbdServerUnderTest, SuiteCase } from "../server.ts";
import { ConnectionEnded } from "../wire.ts";
import {
  assertBytes,
  blockOf,
  changesNothing,
  contentOf,
  failsWith,
  inBothModes,
  livesOn,
  pattern,
  REPLY_MODES,
  serves,
  withClient,
} from "./support.ts";

const { Read, Write, Flush, Trim, Cache, WriteZeroes, BlockStatus } = Command;
const { Invalid, NoSpace, Overflow, Perm } = NbdError;

/** The same request as a command, with the payload that a WRITE needs. */
function as(command: number, offset: number | bigint, length: number, flags = 0): Request {
  const payload = command === Write ? pattern(length, 9) : undefined;
  return { command, offset, length, flags, payload };
}

/** Runs a case with both kinds of replies, and demands that the export is the same afterwards. */
function refusals(
  name: string,
  run: (client: NbdClient, server: NbdServerUnderTest) => Promise<void>,
): SuiteCase[] {
  return inBothModes(name, async (client, server) => {
    await changesNothing(server, async () => {
      await run(client, server);
      await serves(client, server);
    });
  });
}

export const errorCases: readonly SuiteCase[] = [
  ...refusals("it refuses what is not of whole blocks", async (client, server) => {
    if (server.sectorSize === 1) return;
    const { sectorSize } = server;
    const commands = [Read, Write, Trim, WriteZeroes, BlockStatus];
    for (const command of commands) {
      for (const [offset, length] of [[1, sectorSize], [0, 1], [sectorSize / 2, sectorSize], [0, sectorSize + 1]]) {
        await failsWith(client, as(command, offset, length), Invalid);
        await failsWith(client, as(command, offset + 5 * sectorSize, length + sectorSize), Invalid);
      }
    }
  }),
  ...refusals("it refuses what ends after the export", async (client, server) => {
    const block = blockOf(server);
    const size = server.sizeBytes;
    const ranges: (readonly [bigint, number])[] = [
      [BigInt(size), block],
      [BigInt(size - block), 2 * block],
      [BigInt(size - 8 * block), 64 * block],
      [BigInt(size) * 2n, block],
      [1n << 32n, block],
      [1n << 53n, block],
      [(1n << 63n) - BigInt(block), 2 * block],
      [1n << 63n, block],
      // These end at zero, or after it, where 64 bits are all that is looked at.
      [(1n << 64n) - BigInt(block), block],
      [(1n << 64n) - BigInt(block), 2 * block],
      [(1n << 64n) - BigInt(8 * block), 16 * block],
    ];
    for (const [offset, length] of ranges) {
      for (const command of [Read, BlockStatus]) await failsWith(client, as(command, offset, length), Invalid);
      for (const command of [Write, WriteZeroes, Trim]) {
        await failsWith(client, as(command, offset, length), NoSpace, Invalid);
      }
    }
  }),
  ...refusals("it refuses commands that it does not know", async (client, server) => {
    const caches = (client.export.flags & TransmissionFlag.SendCache) !== 0;
    for (const command of [...(caches ? [] : [Cache]), 8, 9, 100, 0x100, 0x8000, 0xffff]) {
      await failsWith(client, as(command, 0, blockOf(server)), Invalid);
      await failsWith(client, as(command, 0, 0), Invalid);
    }
  }),
  ...refusals("it refuses flags that it does not know, or that are of another command", async (client, server) => {
    const { NoHole, Df, ReqOne, FastZero } = CommandFlag;
    const allowed: Readonly<Record<number, number>> = {
      [Read]: client.export.flags & TransmissionFlag.SendDf ? Df : 0,
      [WriteZeroes]: NoHole | (client.export.flags & TransmissionFlag.SendFastZero ? FastZero : 0),
      [BlockStatus]: ReqOne,
    };
    const length = blockOf(server);
    for (const command of [Read, Write, Trim, WriteZeroes, BlockStatus, Flush]) {
      for (const flag of [NoHole, Df, ReqOne, FastZero, 0x20, 0x100, 0x8000, 0xfff0]) {
        if (flag & (allowed[command] ?? 0)) continue;
        await failsWith(client, command === Flush ? { command, flags: flag } : as(command, 0, length, flag), Invalid);
      }
    }
  }),
  ...refusals("it refuses to read more than its maximum at once", async (client, server) => {
    const block = blockOf(server);
    for (const length of [PORTABLE_MAX_BYTES + block, 0x7fffffff, 0xffffffff, 2 ** 32 - block]) {
      if (length <= (client.export.blockSize?.maximum ?? 0)) continue;
      await failsWith(client, as(Read, 0, length), Invalid, Overflow);
    }
  }),
  ...REPLY_MODES.map(({ mode, options }): SuiteCase => ({
    name: `a WRITE of more than its maximum is skipped, or ends the connection, with ${mode}`,
    async run(server) {
      const length = PORTABLE_MAX_BYTES + blockOf(server);
      await changesNothing(server, async () => {
        using client = await NbdClient.connect(server, options);
        if (length <= (client.export.blockSize?.maximum ?? 0)) return;
        try {
          await failsWith(client, as(Write, 0, length), Invalid, Overflow, NoSpace);
          await serves(client, server);
        } catch (thrown) {
          if (!(thrown instanceof ConnectionEnded)) throw thrown;
        }
      });
    },
  })),
  {
    name: "write-zeroes and trims that are too long are refused, or done to the end",
    async run(server) {
      await withClient(server, {}, async (client) => {
        const length = server.sizeBytes;
        const data = pattern(blockOf(server), 10);
        const last = length - data.length;
        for (const at of [0, last]) await client.write(at, data);
        const zeroed = await client.request(as(WriteZeroes, 0, length));
        const expected = zeroed.error === NbdError.None ? new Uint8Array(data.length) : data;
        for (const at of [0, last]) assertBytes(await client.read(at, data.length), expected, `the block at ${at}`);
        await client.request(as(Trim, 0, length));
        for (const command of [WriteZeroes, Trim]) {
          await failsWith(client, as(command, 0, 2 ** 32 - data.length), Invalid, NoSpace, Overflow);
        }
        await serves(client, server);
      });
    },
  },
  {
    name: "it ends the connection of a request that does not begin as one, and does nothing of what follows",
    async run(server) {
      const block = blockOf(server);
      await changesNothing(server, async () => {
        for (const magic of [0, REQUEST_MAGIC ^ 1, SIMPLE_REPLY_MAGIC, 0xffffffff]) {
          for (const { options } of REPLY_MODES) {
            using client = await NbdClient.connect(server, options);
            const header = { command: Write, flags: 0, cookie: 1n, offset: 0n, length: block };
            await client.wire.write(encodeRequest(header, magic));
            try {
              await client.wire.write(pattern(block, 11));
              await client.wire.write(encodeRequest({ ...header, command: WriteZeroes }));
            } catch (thrown) {
              if (!(thrown instanceof ConnectionEnded)) throw thrown;
            }
            await client.wire.ended("the request has another magic");
          }
        }
      });
      await livesOn(server);
    },
  },
  {
    name: "a read-only export is read, and refuses all that would change it",
    readOnly: true,
    async run(server) {
      for (const { options } of REPLY_MODES) {
        await withClient(server, options, async (client) => {
          const before = await contentOf(server);
          const length = blockOf(server);
          for (const flags of [0, client.export.flags & TransmissionFlag.SendFua ? CommandFlag.Fua : 0]) {
            for (const command of [Write, WriteZeroes, Trim]) {
              await failsWith(client, as(command, 0, length, flags), Perm);
              await failsWith(client, as(command, length, 100 * length, flags), Perm);
            }
          }
          if (client.export.flags & TransmissionFlag.SendFlush) await client.done({ command: Flush });
          assertBytes(await client.read(0, server.sizeBytes), before, "the export");
        });
      }
    },
  },
];
