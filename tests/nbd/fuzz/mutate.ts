/**
 * What becomes of a well-behaved client's messages: bits flip, fields lie, messages are lost, come twice or elsewhere.
 *
 * @module
 */

import { Command, concat, HandshakeFlag, OPTION_HEADER_BYTES, PORTABLE_MAX_BYTES, REQUEST_BYTES } from "../protocol.ts";
import type { Random } from "../../helpers/random.ts";
import type { Message, Target } from "./session.ts";

/** A field of a header: where, and how many bytes. */
type Field = readonly [at: number, bytes: number];

const REQUEST_FIELDS: readonly Field[] = [[0, 4], [4, 2], [6, 2], [8, 8], [16, 8], [24, 4]];
const OPTION_FIELDS: readonly Field[] = [[0, 8], [8, 4], [12, 4], [16, 4], [20, 4]];
const COOKIE_AT = 8;

/** A change, and what it is called in a report. */
type Mutation = readonly [
  name: string,
  weight: number,
  run: (random: Random, messages: Message[], target: Target) => void,
];

const MUTATIONS: readonly Mutation[] = [
  ["flip bits", 6, flipBits],
  ["set a field", 8, setField],
  ["drop", 2, (random, messages) => void messages.splice(chosen(random, messages), 1)],
  ["duplicate", 2, duplicate],
  ["swap", 2, swap],
  ["truncate", 2, truncate],
  ["splice", 2, splice],
  ["flood", 0.3, flood],
];
const TOTAL_WEIGHT = MUTATIONS.reduce((sum, [, weight]) => sum + weight, 0);

/** Changes messages in place, and tells how. */
export function mutate(random: Random, messages: Message[], target: Target): string[] {
  if (random.chance(0.05)) return [];
  const names = change(random, messages, target);
  keepFixedNewstyle(messages);
  return names;
}

/** Without the fixed newstyle, what becomes of options is anybody's guess: a client that has any keeps asking for it. */
function keepFixedNewstyle(messages: Message[]): void {
  const all = concat(...messages.map(({ bytes }) => bytes));
  if (all.length < 4 || all[3] & HandshakeFlag.FixedNewstyle) return;
  all[3] |= HandshakeFlag.FixedNewstyle;
  messages.splice(0, messages.length, { kind: "flags", bytes: all });
}

function change(random: Random, messages: Message[], target: Target): string[] {
  return Array.from({ length: random.pick([1, 1, 1, 2, 2, 3, 5]) }, () => {
    let left = random.below(TOTAL_WEIGHT * 1000) / 1000;
    const [name, , run] = MUTATIONS.find(([, weight]) => (left -= weight) < 0) ?? MUTATIONS[0];
    if (messages.length > 0) run(random, messages, target);
    return name;
  });
}

/** A message: mostly a request, as the handshake is the same each time. */
function chosen(random: Random, messages: readonly Message[]): number {
  const firstRequest = messages.findIndex(({ kind }) => kind === "request");
  if (firstRequest < 0 || random.chance(0.25)) return random.below(messages.length);
  return random.between(firstRequest, messages.length - 1);
}

function replace(messages: Message[], index: number, change: (bytes: Uint8Array) => void): void {
  const bytes = messages[index].bytes.slice();
  change(bytes);
  messages[index] = { ...messages[index], bytes };
}

function flipBits(random: Random, messages: Message[]): void {
  replace(messages, chosen(random, messages), (bytes) => {
    const within = random.chance(0.8) ? Math.min(bytes.length, REQUEST_BYTES) : bytes.length;
    for (let count = random.pick([1, 1, 2, 8]); count > 0 && within > 0; count--) {
      bytes[random.below(within)] ^= 1 << random.below(8);
    }
  });
}

function setField(random: Random, messages: Message[], target: Target): void {
  const index = chosen(random, messages);
  replace(messages, index, (bytes) => {
    const fields = messages[index].kind === "request" ? REQUEST_FIELDS : OPTION_FIELDS;
    const [at, length] = random.pick(fields);
    if (at + length > bytes.length) return;
    const value = interesting(random, target);
    for (let byte = 0; byte < length; byte++) {
      bytes[at + byte] = Number(value >> BigInt(8 * (length - 1 - byte)) & 0xffn);
    }
  });
}

/** Numbers at which programs go wrong. */
function interesting(random: Random, { sizeBytes, sectorSize }: Target): bigint {
  const base = random.pick([
    ...[0n, 1n, 3n, 8n, 0xffn, 0x7fffn, 0xffffn, 1n << 31n, 1n << 32n, 1n << 53n, 1n << 63n, 1n << 64n],
    ...[sizeBytes, sizeBytes / 2, sectorSize, 8 * sectorSize, PORTABLE_MAX_BYTES, 64 * 1024, random.below(12)].map(
      BigInt,
    ),
  ]);
  const near = base + BigInt(random.pick([0, 0, 0, -1, 1, -sectorSize, sectorSize, 2 * sectorSize]));
  return near & 0xffff_ffff_ffff_ffffn;
}

function duplicate(random: Random, messages: Message[]): void {
  const index = chosen(random, messages);
  const copy = { ...messages[index] };
  messages.splice(random.between(index, messages.length), 0, copy);
  if (copy.kind === "request" && random.chance(0.7)) withCookie(messages, messages.indexOf(copy), random.u32());
}

function withCookie(messages: Message[], index: number, cookie: number): void {
  replace(messages, index, (bytes) => {
    if (bytes.length >= REQUEST_BYTES) new DataView(bytes.buffer).setBigUint64(COOKIE_AT, BigInt(cookie));
  });
}

function swap(random: Random, messages: Message[]): void {
  const [one, other] = [chosen(random, messages), chosen(random, messages)];
  [messages[one], messages[other]] = [messages[other], messages[one]];
}

/** All that follows a byte is lost. */
function truncate(random: Random, messages: Message[]): void {
  const index = chosen(random, messages);
  const { kind, bytes } = messages[index];
  const header = kind === "request" ? REQUEST_BYTES : OPTION_HEADER_BYTES;
  const length = random.below(Math.max(1, random.chance(0.5) ? Math.min(bytes.length, header) : bytes.length));
  messages.splice(index, messages.length - index, { kind, bytes: bytes.slice(0, length) });
}

/** Something that belongs elsewhere, or nowhere, in the middle of a message. */
function splice(random: Random, messages: Message[]): void {
  const index = chosen(random, messages);
  const { kind, bytes } = messages[index];
  const at = random.below(bytes.length + 1);
  const other = random.pick(messages).bytes;
  const start = random.below(other.length + 1);
  const inserted = random.chance(0.5)
    ? random.bytes(random.between(1, 64))
    : other.slice(start, start + random.below(600));
  messages[index] = { kind, bytes: concat(bytes.subarray(0, at), inserted, bytes.subarray(at)) };
}

/** The same again and again. */
function flood(random: Random, messages: Message[]): void {
  const index = chosen(random, messages);
  const { kind, bytes } = messages[index];
  const isGoodbye = bytes.length === REQUEST_BYTES && bytes[7] === Command.Disconnect;
  if (bytes.length > 2048 || isGoodbye) return;
  const copies = Array.from({ length: random.between(50, kind === "option" ? 1500 : 300) }, () => ({ kind, bytes }));
  messages.splice(index, 0, ...copies);
  if (kind !== "request") return;
  const cookie = random.u32();
  for (let copy = 0; copy < copies.length; copy++) withCookie(messages, index + copy, cookie + copy);
}
