/**
 * The frame by which a campaign tells a saboteur what to do, and sees that it was done. It outlives the driver, so that no
 * successor does the same again.
 *
 * @module
 */

import type { Deed, Fault, Step } from "./kinds.ts";

/** Which fault is to be done, by its number from 1; 0: none. */
const ARMED = 0;
const DEED = 1;
const STEP = 2;
const SKIP = 3;
const VALUE = 4;
/** Which fault was begun last. */
const FIRED = 5;
/** A double: when it was begun, in ms since 1970. */
const FIRED_AT = 8;

/** The page, as both sides see it. */
export class FaultPage {
  readonly #words: Int32Array;
  readonly #times: Float64Array;

  /** A view of a page; zeroes at first. */
  constructor(page: SharedArrayBuffer) {
    this.#words = new Int32Array(page, 0, 16);
    this.#times = new Float64Array(page, FIRED_AT * 8, 1);
  }

  /** The campaign's side: a fault is to be done. `number` is another for each, from 1. */
  arm(number: number, { step, skip, value }: Fault, deed: Deed): void {
    const words = this.#words;
    words[DEED] = deed;
    words[STEP] = step;
    words[SKIP] = skip;
    words[VALUE] = value;
    Atomics.store(words, ARMED, number);
  }

  /** The campaign's side: whatever was not begun is called off. */
  disarm(): void {
    Atomics.store(this.#words, ARMED, 0);
  }

  /** The campaign's side: when a fault was begun, in ms since 1970; null as long as it was not. */
  firedAtMs(number: number): number | null {
    return Atomics.load(this.#words, FIRED) === number ? this.#times[0] : null;
  }

  /** The saboteur's side: whether something is to be done at this step, and now. Counts the pass. */
  isDue(step: Step): boolean {
    return this.isArmed(step) && this.#words[SKIP]-- <= 0;
  }

  /** The saboteur's side: whether something is to be done at this step, now or at a later pass. */
  isArmed(step: Step): boolean {
    return Atomics.load(this.#words, ARMED) !== 0 && this.#words[STEP] === step;
  }

  /** The saboteur's side: what is to be done. */
  get deed(): number {
    return this.#words[DEED];
  }

  /** The saboteur's side: the fault's random number. */
  get value(): number {
    return this.#words[VALUE];
  }

  /** The saboteur's side: begins what is due. Returns the fault's number. */
  fire(): number {
    const words = this.#words;
    const number = Atomics.exchange(words, ARMED, 0);
    this.#times[0] = performance.timeOrigin + performance.now();
    Atomics.store(words, FIRED, number);
    return number;
  }
}
