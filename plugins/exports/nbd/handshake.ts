/**
 * The server's side of the fixed newstyle handshake: one option after another, until the client goes on to transmit.
 *
 * @module
 */

import {
  BASE_ALLOCATION,
  EXPORT_NAME_ZEROES,
  Info,
  MAX_NAME_BYTES,
  Option,
  OPTION_BYTES,
  OPTION_MAGIC,
  OPTION_REPLY_BYTES,
  OPTION_REPLY_MAGIC,
  OptionReply,
  TransmissionFlag,
} from "../../nbd/protocol.ts";
import type { ExportInfo } from "./export_info.ts";

/** The id by which replies name the context `base:allocation`. */
export const BASE_ALLOCATION_ID = 1;
/** Most data of an option that is looked at; one with more is answered with an error. */
export const MAX_OPTION_BYTES: number = 2 * MAX_NAME_BYTES + 1024;
/** Most data of an option that is skipped; a client that sends more is not serious. */
const MAX_SKIPPED_BYTES = 2 ** 20;
/** A client that negotiates for longer is not serious. */
const MAX_OPTIONS = 1000;
/** Names that a client may ask the contexts of at once. */
const MAX_QUERIES = 64;

/** What comes of an option. */
export const Outcome = {
  /** The next option, please. */
  Continue: 0,
  /** The client transmits. */
  Transmit: 1,
  /** The connection ends when the reply was sent. */
  Close: 2,
} as const;
/** One of {@link Outcome}'s values. */
export type Outcome = typeof Outcome[keyof typeof Outcome];

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

/** Takes what is to be sent. */
export type Reply = (bytes: Uint8Array) => void;

/** What one client has negotiated. */
export class Handshake {
  /** Whether it takes structured replies. */
  structured = false;
  /** Whether it may ask for the block status. */
  baseAllocation = false;
  /** Whether the zeroes after an export's flags are left out. */
  noZeroes = false;
  readonly #export: ExportInfo;
  #options = 0;

  /** A handshake of which nothing has happened. */
  constructor(exported: ExportInfo) {
    this.#export = exported;
  }

  /**
   * Whether an option with so much data is waited for, to be looked at ({@link take}) or skipped ({@link refuse}). If not,
   * the connection ends.
   */
  accepts(byteLength: number): boolean {
    return ++this.#options <= MAX_OPTIONS && byteLength <= MAX_SKIPPED_BYTES;
  }

  /** Answers an option whose data is longer than anybody needs. */
  refuse(option: number, reply: Reply): Outcome {
    // EXPORT_NAME has no errors: the client waits for an export or the end.
    if (option === Option.ExportName) return Outcome.Close;
    answer(option, OptionReply.TooBig, reply, text("the option is too long"));
    return Outcome.Continue;
  }

  /** Answers an option. */
  take(option: number, data: Uint8Array, reply: Reply): Outcome {
    switch (option) {
      case Option.ExportName:
        return this.#exportName(data, reply);
      case Option.Abort:
        answer(option, OptionReply.Ack, reply);
        return Outcome.Close;
      case Option.List:
        return this.#list(data, reply);
      case Option.Info:
      case Option.Go:
        return this.#inform(option, data, reply);
      case Option.StructuredReply:
        if (data.length > 0) return invalid(option, reply, "this option has no data");
        this.structured = true;
        answer(option, OptionReply.Ack, reply);
        return Outcome.Continue;
      case Option.ListMetaContext:
      case Option.SetMetaContext:
        return this.#metaContext(option, data, reply);
      default:
        answer(option, OptionReply.Unsupported, reply, text("this option is not known here"));
        return Outcome.Continue;
    }
  }

  #exportName(data: Uint8Array, reply: Reply): Outcome {
    if (!this.#leadsHere(decode(data))) return Outcome.Close;
    const bytes = new Uint8Array(10 + (this.noZeroes ? 0 : EXPORT_NAME_ZEROES));
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(this.#export.sizeBytes));
    view.setUint16(8, this.#flags);
    reply(bytes);
    return Outcome.Transmit;
  }

  #list(data: Uint8Array, reply: Reply): Outcome {
    if (data.length > 0) return invalid(Option.List, reply, "this option has no data");
    const { name, description } = this.#export;
    const nameBytes = encoder.encode(name);
    answer(Option.List, OptionReply.Server, reply, word(nameBytes.length), nameBytes, encoder.encode(description));
    answer(Option.List, OptionReply.Ack, reply);
    return Outcome.Continue;
  }

  /** INFO and GO: a name, and which facts are wanted. */
  #inform(option: number, data: Uint8Array, reply: Reply): Outcome {
    const reader = new Reader(data);
    const name = reader.name();
    const wanted = reader.shorts(reader.short());
    if (name === null || wanted === null || !reader.atEnd) return invalid(option, reply, "its lengths do not add up");
    if (!this.#leadsHere(name)) {
      answer(option, OptionReply.Unknown, reply, text("no export has this name"));
      return Outcome.Continue;
    }
    const { sizeBytes, minimumBytes, preferredBytes, maximumBytes } = this.#export;
    const inform = (kind: number, ...parts: Uint8Array[]): void => {
      answer(option, OptionReply.Info, reply, short(kind), ...parts);
    };
    inform(Info.Export, word(Math.floor(sizeBytes / 2 ** 32)), word(sizeBytes), short(this.#flags));
    if (wanted.includes(Info.Name)) inform(Info.Name, encoder.encode(this.#export.name));
    if (wanted.includes(Info.Description) && this.#export.description !== "") {
      inform(Info.Description, encoder.encode(this.#export.description));
    }
    // Also unasked: who does not know it skips it, and who does not ask may heed it.
    inform(Info.BlockSize, word(minimumBytes), word(preferredBytes), word(maximumBytes));
    answer(option, OptionReply.Ack, reply);
    return option === Option.Go ? Outcome.Transmit : Outcome.Continue;
  }

  #metaContext(option: number, data: Uint8Array, reply: Reply): Outcome {
    const sets = option === Option.SetMetaContext;
    if (sets) this.baseAllocation = false; // Also when the question is refused.
    const reader = new Reader(data);
    const name = reader.name();
    const count = reader.word();
    if (name === null || count === null || count > MAX_QUERIES) return invalid(option, reply, "its lengths are wrong");
    const queries = Array.from({ length: count }, () => reader.name());
    if (queries.includes(null) || !reader.atEnd) return invalid(option, reply, "its lengths do not add up");
    if (sets && !this.structured) return invalid(option, reply, "structured replies come first");
    if (!this.#leadsHere(name)) {
      answer(option, OptionReply.Unknown, reply, text("no export has this name"));
      return Outcome.Continue;
    }
    const known = queries.includes(BASE_ALLOCATION) || (!sets && (count === 0 || queries.includes("base:")));
    if (known) {
      answer(option, OptionReply.MetaContext, reply, word(BASE_ALLOCATION_ID), encoder.encode(BASE_ALLOCATION));
      if (sets) this.baseAllocation = true;
    }
    answer(option, OptionReply.Ack, reply);
    return Outcome.Continue;
  }

  /** What the export can do for this client: whether a read may come in pieces is a matter of structured replies. */
  get #flags(): number {
    const { flags } = this.#export;
    return this.structured ? flags : flags & ~TransmissionFlag.SendDontFragment;
  }

  #leadsHere(name: string | null): boolean {
    return name === "" || name === this.#export.name;
  }
}

/** The number and the length of an option, or null when its magic is wrong. */
export function readOption(
  bytes: DataView,
  at: number,
): { readonly option: number; readonly byteLength: number } | null {
  if (bytes.getUint32(at) !== OPTION_MAGIC[0] || bytes.getUint32(at + 4) !== OPTION_MAGIC[1]) return null;
  return { option: bytes.getUint32(at + 8), byteLength: bytes.getUint32(at + OPTION_BYTES - 4) };
}

function invalid(option: number, reply: Reply, why: string): Outcome {
  answer(option, OptionReply.Invalid, reply, text(why));
  return Outcome.Continue;
}

function answer(option: number, type: number, reply: Reply, ...parts: Uint8Array[]): void {
  const length = parts.reduce((total, part) => total + part.length, 0);
  const bytes = new Uint8Array(OPTION_REPLY_BYTES + length);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of [...OPTION_REPLY_MAGIC, option, type, length].entries()) {
    view.setUint32(index * 4, value);
  }
  let at = OPTION_REPLY_BYTES;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  reply(bytes);
}

function text(message: string): Uint8Array {
  return encoder.encode(message);
}

function word(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

function short(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value);
}

/** Null for what is no UTF-8. */
function decode(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes.slice());
  } catch {
    return null;
  }
}

/** Reads an option's data, which may end anywhere: then everything is null. */
class Reader {
  readonly #view: DataView;
  #at = 0;

  constructor(data: Uint8Array) {
    this.#view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  get atEnd(): boolean {
    return this.#at === this.#view.byteLength;
  }

  word(): number | null {
    const at = this.#skip(4);
    return at === null ? null : this.#view.getUint32(at);
  }

  short(): number | null {
    const at = this.#skip(2);
    return at === null ? null : this.#view.getUint16(at);
  }

  shorts(count: number | null): number[] | null {
    const at = count === null ? null : this.#skip(2 * count);
    return at === null ? null : Array.from({ length: count ?? 0 }, (_, index) => this.#view.getUint16(at + 2 * index));
  }

  /** A length of 32 bits, then so many bytes of UTF-8. */
  name(): string | null {
    const length = this.word();
    const at = length === null || length > MAX_NAME_BYTES ? null : this.#skip(length);
    if (at === null) return null;
    return decode(new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, length ?? 0));
  }

  /** Where the next `byteLength` bytes begin. */
  #skip(byteLength: number): number | null {
    const at = this.#at;
    if (at + byteLength > this.#view.byteLength) {
      this.#at = this.#view.byteLength + 1; // Nothing after it can be right.
      return null;
    }
    this.#at = at + byteLength;
    return at;
  }
}
