/**
 * Plays a session against a server: sends it in pieces, with pauses, while what comes is read and followed.
 *
 * @module
 */

import { concat } from "../protocol.ts";
import { Wire } from "../wire.ts";
import type { Operation } from "./effects.ts";
import type { Random } from "../../helpers/random.ts";
import type { Message, Target } from "./session.ts";
import { SessionModel } from "./session_model.ts";

/** How a client sends its messages. */
type Pace = "at once" | "one by one" | "in pieces" | "byte by byte";
/** How it leaves: when all is answered, before that but listening, or without a word. */
export type Leaving = "patient" | "half-closed" | "gone";

/** Longer sessions are not sent byte by byte. */
const MAX_SINGLE_BYTES = 400;

/** What a session has come to. */
export interface Played {
  readonly pace: Pace;
  readonly leaving: Leaving;
  /** What the server has been asked, as far as the transmission was entered. */
  readonly operations: readonly Operation[];
  readonly transmission: boolean;
}

/** Plays messages. Throws at anything that a right server would not do. */
export async function play(
  random: Random,
  messages: readonly Message[],
  address: { readonly path: string } & Target,
  leavings: readonly Leaving[],
): Promise<Played> {
  const pace = random.pick<Pace>([
    "at once",
    "at once",
    "one by one",
    "one by one",
    "in pieces",
    "in pieces",
    "byte by byte",
  ]);
  const leaving = random.pick(leavings);
  using wire = await Wire.connect(address.path);
  const model = new SessionModel(address, wire.received);
  const reading = new Reading(wire, model);
  for (const chunk of chunks(random, messages, pace)) {
    model.sent(chunk);
    if (!await reading.sends(chunk)) break;
    // Whoever waits between messages knows which came before which.
    if (pace === "one by one" || pace === "in pieces" && random.chance(0.2)) await reading.untilNothingIsOwed();
    else if (random.chance(0.1)) await new Promise((resolve) => setTimeout(resolve, 0));
  }
  if (leaving === "patient") await reading.untilNothingIsOwed();
  // Without the answers to its options, nobody can tell what the rest of a session means.
  await reading.untilHandshakeIsOver();
  if (leaving === "gone") reading.leave();
  else await reading.closeWrite();
  await reading.untilEnd();
  const { transmission } = model;
  return { pace, leaving, operations: transmission?.operations ?? [], transmission: transmission !== null };
}

function chunks(random: Random, messages: readonly Message[], pace: Pace): Uint8Array[] {
  if (pace === "one by one") return messages.map(({ bytes }) => bytes).filter(({ length }) => length > 0);
  const all = concat(...messages.map(({ bytes }) => bytes));
  if (pace === "at once" || pace === "byte by byte" && all.length > MAX_SINGLE_BYTES) return [all];
  const pieces: Uint8Array[] = [];
  const sizes = pace === "byte by byte" ? [1] : [1, 3, 16, 28, 100, 512, 5000, 50_000];
  for (let at = 0; at < all.length;) {
    const length = random.pick(sizes);
    pieces.push(all.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

/** The reading half of a session, which goes on all the time. */
class Reading {
  readonly #wire: Wire;
  readonly #model: SessionModel;
  readonly #done: Promise<void>;
  #failure: unknown = null;
  #hasEnded = false;
  /** Whether the client has said that it sends no more, or has left. */
  #hasLeft = false;
  #wake: () => void = () => {};

  constructor(wire: Wire, model: SessionModel) {
    this.#wire = wire;
    this.#model = model;
    this.#done = this.#read();
  }

  /** Sends bytes. Returns false if the server takes no more. */
  async sends(bytes: Uint8Array): Promise<boolean> {
    if (this.#hasEnded) return false;
    try {
      await this.#wire.write(bytes);
      return true;
    } catch (thrown) {
      if (this.#failure === null && !(thrown instanceof Error && thrown.name === "ConnectionEnded")) throw thrown;
      return false;
    }
  }

  /** Waits until the server has done what it must, or has ended the connection. */
  async untilNothingIsOwed(): Promise<void> {
    await this.#until(() => this.#model.owed === null);
  }

  /** Waits until the server has answered all options, or has ended the connection. */
  async untilHandshakeIsOver(): Promise<void> {
    await this.#until(() => this.#model.owed === null || this.#model.transmission !== null);
  }

  async closeWrite(): Promise<void> {
    this.#hasLeft = true;
    await this.#wire.closeWrite();
  }

  leave(): void {
    this.#hasLeft = true;
    this.#wire.close();
  }

  /** Waits for the connection's end, and throws what was wrong on the way. */
  async untilEnd(): Promise<void> {
    await this.#done;
    if (this.#failure !== null) throw this.#failure;
  }

  async #until(isTrue: () => boolean): Promise<void> {
    while (!this.#hasEnded && !isTrue()) await new Promise<void>((resolve) => this.#wake = resolve);
  }

  async #read(): Promise<void> {
    try {
      while (await this.#wire.fillOrEnd(() => this.#model.owed ?? "the connection's end")) {
        this.#model.hasReceived();
        this.#wake();
      }
      this.#model.end(this.#hasLeft);
    } catch (thrown) {
      this.#failure = thrown;
      this.#wire.close();
    }
    this.#hasEnded = true;
    this.#wake();
  }
}
