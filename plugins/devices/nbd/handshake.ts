/**
 * The client's side of NBD's handshake (fixed newstyle), apart from any socket: bytes in, bytes out, an export in the end.
 *
 * It asks for structured replies, then for the export with its block sizes (GO); of a server that does not know GO, by
 * the export's name alone. Nothing that the server sends is believed before its length is checked.
 *
 * @module
 */

import { ConnectionError, DeviceError } from "../../../core/errors.ts";
import {
  EXPORT_NAME_ZEROES,
  HandshakeFlag,
  Info,
  MAX_NAME_BYTES,
  MAX_PAYLOAD_BYTES,
  NBD_MAGIC,
  Option,
  OPTION_MAGIC,
  OPTION_REPLY_BYTES,
  OPTION_REPLY_MAGIC,
  OptionReply,
  TransmissionFlag,
} from "../../nbd/protocol.ts";

/** What a server said of an export. */
export interface NbdExport {
  /** Its size, below 2⁵³. */
  readonly sizeBytes: number;
  /** Bits of `TransmissionFlag`. */
  readonly flags: number;
  /** What places and lengths must be multiples of: a power of two. */
  readonly minBlockBytes: number;
  /** Most data of one read or write. */
  readonly maxPayloadBytes: number;
  /** Whether replies are structured. */
  readonly structured: boolean;
}

/** The server is there, and cannot be used: to try again would not help. */
export class HandshakeRefusal extends DeviceError {}

/** Most data of an option's reply: a text of the longest name's length, and what goes with it. */
const MAX_REPLY_BYTES = MAX_NAME_BYTES + 64;
/** Bytes that the server may send at once, so what {@link Handshake.take} must be given room for. */
export const HANDSHAKE_ROOM_BYTES = 2 * MAX_REPLY_BYTES;
/** A server that goes on with replies to one option for longer is not taken seriously. */
const MAX_REPLIES = 64;
/** What of a server's message is repeated. */
const QUOTED_CHARACTERS = 200;

const GREETING_BYTES = 18;
/** The second magic of the handshake before 2011, as two words. */
const OLDSTYLE_MAGIC = [0x00004202, 0x81861253] as const;
const EXPORT_INFO_BYTES = 12;
const BLOCK_SIZE_INFO_BYTES = 14;
/** Without a word from the server: sectors, as every client sends. */
const DEFAULT_MIN_BLOCK_BYTES = 512;
const NO_LIMIT = 2 ** 32 - 1;
const TWO_32 = 2 ** 32;
const SAFE_HIGH_WORD = 2 ** 21;

/** One handshake. */
export class Handshake {
  /** What the server said in the end; null until then. */
  result: NbdExport | null = null;
  readonly #exportName: Uint8Array;
  readonly #quotedName: string;
  #output: number[] = [];
  /** What takes the next bytes: how many it took, 0 when they are too few. */
  #next: (view: DataView) => number;
  /** The option that was sent last, and its replies so far. */
  #option = 0;
  #replies = 0;
  #noZeroes = false;
  #structured = false;
  #export: { sizeBytes: number; flags: number } | null = null;
  #minBlockBytes = DEFAULT_MIN_BLOCK_BYTES;
  #maxPayloadBytes = MAX_PAYLOAD_BYTES;

  /** A handshake for the export of this name. The server speaks first. */
  constructor(exportName: string) {
    this.#exportName = new TextEncoder().encode(exportName);
    this.#quotedName = JSON.stringify(exportName);
    this.#next = this.#greeting;
  }

  /** What is to be sent now; empty if nothing. It is given once. */
  takeOutput(): Uint8Array {
    return Uint8Array.from(this.#output.splice(0));
  }

  /** What ends the negotiation politely, before a result. */
  static readonly abort: Uint8Array = optionBytes(Option.Abort, []);

  /** What a connection that ends here has been waiting for, in words. */
  get awaited(): string {
    if (this.#option === 0) return "its greeting";
    if (this.#option !== Option.ExportName) return `its answer to option ${this.#option}`;
    return `its answer to the export's name, ${this.#quotedName}: an old server ends so when it has none of that name`;
  }

  /**
   * Takes what the server has sent.
   *
   * @returns how many bytes of it are done with; give the others again, with what follows
   * @throws {HandshakeRefusal} when the server cannot be used
   * @throws {ConnectionError} when it cannot be used at present
   */
  take(bytes: Uint8Array): number {
    let taken = 0;
    while (this.result === null) {
      const used = this.#next(new DataView(bytes.buffer, bytes.byteOffset + taken, bytes.length - taken));
      if (used === 0) break;
      taken += used;
    }
    return taken;
  }

  #greeting(view: DataView): number {
    if (view.byteLength >= 8) this.#expectMagic(view, 0, NBD_MAGIC, "it is no NBD server, as it greets with");
    if (view.byteLength < 16) return 0;
    if (view.getUint32(8) === OLDSTYLE_MAGIC[0] && view.getUint32(12) === OLDSTYLE_MAGIC[1]) {
      throw new HandshakeRefusal("it speaks the oldstyle handshake; fixed newstyle is needed");
    }
    this.#expectMagic(view, 8, OPTION_MAGIC, "it is no newstyle NBD server, as its second magic is");
    if (view.byteLength < GREETING_BYTES) return 0;
    const flags = view.getUint16(16);
    if ((flags & HandshakeFlag.FixedNewstyle) === 0) {
      throw new HandshakeRefusal(`it does not speak fixed newstyle: its handshake flags are 0x${flags.toString(16)}`);
    }
    this.#noZeroes = (flags & HandshakeFlag.NoZeroes) !== 0;
    this.#output.push(...bigEndian(flags & (HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes), 4));
    this.#ask(Option.StructuredReply, []);
    return GREETING_BYTES;
  }

  #ask(option: number, data: readonly number[]): void {
    this.#option = option;
    this.#replies = 0;
    this.#next = option === Option.ExportName ? this.#exportReply : this.#optionReply;
    for (const byte of optionBytes(option, data)) this.#output.push(byte);
  }

  #optionReply(view: DataView): number {
    if (view.byteLength < OPTION_REPLY_BYTES) return 0;
    this.#expectMagic(view, 0, OPTION_REPLY_MAGIC, "it breaks the protocol: its answer to an option begins with");
    const option = view.getUint32(8);
    if (option !== this.#option) {
      throw new HandshakeRefusal(`it breaks the protocol: it answers option ${option} where ${this.#option} was asked`);
    }
    const type = view.getUint32(12);
    const length = view.getUint32(16);
    if (length > MAX_REPLY_BYTES) {
      throw new HandshakeRefusal(
        `it breaks the protocol: its answer to option ${option} has ${length} bytes; allowed are ${MAX_REPLY_BYTES}`,
      );
    }
    if (view.byteLength < OPTION_REPLY_BYTES + length) return 0;
    if (++this.#replies > MAX_REPLIES) {
      throw new HandshakeRefusal(`it breaks the protocol: more than ${MAX_REPLIES} answers to option ${option}`);
    }
    const data = new DataView(view.buffer, view.byteOffset + OPTION_REPLY_BYTES, length);
    if (option === Option.StructuredReply) this.#structuredReply(type, data);
    else this.#goReply(type, data);
    return OPTION_REPLY_BYTES + length;
  }

  #structuredReply(type: number, data: DataView): void {
    this.#refuseFor(type, data, [OptionReply.TlsRequired, OptionReply.Shutdown]);
    this.#structured = type === OptionReply.Ack;
    const name = [...bigEndian(this.#exportName.length, 4), ...this.#exportName];
    this.#ask(Option.Go, [...name, ...bigEndian(1, 2), ...bigEndian(Info.BlockSize, 2)]);
  }

  #goReply(type: number, data: DataView): void {
    if (type === OptionReply.Info) return this.#info(data);
    if (type === OptionReply.Unsupported) return this.#ask(Option.ExportName, [...this.#exportName]);
    this.#refuseFor(type, data, null);
    if (this.#export === null) throw new HandshakeRefusal("it breaks the protocol: it tells nothing of the export");
    this.#finish(this.#export);
  }

  #info(data: DataView): void {
    const kind = data.byteLength >= 2 ? data.getUint16(0) : -1;
    const expected = new Map<number, number>([
      [Info.Export, EXPORT_INFO_BYTES],
      [Info.BlockSize, BLOCK_SIZE_INFO_BYTES],
    ]).get(kind) ?? data.byteLength;
    if (kind < 0 || data.byteLength !== expected) {
      throw new HandshakeRefusal(
        `it breaks the protocol: its information of kind ${kind} has ${data.byteLength} bytes` +
          (kind < 0 ? "" : ` where ${expected} are expected`),
      );
    }
    if (kind === Info.Export) {
      this.#export = { sizeBytes: this.#size(data, 2), flags: data.getUint16(10) };
    } else if (kind === Info.BlockSize) {
      this.#minBlockBytes = data.getUint32(2);
      this.#maxPayloadBytes = data.getUint32(10);
    }
  }

  #exportReply(view: DataView): number {
    const length = 10 + (this.#noZeroes ? 0 : EXPORT_NAME_ZEROES);
    if (view.byteLength < length) return 0;
    this.#finish({ sizeBytes: this.#size(view, 0), flags: view.getUint16(8) });
    return length;
  }

  #finish({ sizeBytes, flags }: { sizeBytes: number; flags: number }): void {
    const [min, max] = [this.#minBlockBytes, this.#maxPayloadBytes];
    if (min === 0 || !Number.isInteger(Math.log2(min))) {
      throw new HandshakeRefusal(`it breaks the protocol: its minimum block size, ${min} bytes, is no power of two`);
    }
    if (max < min || (max !== NO_LIMIT && max % min !== 0)) {
      throw new HandshakeRefusal(
        `it breaks the protocol: its maximum block size, ${max} bytes, is no multiple of its minimum, ${min}`,
      );
    }
    this.result = {
      sizeBytes,
      flags: (flags & TransmissionFlag.HasFlags) === 0 ? 0 : flags,
      minBlockBytes: min,
      maxPayloadBytes: Math.min(max, MAX_PAYLOAD_BYTES),
      structured: this.#structured,
    };
  }

  #size(view: DataView, at: number): number {
    const high = view.getUint32(at);
    if (high < SAFE_HIGH_WORD) return high * TWO_32 + view.getUint32(at + 4);
    throw new HandshakeRefusal(`its export has ${view.getBigUint64(at)} bytes; at most 2^53-1 can be addressed`);
  }

  /** Refuses the server for an error, one of those that are listed if some are. */
  #refuseFor(type: number, data: DataView, only: readonly number[] | null): void {
    if (type === OptionReply.Ack || (only !== null && !only.includes(type))) return;
    const said = quoted(data);
    switch (type) {
      case OptionReply.TlsRequired:
        throw new HandshakeRefusal(`it requires TLS, which iddr does not speak${said}`);
      case OptionReply.Shutdown:
        throw new ConnectionError(`it is shutting down${said}`);
      case OptionReply.Unknown:
        throw new HandshakeRefusal(`it has no export ${this.#quotedName}${said}`);
      case OptionReply.Policy:
        throw new HandshakeRefusal(`it does not allow the export ${this.#quotedName} to us${said}`);
      default:
        throw new HandshakeRefusal(
          `it refuses the export ${this.#quotedName} with answer 0x${
            type.toString(16)
          } to option ${this.#option}${said}`,
        );
    }
  }

  #expectMagic(view: DataView, at: number, [high, low]: readonly [number, number], what: string): void {
    if (view.getUint32(at) === high && view.getUint32(at + 4) === low) return;
    const words = [at, at + 4].map((word) => view.getUint32(word).toString(16).padStart(8, "0"));
    throw new HandshakeRefusal(`${what} 0x${words.join("")}`);
  }
}

/** What a server says in an error, made safe for a terminal. */
export function quoted(data: DataView): string {
  const text = new TextDecoder().decode(Uint8Array.from(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)))
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}]/gu, " ").trim();
  if (text === "") return "";
  return `: it says "${text.length > QUOTED_CHARACTERS ? `${text.slice(0, QUOTED_CHARACTERS)}…` : text}"`;
}

function optionBytes(option: number, data: readonly number[]): Uint8Array {
  const magic = OPTION_MAGIC.flatMap((word) => bigEndian(word, 4));
  return Uint8Array.of(...magic, ...bigEndian(option, 4), ...bigEndian(data.length, 4), ...data);
}

/** A number as bytes, the highest first. */
function bigEndian(value: number, byteCount: number): number[] {
  return Array.from({ length: byteCount }, (_, i) => (value / 256 ** (byteCount - 1 - i)) & 0xff);
}
