import assert from "node:assert/strict";
import { COMPARE_DEFAULTS, compareCells, type RunComparison } from "../../core/runner/compare.ts";
import { CompareError, matchRuns, matchWithin, type NamedResults } from "../../core/runner/compare_cells.ts";
import type { CellResult, Result } from "../../core/runner/result.ts";
import { cellOf, resultOf } from "../helpers/results.ts";

/** Six repetitions around a value. */
const around = (middle: number): number[] => [0.99, 0.995, 1, 1.001, 1.006, 1.011].map((factor) => factor * middle);
const FAILED = { status: "failed", error: "the driver died" } as const;

function named(name: string, ...results: Result[]): NamedResults {
  return { name, results };
}

function compare(a: readonly CellResult[], b: readonly CellResult[], options = {}): RunComparison {
  const matched = matchRuns(named("A.json", resultOf(a)), named("B.json", resultOf(b)));
  return compareCells(matched, { ...COMPARE_DEFAULTS, ...options });
}

function verdictsOf({ cells }: RunComparison): string[] {
  return cells.map(({ labels, verdict }) => `${labels.policy}: ${verdict}`);
}

Deno.test("each cell of one run is compared with the same of the other: faster, slower or no evidence", () => {
  const a = [cellOf("interrupt", around(100)), cellOf("busy-poll", around(200)), cellOf("fixed-spin", around(300))];
  const b = [cellOf("fixed-spin", around(300)), cellOf("interrupt", around(95)), cellOf("busy-poll", around(220))];
  const comparison = compare(a, b);
  assert.deepEqual(verdictsOf(comparison), ["interrupt: slower", "busy-poll: faster", "fixed-spin: no evidence"]);
  const [{ ratio, probability, repetitions, a: before, b: after }] = comparison.cells;
  assert(ratio !== null && probability !== null && before !== null && after !== null);
  assert(Math.abs(ratio.median - 0.95) < 1e-9 && ratio.low < 0.95 && ratio.high > 0.95 && ratio.high < 1);
  assert(Math.abs(probability - 3 * 2 / 924) < 1e-12, "of three cells, complete separation of 6 and 6");
  assert.deepEqual([repetitions, before.interval], [[6, 6], "bootstrap95"]);
  assert.deepEqual([comparison.unmatched, comparison.fewestRepetitions], [[], 6]);
});

Deno.test("of latencies and cores less is faster", () => {
  const [a, b] = [[cellOf("interrupt", around(100))], [cellOf("interrupt", around(90))]];
  assert.deepEqual(
    verdictsOf(compare(a, b, { metric: "latencyP99Ns" })),
    ["interrupt: slower"],
    "its p99 is 2e9 / iops",
  );
  assert.deepEqual(verdictsOf(compare(b, a, { metric: "latencyP99Ns" })), ["interrupt: faster"]);
  assert.deepEqual(verdictsOf(compare(a, b, { metric: "cpuCores" })), ["interrupt: no evidence"]);
});

Deno.test("too few repetitions are said to be too few, with how many it takes", () => {
  const cells = (factor: number): CellResult[] => {
    return ["a", "b", "c"].map((policy) => cellOf(policy, around(100 * factor).slice(0, 5)));
  };
  const { cells: [cell], fewestRepetitions } = compare(cells(1), cells(2));
  assert.deepEqual([cell.verdict, fewestRepetitions, cell.ratio?.interval], ["too few repetitions", 6, "minmax"]);
});

Deno.test("what was disturbed, not settled or interrupted is told of each side", () => {
  const [good, other] = [cellOf("a", around(100)), cellOf("b", around(100))];
  const samples = good.samples.map((sample, at) =>
    at === 0 ? { ...sample, disturbed: "the host took the core" } : sample
  );
  const unsettled = { ...other, summary: { ...other.summary, steady: { settled: false, slopePercent: 9 } } };
  const matched = matchRuns(
    named("A.json", resultOf([{ ...good, samples }, other])),
    named("B.json", resultOf([good, unsettled], { interrupted: true })),
  );
  assert.deepEqual(matched.warnings.filter((warning) => !warning.includes("before")), [
    "B.json was interrupted: it has not all that was to be measured",
    "1 of 2 cells of A.json have repetitions that the machine disturbed",
    "1 of 2 cells of B.json had not settled: their run.warmup is too short",
  ]);
  assert.deepEqual(matchWithin(named("A.json", resultOf([{ ...good, samples }, unsettled])), "policy").warnings, [
    "1 of 2 cells of A.json have repetitions that the machine disturbed",
    "1 of 2 cells of A.json had not settled: their run.warmup is too short",
  ]);
});

Deno.test("a cell that failed is not compared: on the second side that is bad news, on the first it is not", () => {
  const good = cellOf("interrupt", around(100));
  const bad = { ...cellOf("fixed-spin", around(100)), ...FAILED };
  const after = compare([good, cellOf("fixed-spin", around(100))], [good, bad]).cells[1];
  assert.deepEqual([after.verdict, after.reason, after.probability], [
    "failed",
    "B.json failed: the driver died",
    null,
  ]);
  const before = compare([good, bad], [good, cellOf("fixed-spin", around(100))]).cells[1];
  assert.deepEqual([before.verdict, before.reason], ["not compared", "A.json failed: the driver died"]);
  const empty = compare([good, cellOf("fixed-spin", [])], [good, cellOf("fixed-spin", around(100))]);
  assert.deepEqual(empty.cells[1].reason, "A.json has no repetition of it");
  assert.equal(empty.cells[0].verdict, "no evidence");
});

Deno.test("a metric that a side did not measure is not compared", () => {
  const cell = cellOf("interrupt", around(100));
  const blind = { ...cell, samples: cell.samples.map((sample) => ({ ...sample, latencyNs: null })) };
  const { cells: [{ verdict, reason, a, b }] } = compare([cell], [blind], { metric: "latencyP50Ns" });
  assert.deepEqual([verdict, reason, b], ["not compared", "B.json did not measure latencyP50Ns", null]);
  assert.notEqual(a, null);
});

Deno.test("cells whose ids differ are matched by their labels, and a warning says so; others are named", () => {
  const a = [cellOf("interrupt", around(100)), cellOf("only-a", around(1))];
  const b = [cellOf("interrupt", around(100), { id: "other" }), cellOf("only-b", around(1))];
  const { cells, unmatched, warnings } = compare(a, b);
  assert.equal(cells.length, 1);
  assert.deepEqual(unmatched.map(({ side, labels }) => [side, labels.policy]), [["A.json", "only-a"], [
    "B.json",
    "only-b",
  ]]);
  assert.match(warnings[0], /^1 of 1 cells were matched by their labels, as their ids differ/);
});

Deno.test("cells of several scenarios are matched within their scenario alone", () => {
  const run = (name: string, id: string, middle: number): Result => {
    return resultOf([cellOf("interrupt", around(middle), { id })], { scenario: { name, description: "" } });
  };
  const before = named("A", run("one", "1", 100), run("two", "2", 900));
  const after = named("B", run("two", "4", 900), run("one", "3", 100));
  const { cells } = compareCells(matchRuns(before, after), COMPARE_DEFAULTS);
  assert.deepEqual(cells.map(({ ratio }) => ratio?.median), [1, 1]);
  const renamed = matchRuns(named("A", run("old", "1", 100)), named("B", run("new", "2", 100)));
  assert.equal(renamed.pairs.length, 1, "where each side has one scenario, its name does not matter");
});

Deno.test("cells that labels do not tell apart are not matched by them", () => {
  const twice = named("B", resultOf([cellOf("interrupt", [1], { id: "1" }), cellOf("interrupt", [1], { id: "2" })]));
  assert.throws(
    () => matchRuns(named("A", resultOf([cellOf("interrupt", [1], { id: "3" })])), twice),
    /B has several cells with the labels policy=interrupt,.* which differ in something else/,
  );
});

Deno.test("runs without a cell in common cannot be compared", () => {
  assert.throws(() => compare([cellOf("interrupt", [1])], [cellOf("busy-poll", [1])]), (thrown: unknown) => {
    assert(thrown instanceof CompareError && thrown.code === "IDDR_COMPARE");
    assert.match(thrown.message, /^A\.json and B\.json have no cell in common: .*policy=interrupt.*policy=busy-poll/);
    return true;
  });
});

Deno.test("different machines are named by what differs", () => {
  const cells = [cellOf("interrupt", around(100))];
  const result = resultOf(cells);
  const other = resultOf(cells, { machine: { ...result.machine, cores: 8, kernel: null } });
  const { warnings } = matchRuns(named("A", result), named("B", other));
  assert.deepEqual(warnings, ["they were not measured on the same machine: cores 2 and 8; kernel 6.1 and unknown"]);
});

Deno.test("runs one after the other are warned of, runs that took turns are not, and their repetitions are taken together", () => {
  const at = (minute: number, iops: number): Result => {
    return resultOf([cellOf("interrupt", [iops])], { startedAt: `2026-01-02T03:0${minute}:00.000Z` });
  };
  const after = matchRuns(named("old", at(1, 10)), named("new", at(2, 20)));
  assert.equal(after.warnings.length, 1);
  assert.match(after.warnings[0], /^all of old was measured before new: if the machine changed meanwhile/);
  const before = matchRuns(named("old", at(3, 10)), named("new", at(2, 20)));
  assert.match(before.warnings[0], /^all of new was measured before old/);
  const turns = matchRuns(named("old", at(1, 10), at(3, 11)), named("new", at(2, 20), at(4, 21)));
  assert.deepEqual(turns.warnings, []);
  assert.deepEqual(turns.pairs[0].a.samples.map(({ iops }) => iops), [10, 11]);
  assert.deepEqual(turns.pairs[0].b.samples.map(({ iops }) => iops), [20, 21]);
  const blocks = [1, 3].map((minute) => ({ ...at(minute, 1), cells: [cellOf("interrupt", [10, 11])] }));
  const { warnings } = matchRuns(named("old", ...blocks), named("new", at(2, 20), at(4, 21)));
  assert.equal(warnings.length, 1);
  assert.match(warnings[0], /^the runs in old have several repetitions each/);
});

/** Cells of two policies and two queue depths, as a matrix makes them. */
const MATRIX = [["interrupt", 1], ["interrupt", 8], ["fixed-spin", 1], ["fixed-spin", 8]].map(([policy, depth]) => {
  const labels = {
    ...{ policy: String(policy), device: "ramdisk", workload: `load(queueDepth=${depth})`, placement: "isolated" },
    "workload.with.queueDepth": String(depth),
  };
  const iops = (policy === "interrupt" ? 100 : 120) * (depth === 1 ? 1 : 0.8);
  return { ...cellOf(`${policy}-${depth}`, around(iops)), labels };
});

Deno.test("cells of one run that differ in a label alone are compared with the baseline's", () => {
  const within = (by: string, baseline?: string): string[] => {
    const matched = matchWithin(named("A", resultOf(MATRIX)), by, baseline);
    assert.deepEqual(matched.unmatched, []);
    return compareCells(matched, COMPARE_DEFAULTS).cells.map(({ labels, verdict }) => `${labels.policy}: ${verdict}`);
  };
  assert.deepEqual(within("policy"), ["fixed-spin: faster", "fixed-spin: faster"]);
  assert.deepEqual(within("policy", "fixed-spin"), ["interrupt: slower", "interrupt: slower"]);
  assert.deepEqual(within("queueDepth"), ["interrupt: slower", "fixed-spin: slower"], "the end of a path will do");
  assert.deepEqual(within("workload.with.queueDepth", "8"), ["interrupt: faster", "fixed-spin: faster"]);
});

Deno.test("a label or a value that does not exist is refused with those that do", () => {
  const within = (by: string, baseline?: string, cells: readonly CellResult[] = MATRIX): void => {
    matchWithin(named("A", resultOf(cells)), by, baseline);
  };
  assert.throws(() => within("polisy"), /there is no label polisy; did you mean policy\?/);
  assert.throws(() => within("policy", "interupt"), /has the policy interupt; did you mean interrupt\?/);
  assert.throws(() => within("device"), /all cells of A have the device ramdisk; it takes two values/);
  assert.throws(
    () => within("policy", undefined, [MATRIX[0], MATRIX[3]]),
    /no two cells of A differ in their policy alone/,
  );
  const twins = [MATRIX[0], { ...MATRIX[0], id: "twin" }, MATRIX[2]];
  assert.throws(
    () => within("policy", undefined, twins),
    /two cells of A with the policy interrupt have the same other/,
  );
});

Deno.test("cells that were measured one after another are warned of", () => {
  const sequential = resultOf(MATRIX, { scenario: { name: "s", description: "", run: { order: "sequential" } } });
  assert.match(matchWithin(named("A", sequential), "policy").warnings[0], /^its cells were measured one after another/);
  assert.deepEqual(matchWithin(named("A", resultOf(MATRIX)), "policy").warnings, []);
});
