/**
 * A log-linear histogram of latencies in nanoseconds, in the manner of HdrHistogram: a power of two is divided into 64
 * equal buckets, so that a value is known to within 1/64 (1.6 %). Values below 64 ns are exact.
 *
 * @module
 */

const SUB_BUCKET_BITS = 6;
const SUB_BUCKETS = 1 << SUB_BUCKET_BITS;
/** Octaves above the linear range: values up to 2⁴⁶ ns, 19 hours. */
const OCTAVES = 40;
const BUCKETS = SUB_BUCKETS * (OCTAVES + 1);
const TWO_32 = 2 ** 32;

/** What a histogram holds, as data: what one domain sends. */
export interface RecordedLatencies {
  /** How many values. */
  readonly count: number;
  /** Their sum in nanoseconds. */
  readonly sum: number;
  /** The smallest, in nanoseconds; 0 without values. */
  readonly min: number;
  /** The largest, in nanoseconds; 0 without values. */
  readonly max: number;
  /** The buckets that are not empty: pairs of a bucket's number and its count. */
  readonly buckets: readonly (readonly [bucket: number, count: number])[];
}

/** Counts values; allocates nothing while doing so. */
export class LatencyHistogram {
  /** How many values fell into each bucket. */
  readonly counts: Uint32Array = new Uint32Array(BUCKETS);
  /** Number, sum, smallest and largest of the values. */
  readonly #totals = new Float64Array(4);

  constructor() {
    this.reset();
  }

  /** Forgets everything. */
  reset(): void {
    this.counts.fill(0);
    this.#totals[0] = 0;
    this.#totals[1] = 0;
    this.#totals[2] = Infinity;
    this.#totals[3] = 0;
  }

  /** Counts one value: nanoseconds, at least 0. */
  record(ns: number): void {
    const totals = this.#totals;
    totals[0]++;
    totals[1] += ns;
    if (ns < totals[2]) totals[2] = ns;
    if (ns > totals[3]) totals[3] = ns;
    this.counts[bucketOf(ns)]++;
  }

  /** Adds what others recorded. */
  add(recorded: RecordedLatencies): void {
    if (recorded.count === 0) return;
    const totals = this.#totals;
    totals[0] += recorded.count;
    totals[1] += recorded.sum;
    totals[2] = Math.min(totals[2], recorded.min);
    totals[3] = Math.max(totals[3], recorded.max);
    for (const [bucket, count] of recorded.buckets) this.counts[bucket] += count;
  }

  /** What it holds, as data. */
  recorded(): RecordedLatencies {
    const buckets = [...this.counts.entries()].filter(([, count]) => count > 0);
    const [count, sum, min, max] = this.#totals;
    return { count, sum, min: count === 0 ? 0 : min, max, buckets };
  }

  /** The buckets that are not empty, ascending: the middle of each in nanoseconds, and how many values fell into it. */
  columns(): { readonly ns: number[]; readonly counts: number[] } {
    const buckets = [...this.counts.entries()].filter(([, count]) => count > 0);
    return { ns: buckets.map(([bucket]) => middleOf(bucket)), counts: buckets.map(([, count]) => count) };
  }

  /** How many values were counted. */
  get count(): number {
    return this.#totals[0];
  }

  /** The smallest value, exactly; Infinity if there is none. */
  get min(): number {
    return this.#totals[2];
  }

  /** The largest value, exactly; 0 if there is none. */
  get max(): number {
    return this.#totals[3];
  }

  /** The mean, exactly; NaN if there is none. */
  get mean(): number {
    return this.#totals[1] / this.#totals[0];
  }

  /**
   * The value that a fraction of all values do not exceed, to within 1/64.
   *
   * @param fraction 0 to 1
   */
  quantile(fraction: number): number {
    // What the product is too large by, as it is rounded, must not make it the next value's rank.
    const rank = Math.max(1, Math.ceil(fraction * this.count * (1 - 2 * Number.EPSILON)));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.counts[bucket];
      if (seen >= rank) return Math.min(this.max, Math.max(this.min, middleOf(bucket)));
    }
    return this.max;
  }
}

function bucketOf(ns: number): number {
  const octave = (ns < TWO_32 ? 31 - Math.clz32(ns) : 63 - Math.clz32(ns / TWO_32)) - SUB_BUCKET_BITS;
  if (octave < 0) return ns | 0;
  const bucket = (octave + 1) * SUB_BUCKETS + ((ns / 2 ** octave) | 0) - SUB_BUCKETS;
  return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

function middleOf(bucket: number): number {
  if (bucket < SUB_BUCKETS) return bucket;
  const octave = Math.floor(bucket / SUB_BUCKETS) - 1;
  const width = 2 ** octave;
  return ((bucket % SUB_BUCKETS) + SUB_BUCKETS) * width + (width - 1) / 2;
}
