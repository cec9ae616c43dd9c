import assert from "node:assert/strict";
import { mulberry32 } from "../../core/mulberry32.ts";
import type { Repeated } from "../../core/runner/bootstrap.ts";
import { ratioOf } from "../../core/runner/ratio.ts";
import { fewestValues, type Pair, verdicts } from "../../core/runner/verdicts.ts";
import { normal } from "../helpers/random.ts";

const DEFAULTS = { errorRate: 0.01, threshold: 0 };
/** Standard deviation of processes (1 %), and what is left of that within them (2 %) over 20 pieces. */
const PROCESS = Math.hypot(0.01, 0.02 / Math.sqrt(20));

function group(count: number, mean: number, random: () => number): number[] {
  return Array.from({ length: count }, () => mean * (1 + PROCESS * normal(random)));
}

function family(cells: number, repetitions: number, change: number, random: () => number): Pair[] {
  return Array.from({ length: cells }, () => ({
    a: group(repetitions, 1, random),
    b: group(repetitions, change, random),
  }));
}

for (const [cells, repetitions] of [[1, 5], [1, 10], [4, 6], [10, 7], [12, 12]]) {
  Deno.test(`of families of ${cells} cells with ${repetitions} repetitions of the same code, at most 1 in 100 has a false verdict`, () => {
    const random = mulberry32(cells * 100 + repetitions);
    const families = 2000;
    let wrong = 0;
    for (let i = 0; i < families; i++) {
      const found = verdicts(family(cells, repetitions, 1, random), DEFAULTS);
      if (found.some(({ verdict }) => verdict === "larger" || verdict === "smaller")) wrong++;
    }
    // 2000 families at 1 % are 20, with a standard deviation of 4.4.
    assert(wrong <= 20 + 3 * 4.4, `${wrong} of ${families}`);
  });
}

for (const [cells, repetitions] of [[1, 5], [3, 6], [4, 10], [20, 10]]) {
  Deno.test(`a slowdown of 5 % is found in at least 95 of 100 trials: ${cells} cells, ${repetitions} repetitions`, () => {
    const random = mulberry32(cells * 100 + repetitions);
    let [found, all] = [0, 0];
    for (let i = 0; i < 300; i++) {
      for (const { verdict } of verdicts(family(cells, repetitions, 0.95, random), DEFAULTS)) {
        all++;
        if (verdict === "smaller") found++;
        assert.notEqual(verdict, "larger");
      }
    }
    assert(found >= 0.95 * all, `${found} of ${all}`);
  });
}

Deno.test("one cell that differs is found among many that do not, and they are not taken for it", () => {
  const random = mulberry32(3);
  const pairs = [...family(11, 12, 1, random), ...family(1, 12, 1.05, random)];
  const found = verdicts(pairs, DEFAULTS).map(({ verdict }) => verdict);
  assert.deepEqual(found, [...Array(11).fill("no evidence"), "larger"]);
});

Deno.test("too few repetitions are said to be too few, however large the difference, and the fewest are named", () => {
  const pair = (count: number): Pair => ({
    a: Array.from({ length: count }, (_, index) => 1 + index / 1000),
    b: Array.from({ length: count }, (_, index) => 2 + index / 1000),
  });
  const of = (count: number, cells: number): string => {
    return verdicts([pair(count), ...Array.from({ length: cells - 1 }, () => ({ a: [1, 2], b: [1, 2] }))], DEFAULTS)[0]
      .verdict;
  };
  for (const cells of [1, 2, 4, 20, 100]) {
    const fewest = fewestValues(cells, 0.01);
    assert.equal(of(fewest, cells), "larger", `${cells} cells`);
    assert.equal(of(fewest - 1, cells), "too few", `${cells} cells`);
  }
  assert.deepEqual([1, 4, 17, 64].map((cells) => fewestValues(cells, 0.01)), [5, 6, 7, 8]);
});

Deno.test("a difference up to the threshold does not count", () => {
  const pair = { a: [100, 101, 102, 103, 104, 105], b: [110, 111, 112, 113, 114, 115] };
  const of = (threshold: number): string => verdicts([pair], { errorRate: 0.01, threshold })[0].verdict;
  assert.deepEqual([0, 0.03, 0.2].map(of), ["larger", "larger", "no evidence"]);
});

Deno.test("exchanged groups have the opposite verdict and the inverse ratio, with and without pieces", () => {
  const random = mulberry32(11);
  const opposite = { "larger": "smaller", "smaller": "larger", "no evidence": "no evidence", "too few": "too few" };
  for (let trial = 0; trial < 60; trial++) {
    const [countA, countB] = [4 + trial % 7, 4 + trial % 5];
    const groups = [[countA, 1], [countB, 1 + (trial % 3) * 0.03]].map(([count, mean]) => group(count, mean, random));
    const [a, b] = groups;
    for (const threshold of [0, 0.02]) {
      const options = { errorRate: 0.05, threshold };
      const [[there], [back]] = [verdicts([{ a, b }], options), verdicts([{ a: b, b: a }], options)];
      assert.equal(back.verdict, opposite[there.verdict]);
      assert(Math.abs(back.probability - there.probability) < 1e-12);
    }
    const repeated = groups.map((values): Repeated[] =>
      values.map((value) => ({
        value,
        pieces: trial % 2 === 0 ? null : {
          numerators: Array.from({ length: 5 }, () => value * (1 + 0.02 * normal(random))),
          denominators: [1, 1, 1, 1, 1],
        },
      }))
    );
    const [there, back] = [ratioOf(repeated[0], repeated[1]), ratioOf(repeated[1], repeated[0])];
    assert(there !== null && back !== null && there.interval === back.interval);
    assert(there.low <= there.median && there.median <= there.high);
    for (const [one, other] of [[there.median, back.median], [there.low, back.high], [there.high, back.low]]) {
      assert(Math.abs(one * other - 1) < 1e-9, `${one} ${other}`);
    }
  }
});

Deno.test("the interval of the ratio holds the truth in 90 to 98 of 100 trials", () => {
  const random = mulberry32(17);
  const trials = 1000;
  let covered = 0;
  const repeated = (mean: number): Repeated[] =>
    Array.from({ length: 8 }, () => {
      const own = mean * (1 + 0.01 * normal(random));
      const numerators = Array.from({ length: 20 }, () => own * (1 + 0.02 * normal(random)));
      const value = numerators.reduce((total, each) => total + each, 0) / 20;
      return { value, pieces: { numerators, denominators: numerators.map(() => 1) } };
    });
  for (let trial = 0; trial < trials; trial++) {
    const ratio = ratioOf(repeated(1), repeated(0.95));
    if (ratio !== null && ratio.low <= 0.95 && 0.95 <= ratio.high) covered++;
  }
  assert(covered >= 0.9 * trials && covered <= 0.98 * trials, `${covered} of ${trials}`);
});

Deno.test("a ratio of what is 0 is none", () => {
  const of = (value: number): Repeated[] => [{ value, pieces: null }];
  assert.equal(ratioOf(of(0), of(1)), null);
  assert.equal(ratioOf(of(1), of(0)), null);
  assert.deepEqual(ratioOf(of(2), of(1)), { median: 0.5, low: 0.5, high: 0.5, interval: "minmax" });
});
