/**
 * Counts what came of faults.
 *
 * @module
 */

import type { FaultedMachine } from "../faults/conductor.ts";
import type { FaultRecord } from "../faults/injector.ts";
import { type FaultComplaint, type FaultReport, FAULTS_SCHEMA, type FaultSummary, type Times } from "./fault_report.ts";

/** What a campaign itself knows of its report. */
type CampaignPart = "scenario" | "seed" | "faults" | "startedAt" | "interrupted";

/** What came of the faults of a campaign, as far as it is. */
export class FaultTally {
  readonly #records: FaultRecord[] = [];
  readonly #complaints: FaultComplaint[] = [];
  readonly #startedAt = performance.now();
  readonly #operations = { submitted: 0, completed: 0, failed: 0 };
  #machines = 0;
  #restarts = 0;

  /** How many faults there were. */
  get injected(): number {
    return this.#records.length;
  }

  /** A fault is over. */
  add(_machine: number, record: FaultRecord): void {
    this.#records.push(record);
  }

  /** A machine is over. */
  addMachine(machine: number, { complaints, restarts, counters }: FaultedMachine): void {
    this.#machines++;
    this.#restarts += restarts;
    this.#operations.submitted += counters.operationsSubmitted ?? 0;
    this.#operations.completed += counters.operationsCompleted ?? 0;
    this.#operations.failed += counters.operationsFailed ?? 0;
    for (const text of complaints) this.complain(machine, text);
  }

  /** Something is not as it must be. */
  complain(machine: number, text: string): void {
    this.#complaints.push({ machine, text });
  }

  /** All of it. */
  report(): Omit<FaultReport, CampaignPart> {
    const kinds = [...new Set(this.#records.map(({ kind }) => kind))].sort();
    const total = summarise(this.#records);
    return {
      schema: FAULTS_SCHEMA,
      durationMs: performance.now() - this.#startedAt,
      ...{ machines: this.#machines, restarts: this.#restarts, operations: { ...this.#operations }, total },
      kinds: Object.fromEntries(kinds.map((name) => {
        return [name, summarise(this.#records.filter(({ kind }) => kind === name))];
      })),
      complaints: [...this.#complaints],
      ok: this.#complaints.length === 0 && total.injected > 0 && total.detected === total.injected,
    };
  }
}

function summarise(records: readonly FaultRecord[]): FaultSummary {
  const count = (...outcomes: readonly FaultRecord["outcome"][]): number => {
    return records.filter(({ outcome }) => outcomes.includes(outcome)).length;
  };
  return {
    injected: records.length - count("unreached"),
    detected: records.filter(isDetected).length,
    recovered: count("recovered"),
    failed: count("failed", "ended"),
    absorbed: count("absorbed"),
    lost: count("lost"),
    detectionMs: timesOf(records.map(({ detectedMs }) => detectedMs)),
    blackoutMs: timesOf(records.map(({ blackoutMs }) => blackoutMs)),
  };
}

/**
 * Whether what must come of a fault has. A driver that is replaced without need is one that failed by the clock; one that
 * is replaced before the machine hears that its connection broke has done the application a service.
 */
function isDetected({ expected, outcome }: FaultRecord): boolean {
  return outcome === expected || (outcome === "recovered" && (expected === "absorbed" || expected === "ended"));
}

/** By the nearest rank. */
function timesOf(values: readonly (number | null)[]): Times | null {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  const quantile = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1];
  return { p50: quantile(0.5), p99: quantile(0.99), max: sorted[sorted.length - 1] };
}
