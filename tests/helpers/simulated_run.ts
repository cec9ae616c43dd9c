/** Measurements of cells whose truth is known, on a clock of their own, for tests of what asks for them. */

import type { Cell } from "../../core/runner/cell.ts";
import type { measureRepetition } from "../../core/runner/run.ts";
import { mulberry32 } from "../../core/mulberry32.ts";
import { sampleOf } from "./results.ts";
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

  readonly measure: typeof measureRepetition = ({ cell }, repetition) => {
    const { warmup, duration } = cell.scenario.run;
    this.nowMs += this.#startMs + (warmup + duration) / 1e6;
    this.measured.push(cell);
    const truth = this.#truth(cell);
    if (typeof truth === "string") return Promise.reject(new Error(truth));
    const iops = truth.iops * Math.exp(truth.deviation * normal(this.#random));
    return Promise.resolve({ sample: sampleOf(repetition, [iops]), losses: [] });
  };
}
