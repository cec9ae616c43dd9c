/**
 * A model of the export: random operations of several connections, many in flight, and the bytes they must lead to.
 *
 * Requests in flight may be done in any order, so none that is sent overlaps one in flight, of whichever connection,
 * unless both read. Except those of a trim, whose bytes may then be anything until they are written, and are.
 *
 * @module
 */

import assert from "node:assert/strict";
import { fc } from "../../conformance/properties.ts";
import type { NbdClient } from "../client.ts";
import { Command, CommandFlag, nameOf, NbdError } from "../protocol.ts";
import { describeRequest, type Reply } from "../replies.ts";
import type { NbdServerUnderTest } from "../server.ts";
import { assertBytes, blockOf, pattern } from "./support.ts";

const { Read, Write, Flush, Trim, WriteZeroes } = Command;
const MAX_BLOCKS = 300;
const MAX_STEPS = 100;
/** Requests of one connection in flight. */
const MAX_IN_FLIGHT = 16;

/** One operation. */
export interface Step {
  /** Which connection sends it. */
  readonly connection: number;
  readonly command: number;
  readonly offset: number;
  readonly length: number;
  readonly flags: number;
  /** Decides what is written. */
  readonly seed: number;
}

interface Pending {
  readonly step: Step;
  /** What a read must find. */
  readonly data: Uint8Array;
}

/** Random sequences of operations. */
export function operations(server: NbdServerUnderTest, connections: number): fc.Arbitrary<Step[]> {
  const block = blockOf(server);
  // Few enough blocks that operations meet.
  const blocks = Math.min(server.sizeBytes / block, 4 * MAX_BLOCKS);
  const step = fc.record({
    connection: fc.nat(connections - 1),
    command: fc.constantFrom(Read, Read, Read, Write, Write, Write, WriteZeroes, Trim, Flush),
    first: fc.nat(blocks - 1),
    count: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: MAX_BLOCKS })),
    flags: fc.constantFrom(0, 0, CommandFlag.Fua),
    seed: fc.nat(10_000),
  }).map(({ first, count, ...step }): Step => {
    if (step.command === Flush) return { ...step, offset: 0, length: 0 };
    return { ...step, offset: first * block, length: Math.min(count, blocks - first) * block };
  });
  return fc.array(step, { maxLength: MAX_STEPS, size: "max" });
}

/** Runs steps on an export that holds `disk`, and checks every read; `disk` then holds what the export must hold. */
export async function runOperations(
  clients: readonly NbdClient[],
  disk: Uint8Array,
  steps: readonly Step[],
): Promise<void> {
  const pending = clients.map(() => new Map<bigint, Pending>());
  for (const step of steps) {
    for (const [index, client] of clients.entries()) {
      while (client.inFlight >= MAX_IN_FLIGHT || conflicts(step, pending[index])) await takeOne(client, pending[index]);
    }
    await send(clients[step.connection], pending[step.connection], disk, step);
    if (step.command !== Trim) continue;
    while (conflicts(step, pending[step.connection])) await takeOne(clients[step.connection], pending[step.connection]);
    await send(clients[step.connection], pending[step.connection], disk, { ...step, command: Write });
  }
  for (const [index, client] of clients.entries()) while (client.inFlight > 0) await takeOne(client, pending[index]);
}

async function send(client: NbdClient, pending: Map<bigint, Pending>, disk: Uint8Array, step: Step): Promise<void> {
  const { command, offset, length, flags, seed } = step;
  const payload = command === Write ? pattern(length, seed) : undefined;
  if (payload) disk.set(payload, offset);
  if (command === WriteZeroes) disk.fill(0, offset, offset + length);
  const cookie = await client.send({ command, offset, length, flags, payload }, { reads: true });
  pending.set(cookie, { step, data: command === Read ? disk.slice(offset, offset + length) : new Uint8Array() });
}

function conflicts({ command, offset, length }: Step, pending: Map<bigint, Pending>): boolean {
  return [...pending.values()].some(({ step }) =>
    step.offset < offset + length && offset < step.offset + step.length && !(command === Read && step.command === Read)
  );
}

async function takeOne(client: NbdClient, pending: Map<bigint, Pending>): Promise<void> {
  const { request, error, data }: Reply = await client.receive();
  const done = pending.get(request.cookie);
  assert(done, `a reply to ${describeRequest(request)}`);
  pending.delete(request.cookie);
  assert.equal(error, NbdError.None, `${describeRequest(request)}: ${nameOf(NbdError, error)}`);
  if (done.step.command === Read) assertBytes(data, done.data, describeRequest(request));
}
