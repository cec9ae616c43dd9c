/**
 * How long a frontend waits for a driver that lives and answers nothing: a device may hang where its driver does not.
 *
 * @module
 */

import { ConnectionError } from "./errors.ts";

/** Watches whether answers come. */
export class Patience {
  readonly #limitMs: number;
  #answered = 0;
  #sinceMs = 0;
  #waiting = false;

  /**
   * Nothing is awaited yet.
   *
   * @param limitMs how long no answer may come while requests are in flight
   */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Begins anew, with another driver. */
  restart(): void {
    this.#waiting = false;
  }

  /**
   * Looks whether answers have come.
   *
   * @param waiting whether requests are in flight
   * @param answered a number that changes with every answer
   * @throws {ConnectionError} when none has come for too long
   */
  check(waiting: boolean, answered: number): void {
    if (this.#limitMs === Infinity) return;
    const nowMs = performance.now();
    if (!waiting || !this.#waiting || answered !== this.#answered) {
      this.#waiting = waiting;
      this.#answered = answered;
      this.#sinceMs = nowMs;
    } else if (nowMs - this.#sinceMs > this.#limitMs) {
      this.#waiting = false;
      throw new ConnectionError(`The backend has answered nothing for ${this.#limitMs} ms`);
    }
  }
}
