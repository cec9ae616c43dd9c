/**
 * What a domain reports to the hypervisor. It posts messages: posting needs no event loop.
 *
 * @module
 */

import type { Counters } from "../counters.ts";
import type { RecordedLatencies } from "../measure/histogram.ts";
import type { RecordedPieces } from "../measure/pieces.ts";

/** What a domain measured of itself between the commands Measure and Finish. */
export interface DomainSample {
  /** Length of the window by this domain's clock. */
  readonly durationNs: number;
  /** CPU time used. */
  readonly cpuNs: number | null;
  /** Context switches. */
  readonly contextSwitches: { readonly voluntary: number; readonly involuntary: number } | null;
  /** Cores that the thread was seen on, at the start and at the end; null where that cannot be known. */
  readonly cpus: readonly number[] | null;
  /** Cores that the thread was confined to; null where it was not. */
  readonly confinedTo: readonly number[] | null;
  /** Growth of the domain's own heap in bytes, garbage included. */
  readonly heapGrowthBytes: number;
  /** Notifications; null without a link. */
  readonly notifications: { readonly sent: number; readonly suppressed: number } | null;
  /** How its waits went; null without a link. */
  readonly waits: {
    readonly spinHits: number;
    readonly spinMisses: number;
    readonly sleeps: number;
    readonly spunNs: number;
    readonly lostNs: number;
    readonly sleptNs: number;
  } | null;
  /** What its workload did; null for a driver. */
  readonly operations: OperationSample | null;
  /** The same in pieces of the window; null where it was not cut. */
  readonly pieces: RecordedPieces | null;
}

/** The sample of a domain that was not there in the window. */
export const NOTHING_MEASURED: DomainSample = {
  durationNs: 1,
  cpuNs: null,
  contextSwitches: null,
  cpus: null,
  confinedTo: null,
  heapGrowthBytes: 0,
  notifications: null,
  waits: null,
  operations: null,
  pieces: null,
};

/** What a workload did. */
export interface OperationSample {
  /** Finished operations, flushes excepted. */
  readonly operations: number;
  /** Bytes of those that succeeded. */
  readonly bytes: number;
  /** Finished operations, flushes included, that failed. */
  readonly errors: number;
  /** Finished flushes. */
  readonly flushes: number;
  /** Latencies of the operations that were timed. */
  readonly latencies: RecordedLatencies;
  /** How late the workload was itself with operations that were due at a certain time. */
  readonly lateness: RecordedLatencies;
}

/** What a domain tells the hypervisor. */
export type DomainReport =
  /** It has loaded what it needs, and stands by. */
  | { readonly type: "standby" }
  /** It is connected and waits for the command to work. */
  | { readonly type: "ready" }
  /** The measured window has begun. */
  | { readonly type: "measuring" }
  /** The measured window is over. */
  | { readonly type: "sample"; readonly sample: DomainSample }
  /** A device threw; the request failed, the domain lives. Sent for the first time only. */
  | { readonly type: "device-error"; readonly message: string }
  /** A device has something to say that is no error. Each text is sent once. */
  | { readonly type: "note"; readonly text: string }
  /** It ended in order, with what its workload and its devices counted. */
  | { readonly type: "closed"; readonly counters: Counters }
  /** The driver behind one of its links broke the protocol or left; it waits for another, and lives. */
  | { readonly type: "lost"; readonly port: number; readonly generation: number; readonly message: string }
  /** What was in flight on such a link is answered, or has failed: it works again. */
  | { readonly type: "resumed"; readonly port: number; readonly generation: number }
  /** A frontend broke the protocol and lost its connection; the domain lives. */
  | { readonly type: "disconnected"; readonly message: string; readonly peerDomainId: number }
  /** It ended with an error. */
  | { readonly type: "failed"; readonly message: string };

/** Of which link a domain speaks, and in the time of which of its drivers. */
export type LinkReport = Pick<Extract<DomainReport, { type: "lost" }>, "port" | "generation">;
