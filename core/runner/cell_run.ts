/**
 * One cell of a run: what it has, what it still needs, and what came of it.
 *
 * @module
 */

import { formatPercentage } from "../units.ts";
import type { WorkloadPlugin } from "../plugin.ts";
import { BOOTSTRAP_FROM } from "./bootstrap.ts";
import type { Cell } from "./cell.ts";
import { crowded, stolen } from "./disturbance.ts";
import type { CellResult, Sample, Summary } from "./result.ts";
import { SETTLED_PERCENT } from "./steady.ts";
import { summarise } from "./summary.ts";

/** Collects the repetitions of one cell. */
export class CellRun {
  /** The cell. */
  readonly cell: Cell;
  /** What its devices had to say. */
  readonly notes: Set<string> = new Set();
  /** Why it has failed; nothing more is measured then. */
  error: string | undefined;
  /** The repetitions, each at its number. */
  readonly #samples = new Map<number, Sample>();
  /** Why attempts at a repetition were thrown away. */
  readonly #redone = new Map<number, string[]>();
  /** Whether a repetition had to be kept though it was disturbed. Then the machine is like that, and no other is redone. */
  #gaveUp = false;
  readonly #cores: number;
  #summarised: Summary | undefined;

  /**
   * A cell of which nothing is measured.
   *
   * @param cores of the machine
   */
  constructor(cell: Cell, cores: number) {
    this.cell = cell;
    this.#cores = cores;
  }

  /** The repetitions that there are, in order. */
  get samples(): readonly Sample[] {
    return [...this.#samples].sort(([a], [b]) => a - b).map(([, sample]) => sample);
  }

  /** How often it is measured at the least. */
  get least(): number {
    const { repetitions, precision, maxRepetitions } = this.cell.scenario.run;
    return precision === null ? repetitions : Math.min(maxRepetitions, Math.max(repetitions, BOOTSTRAP_FROM));
  }

  /** How many repetitions are still needed, as far as that is known; 0 when there is nothing more to do. */
  get needed(): number {
    if (this.error !== undefined) return 0;
    const missing = this.least - this.#samples.size;
    return missing > 0 ? missing : this.#wantsMore ? 1 : 0;
  }

  /** The number of the repetition to be measured next, from 0. */
  get next(): number {
    let repetition = 0;
    while (this.#samples.has(repetition)) repetition++;
    return repetition;
  }

  get #wantsMore(): boolean {
    const { precision, maxRepetitions } = this.cell.scenario.run;
    if (precision === null || this.#samples.size >= maxRepetitions) return false;
    // What is not measured, or is 0, does not become more precise.
    const half = this.#halfWidth;
    return half !== null && half > precision;
  }

  /** Half the interval of what must be precise, as a share of the median; null where it is not known. */
  get #halfWidth(): number | null {
    const estimate = this.#summary[this.cell.scenario.run.precisionMetric];
    return estimate === null || estimate.median === 0 ? null : (estimate.high - estimate.low) / 2 / estimate.median;
  }

  /** Kept until there is another repetition, as the bootstrap takes its time. */
  get #summary(): Summary {
    return this.#summarised ??= summarise(this.samples);
  }

  /** A repetition was measured. It is kept, or to be measured anew. */
  add(sample: Sample): void {
    this.#keepOrRedo(sample, stolen(sample, this.#cores));
  }

  /** A round is over: what was disturbed, by what the others say, is to be measured anew. */
  review(): void {
    const samples = this.samples;
    for (const sample of samples) {
      if (sample.disturbed !== null) continue;
      const cause = crowded(sample, samples.filter((other) => other !== sample));
      if (cause !== null) this.#keepOrRedo(sample, cause);
    }
  }

  #keepOrRedo(sample: Sample, cause: string | null): void {
    const { repetition } = sample;
    const redone = this.#redone.get(repetition) ?? [];
    this.#summarised = undefined;
    if (cause !== null && this.#mayRedo(redone)) {
      this.#samples.delete(repetition);
      this.#redone.set(repetition, [...redone, cause]);
      return;
    }
    if (cause !== null) this.#gaveUp = true;
    this.#samples.set(repetition, { ...sample, redone, disturbed: cause });
  }

  /** What a conductor leads may take long, and what it did outside cannot be undone. */
  #mayRedo(redone: readonly string[]): boolean {
    const { scenario, workload } = this.cell;
    const conducted = (workload.plugin as WorkloadPlugin).conduct !== undefined;
    return !conducted && !this.#gaveUp && this.error === undefined && redone.length < scenario.run.redo;
  }

  /** What came of it so far. */
  get result(): CellResult {
    const { id, labels } = this.cell;
    const status = this.error !== undefined ? "failed" : this.needed > 0 ? "pending" : "ok";
    return {
      ...{ id, labels, status, ...(this.error === undefined ? {} : { error: this.error }) },
      notes: [...this.notes, ...(status === "pending" ? [] : this.#findings())],
      ...{ samples: this.samples, summary: this.#summary },
    };
  }

  /** What is to be said of how it was measured. */
  #findings(): string[] {
    const samples = this.samples;
    const thrown = [...this.#redone.values()].flat();
    const kept = samples.map(({ disturbed }) => disturbed).filter((cause) => cause !== null);
    return [
      ...(thrown.length === 0 ? [] : [`measured anew: ${counted(thrown.length, "repetition")}, as ${thrown[0]}`]),
      ...(kept.length === 0
        ? []
        : [`disturbed: ${kept.length} of ${counted(samples.length, "repetition")}, as ${kept[0]}`]),
      ...(this.#summary.steady?.settled === false
        ? [`not settled: the operations a second changed by more than ${SETTLED_PERCENT} % within the measured window`]
        : []),
      ...this.#imprecision(),
    ];
  }

  #imprecision(): string[] {
    const { precision, precisionMetric } = this.cell.scenario.run;
    const half = this.#halfWidth;
    if (precision === null || this.error !== undefined || half !== null && half <= precision) return [];
    const known = half === null ? "could not be measured" : `is known to ±${(half * 100).toFixed(1)} %`;
    const wanted = `after ${counted(this.#samples.size, "repetition")}; wanted was ±${formatPercentage(precision)}`;
    return [`not precise: ${precisionMetric} ${known} ${wanted}`];
  }
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
