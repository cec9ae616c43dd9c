import assert from "node:assert/strict";
import fc from "fast-check";
import { mulberry32 } from "../../../core/mulberry32.ts";
import { ratiosTo, studentQuantile999 } from "../../../core/runner/advise/comparison.ts";
import { normal } from "../../helpers/simulated_policies.ts";

/** The probability that Student's t is at most x, by integrating its density (Simpson's rule, in a variable that ends). */
function studentCdf(x: number, freedom: number): number {
  // With t = √ν tan φ the density is proportional to cos^(ν−1) φ.
  const integral = (to: number): number => {
    const steps = 20_000;
    const width = (to + Math.PI / 2) / steps;
    let sum = 0;
    for (let step = 0; step <= steps; step++) {
      const weight = step === 0 || step === steps ? 1 : step % 2 === 1 ? 4 : 2;
      sum += weight * Math.cos(-Math.PI / 2 + step * width) ** (freedom - 1);
    }
    return sum * width / 3;
  };
  return integral(Math.atan(x / Math.sqrt(freedom))) / integral(Math.PI / 2);
}

Deno.test("the quantiles of Student's t are those of its density", () => {
  for (const freedom of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 20, 40, 200]) {
    const above = 1 - studentCdf(studentQuantile999(freedom), freedom);
    assert.ok(Math.abs(above - 0.001) < 2e-5, `${freedom}: ${above}`);
  }
});

Deno.test("ratios are those within the rounds, so what all share in a round leaves no trace", () => {
  const one = [1, 1.1, 0.9, 1.05, 1].map(Math.log);
  const two = one.map((log) => log + Math.log(2));
  const [first, second] = ratiosTo(0, [one, two]);
  assert.deepEqual(first, { ratio: 1, low: 1, high: 1 });
  assert.ok(Math.abs(second.ratio - 2) < 1e-9);
  assert.ok(second.low > 1.97 && second.high < 2.03, "what is left is the least deviation that is believed");
});

Deno.test("one round tells no interval, and a policy that was not measured no ratio", () => {
  const [, once, never] = ratiosTo(0, [[0], [1], []]);
  assert.deepEqual(once, { ratio: Math.E, low: 0, high: Infinity });
  assert.ok(Number.isNaN(never.ratio));
});

Deno.test("comparing the other way round gives the inverse ratio and interval", () => {
  const logs = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 2, maxLength: 9 });
  fc.assert(fc.property(logs, logs, (a, b) => {
    const rounds = Math.min(a.length, b.length);
    const both = [a.slice(0, rounds), b.slice(0, rounds)];
    const [there, back] = [ratiosTo(0, both)[1], ratiosTo(1, both)[0]];
    assert.ok(Math.abs(there.ratio * back.ratio - 1) < 1e-9);
    assert.ok(Math.abs(there.low * back.high - 1) < 1e-6 && Math.abs(there.high * back.low - 1) < 1e-6);
  }));
});

Deno.test("a single look covers the true ratio in at least 99.5 % of trials, from two rounds on", () => {
  const random = mulberry32(5);
  for (const rounds of [2, 3, 5, 10]) {
    let covered = 0;
    const trials = 2000;
    for (let trial = 0; trial < trials; trial++) {
      const logs = [0, 0, 0.1, 0.2, 0.3].map((log) =>
        Array.from({ length: rounds }, () => log + 0.03 * normal(random))
      );
      const { low, high } = ratiosTo(0, logs)[1];
      if (low <= 1 && high >= 1) covered++;
    }
    assert.ok(covered / trials >= 0.995, `${rounds} rounds: ${covered / trials}`);
  }
});
