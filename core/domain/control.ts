/**
 * The words in shared memory through which the hypervisor commands a running domain, and by which a domain shows that
 * it lives. A domain that spins never gets to read a message.
 *
 * @module
 */

import type { EventPage } from "../event_channel.ts";
import { SharedMemory } from "../memory.ts";

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

const COMMAND = 0;
// On a cache line of its own: the domain writes it all the time.
const HEARTBEAT = 16;

/** The words between the hypervisor and one domain. */
export class DomainControl {
  /** The words' region: one frame that only the hypervisor and the domain have. */
  readonly memory: SharedMemory;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #events: EventPage;

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

  /** One of {@link Command}'s values. */
  get command(): number {
    return Atomics.load(this.#words, COMMAND);
  }

  /**
   * The same by a plain load, for the hot path: it may be late, but in a loop that has atomic accesses it is read anew
   * at every turn.
   */
  peekCommand(): number {
    return this.#words[COMMAND];
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

  /** The domain's side: shows that it lives. On the hot path, so a plain store: nothing is ordered by it. */
  beat(): void {
    this.#words[HEARTBEAT] = (this.#words[HEARTBEAT] + 1) | 0;
  }

  /** Whether to give up whatever is being waited for. Shows a sign of life, as who asks is alive. */
  stopRequested(): boolean {
    this.beat();
    return this.command === Command.Stop;
  }
}
