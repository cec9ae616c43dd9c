/**
 * One connection of the model server: its handshake, and the way into the transmission.
 *
 * @module
 */

import {
  BASE_ALLOCATION,
  concat,
  GREETING_MAGIC,
  HandshakeFlag,
  InfoType,
  Option,
  OPTION_HEADER_BYTES,
  OPTION_MAGIC,
  OPTION_REPLY_MAGIC,
  OptionReplyType,
  PORTABLE_MAX_BYTES,
  RESERVED_ZEROES,
  TransmissionFlag,
  u16,
  u32,
  u64,
  utf8,
} from "../protocol.ts";
import { ReceiveBuffer } from "../receive_buffer.ts";
import type { Fault } from "./faults.ts";
import { transmit } from "./transmission.ts";

const MAX_OPTIONS = 1000;
const MAX_OPTION_BYTES = 64 * 1024;
const { Ack, Server, Info, MetaContext, ErrInvalid, ErrUnknown, ErrUnsup } = OptionReplyType;

/** The export, and what is wrong with its server. */
export interface ModelExport {
  readonly disk: Uint8Array;
  readonly exportName: string;
  readonly sectorSize: number;
  readonly readOnly: boolean;
  readonly fault: Fault | null;
}

/** Serves one client. */
export class ModelConnection {
  readonly export: ModelExport;
  readonly received = new ReceiveBuffer();
  structured = false;
  selected = false;
  readonly #connection: Deno.UnixConn;
  readonly #chunk = new Uint8Array(64 * 1024);

  constructor(connection: Deno.UnixConn, served: ModelExport) {
    this.#connection = connection;
    this.export = served;
  }

  /** Whether this is the server's mistake. */
  has(fault: Fault): boolean {
    return this.export.fault === fault;
  }

  /** Sends all of the bytes. */
  async send(...parts: readonly Uint8Array[]): Promise<void> {
    const bytes = concat(...parts);
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
  }

  /** Waits until so many bytes have come. Returns false if they never will. */
  async needs(length: number): Promise<boolean> {
    while (this.received.length < length) {
      const count = await this.#connection.read(this.#chunk);
      if (count === null) return false;
      this.received.append(this.#chunk.subarray(0, count));
    }
    return true;
  }

  /** Serves until the client leaves, or must. */
  async serve(): Promise<void> {
    const { FixedNewstyle, NoZeroes } = HandshakeFlag;
    const extra = this.has("greets with a flag too many") ? 4 : 0;
    await this.send(u64(GREETING_MAGIC), u64(OPTION_MAGIC), u16(FixedNewstyle | NoZeroes | extra));
    if (!await this.needs(4)) return;
    const flags = this.received.u32(0);
    this.received.skip(4);
    if (flags > 3 && !this.has("takes flags of clients that it does not know")) return;
    const maxOptions = this.has("takes any number of options") ? Infinity : MAX_OPTIONS;
    for (let count = 0; count < maxOptions; count++) {
      if (!await this.needs(OPTION_HEADER_BYTES) || this.received.u64(0) !== OPTION_MAGIC) return;
      const [option, length] = [this.received.u32(8), this.received.u32(12)];
      this.received.skip(OPTION_HEADER_BYTES);
      if (length > MAX_OPTION_BYTES || !await this.needs(length)) return;
      const skips = option <= Option.SetMetaContext ||
        !this.has("does not skip the data of options that it does not know");
      const outcome = await this.#option(option, this.received.take(skips ? length : 0), (flags & NoZeroes) === 0);
      if (outcome === "transmission") return await transmit(this);
      if (outcome === "over") return;
    }
  }

  async #option(option: number, data: Uint8Array, zeroes: boolean): Promise<"on" | "over" | "transmission"> {
    const reply = async (type: number, ...parts: readonly Uint8Array[]): Promise<"on"> => {
      const payload = concat(
        ...parts,
        type === Ack && this.has("acknowledges with some data") ? u32(0) : u32(0).subarray(4),
      );
      await this.send(u64(OPTION_REPLY_MAGIC), u32(option), u32(type), u32(payload.length), payload);
      return "on";
    };
    const { exportName } = this.export;
    switch (option) {
      case Option.ExportName:
        if (!this.#knows(new TextDecoder().decode(data))) return "over";
        await this.send(this.#sizeAndFlags(), new Uint8Array(this.#sendsZeroes(zeroes) ? RESERVED_ZEROES : 0));
        return "transmission";
      case Option.Abort:
        await reply(Ack);
        return "over";
      case Option.List:
        if (data.length > 0) return await reply(ErrInvalid);
        if (!this.has("lists nothing")) await reply(Server, u32(exportName.length), utf8(exportName));
        return await reply(Ack);
      case Option.StructuredReply:
        if (data.length > 0) return await reply(ErrInvalid);
        this.structured = true;
        return await reply(Ack);
      case Option.Info:
      case Option.Go: {
        const name = this.#nameOfInfo(data);
        if (name === null) return await reply(ErrInvalid);
        if (!this.#knows(name)) return await reply(ErrUnknown, utf8("there is no such export"));
        const minimum = this.export.sectorSize * (this.has("tells another block size") ? 2 : 1);
        await reply(Info, u16(InfoType.Export), this.#sizeAndFlags());
        await reply(Info, u16(InfoType.Name), utf8(exportName));
        await reply(Info, u16(InfoType.BlockSize), u32(minimum), u32(4096), u32(PORTABLE_MAX_BYTES));
        await reply(Ack);
        return option === Option.Go ? "transmission" : "on";
      }
      case Option.ListMetaContext:
      case Option.SetMetaContext: {
        const setting = option === Option.SetMetaContext;
        if (setting && !this.has("keeps the contexts of a question before")) this.selected = false;
        const asked = contextQuestion(data);
        if (asked === null || !this.structured) return await reply(ErrInvalid);
        if (!this.#knows(asked.name)) return await reply(ErrUnknown);
        const wildcard = !setting || this.has("selects contexts by a wildcard");
        const all = !setting && asked.queries.length === 0;
        if (all || asked.queries.includes(BASE_ALLOCATION) || wildcard && asked.queries.includes("base:")) {
          if (setting) this.selected = true;
          await reply(MetaContext, u32(setting ? 1 : 0), utf8(BASE_ALLOCATION));
        }
        return await reply(Ack);
      }
      default:
        return await reply(ErrUnsup);
    }
  }

  #knows(name: string): boolean {
    return name === "" || name === this.export.exportName || this.has("takes any export's name");
  }

  #sendsZeroes(wanted: boolean): boolean {
    if (this.has("sends the reserved zeroes in any case")) return true;
    return wanted && !this.has("leaves out the reserved zeroes in any case");
  }

  #sizeAndFlags(): Uint8Array {
    const { HasFlags, ReadOnly, SendFlush, SendFua, SendTrim, SendWriteZeroes, SendDf, CanMultiConn } =
      TransmissionFlag;
    const usual = HasFlags | SendFlush | SendFua | SendTrim | SendWriteZeroes | CanMultiConn;
    const flags = usual | (this.export.readOnly ? ReadOnly : 0) | (this.structured ? SendDf : 0);
    return concat(u64(this.export.disk.length), u16(flags));
  }

  #nameOfInfo(data: Uint8Array): string | null {
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    const nameBytes = data.length < 6 ? Infinity : view.getUint32(0);
    if (nameBytes > data.length - 6) return null;
    const expected = 6 + nameBytes + 2 * view.getUint16(4 + nameBytes);
    const isRight = data.length === expected || data.length < expected && this.has("takes INFO with an item too few");
    return isRight ? new TextDecoder().decode(data.subarray(4, 4 + nameBytes)) : null;
  }
}

/** A question for metadata contexts; null if its lengths do not fit together. */
function contextQuestion(data: Uint8Array): { readonly name: string; readonly queries: readonly string[] } | null {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  let at = 0;
  const text = (): string => {
    const length = view.getUint32(at);
    if (at + 4 + length > data.length) throw new RangeError("a text is longer than the data");
    at += 4 + length;
    return new TextDecoder().decode(data.subarray(at - length, at));
  };
  try {
    const name = text();
    const queries: string[] = [];
    const count = view.getUint32(at);
    at += 4;
    while (queries.length < count) queries.push(text());
    return at === data.length ? { name, queries } : null;
  } catch {
    return null; // A field lies outside of the data.
  }
}
