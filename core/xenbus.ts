/**
 * The handshake by which a frontend and a backend find each other, as in Xen's `public/io/xenbus.h` and `blkif.h`.
 *
 * Each side has a state and writes keys; the other side reads them. In Xen they are strings in XenStore; here they are
 * words of the link's control frame, because a domain that spins never gets to read a message. Values are unsigned
 * 32-bit numbers, 0 where a key was not written.
 *
 * @module
 */

import { ConnectionError } from "./errors.ts";

/** States of one side (`XenbusState…`). */
export const XenbusState = {
  /** Nobody there yet. */
  Unknown: 0,
  /** Starting. */
  Initialising: 1,
  /** The backend has written its features and waits for the frontend's ring. */
  InitWait: 2,
  /** The frontend has granted its ring and written where it is. */
  Initialised: 3,
  /** In use. */
  Connected: 4,
  /** Wants to end; nothing new is submitted. */
  Closing: 5,
  /** Has let go of everything shared. */
  Closed: 6,
  /** Changes its configuration. */
  Reconfiguring: 7,
  /** Has changed its configuration. */
  Reconfigured: 8,
} as const;

/** One of {@link XenbusState}'s values. */
export type XenbusState = typeof XenbusState[keyof typeof XenbusState];

const S = XenbusState;

/**
 * The states that may follow each state. A frontend may skip InitWait and a backend Initialised, as Xen's do; either
 * may close from anywhere; and a closed side may start again. What is not in this table closes the connection.
 */
export const ALLOWED_TRANSITIONS: Readonly<Record<XenbusState, readonly XenbusState[]>> = {
  [S.Unknown]: [S.Initialising, S.Closed],
  [S.Initialising]: [S.InitWait, S.Initialised, S.Connected, S.Closing, S.Closed],
  [S.InitWait]: [S.Initialised, S.Connected, S.Closing, S.Closed],
  [S.Initialised]: [S.Connected, S.Closing, S.Closed],
  [S.Connected]: [S.Reconfiguring, S.Closing, S.Closed],
  [S.Closing]: [S.Closed],
  [S.Closed]: [S.Initialising],
  [S.Reconfiguring]: [S.Reconfigured, S.Closing, S.Closed],
  [S.Reconfigured]: [S.Connected, S.Closing, S.Closed],
};

/** Whether a side may go from one state to another. */
export function isAllowedTransition(from: number, to: number): boolean {
  return from in ALLOWED_TRANSITIONS && ALLOWED_TRANSITIONS[from as XenbusState].some((state) => state === to);
}

/** What the frontend writes: key to word. */
const FRONTEND_KEYS = {
  /** Its {@link XenbusState}. */
  "state": 0,
  /** Base-2 logarithm of the ring's frames. */
  "ring-page-order": 1,
  /** Its port of the event channel. */
  "event-channel": 2,
  /** 1: it keeps its grants for the life of the connection. */
  "feature-persistent": 3,
  /** 1: notifications are suppressed by sleep flags; only where the backend offers it (not Xen's). */
  "feature-sleep-flag": 4,
  /** Which of the drivers that the link has had it is for, from 0 (not Xen's); see `DomainControl.generation`. */
  "generation": 5,
  /** Grant reference of the ring's first frame; those of the others follow in the next words. */
  "ring-ref0": 16,
} as const;

/** What the backend writes: key to word. */
const BACKEND_KEYS = {
  /** Its {@link XenbusState}. */
  "state": 256,
  /** Largest ring order that it accepts. */
  "max-ring-page-order": 257,
  /** Its port of the event channel. */
  "event-channel": 258,
  /** 1: it keeps grants mapped. */
  "feature-persistent": 259,
  /** 1: it knows flush. */
  "feature-flush-cache": 260,
  /** 1: it knows discard. */
  "feature-discard": 261,
  /** Low word of the device's size in sectors of 512 bytes. */
  "sectors": 262,
  /** High word of the device's size. */
  "sectors-high": 263,
  /** The device's logical sector size in bytes. */
  "sector-size": 264,
  /** Bits of `VDISK_…`: 4 is read-only. */
  "info": 265,
  /** Most segments of an indirect request; 0: none. */
  "feature-max-indirect-segments": 266,
  /** 1: it knows write-zeroes (not Xen's). */
  "feature-write-zeroes": 267,
  /** 1: it knows durable writes (not Xen's). */
  "feature-fua": 268,
  /** 1: it knows sleep flags (not Xen's). */
  "feature-sleep-flag": 269,
} as const;

/** Word of the control frame that says whether the frontend sleeps; a cache line of its own, as the other. */
export const FRONTEND_SLEEP_WORD = 512;
/** Word of the control frame that says whether the backend sleeps. */
export const BACKEND_SLEEP_WORD = 768;

/** Words of the control frame that are the backend's. */
const BACKEND_WORDS = [[BACKEND_KEYS.state, FRONTEND_SLEEP_WORD], [
  BACKEND_SLEEP_WORD,
  BACKEND_SLEEP_WORD + 1,
]] as const;

/** Forgets all that a backend has written into a control frame: for another, once it has ended. */
export function clearBackend(words: Int32Array): void {
  for (const [start, end] of BACKEND_WORDS) {
    for (let word = start; word < end; word++) Atomics.store(words, word, 0);
  }
}

/** Whether a backend has said what there is, and waits for a frontend. */
export function hasOffered(words: Int32Array): boolean {
  return Atomics.load(words, BACKEND_KEYS.state) === S.InitWait;
}

/** The backend's state, whatever it is: for who only looks whether it has changed. */
export function peekBackendState(words: Int32Array): number {
  return Atomics.load(words, BACKEND_KEYS.state);
}

/** A key of the frontend. */
export type FrontendKey = keyof typeof FRONTEND_KEYS;
/** A key of the backend. */
export type BackendKey = keyof typeof BACKEND_KEYS;

/** Bit of the key `info` that says the device is read-only (`VDISK_READONLY`). */
export const VDISK_READONLY = 4;

/** One side's view of a control frame: writes its own keys, reads the peer's. */
export class XenbusStore<OwnKey extends string, PeerKey extends string> {
  readonly #words: Int32Array;
  readonly #own: Readonly<Record<OwnKey, number>>;
  readonly #peer: Readonly<Record<PeerKey, number>>;
  readonly #stateWord: number;
  readonly #peerStateWord: number;
  /** This side's state: its word is written and never read, as the peer can write it, too. */
  #state: XenbusState = S.Unknown;
  /** The peer's last state that was seen and allowed. */
  #peerState: number = S.Unknown;

  private constructor(
    words: Int32Array,
    own: Readonly<Record<OwnKey | "state", number>>,
    peer: Readonly<Record<PeerKey | "state", number>>,
  ) {
    this.#words = words;
    this.#own = own;
    this.#peer = peer;
    this.#stateWord = own.state;
    this.#peerStateWord = peer.state;
  }

  /** The frontend's view. */
  static frontend(words: Int32Array): XenbusStore<FrontendKey, BackendKey> {
    return new XenbusStore(words, FRONTEND_KEYS, BACKEND_KEYS);
  }

  /** The backend's view. */
  static backend(words: Int32Array): XenbusStore<BackendKey, FrontendKey> {
    return new XenbusStore(words, BACKEND_KEYS, FRONTEND_KEYS);
  }

  /** Writes one of this side's keys; `index` counts on from it, for keys that are numbered. */
  write(key: OwnKey, value: number, index = 0): void {
    Atomics.store(this.#words, this.#own[key] + index, value | 0);
  }

  /** Reads one of the peer's keys. Whatever it says is the peer's claim. */
  read(key: PeerKey, index = 0): number {
    return Atomics.load(this.#words, this.#peer[key] + index) >>> 0;
  }

  /** This side's state. */
  get state(): XenbusState {
    return this.#state;
  }

  /** Forgets both sides' states, for a connection that begins anew with another peer. */
  reset(): void {
    this.#state = S.Unknown;
    this.#peerState = S.Unknown;
    Atomics.store(this.#words, this.#stateWord, S.Unknown);
  }

  /**
   * Changes this side's state. Keys written before it are visible to a peer that sees it.
   *
   * @throws {ConnectionError} for a change that the table does not allow
   */
  switchTo(state: XenbusState): void {
    if (!isAllowedTransition(this.#state, state)) {
      throw new ConnectionError(`Cannot go from ${stateName(this.#state)} to ${stateName(state)}`);
    }
    this.#state = state;
    Atomics.store(this.#words, this.#stateWord, state);
  }

  /** Changes this side's state whatever it says it is: for who speaks in the place of a domain that is dead. */
  force(state: XenbusState): void {
    Atomics.store(this.#words, this.#stateWord, state);
  }

  /**
   * The peer's state.
   *
   * States may be missed between two looks, so a state is accepted when some allowed path leads to it.
   *
   * @throws {ConnectionError} for a state that no allowed path reaches from the last one seen
   */
  peerState(): number {
    const state = Atomics.load(this.#words, this.#peerStateWord);
    if (state !== this.#peerState) {
      if (!canReach(this.#peerState, state)) {
        throw new ConnectionError(`The peer went from ${stateName(this.#peerState)} to ${stateName(state)}`);
      }
      this.#peerState = state;
    }
    return state;
  }
}

/**
 * Whether some path of allowed transitions that does not pass through Closed leads from one state to another.
 *
 * @param seen states that the path must not pass through
 */
export function canReach(from: number, to: number, seen: ReadonlySet<number> = new Set([from, S.Closed])): boolean {
  if (isAllowedTransition(from, to)) return true;
  const next = ALLOWED_TRANSITIONS[from as XenbusState] ?? [];
  return next.some((state) => !seen.has(state) && canReach(state, to, new Set([...seen, state])));
}

/** A state's name, for messages. */
export function stateName(state: number): string {
  return Object.entries(S).find(([, value]) => value === state)?.[0] ?? `state ${state}`;
}
