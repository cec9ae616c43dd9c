/**
 * Busy neighbours: threads that do nothing but compute, so that the domains have to share their cores as they would with
 * other programs. They are workers of the machine's process and end with it, however that ends; none of what they use is
 * counted to a domain.
 *
 * @module
 */

import { allocateEventPage, EventPage } from "./event_channel.ts";
import { DomainError } from "./errors.ts";
import { SharedMemory } from "./memory.ts";

/** One neighbour. */
export interface NeighbourPlan {
  /** The cores that it is confined to; empty for all. */
  readonly cpus: readonly number[];
  /** For which share of the time it wants a core: above 0, up to 1. */
  readonly duty: number;
}

/** What a neighbour is handed. */
export interface NeighbourBoot extends NeighbourPlan {
  /** The page on which it sleeps. */
  readonly events: SharedArrayBuffer;
  /** A frame of which a word says what all are to do, and a double of each what CPU time it has used. */
  readonly shared: SharedArrayBuffer;
  /** Which of the neighbours it is, from 0. */
  readonly index: number;
}

/** What a neighbour says once it is ready. */
export interface NeighbourReady {
  /** The cores that it is confined to; null where it is not, or that cannot be known. */
  readonly confinedTo: readonly number[] | null;
}

/** What all neighbours are to do: the first word of the shared frame. */
export const NeighbourCommand = { Wait: 0, Compute: 1, Stop: 2 } as const;

/** What the neighbours of a machine used in its measured window. */
export interface NeighbourUsage {
  /** CPU time of all of them over the window, in cores; null where it cannot be known. */
  readonly cpuCores: number | null;
  /** The cores that they were confined to; null where one was not. */
  readonly confinedTo: readonly number[] | null;
}

/** Where a neighbour's CPU time is among the doubles of the shared frame. */
export function cpuTimeIndex(neighbour: number): number {
  return 8 + neighbour;
}

/** The neighbours of one machine. */
export class Neighbours {
  /** The cores that they are confined to; null where one is not. */
  readonly confinedTo: readonly number[] | null;
  readonly #workers: readonly Worker[];
  readonly #events: EventPage;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #cpuNs: Float64Array<SharedArrayBuffer>;

  private constructor(workers: readonly Worker[], shared: Shared, ready: readonly NeighbourReady[]) {
    this.#workers = workers;
    this.#events = new EventPage(shared.events);
    this.#words = shared.words;
    this.#cpuNs = new Float64Array(this.#words.buffer, this.#words.byteOffset, this.#words.length / 2);
    const lists = ready.map(({ confinedTo }) => confinedTo);
    this.confinedTo = lists.includes(null) ? null : [...new Set((lists as number[][]).flat())].sort((a, b) => a - b);
  }

  /**
   * Starts them. They wait until they are told to compute.
   *
   * @param failed told when one ends by an error later
   * @throws {DomainError} when one cannot be started
   */
  static async start(plans: readonly NeighbourPlan[], failed: (reason: DomainError) => void): Promise<Neighbours> {
    const memory = SharedMemory.allocate(1);
    const shared: Shared = { events: allocateEventPage(), words: memory.frameWords(0, 1) };
    const workers: Worker[] = [];
    const starting = Promise.all(plans.map((plan, index) => {
      const { promise, resolve, reject } = Promise.withResolvers<NeighbourReady>();
      const worker = new Worker(import.meta.resolve("./neighbour_worker.ts"), {
        type: "module",
        name: `neighbour-${index}`,
      });
      workers.push(worker);
      worker.onmessage = ({ data }: MessageEvent<NeighbourReady>) => resolve(data);
      worker.onerror = (event) => {
        event.preventDefault();
        const reason = new DomainError(`The neighbour ${index} failed: ${event.message}`);
        reject(reason);
        failed(reason);
      };
      const boot: NeighbourBoot = { ...plan, events: shared.events.buffer, shared: memory.buffer, index };
      worker.postMessage(boot);
      return promise;
    }));
    try {
      return new Neighbours(workers, shared, await starting);
    } catch (thrown) {
      new Neighbours(workers, shared, []).stop();
      throw thrown;
    }
  }

  /** Lets them compute. */
  compute(): void {
    this.#command(NeighbourCommand.Compute);
  }

  /** CPU time that they have used since they began, in nanoseconds, to a millisecond; NaN where it cannot be known. */
  cpuNs(): number {
    return this.#workers.reduce((sum, _, index) => sum + this.#cpuNs[cpuTimeIndex(index)], 0);
  }

  /** Ends them. */
  stop(): void {
    this.#command(NeighbourCommand.Stop);
    for (const worker of this.#workers) worker.terminate();
  }

  #command(command: number): void {
    Atomics.store(this.#words, 0, command);
    this.#events.wake();
  }
}

interface Shared {
  readonly events: SharedMemory;
  readonly words: Int32Array<SharedArrayBuffer>;
}
