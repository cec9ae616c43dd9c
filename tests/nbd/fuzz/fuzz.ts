/**
 * A fuzzer of NBD servers that knows what may come of what it sends: a model reads the changed messages as a right
 * server would, and says which bytes of the export may have become what; all others must be as they were.
 *
 * @module
 */

import { NbdClient } from "../client.ts";
import { Command } from "../protocol.ts";
import type { NbdServerUnderTest } from "../server.ts";
import { assertBytes, livesOn, settledDescriptors } from "../suite/support.ts";
import { until } from "../until.ts";
import { changedRanges, checkRange, checkReads, type Operation } from "./effects.ts";
import { mutate } from "./mutate.ts";
import { type Leaving, play, type Played } from "./play.ts";
import { Random } from "../../helpers/random.ts";
import { validSession } from "./session.ts";

/** How much is read after each session, to see that nothing else has changed. Larger exports are read less often. */
const READ_EACH_TIME_BYTES = 1 << 20;
/** After so many sessions, a new client must be served as the first was. */
const PROBE_EVERY = 16;

/** Which sessions are played. */
export interface FuzzOptions {
  readonly seed: number;
  readonly sessions: number;
  /** The first one's number; 0 when absent. A session is the same whichever come before. */
  readonly first?: number;
  /** Ends it between two sessions, with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Is told how many sessions are over, from time to time. */
  readonly progress?: (sessions: number) => void;
}

/** What was done, so that somebody can see that it was something. */
export interface FuzzReport {
  sessions: number;
  /** Sessions that came as far as requests. */
  transmissions: number;
  requests: number;
  /** Requests that were answered without an error, and those with one. */
  done: number;
  refused: number;
  /** Sessions that ended in the midst of something, without an answer being waited for. */
  abandoned: number;
}

/**
 * Plays sessions, one after another. The server must be alone with the fuzzer, and its export not much larger than
 * a MiB if the fuzzer is to be fast.
 *
 * @throws at the first session that a right server would have answered otherwise: how to play it again, alone
 */
export async function fuzz(server: NbdServerUnderTest, options: FuzzOptions): Promise<FuzzReport> {
  const { seed, sessions, first = 0, progress, signal } = options;
  const report: FuzzReport = { sessions: 0, transmissions: 0, requests: 0, done: 0, refused: 0, abandoned: 0 };
  using observer = await Observer.create(server);
  for (let session = first; session < first + sessions; session++) {
    signal?.throwIfAborted();
    const random = new Random(seed, session);
    const messages = validSession(random, server);
    const mutations = mutate(random, messages, server);
    let played: Played | null = null;
    try {
      played = await play(random, messages, server, observer.leavings);
      await observer.check(played.operations, session);
    } catch (thrown) {
      const how = played === null ? "" : `, sent ${played.pace}, left ${played.leaving}`;
      const what = `session ${session} of seed ${seed} (${mutations.join(", ") || "unchanged"}${how})`;
      const again = `To play it alone: fuzz_main.ts --seed=${seed} --first=${session} --sessions=1`;
      throw new Error(`${what}: ${(thrown as Error).message}\n${again}`, { cause: thrown });
    }
    count(report, played);
    if (report.sessions % 1000 === 0) progress?.(report.sessions);
  }
  await observer.finish();
  return report;
}

function count(report: FuzzReport, { operations, transmission, leaving }: Played): void {
  report.sessions++;
  if (transmission) report.transmissions++;
  if (leaving !== "patient") report.abandoned++;
  report.requests += operations.length;
  for (const { error } of operations) {
    if (error === 0) report.done++;
    else if (error !== null) report.refused++;
  }
}

/** Watches the export over a connection of its own, and knows what it must hold. */
class Observer implements Disposable {
  readonly #server: NbdServerUnderTest;
  readonly #client: NbdClient;
  readonly #disk: Uint8Array;
  readonly #descriptors: number;
  readonly #wholeEvery: number;

  private constructor(server: NbdServerUnderTest, client: NbdClient, disk: Uint8Array, descriptors: number) {
    this.#server = server;
    this.#client = client;
    this.#disk = disk;
    this.#descriptors = descriptors;
    this.#wholeEvery = Math.ceil(server.sizeBytes / READ_EACH_TIME_BYTES);
  }

  static async create(server: NbdServerUnderTest): Promise<Observer> {
    const client = await NbdClient.connect(server);
    try {
      const disk = await client.read(0, server.sizeBytes);
      // The first connections may open what stays open. This one is seen to end.
      await livesOn(server);
      return new Observer(server, client, disk, await settledDescriptors(server));
    } catch (thrown) {
      client.close();
      throw thrown;
    }
  }

  /** How clients may leave: without a word only if somebody can tell when the server has noticed. */
  get leavings(): readonly Leaving[] {
    const usual = ["patient", "patient", "patient", "half-closed"] as const;
    return this.#server.openDescriptors === undefined ? usual : [...usual, "gone"];
  }

  /** Checks what a session that is over has read and left. */
  async check(operations: readonly Operation[], session: number): Promise<void> {
    await this.#untilClosed();
    checkReads(this.#disk, operations);
    const { sectorSize } = this.#server;
    for (const [first, last] of changedRanges(operations)) {
      // A payload can end anywhere; what is read cannot.
      const [start, end] = [first - first % sectorSize, Math.ceil(last / sectorSize) * sectorSize];
      const found = await this.#client.read(start, end - start);
      checkRange(this.#disk, operations, found, start);
      this.#disk.set(found, start);
    }
    if (session % this.#wholeEvery === 0) await this.#checkAll();
    if (session % PROBE_EVERY === 0) await this.#probe();
  }

  /** Checks what must hold at last. */
  async finish(): Promise<void> {
    await this.#checkAll();
    await this.#probe();
    await this.#untilClosed();
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  async #checkAll(): Promise<void> {
    assertBytes(await this.#client.read(0, this.#disk.length), this.#disk, "what no request has touched");
  }

  /** A new client is served. */
  async #probe(): Promise<void> {
    using client = await NbdClient.connect(this.#server);
    const length = Math.min(this.#disk.length, READ_EACH_TIME_BYTES);
    assertBytes(await client.read(0, length), this.#disk.subarray(0, length), "what a new client reads");
    await client.done({ command: Command.Flush });
    await client.disconnect();
    await this.#untilClosed();
  }

  async #untilClosed(): Promise<void> {
    const isClosed = (): boolean => (this.#server.openDescriptors?.() ?? 0) <= this.#descriptors;
    await until(isClosed, `no more than ${this.#descriptors} open descriptors`);
  }
}
