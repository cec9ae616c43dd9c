/**
 * Random numbers as `sysbench` draws them: a small fast generator, and the distributions of `--rand-type`. Nothing here
 * allocates per draw.
 *
 * In all distributions but the uniform and the gaussian one the small numbers are the frequent ones.
 *
 * @module
 */

const TWO_32 = 2 ** 32;
/** Uniform numbers whose mean makes a gaussian one: `sysbench --rand-spec-iter`. */
const GAUSSIAN_TERMS = 12;

/** A generator of 32 random bits at a time (Marsaglia's xorshift, shifts 13, 17, 5; period 2³²−1). */
export class Random {
  #state: number;

  /** A generator that is determined by `seed`, any whole number of which the low 32 bits count. */
  constructor(seed: number) {
    // Mixed, as neighbouring seeds, which threads have, would begin with similar numbers; 0 would never be left.
    this.#state = mix(seed) || 1;
  }

  /** The next number from 0 up to, not including, 1: a multiple of 2⁻³². On the hot path. */
  fraction(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return (state >>> 0) / TWO_32;
  }
}

/** Draws a whole number from 0 up to, not including, the count that it was made for. On the hot path. */
export type Draw = () => number;

/** Every number equally often. Beyond a count of 2³² some are never drawn. */
export function uniform(random: Random, count: number): Draw {
  return () => Math.floor(random.fraction() * count);
}

/** Bell-shaped around the middle: the mean of 12 uniform numbers; standard deviation 1/12 of the range. */
export function gaussian(random: Random, count: number): Draw {
  return () => {
    let sum = 0;
    for (let i = 0; i < GAUSSIAN_TERMS; i++) sum += random.fraction();
    return Math.floor((sum / GAUSSIAN_TERMS) * count);
  };
}

/**
 * Pareto's rule, self-similar: a share `1 − h` of the draws is among the first share `h` of the numbers.
 *
 * @param h between 0 and 1, both excluded
 */
export function pareto(random: Random, count: number, h: number): Draw {
  const power = Math.log(h) / Math.log(1 - h);
  // With h near 1 the power of a fraction near 1 is rounded to 1.
  return () => Math.min(count - 1, Math.floor(Math.pow(random.fraction(), power) * count));
}

/**
 * Zipf's law: number k, from 0, is drawn in proportion to `1 / (k + 1)^exponent`.
 *
 * By rejection-inversion (Hörmann and Derflinger, "Rejection-inversion to generate variates from monotone discrete
 * distributions", 1996), whose cost does not depend on the count.
 *
 * @param exponent at least 0, at which the distribution is uniform
 */
export function zipfian(random: Random, count: number, exponent: number): Draw {
  const power = 1 - exponent;
  // The density and its integral H over the numbers from 1 on, and H's inverse; all exact near an exponent of 1.
  const density = (x: number): number => Math.exp(-exponent * Math.log(x));
  const integral = (x: number): number => {
    const log = Math.log(x);
    return expm1OverX(power * log) * log;
  };
  const inverse = (y: number): number => Math.exp(log1pOverX(Math.max(-1, y * power)) * y);

  const first = integral(1.5) - 1;
  const last = integral(count + 0.5);
  /** So close to x, k need not be tested. */
  const accepted = 2 - inverse(integral(2.5) - density(2));
  return () => {
    for (;;) {
      const y = last + random.fraction() * (first - last);
      const x = inverse(y);
      const k = Math.min(count, Math.max(1, Math.floor(x + 0.5)));
      if (k - x <= accepted || y >= integral(k + 0.5) - density(k)) return k - 1;
    }
  };
}

/** Spreads the low 32 bits of a number over 32 bits, one to one (the finalizer of MurmurHash3). */
export function mix(value: number): number {
  let bits = value | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}

function expm1OverX(x: number): number {
  return Math.abs(x) > 1e-8 ? Math.expm1(x) / x : 1 + x / 2;
}

function log1pOverX(x: number): number {
  return Math.abs(x) > 1e-8 ? Math.log1p(x) / x : 1 - x / 2;
}
