/**
 * A session as a right server would see it: the model reads both streams, byte for byte what was sent and what came,
 * and knows what is owed to whom.
 *
 * @module
 */

import { exportOf, type OptionReply, takeOptionReply } from "../option_replies.ts";
import {
  GREETING_BYTES,
  GREETING_MAGIC,
  HandshakeFlag,
  InfoType,
  isOptionError,
  nameOf,
  Option,
  OPTION_HEADER_BYTES,
  OPTION_MAGIC,
  OPTION_REPLY_HEADER_BYTES,
  OptionReplyType,
  RESERVED_ZEROES,
} from "../protocol.ts";
import type { ReceiveBuffer } from "../receive_buffer.ts";
import { demand } from "../wire.ts";
import { EVERY_SERVER_TAKES_BYTES, judgeName, judgeOption, nameIn, type Verdict } from "./judge.ts";
import { SentStream } from "./sent_stream.ts";
import type { Target } from "./session.ts";
import { TransmissionModel } from "./transmission_model.ts";

/** More than so many options may end the connection. Servers differ in how many more. */
const EVERY_SERVER_TAKES_OPTIONS = 30;

/** What the model waits for: bytes of the client, or of the server. */
interface Need {
  readonly side: "client" | "server";
  readonly bytes: number;
  readonly what: string;
}

/** Follows one session. */
export class SessionModel {
  /** The transmission, once it was entered. */
  transmission: TransmissionModel | null = null;
  readonly #target: Target;
  readonly #sent = new SentStream();
  readonly #received: ReceiveBuffer;
  readonly #handshake: Generator<Need, void>;
  #need: Need | null;
  #tick = 0;
  #over = "";
  #mayEnd = "";
  #ended = false;
  #structured = false;
  #contexts: Verdict = "invalid";
  #contextIds: readonly number[] = [];
  #contextName = "";

  /**
   * @param received where the server's bytes arrive; the model takes them
   */
  constructor(target: Target, received: ReceiveBuffer) {
    this.#target = target;
    this.#received = received;
    this.#handshake = this.#run();
    this.#need = this.#handshake.next().value ?? null;
  }

  /** What the server must still do before the client has any right to leave; null if nothing. */
  get owed(): string | null {
    if (this.#ended) return null;
    if (this.transmission !== null) return this.transmission.owed;
    if (this.#over !== "") return `the connection's end: ${this.#over}`;
    return this.#need?.side === "server" ? this.#need.what : null;
  }

  /** Bytes are about to be sent. */
  sent(bytes: Uint8Array): void {
    this.#sent.send(bytes, ++this.#tick);
    this.#advance();
  }

  /** Bytes have come. */
  hasReceived(): void {
    this.#tick++;
    this.#advance();
  }

  /** The connection has ended, by the client if `byClient`. Throws if the server had no right to end it. */
  end(byClient: boolean): void {
    this.#ended = true;
    if (byClient) return;
    const reason = this.#over + this.#mayEnd;
    if (this.transmission !== null) this.transmission.end(reason);
    else demand(reason !== "", () => `the server ended the connection; awaited was ${this.#need?.what}`);
    if (this.transmission === null && this.#over !== "") {
      demand(this.#received.length === 0, () => `${this.#received.length} bytes came before the end: ${this.#over}`);
    }
  }

  #advance(): void {
    while (this.transmission === null && this.#need !== null) {
      const { side, bytes } = this.#need;
      if ((side === "client" ? this.#sent : this.#received).length < bytes) return;
      this.#need = this.#handshake.next().value ?? null;
    }
    this.transmission?.advance(this.#tick);
  }

  *#run(): Generator<Need, void> {
    yield { side: "server", bytes: GREETING_BYTES, what: "the greeting" };
    const [first, second, offered] = [this.#received.u64(0), this.#received.u64(8), this.#received.u16(16)];
    const known = HandshakeFlag.FixedNewstyle | HandshakeFlag.NoZeroes;
    demand(first === GREETING_MAGIC && second === OPTION_MAGIC && offered === known, "the greeting is wrong");
    this.#received.skip(GREETING_BYTES);
    yield { side: "client", bytes: 4, what: "the client's flags" };
    const flags = this.#sent.u32(0);
    this.#sent.skip(4);
    if (flags > known) return this.#stop("the client's flags");
    for (let count = 1; this.#over === "" && this.transmission === null; count++) {
      if (count > EVERY_SERVER_TAKES_OPTIONS) this.#mayEnd = "there are too many options";
      yield { side: "client", bytes: OPTION_HEADER_BYTES, what: "an option" };
      if (this.#sent.u64(0) !== OPTION_MAGIC) return this.#stop("an option begins with something else");
      const [option, length] = [this.#sent.u32(8), this.#sent.u32(12)];
      this.#sent.skip(OPTION_HEADER_BYTES);
      if (length > EVERY_SERVER_TAKES_BYTES) this.#mayEnd = "an option is too long";
      yield* this.#option(option, length, (flags & HandshakeFlag.NoZeroes) === 0);
    }
  }

  *#option(option: number, length: number, zeroes: boolean): Generator<Need, void> {
    const what = `a reply to the option ${nameOf(Option, option)} of ${length} bytes`;
    yield { side: "client", bytes: length, what: "an option's data" };
    const data = this.#sent.take(length);
    if (option === Option.ExportName) return yield* this.#exportName(data, zeroes);
    if (option === Option.Abort) {
      this.#mayEnd = "ABORT was sent";
      yield { side: "server", bytes: OPTION_REPLY_HEADER_BYTES, what };
      demand(takeOptionReply(this.#received, option)?.type === OptionReplyType.Ack, "ABORT is refused");
      return this.#stop("ABORT was sent");
    }
    const verdict = judgeOption(option, data, this.#target, { structured: this.#structured });
    const replies: OptionReply[] = [];
    for (let bytes = OPTION_REPLY_HEADER_BYTES;;) {
      yield { side: "server", bytes, what };
      const reply = takeOptionReply(this.#received, option);
      bytes = reply === null ? this.#received.length + 1 : OPTION_REPLY_HEADER_BYTES;
      if (reply === null) continue;
      replies.push(reply);
      if (isOptionError(reply.type) || reply.type === OptionReplyType.Ack) break;
    }
    const done = replies.pop()?.type === OptionReplyType.Ack;
    demand(verdict === "either" || done === (verdict === "valid"), `${what} ${done ? "grants" : "refuses"} it`);
    this.#conclude(option, data, done, replies);
  }

  /** What an option has come to. */
  #conclude(option: number, data: Uint8Array, done: boolean, replies: readonly OptionReply[]): void {
    const name = new TextDecoder().decode(nameIn(data) ?? new Uint8Array());
    if (option === Option.StructuredReply && done) this.#structured = true;
    if (option === Option.SetMetaContext) {
      const told = replies.flatMap(({ context }) => context === undefined ? [] : [context.id]);
      // At a question that is refused, some servers keep the former ones, or those that they have told already.
      this.#contextIds = [...new Set(done ? told : [...this.#contextIds, ...told])];
      this.#contexts = this.#contextIds.length === 0 ? "invalid" : done ? "valid" : "either";
      this.#contextName = name;
    }
    if (option !== Option.Go || !done) return;
    // Who asks for an item twice may be told twice.
    const { sizeBytes, flags } = exportOf(replies.filter(({ item }) => item === InfoType.Export).slice(0, 1));
    this.#enter(name, sizeBytes, flags);
  }

  *#exportName(data: Uint8Array, zeroes: boolean): Generator<Need, void> {
    const verdict = judgeName(data, this.#target);
    if (verdict === "invalid") return this.#stop("there is no such export");
    if (verdict === "either") this.#mayEnd = "the export's name is strange";
    const bytes = 10 + (zeroes ? RESERVED_ZEROES : 0);
    yield { side: "server", bytes, what: "the export's size and flags" };
    const [sizeBytes, flags] = [Number(this.#received.u64(0)), this.#received.u16(8)];
    this.#received.skip(bytes);
    this.#enter(new TextDecoder().decode(data), sizeBytes, flags);
  }

  #enter(name: string, sizeBytes: number, flags: number): void {
    demand(sizeBytes === this.#target.sizeBytes, `the export has ${sizeBytes} bytes`);
    // Selected under one name, a server need not offer them under the other.
    if (this.#contexts === "valid" && name !== this.#contextName) this.#contexts = "either";
    const [target, structured, contexts] = [this.#target, this.#structured, this.#contexts];
    const state = { target, flags, structured, contexts };
    this.transmission = new TransmissionModel(state, this.#contextIds, this.#sent, this.#received);
  }

  #stop(reason: string): void {
    this.#over = reason;
  }
}
