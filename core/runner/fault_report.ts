/**
 * What came of a campaign of faults.
 *
 * @module
 */

/** The version of {@link FaultReport}. */
export const FAULTS_SCHEMA = "iddr.faults/v1";

/** Times of many faults, in ms. */
export interface Times {
  /** The median. */
  readonly p50: number;
  /** Below it are 99 in 100. */
  readonly p99: number;
  /** The longest. */
  readonly max: number;
}

/** What came of the faults of one kind, or of all. */
export interface FaultSummary {
  /** Faults that were done. */
  readonly injected: number;
  /** Of these, those of which came what must: noticed and repaired, answered with an error, or absorbed. */
  readonly detected: number;
  /** Those after which another driver took over. */
  readonly recovered: number;
  /** Those after which one operation failed, or the connection ended, with an error that says why. */
  readonly failed: number;
  /** Those that cost nothing but time. */
  readonly absorbed: number;
  /** Those after which operations stopped for good. */
  readonly lost: number;
  /** From faults to the moments at which they were noticed; null where none was noticed by itself. */
  readonly detectionMs: Times | null;
  /** From faults to the next drivers' first answers; null where none took over. */
  readonly blackoutMs: Times | null;
}

/** Something that must not be. */
export interface FaultComplaint {
  /** In which machine. */
  readonly machine: number;
  /** What. */
  readonly text: string;
}

/** What came of a campaign. */
export interface FaultReport {
  /** {@link FAULTS_SCHEMA} */
  readonly schema: typeof FAULTS_SCHEMA;
  /** The scenario's name. */
  readonly scenario: string;
  /** What the faults followed from. */
  readonly seed: number;
  /** How many were wanted. */
  readonly faults: number;
  /** When it started, ISO 8601. */
  readonly startedAt: string;
  /** Whether it was interrupted before its end. */
  readonly interrupted: boolean;
  /** How long it took, in ms. */
  readonly durationMs: number;
  /** Machines that it ran. */
  readonly machines: number;
  /** Restarts of drivers. */
  readonly restarts: number;
  /** Operations that the workloads submitted in machines that ended in order, and how many of them were completed. */
  readonly operations: { readonly submitted: number; readonly completed: number; readonly failed: number };
  /** All faults. */
  readonly total: FaultSummary;
  /** Each kind, by name. */
  readonly kinds: Readonly<Record<string, FaultSummary>>;
  /** What was lost, corrupted, done twice or left behind; empty when all is well. */
  readonly complaints: readonly FaultComplaint[];
  /** Whether everything was detected, and nothing lost or corrupted. */
  readonly ok: boolean;
}
