import assert from "node:assert/strict";
import fc from "fast-check";
import { type Draw, gaussian, mix, pareto, Random, uniform, zipfian } from "../../plugins/workloads/random.ts";

const DRAWS = 200_000;

/** How often each number was drawn. */
function countDraws(draw: Draw, count: number, draws = DRAWS): Float64Array {
  const counts = new Float64Array(count);
  for (let i = 0; i < draws; i++) {
    const drawn = draw();
    assert(Number.isInteger(drawn) && drawn >= 0 && drawn < count, `${drawn} of ${count}`);
    counts[drawn]++;
  }
  return counts;
}

/**
 * Pearson's statistic of counts against the shares that are expected, as how many standard deviations it lies above the
 * mean: of n − 1 degrees of freedom the mean is n − 1, the variance 2 (n − 1).
 */
function chiSquareDeviations(counts: Float64Array, shareOf: (index: number) => number): number {
  const draws = counts.reduce((sum, count) => sum + count, 0);
  let statistic = 0;
  counts.forEach((count, index) => {
    const expected = draws * shareOf(index);
    statistic += (count - expected) ** 2 / expected;
  });
  return (statistic - (counts.length - 1)) / Math.sqrt(2 * (counts.length - 1));
}

/** The share of the draws below a number. */
function shareBelow(counts: Float64Array, end: number): number {
  return counts.subarray(0, end).reduce((sum, count) => sum + count, 0) / DRAWS;
}

Deno.test("a generator's numbers are fractions, determined by the low 32 bits of its seed", () => {
  fc.assert(fc.property(fc.maxSafeInteger(), (seed) => {
    const [one, same] = [new Random(seed), new Random(seed | 0)];
    for (let i = 0; i < 100; i++) {
      const fraction = one.fraction();
      assert(fraction >= 0 && fraction < 1);
      assert.equal(fraction, same.fraction());
    }
  }));
});

Deno.test("no seed makes a generator that stands still", () => {
  // The only state that xorshift does not leave is 0; mixing makes it of the seed 0 alone.
  for (const seed of [0, 2 ** 32, 1, -1]) {
    const random = new Random(seed);
    assert.equal(new Set(Array.from({ length: 1000 }, () => random.fraction())).size, 1000);
  }
});

Deno.test("mixing is one to one, and half of the bits change with any bit", () => {
  const mixed = new Set<number>();
  for (let value = 0; value < 100_000; value++) mixed.add(mix(value));
  assert.equal(mixed.size, 100_000);
  let changed = 0;
  for (let value = 1; value <= 1000; value++) {
    for (let bit = 0; bit < 32; bit++) {
      for (let bits = mix(value) ^ mix(value ^ (1 << bit)); bits !== 0; bits &= bits - 1) changed++;
    }
  }
  assert(Math.abs(changed / 32_000 - 16) < 0.2, `${changed / 32_000} bits`);
});

Deno.test("the generators of neighbouring seeds, as threads have them, are not alike from the first number on", () => {
  const counts = new Float64Array(100);
  for (let seed = 0; seed < 20_000; seed++) {
    const difference = new Random(seed).fraction() - new Random(seed + 1).fraction();
    counts[Math.floor((difference < 0 ? difference + 1 : difference) * 100)]++;
  }
  assert(Math.abs(chiSquareDeviations(counts, () => 1 / 100)) < 4);
});

Deno.test("uniform: every number is drawn equally often, and neighbouring draws do not depend on each other", () => {
  for (const seed of [1, 42, 12345]) {
    const draw = uniform(new Random(seed), 100);
    const pairs = countDraws(() => draw() * 100 + draw(), 10_000);
    assert(Math.abs(chiSquareDeviations(pairs, () => 1 / 10_000)) < 4);
    const counts = countDraws(draw, 100);
    assert(Math.abs(chiSquareDeviations(counts, () => 1 / 100)) < 4);
  }
});

Deno.test("gaussian: the mean is the middle, the deviation a twelfth of the range, and the shares are a bell's", () => {
  for (const seed of [1, 42]) {
    const counts = countDraws(gaussian(new Random(seed), 1200), 1200);
    let sum = 0;
    let squares = 0;
    counts.forEach((count, drawn) => {
      sum += count * (drawn + 0.5);
      squares += count * (drawn + 0.5 - 600) ** 2;
    });
    assert(Math.abs(sum / DRAWS - 600) < 1, `mean ${sum / DRAWS}`);
    assert(Math.abs(Math.sqrt(squares / DRAWS) - 100) < 1, `deviation ${Math.sqrt(squares / DRAWS)}`);
    for (const [deviations, share] of [[1, 0.683], [2, 0.954], [3, 0.997]]) {
      const within = shareBelow(counts, 600 + 100 * deviations) - shareBelow(counts, 600 - 100 * deviations);
      assert(Math.abs(within - share) < 0.006, `${within} within ${deviations} deviations`);
    }
  }
});

Deno.test("pareto: all but a share h of the draws is among the first share h of the numbers, and so on within", () => {
  for (const [h, seed] of [[0.2, 1], [0.2, 42], [0.1, 1], [0.4, 7], [0.5, 7]]) {
    const counts = countDraws(pareto(new Random(seed), 10_000, h), 10_000);
    assert(Math.abs(shareBelow(counts, h * 10_000) - (1 - h)) < 0.005, `${shareBelow(counts, h * 10_000)} at ${h}`);
    assert(Math.abs(shareBelow(counts, h * h * 10_000) - (1 - h) ** 2) < 0.005);
  }
});

Deno.test("zipfian: number k is drawn in proportion to 1 / (k + 1)^exponent", () => {
  for (const count of [1, 2, 10, 1000]) {
    for (const exponent of [0, 0.5, 0.8, 1, 1.2, 3]) {
      // Numbers that are hardly ever drawn are taken together, or the statistic would be of them alone.
      const kept = exponent > 2 ? Math.min(count, 20) : count;
      const share = (k: number): number => (k + 1) ** -exponent;
      let total = 0;
      for (let k = 0; k < count; k++) total += share(k);
      const counts = countDraws(zipfian(new Random(9), count, exponent), count);
      if (count === 1) continue;
      const first = counts.slice(0, kept);
      let keptTotal = 0;
      for (let k = 0; k < kept; k++) keptTotal += share(k);
      const drawn = first.reduce((sum, each) => sum + each, 0) / DRAWS;
      assert(Math.abs(drawn - keptTotal / total) < 0.002, `${drawn} of the draws are below ${kept}`);
      const deviations = chiSquareDeviations(first, (k) => share(k) / keptTotal);
      assert(Math.abs(deviations) < 4, `${deviations} at exponent ${exponent}, count ${count}`);
    }
  }
});

Deno.test("every distribution stays in its range, whatever its parameters and the count", () => {
  const counts = fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 2 ** 40 }));
  const fraction = fc.double({ min: 1e-12, max: 1 - 1e-12, noNaN: true });
  const exponent = fc.double({ min: 0, max: 20, noNaN: true });
  fc.assert(fc.property(fc.integer(), counts, fraction, exponent, (seed, count, h, power) => {
    const random = new Random(seed);
    for (
      const draw of [
        uniform(random, count),
        gaussian(random, count),
        pareto(random, count, h),
        zipfian(random, count, power),
      ]
    ) {
      for (let i = 0; i < 50; i++) {
        const drawn = draw();
        assert(Number.isInteger(drawn) && drawn >= 0 && drawn < count, `${drawn} of ${count}`);
      }
    }
  }));
});
