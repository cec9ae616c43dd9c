/**
 * Watches the signs of life of a machine's domains, and gives them its own.
 *
 * @module
 */

import type { Incarnation } from "./incarnation.ts";

/** Between two signs of the hypervisor's own life at most. */
const BEAT_MS = 1000;

/** A domain to watch. */
export interface WatchedDomain {
  /** Who carries it now. */
  readonly current: Incarnation;
}

/** Watches some domains. */
export class LifeWatch<Domain extends WatchedDomain> {
  readonly #domains: readonly Domain[];
  readonly #timeoutMs: number;
  readonly #everyMs: number;
  readonly #silent: (domain: Domain, incarnation: Incarnation, silentMs: number) => void;
  #timer: ReturnType<typeof setInterval> | undefined;
  #watching = false;

  /**
   * Does nothing yet.
   *
   * @param timeoutMs how long a domain may show no sign of life, if it says nothing else
   * @param silent told of one that has shown none for too long. Whether it hangs or has ended looks the same
   */
  constructor(
    domains: readonly Domain[],
    timeoutMs: number,
    silent: (domain: Domain, incarnation: Incarnation, silentMs: number) => void,
  ) {
    this.#domains = domains;
    this.#timeoutMs = timeoutMs;
    this.#everyMs = Math.min(BEAT_MS, Math.max(10, timeoutMs / 10));
    this.#silent = silent;
  }

  /** Shows that the hypervisor lives. */
  beat(): void {
    this.#timer = setInterval(() => this.#look(), this.#everyMs);
  }

  /** From now on the domains must show that they live, too. */
  watch(): void {
    for (const { current } of this.#domains) current.watch();
    this.#watching = true;
  }

  /** Watches no more. */
  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const domain of this.#domains) {
      const { current } = domain;
      if (current.over || current.closed) continue;
      current.control.showHypervisorLives();
      const silentMs = this.#watching ? current.silentMs(this.#timeoutMs, this.#everyMs) : 0;
      if (silentMs > 0) this.#silent(domain, current, silentMs);
    }
  }
}
