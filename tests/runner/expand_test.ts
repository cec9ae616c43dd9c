import assert from "node:assert/strict";
import { cLibraryNeed } from "../../core/libc.ts";
import { ScenarioError } from "../../core/runner/diagnostics.ts";
import type { ExpandedScenario } from "../../core/runner/cell.ts";
import { expandScenario } from "../../core/runner/expand.ts";
import { type Override, ScenarioDocument } from "../../core/runner/load.ts";
import { permissionNeeds, planMachine } from "../../core/runner/plan.ts";
import { encodeScenario } from "../../core/runner/scenario.ts";
import { builtins } from "../../plugins/mod.ts";

const HEAD = `apiVersion: iddr/v1
kind: Scenario
name: test
device: { use: ramdisk }
policy: { use: fixed-spin }
workload: { use: sysbench-fileio }
`;

async function expand(text: string, overrides: Override[] = []): Promise<ExpandedScenario> {
  return await expandScenario(ScenarioDocument.parse("test.yaml", text, overrides), builtins);
}

async function mistakes(text: string, overrides: Override[] = []): Promise<string[]> {
  try {
    await expand(text, overrides);
  } catch (thrown) {
    if (!(thrown instanceof ScenarioError)) throw thrown;
    return thrown.diagnostics.map(({ line, column, message }) => `${line}:${column} ${message}`);
  }
  throw new Error("no mistake was found");
}

Deno.test("a scenario without a matrix is one cell, with its defaults", async () => {
  const { cells } = await expand(HEAD);
  assert.equal(cells.length, 1);
  assert.deepEqual(cells[0].labels, {
    policy: "fixed-spin",
    device: "ramdisk",
    workload: "sysbench-fileio",
    placement: "isolated",
  });
  const written = encodeScenario(cells[0].scenario) as { run: unknown; recovery: unknown };
  assert.deepEqual(written.run, {
    warmup: "500ms",
    duration: "1s",
    repetitions: 10,
    order: "interleaved",
    maxRepetitions: 50,
    precision: null,
    precisionMetric: "iops",
    redo: 3,
    windows: 20,
    seed: 42,
  });
  const { hangTimeout, onFailure, requests } = written.recovery as Record<string, unknown>;
  assert.deepEqual([hangTimeout, onFailure, requests], ["5s", "restart", "reissue"]);
});

Deno.test("a matrix makes the product of its values, and labels say which", async () => {
  const { cells } = await expand(`${HEAD}matrix:
  placement: [isolated, monolithic]
  workload.with.queueDepth: [1, 8]
  policy: [{ use: interrupt }, { use: fixed-spin, with: { spin: 0.01ms } }]
`);
  assert.equal(cells.length, 8);
  assert.equal(new Set(cells.map(({ id }) => id)).size, 8);
  const last = cells[7];
  assert.equal(last.labels["placement"], "monolithic");
  assert.equal(last.labels["workload.with.queueDepth"], "8");
  assert.equal(last.labels["policy"], "fixed-spin(spin=10us)");
  assert.equal(last.labels["workload"], "sysbench-fileio(queueDepth=8)");
});

Deno.test("a cell's id depends on what is measured, and on nothing else", async () => {
  const id = async (text: string) => (await expand(text)).cells[0].id;
  const usual = await id(HEAD);
  assert.equal(await id(HEAD.replace("name: test", "name: other\ndescription: another")), usual);
  assert.equal(await id(HEAD.replace("{ use: fixed-spin }", "{ use: fixed-spin, with: { spin: 50us } }")), usual);
  assert.equal(await id(HEAD.replace("{ use: fixed-spin }", "{ use: fixed-spin, with: { spin: 0.05ms } }")), usual);
  assert.equal(await id(`${HEAD}run: { repetitions: 9 }\n`), usual);
  assert.notEqual(await id(`${HEAD}run: { seed: 9 }\n`), usual);
  assert.notEqual(await id(HEAD.replace("{ use: ramdisk }", "{ use: ramdisk, with: { size: 1MiB } }")), usual);
});

Deno.test("the two sides may have different policies", async () => {
  const text = HEAD.replace("{ use: fixed-spin }", "{ frontend: { use: interrupt }, backend: { use: fixed-spin } }");
  const { cells: [cell] } = await expand(text);
  assert.equal(cell.labels.policy, "interrupt / fixed-spin");
  const { domains } = planMachine(cell);
  assert.equal(domains[0].policy.url, builtins.policy["interrupt"]);
  assert.equal(domains[1].policy.url, builtins.policy["fixed-spin"]);
});

Deno.test("a monolithic cell is a machine of one domain without links", async () => {
  const { cells: [cell] } = await expand(`${HEAD}placement: monolithic\n`);
  const { domains, devices, links } = planMachine(cell);
  assert.deepEqual(domains.map(({ name }) => name), ["application"]);
  assert.deepEqual(devices.map(({ domains }) => domains), [["application"]]);
  assert.deepEqual(links, []);
});

Deno.test("a cell needs the permissions of its plugins, and no more", async () => {
  const needs = async (device: string) => {
    return permissionNeeds((await expand(HEAD.replace("{ use: ramdisk }", device))).cells[0]);
  };
  const system = { ioUring: false, capabilities: [], listens: [] };
  const nothing = { read: [], write: [], net: [], env: [], run: [], ffi: [], sys: [], scratch: false, system };
  const libc = [cLibraryNeed()];
  assert.deepEqual(await needs("{ use: ramdisk }"), nothing);
  assert.deepEqual(await needs("{ use: loop-file }"), { ...nothing, ffi: libc, scratch: true });
  const path = "{ use: loop-file, with: { path: /a, readOnly: true } }";
  assert.deepEqual(await needs(path), { ...nothing, ffi: libc, read: ["/a"] });
});

Deno.test("mistakes are placed where they stand", async () => {
  assert.deepEqual(await mistakes(`${HEAD}run: { warmup: 5 }\nplacment: isolated\n`), [
    "7:16 run.warmup: must be a time with its unit, such as 50us: found 5",
    "8:1 placment: is not a known key; did you mean placement? (allowed: apiVersion, kind, name, description, " +
    "placement, domains, affinity, device, drivers, clients, neighbours, channel, policy, workload, run, recovery, " +
    "matrix, expect)",
  ]);
  assert.deepEqual(await mistakes(HEAD.replace("name: test\n", "")), ["1:1 name: is missing"]);
  assert.deepEqual(await mistakes(HEAD.replace("{ use: fixed-spin }", "{}")), ["5:9 policy.use: is missing"]);
});

Deno.test("a mistake that the matrix makes is placed in the matrix", async () => {
  assert.deepEqual(await mistakes(`${HEAD}matrix:\n  policy: [{ use: interrupt }, { use: intrrupt }]\n`), [
    '8:39 matrix.policy.1.use: "intrrupt" is not a known policy; did you mean interrupt? ' +
    `(allowed: ${Object.keys(builtins.policy).join(", ")})`,
  ]);
  assert.deepEqual(await mistakes(`${HEAD}matrix:\n  name.first: [a]\n`), [
    "8:3 matrix.name.first: is not a path to what a cell can have of its own (allowed: placement, domains, affinity, " +
    "device, drivers, clients, neighbours, channel, policy, workload, recovery, run.warmup, run.duration, run.seed)",
  ]);
  assert.deepEqual(await mistakes(`${HEAD}matrix:\n  placement: [isolatde, monolithic]\n`), [
    '8:15 matrix.placement.0: must be isolated | monolithic: found "isolatde"',
  ]);
});

Deno.test("a matrix whose labels would not say what was measured is refused", async () => {
  const within = `${HEAD}matrix:\n  policy.with.spin: [10us]\n  policy: [{ use: fixed-spin }]\n`;
  assert.deepEqual(await mistakes(within), [
    "8:3 matrix.policy.with.spin: lies within policy, which the matrix replaces as a whole",
  ]);
  const ofTheRun = await mistakes(`${HEAD}matrix:\n  run.repetitions: [2, 9]\n`);
  assert.match(ofTheRun[0], /^8:3 matrix\.run\.repetitions: is not a path to what a cell can have of its own/);
});

Deno.test("an alias without its anchor is a mistake of the file", async () => {
  assert.match((await mistakes(`${HEAD}run: *nothing\n`))[0], /^1:1 is not YAML: .*nothing/);
});

Deno.test("a matrix that is too large is refused", async () => {
  const values = `[${Array.from({ length: 40 }, (_, index) => index + 1)}]`;
  const text = `${HEAD}matrix:\n  run.seed: ${values}\n  workload.with.queueDepth: ${values}\n`;
  assert.deepEqual(
    await mistakes(text),
    ["7:9 matrix: makes 1600 cells; at most 1000 are allowed"].map((line) => line.replace("7:9", "8:3")),
  );
});

Deno.test("--set replaces what the file says, and what the matrix would put over it", async () => {
  const text = `${HEAD}matrix:\n  policy: [{ use: interrupt }, { use: adaptive-spin }]\n  placement: [isolated]\n`;
  const { cells } = await expand(text, [{ path: "policy.with.spin", value: "7us" }]);
  assert.deepEqual(cells.map(({ labels }) => labels.policy), ["fixed-spin(spin=7us)"]);
  assert.deepEqual(await mistakes(text, [{ path: "run.warmup", value: "soon" }]), [
    '1:1 run.warmup (from --set): must be a time with one of the units ns, us, ms, s, min, such as 50us: found "soon"',
  ]);
});
