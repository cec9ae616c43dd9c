/**
 * A client that sends whatever a test wants, step by step, and reads strictly: any malformed byte of the server's fails
 * the test, any silence does so after a generous time.
 *
 * @module
 */

import {
  BASE_ALLOCATION,
  Command,
  encodeContextData,
  encodeInfoData,
  encodeOption,
  encodeRequest,
  GREETING_MAGIC,
  HandshakeFlag,
  InfoType,
  isOptionError,
  nameOf,
  NbdError,
  Option,
  OPTION_MAGIC,
  OptionReplyType,
  type RequestHeader,
  RESERVED_ZEROES,
  u32,
  utf8,
} from "./protocol.ts";
import { type Export, exportOf, type OptionReply, takeOptionReply } from "./option_replies.ts";
import { type Agreement, describeRequest, type Reply, ReplyReader } from "./replies.ts";
import { ConnectionEnded, demand, Wire } from "./wire.ts";

/** How a client shakes hands. */
export interface ConnectOptions {
  /** The export's name; the server's own when absent. */
  readonly exportName?: string;
  /** Whether to ask for structured replies; true when absent. */
  readonly structured?: boolean;
  /** Metadata contexts to ask for, if replies are structured; `base:allocation` when absent. */
  readonly contexts?: readonly string[];
}

/** A request: zero where nothing is said, and the next cookie. */
export interface Request extends Partial<Omit<RequestHeader, "offset" | "command">> {
  readonly command: number;
  readonly offset?: number | bigint;
  /** What follows the header; its length is the request's, unless that is given. */
  readonly payload?: Uint8Array;
}

/** What a test needs to know to connect. */
export interface Address {
  /** The server's Unix socket. */
  readonly path: string;
  readonly exportName: string;
}

/** The client's flags that today's clients send. */
const USUAL_FLAGS = HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes;

/** A connection to an NBD server, at any step of the protocol. */
export class NbdClient implements Disposable {
  readonly wire: Wire;
  /** What the server has told of the export; known after the handshake. */
  export: Export = { sizeBytes: 0, flags: 0 };
  #replies: ReplyReader;
  #contexts: readonly number[] = [];
  #structured = false;
  #nextCookie = 1n;

  constructor(wire: Wire) {
    this.wire = wire;
    this.#replies = this.#reader();
  }

  /** Connects and shakes hands as today's clients do. */
  static async connect(address: Address, options: ConnectOptions = {}): Promise<NbdClient> {
    const { exportName = address.exportName, structured = true, contexts = [BASE_ALLOCATION] } = options;
    const client = await NbdClient.greeted(address);
    try {
      if (structured) await client.acknowledged(Option.StructuredReply);
      if (structured && contexts.length > 0) await client.selectContexts(exportName, contexts);
      await client.go(exportName, [InfoType.Export, InfoType.BlockSize]);
      return client;
    } catch (thrown) {
      client.close();
      throw thrown;
    }
  }

  /** Connects, checks the greeting and answers it. */
  static async greeted(address: Address, flags: number = USUAL_FLAGS): Promise<NbdClient> {
    const client = new NbdClient(await Wire.connect(address.path));
    try {
      await client.readGreeting();
      await client.wire.write(u32(flags));
      return client;
    } catch (thrown) {
      client.close();
      throw thrown;
    }
  }

  /** How many requests have no complete reply yet. */
  get inFlight(): number {
    return this.#replies.inFlight;
  }

  /** Checks the server's first bytes, and returns its flags. */
  async readGreeting(): Promise<number> {
    const view = new DataView((await this.wire.read(18, "the greeting")).buffer);
    demand(view.getBigUint64(0) === GREETING_MAGIC, "the greeting does not begin with NBDMAGIC");
    demand(view.getBigUint64(8) === OPTION_MAGIC, "the greeting is not of the newstyle");
    return view.getUint16(16);
  }

  /** Sends an option and reads all replies to it; the last is an acknowledgement or an error. */
  async option(option: number, data?: Uint8Array): Promise<OptionReply[]> {
    await this.wire.write(encodeOption(option, data));
    return await this.optionReplies(option);
  }

  /** Reads all replies to an option that was sent. */
  async optionReplies(option: number): Promise<OptionReply[]> {
    const replies: OptionReply[] = [];
    for (;;) {
      const reply = takeOptionReply(this.wire.received, option);
      if (reply === null) {
        await this.wire.fill(`a reply to the option ${nameOf(Option, option)}`);
        continue;
      }
      replies.push(reply);
      if (reply.type === OptionReplyType.Ack || isOptionError(reply.type)) break;
    }
    const ok = replies[replies.length - 1].type === OptionReplyType.Ack;
    if (option === Option.StructuredReply && ok) this.#structured = true;
    if (option === Option.SetMetaContext) {
      this.#contexts = ok ? replies.flatMap(({ context }) => context === undefined ? [] : [context.id]) : [];
      demand(new Set(this.#contexts).size === this.#contexts.length, "two contexts have one id");
    }
    return replies;
  }

  /** Sends an option that must be acknowledged, and returns the replies before that. */
  async acknowledged(option: number, data?: Uint8Array): Promise<OptionReply[]> {
    const replies = await this.option(option, data);
    const last = replies.pop() as OptionReply;
    const what = `${nameOf(Option, option)} is answered by ${nameOf(OptionReplyType, last.type)}: ${last.text ?? ""}`;
    demand(last.type === OptionReplyType.Ack, what);
    return replies;
  }

  /** Sends an option that must be refused, and returns the error. */
  async refused(option: number, data?: Uint8Array): Promise<number> {
    const replies = await this.option(option, data);
    const last = replies[replies.length - 1];
    demand(isOptionError(last.type), `${nameOf(Option, option)} is not refused`);
    return last.type;
  }

  /** Selects metadata contexts, and returns their names. */
  async selectContexts(exportName: string, queries: readonly string[]): Promise<string[]> {
    const replies = await this.acknowledged(Option.SetMetaContext, encodeContextData(exportName, queries));
    return replies.map(({ context }) => context?.name ?? "");
  }

  /** Enters the transmission by GO. */
  async go(exportName: string, items: readonly number[] = []): Promise<OptionReply[]> {
    const replies = await this.acknowledged(Option.Go, encodeInfoData(exportName, items));
    this.begin(exportOf(replies));
    return replies;
  }

  /** Enters the transmission by EXPORT_NAME. */
  async exportName(exportName: string, { zeroes = false }: { readonly zeroes?: boolean } = {}): Promise<void> {
    await this.wire.write(encodeOption(Option.ExportName, utf8(exportName)));
    const view = new DataView((await this.wire.read(10, "the export's size and flags")).buffer);
    if (zeroes) {
      const reserved = await this.wire.read(RESERVED_ZEROES, "the reserved zeroes");
      demand(reserved.every((byte) => byte === 0), "the reserved bytes are not zeroes");
    }
    this.begin({ sizeBytes: Number(view.getBigUint64(0)), flags: view.getUint16(8) });
  }

  /** The handshake is over: what comes is replies. */
  begin(info: Export): void {
    this.export = info;
    this.#replies = this.#reader();
  }

  /** Sends a request, and returns its cookie. With `reads`, what comes meanwhile is kept for later. */
  async send(request: Request, { reads = false }: { readonly reads?: boolean } = {}): Promise<bigint> {
    const header = this.announce(request);
    const what = `the server to take ${describeRequest(header)}`;
    await this.wire.write(encodeRequest(header), what, reads);
    if (request.payload) await this.wire.write(request.payload, what, reads);
    return header.cookie;
  }

  /** Makes a request's header, whose reply may come from now on. A DISC has none. */
  announce({ command, flags = 0, cookie = this.#nextCookie++, offset = 0, length, payload }: Request): RequestHeader {
    const header = { command, flags, cookie, offset: BigInt(offset), length: length ?? payload?.length ?? 0 };
    if (command !== Command.Disconnect) this.#replies.expect(header);
    return header;
  }

  /** The next complete reply, to whichever request. */
  async receive(): Promise<Reply> {
    for (;;) {
      const reply = this.#replies.next();
      if (reply !== null) return reply;
      await this.wire.fill(`a reply: ${this.#replies.inFlight} requests are in flight`);
    }
  }

  /** Sends a request and waits for its reply; no other is in flight. */
  async request(request: Request): Promise<Reply> {
    const cookie = await this.send(request);
    const reply = await this.receive();
    demand(reply.request.cookie === cookie, "a reply to a request that is not in flight");
    return reply;
  }

  /** Sends many requests while their replies are read, and returns these in the order in which they came. */
  async requestAll(requests: readonly Request[]): Promise<Reply[]> {
    const sending = (async (): Promise<void> => {
      for (const request of requests) await this.send(request);
    })();
    const replies: Reply[] = [];
    const receiving = (async (): Promise<void> => {
      while (replies.length < requests.length) replies.push(await this.receive());
    })();
    await Promise.all([sending, receiving]);
    return replies;
  }

  /** Runs a request that must succeed. */
  async done(request: Request): Promise<Reply> {
    const reply = await this.request(request);
    const what = `${describeRequest(reply.request)} fails: ${nameOf(NbdError, reply.error)}`;
    demand(reply.error === NbdError.None, what);
    return reply;
  }

  /** Reads, in as many requests as `pieceBytes` asks for. */
  async read(offset: number, length: number, pieceBytes = 4 << 20): Promise<Uint8Array> {
    if (length <= pieceBytes) return (await this.done({ command: Command.Read, offset, length })).data;
    const all = new Uint8Array(length);
    for (let at = 0; at < length; at += pieceBytes) {
      all.set(await this.read(offset + at, Math.min(pieceBytes, length - at), pieceBytes), at);
    }
    return all;
  }

  /** Writes in one request. */
  async write(offset: number, payload: Uint8Array, flags = 0): Promise<void> {
    await this.done({ command: Command.Write, offset, payload, flags });
  }

  /** Says goodbye, and waits until the server has ended the connection. */
  async disconnect(): Promise<void> {
    await this.send({ command: Command.Disconnect });
    await this.wire.ended("DISC was sent");
    this.close();
  }

  /** Ends the connection at once. */
  close(): void {
    this.wire.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #reader(): ReplyReader {
    const agreement: Agreement = {
      structured: this.#structured,
      contexts: this.#contexts,
      sizeBytes: this.export.sizeBytes,
      minimumBlockSize: this.export.blockSize?.minimum ?? 1,
    };
    return new ReplyReader(agreement, this.wire.received);
  }
}

export { ConnectionEnded };
