/**
 * A small seeded generator of numbers that look random, for what must come out the same for the same seed.
 *
 * @module
 */

/** The generator mulberry32. Returns a function whose results are evenly spread over 0 … 1, without 1. */
export function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
