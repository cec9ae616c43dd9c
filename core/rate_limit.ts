/**
 * Rate limits: how many operations and bytes a second a client may have.
 *
 * A token bucket fills at the rate, up to what a burst may take at once; whatever is done takes tokens out. What is
 * done may take more than is there, as a request's length is known too late: the bucket is then in debt, and nothing
 * more is done until it has filled above 0. So within any time t at most `rate · (burst + t)` and one request is done.
 *
 * @module
 */

import type { Allowance } from "./allowance.ts";

/** How much a client may have; null is no bound. */
export interface RateLimits {
  /** Operations a second, above 0. */
  readonly iops: number | null;
  /** Bytes a second that are read or written, above 0. */
  readonly bytesPerSecond: number | null;
  /** How long a client that did nothing meanwhile may save up for, in nanoseconds. */
  readonly burstNs: number;
}

/** So much longer than computed a wait for tokens lasts, so that rounding leaves none a moment too short. */
const ROUNDING_MS = 1e-3;

/** A bucket that is filled at a rate, and full at first. Times in milliseconds, of a clock that never goes back. */
export class TokenBucket {
  /** What may be taken out; below 0 is owed. */
  tokens: number;
  readonly #capacity: number;
  readonly #perMs: number;
  #filledAtMs: number | undefined;

  /**
   * A full bucket.
   *
   * @param ratePerSecond tokens that it gains in a second
   * @param burstNs how long it takes to fill it; it holds one token at least
   */
  constructor(ratePerSecond: number, burstNs: number) {
    this.#perMs = ratePerSecond / 1e3;
    this.#capacity = Math.max(1, (ratePerSecond * burstNs) / 1e9);
    this.tokens = this.#capacity;
  }

  /** Adds what has come in by now. */
  fill(nowMs: number): void {
    const sinceMs = nowMs - (this.#filledAtMs ?? nowMs);
    this.#filledAtMs = nowMs;
    this.tokens = Math.min(this.#capacity, this.tokens + sinceMs * this.#perMs);
  }

  /** When there will be tokens again, as of the last {@link fill}; −Infinity where there are some. */
  get dueMs(): number {
    if (this.tokens > 0) return -Infinity;
    return (this.#filledAtMs ?? 0) - this.tokens / this.#perMs + ROUNDING_MS;
  }
}

/** The limits of one client, and how much of them is used. All rings of the client share one. */
export class RateLimit {
  readonly #operations: TokenBucket | null;
  readonly #bytes: TokenBucket | null;

  /** Limits of which nothing is used. */
  constructor({ iops, bytesPerSecond, burstNs }: RateLimits) {
    this.#operations = iops === null ? null : new TokenBucket(iops, burstNs);
    this.#bytes = bytesPerSecond === null ? null : new TokenBucket(bytesPerSecond, burstNs);
  }

  /** Puts into an allowance what may be had now. Whether that is anything. On the hot path. */
  grant(allowance: Allowance, nowMs: number): boolean {
    this.#operations?.fill(nowMs);
    this.#bytes?.fill(nowMs);
    allowance.requests = this.#operations?.tokens ?? Infinity;
    allowance.bytes = this.#bytes?.tokens ?? Infinity;
    return allowance.requests > 0 && allowance.bytes > 0;
  }

  /** Takes back what of the allowance was not used. On the hot path. */
  settle(allowance: Allowance): void {
    if (this.#operations !== null) this.#operations.tokens = allowance.requests;
    if (this.#bytes !== null) this.#bytes.tokens = allowance.bytes;
  }

  /** When something may be had again, as of the last {@link grant}; −Infinity where it may be now. */
  get dueMs(): number {
    return Math.max(this.#operations?.dueMs ?? -Infinity, this.#bytes?.dueMs ?? -Infinity);
  }
}
