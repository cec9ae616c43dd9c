/**
 * The control frame as a hostile domain writes it: states and keys of either side.
 *
 * @module
 */

/** States of one side (`XenbusState…`). */
export const State = {
  Unknown: 0,
  Initialising: 1,
  InitWait: 2,
  Initialised: 3,
  Connected: 4,
  Closing: 5,
  Closed: 6,
  Reconfiguring: 7,
  Reconfigured: 8,
} as const;

/** The frontend's keys: key to word. */
export const FRONTEND_WORDS = {
  "state": 0,
  "ring-page-order": 1,
  "event-channel": 2,
  "feature-persistent": 3,
  "feature-sleep-flag": 4,
  "ring-ref0": 16,
} as const;

/** The backend's keys: key to word. */
export const BACKEND_WORDS = {
  "state": 256,
  "max-ring-page-order": 257,
  "event-channel": 258,
  "feature-persistent": 259,
  "feature-flush-cache": 260,
  "feature-discard": 261,
  "sectors": 262,
  "sectors-high": 263,
  "sector-size": 264,
  "info": 265,
  "feature-max-indirect-segments": 266,
  "feature-write-zeroes": 267,
  "feature-fua": 268,
  "feature-sleep-flag": 269,
} as const;

/** Words that say whether the frontend and the backend sleep. */
export const SLEEP_WORDS = { frontend: 512, backend: 768 } as const;

/** The words of one side, which the other reads. */
export class ControlWords<Own extends string, Peer extends string> {
  /** The control frame. */
  readonly words: Int32Array;
  readonly #own: Readonly<Record<Own, number>>;
  readonly #peer: Readonly<Record<Peer, number>>;

  /** One side's words in a control frame. */
  constructor(words: Int32Array, own: Readonly<Record<Own, number>>, peer: Readonly<Record<Peer, number>>) {
    this.words = words;
    this.#own = own;
    this.#peer = peer;
  }

  /** Writes one of this side's keys; `index` counts on from it, for keys that are numbered. */
  write(key: Own, value: number, index = 0): void {
    Atomics.store(this.words, this.#own[key] + index, value | 0);
  }

  /** Reads one of the peer's keys. */
  read(key: Peer, index = 0): number {
    return Atomics.load(this.words, this.#peer[key] + index) >>> 0;
  }

  /** Reads one of this side's own keys. */
  own(key: Own): number {
    return Atomics.load(this.words, this.#own[key]) >>> 0;
  }
}
