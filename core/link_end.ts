/**
 * What a frontend and a backend have in common: their end of a link, waiting for the peer's state, and the push that
 * notifies only if the peer asked for it.
 *
 * @module
 */

import { entryWord } from "./blkif.ts";
import { ConnectionError } from "./errors.ts";
import type { ChannelEnd, EventPage } from "./event_channel.ts";
import type { SharedMemory } from "./memory.ts";
import type { Ring } from "./ring.ts";
import { type BackendKey, canReach, type FrontendKey, stateName, XenbusState, type XenbusStore } from "./xenbus.ts";

/** What the two threads share of an application that has one for its responses. */
export interface CompletionEnd {
  /** Memory of their own: see `completion_area.ts`. */
  readonly memory: SharedMemory;
  /** The other thread's event page. */
  readonly events: EventPage;
}

/** One domain's end of a link. */
export interface LinkEnd {
  /** The link's region. */
  readonly memory: SharedMemory;
  /** Id of this domain. */
  readonly domainId: number;
  /** Id of the domain at the other end. */
  readonly peerDomainId: number;
  /** This domain's event page. */
  readonly events: EventPage;
  /** This domain's port of the event channel. */
  readonly port: number;
  /** Notifies the peer. */
  readonly channel: ChannelEnd;
  /** Which generation of the link is to be used, by the hypervisor's word; always 0 where it is absent. */
  readonly generation?: () => number;
  /** What it shares with another thread, where one takes responses (`completion: thread`). */
  readonly completion?: CompletionEnd;
}

/** The error for a backend that broke the protocol: what it did is the end of a sentence. */
export function brokenBackend(what: string): ConnectionError {
  return new ConnectionError(`The connection is broken: the backend ${what}`);
}

/** How often a push notified the peer, and how often it did not have to. */
export interface PushCounters {
  /** Notifications sent. */
  sent: number;
  /** Pushes without one. */
  suppressed: number;
}

/** Publishes what a ring's end has produced. On the hot path. */
export function pushAndNotify(ring: Ring, channel: ChannelEnd, counters: PushCounters): void {
  if (ring.push()) {
    channel.notify();
    counters.sent++;
  } else {
    counters.suppressed++;
  }
}

/**
 * Brings entries that the peer has published into this core's cache. The loads do not depend on each other, so the cache
 * misses (60–100 ns each) overlap; those of the code that reads the entries one by one hardly do.
 *
 * @param count how many of the next entries
 * @param secondLine whether the second of an entry's cache lines is wanted too
 * @returns a number without a meaning; keep it, so that the loads are not optimised away
 */
export function preloadEntries(ring: Ring, words: Int32Array, count: number, secondLine: boolean): number {
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const at = entryWord(ring.entryOf(ring.consumed + i));
    sum += words[at];
    if (secondLine) sum += words[at + CACHE_LINE_WORDS];
  }
  return sum;
}

const CACHE_LINE_WORDS = 16;
/** How long a handshake may take: the peer may have to open a device first. */
const HANDSHAKE_TIMEOUT_MS = 30_000;
/** Longest sleep between two looks at the peer's state. */
const LOOK_MS = 20;

/**
 * The backend's wait for a frontend that had another driver before: until then, its words are of that time.
 *
 * @returns false when the frontend has left
 * @throws {ConnectionError} when it takes longer than 30 s, or this domain is told to stop
 */
export function awaitGeneration(
  end: LinkEnd,
  store: XenbusStore<BackendKey, FrontendKey>,
  stopRequested: () => boolean,
): boolean {
  const generation = end.generation?.() ?? 0;
  const deadline = performance.now() + HANDSHAKE_TIMEOUT_MS;
  for (;;) {
    // Before the look: a ring between the look and the sleep is not lost.
    const { bell } = end.events;
    if (store.read("generation") === generation) return true;
    if (store.read("state") === XenbusState.Closed) return false;
    if (stopRequested()) throw new ConnectionError("Told to stop while the frontend was awaited");
    if (performance.now() > deadline) {
      throw new ConnectionError(
        `The frontend did not begin anew for driver ${generation} of the link within ${HANDSHAKE_TIMEOUT_MS / 1000} s`,
      );
    }
    end.events.sleep(bell, LOOK_MS);
  }
}

/**
 * Waits until the peer has reached a state.
 *
 * @throws {ConnectionError} when the peer closes, breaks the table of transitions or takes longer than 30 s, or when
 * this domain is told to stop
 */
export function awaitPeerState<Own extends string, Peer extends string>(
  end: LinkEnd,
  store: XenbusStore<Own, Peer>,
  wanted: XenbusState,
  stopRequested: () => boolean,
): void {
  const deadline = performance.now() + HANDSHAKE_TIMEOUT_MS;
  for (;;) {
    const { bell } = end.events;
    end.channel.clear();
    const state = store.peerState();
    if (state === wanted) return;
    if (state === XenbusState.Closed || !canReach(state, wanted)) {
      throw new ConnectionError(`The peer is ${stateName(state)} where ${stateName(wanted)} was awaited`);
    }
    if (stopRequested()) throw new ConnectionError(`Told to stop while the peer's ${stateName(wanted)} was awaited`);
    if (performance.now() > deadline) {
      throw new ConnectionError(
        `The peer did not reach ${stateName(wanted)} within ${HANDSHAKE_TIMEOUT_MS / 1000} s: it is ` +
          stateName(state),
      );
    }
    end.events.sleep(bell, LOOK_MS);
  }
}
