import assert from "node:assert/strict";
import { mulberry32 } from "../../core/mulberry32.ts";
import { slopeOf, steadiness } from "../../core/runner/steady.ts";
import { normal } from "../helpers/random.ts";
import { sampleOf } from "../helpers/results.ts";

/** 20 pieces that change by some per cent of the mean from one end of the window to the other. */
function rising(percent: number, noise: (piece: number) => number = () => 0): number[] {
  return Array.from(
    { length: 20 },
    (_, piece) => 1000 * (1 + (percent / 100) * ((piece + 0.5) / 20 - 0.5) + noise(piece)),
  );
}

Deno.test("the slope is the change over the window in per cent of the mean, rising or falling", () => {
  for (const percent of [0, 3, 40, -12]) {
    const slope = slopeOf({ durationNs: rising(0), operations: rising(percent) });
    assert(
      slope !== null && Math.abs(slope.percent - percent) < 1e-6 && slope.errorPercent < 1e-6,
      `${slope?.percent}`,
    );
  }
});

Deno.test("pieces count by their lengths: joined ones have the slope of those that they were", () => {
  const operations = rising(20);
  const joined = [operations.slice(0, 6), ...operations.slice(6).map((each) => [each])];
  const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);
  const slope = slopeOf({ durationNs: joined.map(({ length }) => length), operations: joined.map(sum) });
  assert(slope !== null && Math.abs(slope.percent - 20) < 0.5, `${slope?.percent}`);
});

Deno.test("a cell has settled when it changed by no more than 5 % over the window", () => {
  for (const [percent, settled] of [[0, true], [4.9, true], [-4.9, true], [6, false], [-30, false]] as const) {
    const { settled: found, slopePercent } = steadiness([sampleOf(0, rising(percent))]) ?? {};
    assert.equal(found, settled, `${percent}`);
    assert(Math.abs((slopePercent ?? NaN) - percent) < 1e-6);
  }
});

Deno.test("the middle of the repetitions counts, not one that was disturbed", () => {
  const samples = [0, 1, 50].map((percent, index) => sampleOf(index, rising(percent)));
  assert.deepEqual(steadiness(samples)?.settled, true);
  assert(Math.abs((steadiness(samples)?.slopePercent ?? NaN) - 1) < 1e-6);
});

Deno.test("noise is no slope: of noisy cells without one hardly any has not settled, of those with one all", () => {
  const random = mulberry32(5);
  const unsettled = (percent: number): number => {
    let count = 0;
    for (let trial = 0; trial < 1000; trial++) {
      const samples = Array.from({ length: 3 }, (_, index) => {
        return sampleOf(index, rising(percent, () => 0.15 * normal(random)));
      });
      if (steadiness(samples)?.settled === false) count++;
    }
    return count;
  };
  const [without, with60] = [unsettled(0), unsettled(60)];
  assert(without <= 20, `${without}`);
  assert(with60 >= 980, `${with60}`);
});

Deno.test("what rises in each repetition has not settled, however much the pieces of each scatter", () => {
  const random = mulberry32(6);
  // Bursts of several pieces: a regression takes them for noise, and the slopes of the repetitions are alike all the same.
  const bursts = (percent: number): number[] =>
    rising(percent, (piece) => Math.floor((piece + 1) / 2) % 2 === 0 ? 0.9 : -0.9);
  const samples = (percent: () => number) => Array.from({ length: 10 }, (_, at) => sampleOf(at, bursts(percent())));
  assert.equal(steadiness(samples(() => 60 + 10 * normal(random)))?.settled, false);
  assert.equal(steadiness(samples(() => 25 * normal(random)))?.settled, true);
});

Deno.test("too few pieces, or no operations, say nothing", () => {
  assert.equal(steadiness([]), null);
  assert.equal(steadiness([sampleOf(0, [1, 2, 3, 4])]), null);
  assert.equal(steadiness([sampleOf(0, [0, 0, 0, 0, 0])]), null);
  assert.equal(steadiness([sampleOf(0, rising(0), { windows: null })]), null);
});
