/**
 * The measured window of one thread, cut into pieces: what was counted in each.
 *
 * The hypervisor numbers the pieces, and tells all domains when the next begins. A thread notes its counters when it sees
 * a new number, at the same place of its loop at which it sees commands. It is not woken for that, as this would change
 * what is measured: one that sleeps sees the number when it wakes, so up to 100 ms late, and may miss some. So a piece
 * has the length that it really had, and says up to which of the hypervisor's numbers it goes.
 *
 * @module
 */

import type { WaitCounters } from "../waiter.ts";
import type { OperationMeter } from "./meter.ts";
import { coarseCpuNs, threadCpuClock } from "./thread.ts";

/** Most pieces of a window. */
export const MAX_PIECES = 100;

/** What one thread did in each piece, in order; one value a piece in each list. Times in nanoseconds. */
export interface RecordedPieces {
  /** The hypervisor's number of the piece that began when this one ended, ascending; {@link MAX_PIECES} at the last. */
  readonly upTo: readonly number[];
  /** How long it was. */
  readonly durationNs: readonly number[];
  /** CPU time used; null where that cannot be known. */
  readonly cpuNs: readonly (number | null)[];
  /** Finished operations, flushes excepted; 0 for a driver. */
  readonly operations: readonly number[];
  /** Bytes of those that succeeded. */
  readonly bytes: readonly number[];
  /** Time spinning. */
  readonly spunNs: readonly number[];
  /** Time of spinning in which others had the core, as far as it was noticed. */
  readonly lostNs: readonly number[];
  /** Time asleep. */
  readonly sleptNs: readonly number[];
}

const COLUMNS = ["durationNs", "cpuNs", "operations", "bytes", "spunNs", "lostNs", "sleptNs"] as const;
type Column = typeof COLUMNS[number];
const ROW = COLUMNS.length;
const NS_PER_MS = 1e6;

/** Notes a thread's counters at the ends of pieces. Noting takes under 1 µs and, with libc, allocates nothing. */
export class PieceRecorder {
  readonly #waits: WaitCounters;
  readonly #meter: OperationMeter | null;
  readonly #cpuNs: () => number;
  /** What the counters were at the beginning and at the end of each piece, a row each. */
  readonly #rows = new Float64Array((MAX_PIECES + 1) * ROW);
  readonly #upTo = new Int32Array(MAX_PIECES + 1);
  #count = 0;

  /**
   * A recorder that has noted nothing.
   *
   * @param waits what the thread's waiter counts
   * @param meter what its workload counts; null for a driver
   */
  constructor(waits: WaitCounters, meter: OperationMeter | null) {
    this.#waits = waits;
    this.#meter = meter;
    this.#cpuNs = threadCpuClock() ?? (() => coarseCpuNs() ?? NaN);
  }

  /** The window begins. */
  begin(): void {
    this.#count = 0;
    this.#note(0);
  }

  /**
   * A piece has ended.
   *
   * @param next the number of the one that begins, above those before; {@link MAX_PIECES} at the end of the window
   */
  cut(next: number): void {
    if (this.#count === 0 || this.#count > MAX_PIECES || next <= this.#upTo[this.#count - 1]) return;
    this.#note(next);
  }

  #note(next: number): void {
    const rows = this.#rows;
    const waits = this.#waits;
    const row = this.#count * ROW;
    rows[row] = performance.now() * NS_PER_MS;
    rows[row + 1] = this.#cpuNs();
    rows[row + 2] = this.#meter === null ? 0 : this.#meter.operations;
    rows[row + 3] = this.#meter === null ? 0 : this.#meter.bytes;
    rows[row + 4] = waits.spunNs;
    rows[row + 5] = waits.lostNs;
    rows[row + 6] = waits.sleptNs;
    this.#upTo[this.#count++] = next;
  }

  /** The pieces; null where the window was not cut. */
  recorded(): RecordedPieces | null {
    const pieces = this.#count - 1;
    if (pieces < 2) return null;
    const column = (name: Column): number[] => {
      const at = COLUMNS.indexOf(name);
      return Array.from({ length: pieces }, (_, piece) => {
        return Math.round(this.#rows[(piece + 1) * ROW + at] - this.#rows[piece * ROW + at]);
      });
    };
    const cpuNs = column("cpuNs").map((ns) => Number.isNaN(ns) ? null : ns);
    return {
      upTo: [...this.#upTo.subarray(1, this.#count)],
      ...{ durationNs: column("durationNs"), cpuNs, operations: column("operations"), bytes: column("bytes") },
      ...{ spunNs: column("spunNs"), lostNs: column("lostNs"), sleptNs: column("sleptNs") },
    };
  }
}
