/** Measurements of cells whose truth is known, on a clock of their own, for tests of what asks for them. */

import type { Cell } from "../../core/runner/cell.ts";
import type { Result } from "../../core/runner/result.ts";
import { mulberry32 } from "../../core/mulberry32.ts";
import { summarise } from "../../core/runner/summary.ts";
import { resultOf, sampleOf } from "./results.ts";
import { normal } from "./simulated_policies.ts";

/** What a cell does, or the cause for which it fails. */
export type Truth = (cell: Cell) => { readonly iops: number; readonly deviation: number } | string;

/** Measures cells in no time, of which each takes as long as its scenario says and a while to start. */
export class SimulatedRun {
  /** The time in milliseconds. */
  nowMs = 0;
  /** The cells that were measured, in order. */
  readonly measured: Cell[] = [];
  readonly #truth: Truth;
  readonly #startMs: number;
  readonly #random = mulberry32(11);

  constructor(truth: Truth, startMs = 300) {
    this.#truth = truth;
    this.#startMs = startMs;
  }

  readonly now = (): number => this.nowMs;

  readonly measure = (cell: Cell): Promise<Result> => {
    const { warmup, duration } = cell.scenario.run;
    this.nowMs += this.#startMs + (warmup + duration) / 1e6;
    this.measured.push(cell);
    const truth = this.#truth(cell);
    const samples = typeof truth === "string"
      ? []
      : [sampleOf(0, [truth.iops * Math.exp(truth.deviation * normal(this.#random))])];
    const failed = typeof truth === "string" ? { status: "failed" as const, error: truth } : { status: "ok" as const };
    const { id, labels } = cell;
    return Promise.resolve(resultOf([{ id, labels, ...failed, notes: [], samples, summary: summarise(samples) }]));
  };
}
