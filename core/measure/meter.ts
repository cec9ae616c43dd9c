/**
 * Counts what a queue does: operations, bytes, and the latency of a sample of the operations.
 *
 * Reading the clock costs about 100 ns, as much as a round trip between two domains. So only every n-th operation is
 * timed, with n such that the readings take about 2 % of the time: every operation of a slow device, one in some dozens
 * of the fastest. The gaps are random, so that nothing periodic escapes or repeats. That n is found while the meter warms up,
 * in some steps, so that the load is soon what it will be when it is measured. A latency runs from `submit` to the
 * moment the workload gets the slot back: it includes the time in the ring, in the device and in waiting to be noticed.
 *
 * An operation that was due at a certain time is always timed, and from that time on: what it waited for before it could be
 * submitted is part of its latency, or a device that stalls would hide what it delays (coordinated omission).
 *
 * @module
 */

import { LatencyHistogram } from "./histogram.ts";

const NS_PER_MS = 1e6;
const CLOCK_SHARE = 0.02;
const OPERATIONS = 0;
const BYTES = 1;
const ERRORS = 2;
const FLUSHES = 3;
/** Timed operations after which the distance between them is found anew while the meter warms up. */
const TIMED_PER_STEP = 128;

/** Meters one queue. */
export class OperationMeter {
  /** Latencies of the timed operations, in nanoseconds. */
  readonly latencies: LatencyHistogram = new LatencyHistogram();
  /** How late the workload itself was with operations that were due at a certain time, in nanoseconds. */
  readonly lateness: LatencyHistogram = new LatencyHistogram();
  readonly #counts = new Float64Array(4);
  readonly #lengths: Float64Array;
  /** When each slot's operation was submitted, in milliseconds; negative: when it was due; 0 where it is not timed. */
  readonly #timedFrom: Float64Array;
  /** Mean distance between timed operations. */
  #stride = 1;
  #untilTimed = 1;
  /** Timed operations until the next step of warming up; negative: it is over. */
  #untilStep = TIMED_PER_STEP;
  readonly #clockNs = clockCostNs();
  #random = 0x9e3779b9;
  #startedAt = performance.now();

  /**
   * A meter that counts from now on.
   *
   * @param depth slots of the queue
   */
  constructor(depth: number) {
    this.#lengths = new Float64Array(depth);
    this.#timedFrom = new Float64Array(depth);
  }

  /** Finished operations, flushes excepted: they move no data, and a few of them would be all that a p99 shows. */
  get operations(): number {
    return this.#counts[OPERATIONS];
  }

  /** Bytes of the finished operations that succeeded. */
  get bytes(): number {
    return this.#counts[BYTES];
  }

  /** Finished operations, flushes included, that failed. */
  get errors(): number {
    return this.#counts[ERRORS];
  }

  /** Finished flushes. */
  get flushes(): number {
    return this.#counts[FLUSHES];
  }

  /** One operation in about so many is timed. */
  get stride(): number {
    return this.#stride;
  }

  /**
   * Starts counting anew, with the distance between timed operations that the speed since the last start allows.
   *
   * @param warmsUp whether that distance is to be found anew as operations come
   */
  restart(warmsUp = false): void {
    const now = performance.now();
    this.#stride = this.#strideBy(now);
    this.#untilTimed = 1;
    this.#untilStep = warmsUp ? TIMED_PER_STEP : -1;
    this.#startedAt = now;
    this.#counts.fill(0);
    // What is in flight was chosen at another stride; but of what has a due time nothing is left out.
    for (let slot = 0; slot < this.#timedFrom.length; slot++) {
      if (this.#timedFrom[slot] > 0) this.#timedFrom[slot] = 0;
    }
    this.latencies.reset();
    this.lateness.reset();
  }

  /** The operation that is submitted next in a slot was due at a time; see `WorkloadContext.due`. On the hot path. */
  due(slot: number, dueMs: number, lateNs: number): void {
    this.#timedFrom[slot] = -dueMs;
    this.lateness.record(lateNs);
  }

  /** A slot's operation was submitted; a flush is what has no length. */
  submitted(slot: number, byteLength: number): void {
    this.#lengths[slot] = byteLength;
    if (byteLength === 0) return;
    if (--this.#untilTimed > 0) return;
    this.#untilTimed = this.#nextGap();
    if (this.#timedFrom[slot] === 0) this.#timedFrom[slot] = performance.now();
  }

  /** A slot's operation is over and the workload gets it. */
  completed(slot: number, status: number): void {
    const byteLength = this.#lengths[slot];
    this.#counts[byteLength === 0 ? FLUSHES : OPERATIONS]++;
    if (status === 0) this.#counts[BYTES] += byteLength;
    else this.#counts[ERRORS]++;
    const from = this.#timedFrom[slot];
    if (from === 0) return;
    this.latencies.record((performance.now() - Math.abs(from)) * NS_PER_MS);
    this.#timedFrom[slot] = 0;
  }

  /** The distance that the speed since the start allows. */
  #strideBy(now: number): number {
    const nsPerOperation = ((now - this.#startedAt) * NS_PER_MS) / Math.max(1, this.operations);
    return Math.max(1, Math.round((2 * this.#clockNs) / (CLOCK_SHARE * nsPerOperation)));
  }

  #step(): void {
    this.#untilStep = TIMED_PER_STEP;
    this.#stride = this.#strideBy(performance.now());
  }

  /** 1 to 2 × stride − 1, evenly (xorshift32). */
  #nextGap(): number {
    if (--this.#untilStep === 0) this.#step();
    if (this.#stride === 1) return 1;
    this.#random ^= this.#random << 13;
    this.#random ^= this.#random >>> 17;
    this.#random ^= this.#random << 5;
    return 1 + ((this.#random >>> 1) % (2 * this.#stride - 1));
  }
}

/**
 * Counts operations and bytes, and times none: the least that must be counted for a speed to be known. With it the bench
 * of what measuring costs has something to compare {@link OperationMeter} with.
 */
export class CountingMeter extends OperationMeter {
  readonly #own = new Float64Array(2);
  readonly #byteLengths: Float64Array;

  /** See {@link OperationMeter}. */
  constructor(depth: number) {
    super(depth);
    this.#byteLengths = new Float64Array(depth);
  }

  /** See {@link OperationMeter.operations}; flushes are among them. */
  override get operations(): number {
    return this.#own[OPERATIONS];
  }

  /** See {@link OperationMeter.bytes}; of those that failed, too. */
  override get bytes(): number {
    return this.#own[BYTES];
  }

  /** Starts counting anew. */
  override restart(): void {
    this.#own.fill(0);
  }

  /** See {@link OperationMeter.submitted}. */
  override submitted(slot: number, byteLength: number): void {
    this.#byteLengths[slot] = byteLength;
  }

  /** See {@link OperationMeter.completed}. */
  override completed(slot: number): void {
    this.#own[OPERATIONS]++;
    this.#own[BYTES] += this.#byteLengths[slot];
  }
}

/** What one reading of the clock costs here, in nanoseconds. */
function clockCostNs(): number {
  const readings = 1000;
  const start = performance.now();
  for (let i = 0; i < readings; i++) performance.now();
  return ((performance.now() - start) * NS_PER_MS) / readings;
}
