/**
 * The words in shared memory through which the hypervisor commands a running domain, and by which a domain shows that
 * it lives. A domain that spins never gets to read a message.
 *
 * @module
 */

import type { EventPage } from "../event_channel.ts";
import { SharedMemory } from "../memory.ts";
import { HypervisorLife } from "./hypervisor_life.ts";

/** What a domain is to do. Each value includes that the ones before it are over. */
export const Command = {
  /** Get ready. */
  Boot: 0,
  /** Work, unmeasured. */
  WarmUp: 1,
  /** Work, measured. */
  Measure: 2,
  /** Finish what is in flight and end. */
  Finish: 3,
  /** End at once. */
  Stop: 4,
} as const;

/** The command, and above its bits the number of the window's piece, so that one look sees both. */
const COMMAND = 0;
const COMMAND_BITS = 8;
const COMMAND_MASK = (1 << COMMAND_BITS) - 1;
// On a cache line of its own: the domain writes it all the time.
const HEARTBEAT = 16;
/** Own beats, less one, between two looks at the hypervisor's: a power of two, less one. An idle thread beats every 100 ms. */
const OWN_BEATS_MASK = 63;
/** How long the call of the device may take that the domain is in, in ms; 0: it is in none that takes long. */
const BLOCKING = 17;
/** On a cache line of its own: the hypervisor writes it. */
const HYPERVISOR_BEAT = 32;
/** For each port, which generation of its link is to be used. */
const GENERATIONS = 64;

/** The command in a word of {@link DomainControl.peekCommandWord}. */
export function commandIn(word: number): number {
  return word & COMMAND_MASK;
}

/** The piece of the measured window in such a word, from 0. */
export function pieceIn(word: number): number {
  return word >>> COMMAND_BITS;
}

/** The words between the hypervisor and one domain. */
export class DomainControl {
  /** The words' region: one frame that only the hypervisor and the domain have. */
  readonly memory: SharedMemory;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #events: EventPage;
  #hypervisorLife: HypervisorLife | null = null;

  /**
   * A view of existing words.
   *
   * @param events the domain's event page, whose bell rings at every command
   */
  constructor(memory: SharedMemory, events: EventPage) {
    this.memory = memory;
    this.#words = memory.frameWords(0, 1);
    this.#events = events;
  }

  /** New words. */
  static allocate(events: EventPage): DomainControl {
    return new DomainControl(SharedMemory.allocate(1), events);
  }

  /**
   * Which generation of a link is to be used, counted from 0. It changes when another driver takes over: then both ends
   * begin anew.
   *
   * @param port the domain's own port of the link
   */
  generation(port: number): number {
    return Atomics.load(this.#words, GENERATIONS + port);
  }

  /** The hypervisor's side: says which generation of a link is to be used. {@link send} or the bell tells the domain. */
  useGeneration(port: number, generation: number): void {
    Atomics.store(this.#words, GENERATIONS + port, generation);
  }

  /** How long the call of a device may take that the domain is in, in ms, by its own word; 0: as long as anything else. */
  get blockingMs(): number {
    return Atomics.load(this.#words, BLOCKING);
  }

  /** The domain's side: it calls its device, which may take so long; 0 when that is over. On the hot path. */
  set blockingMs(ms: number) {
    this.#words[BLOCKING] = ms;
  }

  /** One of {@link Command}'s values. */
  get command(): number {
    return commandIn(Atomics.load(this.#words, COMMAND));
  }

  /**
   * The command together with the piece of the window, by a plain load, for the hot path: {@link commandIn} and
   * {@link pieceIn} tell them apart. It may be late, but in a loop that has atomic accesses it is read anew at every turn.
   */
  peekCommandWord(): number {
    return this.#words[COMMAND];
  }

  /** The hypervisor's side: another piece of the measured window begins. Nobody is woken for it; see `pieces.ts`. */
  beginPiece(piece: number): void {
    if (this.command === Command.Measure) {
      Atomics.store(this.#words, COMMAND, Command.Measure | (piece << COMMAND_BITS));
    }
  }

  /** The hypervisor's side: commands, and wakes the domain to see it. A later command is not taken back by an earlier. */
  send(command: number): void {
    if (command > this.command) Atomics.store(this.#words, COMMAND, command);
    this.#events.wake();
  }

  /** A number that changes as long as the domain lives. */
  get heartbeat(): number {
    return Atomics.load(this.#words, HEARTBEAT);
  }

  /**
   * The domain's side: shows that it lives. On the hot path, so a plain store: nothing is ordered by it.
   *
   * @throws {DomainError} when the hypervisor shows no sign of life any more, if that is watched
   */
  beat(): void {
    const beats = (this.#words[HEARTBEAT] + 1) | 0;
    this.#words[HEARTBEAT] = beats;
    if ((beats & OWN_BEATS_MASK) === 0) this.#hypervisorLife?.check(Atomics.load(this.#words, HYPERVISOR_BEAT));
  }

  /** The hypervisor's side: shows that it lives. */
  showHypervisorLives(): void {
    Atomics.add(this.#words, HYPERVISOR_BEAT, 1);
  }

  /** The domain's side: from now on {@link beat} throws when the hypervisor is gone. */
  watchHypervisor(life: HypervisorLife = new HypervisorLife()): void {
    this.#hypervisorLife = life;
  }

  /** Whether to give up whatever is being waited for. Shows a sign of life, as who asks is alive. */
  stopRequested(): boolean {
    this.beat();
    return this.command === Command.Stop;
  }
}
