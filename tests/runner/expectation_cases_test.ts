import assert from "node:assert/strict";
import { ScenarioError } from "../../core/runner/diagnostics.ts";
import type { ExpandedScenario } from "../../core/runner/cell.ts";
import { expandScenario } from "../../core/runner/expand.ts";
import { judge } from "../../core/runner/expectation_result.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import type { CellResult, Estimate, ExpectationResult, Summary } from "../../core/runner/result.ts";
import { builtins } from "../../plugins/mod.ts";

/** Six cells: three policies at two queue depths. */
const SIX = `matrix:
  workload.with.queueDepth: [1, 8]
  policy: [{ use: interrupt }, { use: fixed-spin }, { use: fixed-spin, with: { spin: 20us } }]
`;
const HEAD = `apiVersion: iddr/v1
kind: Scenario
name: test
device: { use: ramdisk }
policy: { use: fixed-spin }
workload: { use: sysbench-fileio }
`;

async function expand(expectations: readonly string[], matrix = SIX): Promise<ExpandedScenario> {
  // A policy for both sides and one for a side do not go together.
  const head = matrix.includes("policy.frontend") ? HEAD.replace(/^policy.*\n/m, "") : HEAD;
  const text = `${head}${matrix}expect:\n${expectations.map((each) => `  - ${each}\n`).join("")}`;
  const counting = import.meta.resolve("./fixtures/counting_workload.ts");
  const plugins = { ...builtins, workload: { ...builtins.workload, counting } };
  return await expandScenario(ScenarioDocument.parse("test.yaml", text), plugins);
}

async function mistakes(expectation: string, matrix = SIX): Promise<string[]> {
  try {
    await expand([expectation], matrix);
  } catch (thrown) {
    if (!(thrown instanceof ScenarioError)) throw thrown;
    return thrown.diagnostics.map(({ line, column, message }) => `${line}:${column} ${message}`);
  }
  throw new Error("no mistake was found");
}

function estimate(median: number): Estimate {
  return { median, low: median, high: median, interval: "minmax" };
}

/** Results in which the nth cell did n + 1 operations a second. */
function results(
  { cells }: ExpandedScenario,
  change: (index: number) => Partial<CellResult> = () => ({}),
): CellResult[] {
  return cells.map(({ id, labels }, index) => {
    const summary: Summary = {
      ...{ iops: estimate(index + 1), bytesPerSecond: null, latencyP50Ns: estimate(5000), latencyP99Ns: null },
      ...{ latencyP999Ns: null, latenessP99Ns: null, steady: null },
      ...{ fairness: null, minClientIops: null, maxClientIops: null, restarts: null },
      ...{ cpuCores: null, iopsPerCpuCore: null, errors: 0, counters: { blocks: estimate(7) } },
    };
    return { id, labels, status: "ok", notes: [], samples: [], summary, ...change(index) };
  });
}

/** What an expectation compares in each combination: `policy=interrupt: 1 4`. */
async function compared(expectation: string, matrix = SIX): Promise<string[]> {
  const expanded = await expand([expectation], matrix);
  return judge(expanded.expectations, results(expanded)).map(({ labels, left, right }) => {
    return `${Object.entries(labels).map(([name, value]) => `${name}=${value}`).join(" ")}: ${left} ${right}`;
  });
}

Deno.test("labels that are not mentioned are held equal: the expectation is checked for every queue depth", async () => {
  assert.deepEqual(await compared("iops(policy=fixed-spin) >= 2 * iops(policy=interrupt)"), [
    "device=ramdisk workload=sysbench-fileio placement=isolated workload.with.queueDepth=1: 2 2",
    "device=ramdisk workload=sysbench-fileio(queueDepth=8) placement=isolated workload.with.queueDepth=8: 5 8",
  ]);
});

Deno.test("an expectation without selectors is checked for every cell", async () => {
  const expanded = await expand(["errors == 0"]);
  const judged = judge(expanded.expectations, results(expanded));
  assert.deepEqual(judged.map(({ labels }) => labels), expanded.cells.map(({ labels }) => labels));
  assert.ok(judged.every(({ status, left, right }) => status === "met" && left === 0 && right === 0));
});

Deno.test("a path of a plugin's option frees the plugin's label, and the reverse", async () => {
  const values = [": 4 1", ": 5 2", ": 6 3"];
  for (
    const expectation of [
      "iops(queueDepth=8) > iops(queueDepth=1)",
      "iops(workload.with.queueDepth=8) > iops(queueDepth=1)",
      "iops(workload=sysbench-fileio(queueDepth=8)) > iops(workload=sysbench-fileio)",
    ]
  ) {
    const found = await compared(expectation);
    assert.deepEqual(found.map((each) => each.replace(/^.*(?=: )/, "")), values, expectation);
    assert.ok(found.every((each) => !each.includes("queueDepth") && each.includes("policy=")), expectation);
  }
});

Deno.test("a value is the whole label, with the plugin's options, or the plugin's name alone", async () => {
  const first = async (selector: string): Promise<string> => (await compared(`iops(${selector}) > 0`))[0];
  assert.match(await first("policy=fixed-spin(spin=20us)"), /: 3 0$/);
  assert.match(await first("policy=fixed-spin"), /: 2 0$/, "the whole label goes before the name");
  const matrix = "matrix:\n  policy: [{ use: interrupt }, { use: fixed-spin, with: { spin: 20us } }]\n";
  assert.match((await compared("iops(policy=fixed-spin) > 0", matrix))[0], /: 2 0$/);
});

Deno.test("the policies of the two sides are chosen by their names", async () => {
  const matrix = `matrix:
  policy.frontend: [{ use: interrupt }, { use: fixed-spin, with: { spin: 20us } }]
  policy.backend: [{ use: interrupt }, { use: fixed-spin }]
`;
  const found = await compared("iops(frontend=fixed-spin) > iops(frontend=interrupt)", matrix);
  assert.deepEqual(found.map((each) => each.replace(/^.*placement=isolated /, "")), [
    "policy.backend=interrupt: 3 1",
    "policy.backend=fixed-spin: 4 2",
  ]);
  const whole = "iops(policy=fixed-spin / interrupt) > 0";
  assert.match((await compared(whole, matrix))[0], /: 3 0$/);
});

Deno.test("counters that the workload declares can be compared", async () => {
  const matrix = "matrix:\n  workload: [{ use: counting }, { use: sysbench-fileio }]\n";
  assert.match((await compared("blocks(workload=counting) == 7", matrix))[0], /: 7 7$/);
  assert.deepEqual(await mistakes("blocks(workload=sysbench-fileio) == 7", matrix), [
    "10:5 expect.0: blocks is nothing that sysbench-fileio or ramdisk counts (allowed: iops, bytesPerSecond, latencyP50Ns, " +
    "latencyP99Ns, latencyP999Ns, latenessP99Ns, cpuCores, iopsPerCpuCore, fairness, restarts, minClientIops, maxClientIops, errors)",
  ]);
});

Deno.test("a metric that does not choose exactly one cell is a mistake with its place", async () => {
  assert.deepEqual(await mistakes("iops(policy=fixed-spin, queueDepth=8) > 2 * iops(policy=interrupt)"), [
    "11:49 expect.0: iops(policy=interrupt) chooses 2 cells where it must choose one; they differ in workload " +
    "(sysbench-fileio, sysbench-fileio(queueDepth=8)); workload.with.queueDepth (1, 8)",
  ]);
  assert.match(
    (await mistakes("iops(policy=interrupt, policy=fixed-spin) > 1"))[0],
    /^11:5 expect\.0: iops\(.*\) chooses no cell; the cells have policy \(interrupt, fixed-spin, .*queueDepth \(1, 8\)$/,
  );
  assert.deepEqual(await mistakes("iops(policy=fixed-spn) > 1"), [
    "11:10 expect.0: no cell has policy=fixed-spn; did you mean fixed-spin? " +
    "(allowed: interrupt, fixed-spin, fixed-spin(spin=20us))",
  ]);
});

Deno.test("an unknown metric or label is a mistake that offers the nearest name", async () => {
  assert.match((await mistakes("2 * iopz > 1"))[0], /^11:9 expect\.0: iopz is not a known metric; did you mean iops\?/);
  assert.deepEqual(await mistakes("iops(queuedepth=8) > 1"), [
    "11:10 expect.0: queuedepth is not a label of the cells; did you mean queueDepth? " +
    "(there are: policy, device, workload, placement, workload.with.queueDepth)",
  ]);
  assert.match((await mistakes("1 < 2"))[0], /^11:5 expect\.0: compares no metric/);
  const twice = "matrix:\n  workload.with.mode: [rndrd]\n  device.with.mode: [a]\n";
  assert.match((await mistakes("iops(mode=a) > 1", twice)).at(-1) ?? "", /mode can be workload\.with\.mode or device/);
});

Deno.test("a mistake in a quoted text is placed in it, one in a folded text at its start", async () => {
  assert.match((await mistakes('"iops >> 1"'))[0], /^11:12 expect\.0: found ">"/);
  assert.match((await mistakes(">-\n      iops\n      >> 1"))[0], /^11:5 expect\.0: found ">"/);
});

Deno.test("a cell that failed makes its expectation unmet, without the value", async () => {
  const expanded = await expand(["iops(queueDepth=8) > iops(queueDepth=1)"]);
  const failed = results(expanded, (index) => index === 3 ? { status: "failed", error: "why" } : {});
  const values = ({ status, left, right }: ExpectationResult): unknown => [status, left, right];
  assert.deepEqual(judge(expanded.expectations, failed).map(values), [
    ["unmet", null, 1],
    ["met", 5, 2],
    ["met", 6, 3],
  ]);
});

Deno.test("what could not be measured meets no expectation", async () => {
  const expanded = await expand(["cpuCores < 2"]);
  assert.ok(
    judge(expanded.expectations, results(expanded)).every(({ status, left }) => status === "unmet" && left === null),
  );
});

Deno.test("while cells are not measured yet, expectations about them are left out", async () => {
  const expanded = await expand(["iops(queueDepth=8) > iops(queueDepth=1)"]);
  const half = results(expanded, (index) => index === 3 ? { status: "pending" } : {});
  assert.deepEqual(judge(expanded.expectations, half).map(({ labels }) => labels.policy), [
    "fixed-spin",
    "fixed-spin(spin=20us)",
  ]);
});

Deno.test("every comparison decides as it says", async () => {
  for (
    const [expectation, status] of [
      ["iops >= 1", "met"],
      ["iops >= 2", "unmet"],
      ["iops <= 1", "met"],
      ["iops <= 0.5", "unmet"],
      ["iops > 1", "unmet"],
      ["iops > 0.5", "met"],
      ["iops < 1", "unmet"],
      ["iops < 2", "met"],
      ["iops == 1", "met"],
      ["iops == 2", "unmet"],
      ["latencyP50Ns <= 5us", "met"],
      ["iops + 10 * (iops - 3) / 4 == -4", "met"],
    ]
  ) {
    const expanded = await expand([expectation], "");
    assert.equal(judge(expanded.expectations, results(expanded))[0].status, status, expectation);
  }
});
