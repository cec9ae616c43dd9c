/**
 * What the cases of the suite have in common.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { fillPattern } from "../../helpers/devices.ts";
import { type ConnectOptions, NbdClient, type Request } from "../client.ts";
import { Command, nameOf, NbdError } from "../protocol.ts";
import { describeRequest } from "../replies.ts";
import type { NbdServerUnderTest, SuiteCase } from "../server.ts";
import { until } from "../until.ts";

/** Both kinds of replies: everything but BLOCK_STATUS works with either. */
export const REPLY_MODES: readonly { readonly mode: string; readonly options: ConnectOptions }[] = [
  { mode: "simple replies", options: { structured: false } },
  { mode: "structured replies", options: { structured: true } },
];

/** A case for each kind of replies, with a client in the transmission. */
export function inBothModes(
  name: string,
  run: (client: NbdClient, server: NbdServerUnderTest) => Promise<void>,
): SuiteCase[] {
  return REPLY_MODES.map(({ mode, options }) => ({
    name: `${name}, with ${mode}`,
    run: (server) => withClient(server, options, (client) => run(client, server)),
  }));
}

/** Bytes that tell where they were written, and by whom. */
export function pattern(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  fillPattern(bytes, seed);
  return bytes;
}

/** The block that the cases count in: a sector, where sectors are not single bytes. */
export function blockOf({ sectorSize }: NbdServerUnderTest): number {
  return Math.max(sectorSize, 512);
}

/** Runs a body with a client that is closed after it. */
export async function withClient(
  server: NbdServerUnderTest,
  options: ConnectOptions,
  body: (client: NbdClient) => Promise<void>,
): Promise<void> {
  using client = await NbdClient.connect(server, options);
  await body(client);
}

/** Fails where bytes differ, with the place of the first difference. */
export function assertBytes(found: Uint8Array, expected: Uint8Array, what: string): void {
  assert.equal(found.length, expected.length, `${what}: the length`);
  if (Buffer.from(found.buffer, found.byteOffset, found.length).equals(expected)) return;
  const at = found.findIndex((byte, index) => byte !== expected[index]);
  assert.fail(`${what}: byte ${at} is ${found[at]}, expected ${expected[at]}`);
}

/** Runs a request that must fail in one of these ways. The connection must live on. */
export async function failsWith(client: NbdClient, request: Request, ...errors: readonly number[]): Promise<void> {
  const reply = await client.request(request);
  const names = errors.map((error) => nameOf(NbdError, error)).join(" or ");
  const found = nameOf(NbdError, reply.error);
  assert(errors.includes(reply.error), `${describeRequest(reply.request)}: ${found}, expected ${names}`);
}

/** Whether the connection still serves: a block is read. */
export async function serves(client: NbdClient, server: NbdServerUnderTest): Promise<void> {
  await client.done({ command: Command.Read, offset: 0, length: blockOf(server) });
}

/** Whether the server still serves: a new client shakes hands, reads and leaves. */
export async function livesOn(server: NbdServerUnderTest): Promise<void> {
  await withClient(server, {}, async (client) => {
    await serves(client, server);
    await client.disconnect();
  });
}

/** All of the export, read over a connection of its own. */
export async function contentOf(server: NbdServerUnderTest): Promise<Uint8Array> {
  using client = await NbdClient.connect(server);
  return await client.read(0, server.sizeBytes);
}

/** Runs a body that must change no byte of the export. */
export async function changesNothing(server: NbdServerUnderTest, body: () => Promise<void>): Promise<void> {
  const before = await contentOf(server);
  await body();
  assertBytes(await contentOf(server), before, "the export");
}

/** How many descriptors are open when no connection is; zero if nobody can tell. */
export async function settledDescriptors(server: NbdServerUnderTest): Promise<number> {
  let [before, now] = [NaN, server.openDescriptors?.() ?? 0];
  await until(() => {
    [before, now] = [now, server.openDescriptors?.() ?? 0];
    return now === before;
  }, "the number of open descriptors to settle");
  return now;
}
