/**
 * How a domain that is a process finds that its hypervisor is gone, or does its work no more.
 *
 * The kernel ends a process with its parent (`parent.ts`). This is for where that does not help: a parent that lives and
 * hangs, or is stopped, supervises nobody.
 *
 * @module
 */

import { DomainError } from "../errors.ts";

/** How long the hypervisor may show no sign of life. It does so every second. */
const LIMIT_MS = 30_000;
/** Between two looks no more counts than this: both processes may have been stopped, and go on. Idle, it looks every 6 s. */
const LONGEST_STEP_MS = 7000;

/** Watches a number that changes as long as the hypervisor lives. */
export class HypervisorLife {
  readonly #limitMs: number;
  readonly #now: () => number;
  #seen = -1;
  #silentMs = 0;
  #lookedAt: number;

  /**
   * Watches from now on.
   *
   * @param limitMs how long the number may stay the same, in time that passes for this process
   * @param now the time in ms
   */
  constructor(limitMs: number = LIMIT_MS, now: () => number = () => performance.now()) {
    this.#limitMs = limitMs;
    this.#now = now;
    this.#lookedAt = now();
  }

  /**
   * Looks at the number.
   *
   * @throws {DomainError} when it has been the same for too long
   */
  check(beat: number): void {
    const now = this.#now();
    this.#silentMs = beat === this.#seen ? this.#silentMs + Math.min(now - this.#lookedAt, LONGEST_STEP_MS) : 0;
    this.#seen = beat;
    this.#lookedAt = now;
    if (this.#silentMs <= this.#limitMs) return;
    throw new DomainError(`The hypervisor has shown no sign of life for ${this.#limitMs / 1000} s`);
  }
}
