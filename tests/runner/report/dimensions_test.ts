import assert from "node:assert/strict";
import { Dimensions, Styles } from "../../../core/runner/report/dimensions.ts";
import type { CellResult } from "../../../core/runner/result.ts";
import { cellOf, resultOf } from "../../helpers/results.ts";

/** Cells with all combinations of the labels' values. */
function cells(labels: Readonly<Record<string, readonly string[]>>): CellResult[] {
  const base = cellOf("interrupt", [100]);
  return Object.entries(labels).reduce<CellResult[]>(
    (all, [name, values]) =>
      all.flatMap((cell) => values.map((value) => ({ ...cell, labels: { ...cell.labels, [name]: value } }))),
    [base],
  );
}

function space(labels: Readonly<Record<string, readonly string[]>>): Dimensions {
  return new Dimensions(resultOf(cells(labels)));
}

Deno.test("policies are compared where they differ, and numbers of the load are swept in ascending order", () => {
  const found = space({
    policy: ["a", "b"],
    "workload.with.blockSize": ["64KiB", "512B", "4KiB"],
    placement: ["x", "y"],
  });
  assert.equal(found.compared, "policy");
  assert.deepEqual(found.series.map(({ name }) => name), ["a", "b"]);
  assert.deepEqual(found.load, ["placement", "workload.with.blockSize"]);
  assert.deepEqual(found.sweeps.map(({ name, texts, values, unit }) => ({ name, texts, values, unit })), [
    { name: "blockSize", texts: ["512B", "4KiB", "64KiB"], values: [512, 4096, 65536], unit: "bytes" },
  ]);
});

Deno.test("each load is a group, with its name", () => {
  const found = space({ policy: ["a", "b"], "workload.with.queueDepth": ["1", "8"], placement: ["x", "y"] });
  assert.deepEqual(found.groups().map(({ name, cells }) => [name, cells.map((cell) => found.nameOf(cell))]), [
    ["placement x, queueDepth 1", ["a", "b"]],
    ["placement y, queueDepth 1", ["a", "b"]],
    ["placement x, queueDepth 8", ["a", "b"]],
    ["placement y, queueDepth 8", ["a", "b"]],
  ]);
  assert.deepEqual(found.groups("workload.with.queueDepth").map(({ name }) => name), ["placement x", "placement y"]);
});

Deno.test("two values are too few to sweep, and values of different kinds cannot be put in order", () => {
  assert.deepEqual(space({ policy: ["a", "b"], "workload.with.queueDepth": ["1", "8"] }).sweeps, []);
  assert.deepEqual(space({ policy: ["a", "b"], "workload.with.rate": ["1", "8", "unlimited"] }).sweeps, []);
  assert.deepEqual(space({ policy: ["a", "b"], "workload.with.rate": ["1", "8ms", "9"] }).sweeps, []);
});

Deno.test("without policies that differ, the placement is compared; with numbers alone, that with the fewest values", () => {
  assert.equal(space({ "a.b": ["p", "q"], placement: ["isolated", "monolithic"] }).compared, "placement");
  const numbers = space({ "workload.with.queueDepth": ["1", "2", "4"], "workload.with.threads": ["1", "2"] });
  assert.equal(numbers.compared, "workload.with.threads");
  assert.deepEqual(numbers.sweeps.map(({ name }) => name), ["queueDepth"]);
});

Deno.test("an option of a policy that is a number is what is compared, where it is all that differs, and is swept too", () => {
  const found = space({ policy: ["s(spin=1us)", "s(spin=2us)", "s(spin=4us)"] });
  const cells = found.result.cells.map((cell) => {
    return { ...cell, labels: { ...cell.labels, "policy.with.spin": cell.labels.policy.slice(7, -1) } };
  });
  const swept = new Dimensions(resultOf(cells));
  assert.equal(swept.compared, "policy.with.spin");
  assert.deepEqual(swept.series.map(({ name }) => name), ["spin 1us", "spin 2us", "spin 4us"]);
  assert.deepEqual(swept.sweeps.map(({ label, values }) => [label, values]), [["policy.with.spin", [1e3, 2e3, 4e3]]]);
  assert.deepEqual(swept.groups().map(({ name, cells }) => [name, cells.length]), [["", 3]]);
});

Deno.test("a single cell has no labels to show and one series", () => {
  const found = space({});
  assert.deepEqual([found.shown, found.compared, found.sweeps], [[], null, []]);
  assert.deepEqual(found.series, [{ name: "interrupt", style: 0 }]);
});

Deno.test("a name keeps its style in all results of a report", () => {
  const styles = new Styles();
  new Dimensions(resultOf(cells({ policy: ["a", "b"] })), styles);
  const second = new Dimensions(resultOf(cells({ policy: ["c", "b", "a"] })), styles);
  assert.deepEqual(second.series, [{ name: "c", style: 2 }, { name: "b", style: 1 }, { name: "a", style: 0 }]);
});
