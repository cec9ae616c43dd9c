/**
 * What a fuzzer has done, so that somebody can see that it was something.
 *
 * @module
 */

/** Counts of all states together. */
export interface FuzzReport {
  /** States that were played. */
  states: number;
  /** Requests that a backend took, or a frontend issued. */
  requests: number;
  /** Operations that a device did, or a workload saw the end of. */
  done: number;
  /** States in which the victim broke the connection. */
  broken: number;
  /** Handshakes with nonsense in them that led to a connection all the same. */
  connected: number;
}

/** Nothing yet. */
export function emptyReport(): FuzzReport {
  return { states: 0, requests: 0, done: 0, broken: 0, connected: 0 };
}
