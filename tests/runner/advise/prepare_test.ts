import assert from "node:assert/strict";
import { join } from "node:path";
import { ScenarioError } from "../../../core/runner/diagnostics.ts";
import type { Override } from "../../../core/runner/load.ts";
import { prepareAdvice, type Prepared, type Question } from "../../../core/runner/advise/prepare.ts";
import { builtins } from "../../../plugins/mod.ts";
import { withDirectory, writeScenario } from "../../e2e/command.ts";

const LONG: Question = { cpuPrice: 0.25, timeNs: 3600e9 };

/** What is compared for a scenario of some parts. */
async function prepared(
  parts: Record<string, unknown>,
  question: Partial<Question> = {},
  overrides: readonly Override[] = [],
): Promise<Prepared> {
  let result: Prepared | undefined;
  await withDirectory(async (directory) => {
    const file = await writeScenario(directory, parts);
    result = await prepareAdvice(file, overrides, builtins, { ...LONG, ...question });
  });
  return result as Prepared;
}

function policiesOf({ loads }: Prepared): string[] {
  return loads[0].cells.map(({ labels }) => labels.policy);
}

const random = { use: "sysbench-fileio", with: { blockSize: "4KiB", queueDepth: 6 } };

Deno.test("all built-in policies are compared as they are by default, auto at the price that is asked for", async () => {
  const policies = policiesOf(await prepared({ policy: undefined }));
  const expected = Object.keys(builtins.policy).map((name) => name === "auto" ? "auto(cpuPrice=0.25)" : name);
  assert.deepEqual(policies, expected);
});

Deno.test("the scenario's own policies are compared, too, each once", async () => {
  const own = { use: "fixed-spin", with: { spin: "7us" } };
  const matrix = { policy: [{ use: "interrupt" }, { frontend: own, backend: { use: "interrupt" } }, { use: "auto" }] };
  const policies = policiesOf(await prepared({ policy: own, matrix }));
  assert.deepEqual(policies.slice(-2), ["fixed-spin(spin=7us)", "fixed-spin(spin=7us) / interrupt"]);
  assert.equal(policies.length, Object.keys(builtins.policy).length + 2);
});

Deno.test("policies that stand in a scenario as they are by default take no part of the time", async () => {
  const time = { timeNs: 60e9 };
  const plain = await prepared({ policy: undefined, workload: random }, time);
  const matrix = { policy: [{ use: "interrupt" }, { use: "fixed-spin", with: {} }, { use: "adaptive-spin" }] };
  const doubled = await prepared({ policy: { use: "interrupt" }, workload: random, matrix }, time);
  assert.deepEqual(doubled.loads.map(({ labels }) => labels), plain.loads.map(({ labels }) => labels));
  assert.equal(doubled.expanded.scenario.run.duration, plain.expanded.scenario.run.duration);
});

Deno.test("those that are named are compared alone", async () => {
  const policies = policiesOf(await prepared({}, { policies: ["interrupt", "auto", "interrupt"], cpuPrice: 0 }));
  assert.deepEqual(policies, ["interrupt", "auto(cpuPrice=0)"]);
});

Deno.test("the queue depth is varied up to what the ring holds, around what the scenario says", async () => {
  const { axis, loads } = await prepared({ workload: random });
  assert.equal(axis?.path, "workload.with.queueDepth");
  assert.deepEqual(loads.map(({ labels }) => labels["workload.with.queueDepth"]), [
    "1",
    "2",
    "4",
    "6",
    "8",
    "16",
    "32",
  ]);
  assert.deepEqual(loads.map(({ asked }) => asked), [false, false, false, true, false, false, false]);
  for (const { cells } of loads) assert.equal(cells.length, Object.keys(builtins.policy).length);
  const larger = await prepared({ workload: random, channel: { ringOrder: 1 } });
  assert.equal(larger.loads.at(-1)?.labels["workload.with.queueDepth"], "64");
});

Deno.test("the rate of an open loop is varied, from a quarter to twice what the scenario says", async () => {
  const { axis, loads } = await prepared({ workload: { use: "open-loop", with: { rate: 2000 } } });
  assert.equal(axis?.path, "workload.with.rate");
  assert.deepEqual(loads.map(({ labels }) => labels["workload.with.rate"]), ["500", "1000", "2000", "4000"]);
  assert.deepEqual(loads.map(({ asked }) => asked), [false, false, true, false]);
});

Deno.test("with a fixed load, or a workload that has neither depth nor rate, there is the scenario's own load alone", async () => {
  for (const parts of [{ workload: random }, { workload: { use: "idle" } }]) {
    const { axis, loads } = await prepared(parts, { fixedLoad: true });
    assert.equal(axis, null);
    assert.deepEqual(loads.map(({ asked }) => asked), [true]);
  }
  assert.equal((await prepared({ workload: { use: "idle" } })).axis, null);
});

Deno.test("the scenario's own matrix gives the loads, but for what it says of the policy; none of them is asked about alone", async () => {
  const matrix = { "policy.with.spin": ["1us", "2us"], "workload.with.queueDepth": [2, 4], "channel.batch": [1, 8] };
  const { axis, loads, expanded } = await prepared({ workload: random, matrix });
  assert.equal(axis, null);
  assert.equal(loads.length, 4);
  assert.ok(loads.every(({ asked, cells }) => !asked && cells.length === Object.keys(builtins.policy).length));
  assert.equal(new Set(expanded.cells.map(({ id }) => id)).size, expanded.cells.length);
});

Deno.test("expectations and repetitions are not the scenario's; what it measures is shortened where there is little time", async () => {
  const parts = {
    run: { warmup: "1100ms", duration: "1s", repetitions: 9 },
    matrix: { policy: [{ use: "interrupt" }] },
    expect: ["iops(policy=interrupt) > 1"],
  };
  const { expanded } = await prepared({ ...parts, workload: random }, { timeNs: 30e9 });
  assert.deepEqual(expanded.expectations, []);
  const { repetitions, warmup, duration } = expanded.scenario.run;
  assert.deepEqual([repetitions, warmup], [1, 1100e6]);
  assert.ok(duration < 1e9 && duration >= 200e6);
});

Deno.test("a warm-up is long enough for policies that learn, unless --set says how long", async () => {
  assert.equal((await prepared({})).expanded.scenario.run.warmup, 1e9);
  const overrides = [{ path: "run.warmup", value: "30ms" }];
  assert.equal((await prepared({}, {}, overrides)).expanded.scenario.run.warmup, 30e6);
});

Deno.test("what --set says goes before the scenario, and is varied like it", async () => {
  const overrides = [{ path: "workload.with.queueDepth", value: "3" }];
  const { axis, loads } = await prepared({ workload: random }, {}, overrides);
  assert.equal(axis?.given, 3);
  assert.equal(loads.find(({ asked }) => asked)?.labels["workload.with.queueDepth"], "3");
});

Deno.test("mistakes are named with their place, and those of the policies with who said them", async () => {
  const message = async (parts: Record<string, unknown>, question: Partial<Question> = {}): Promise<string> => {
    try {
      await prepared(parts, question);
    } catch (thrown) {
      if (thrown instanceof ScenarioError) return thrown.diagnostics.map((each) => each.message).join("\n");
      throw thrown;
    }
    return "";
  };
  assert.match(await message({ workload: { use: "nonsense" } }), /workload\.use: "nonsense" is not a known workload/);
  assert.match(await message({}, { policies: ["fixd-spin"] }), /\(from --policy\): "fixd-spin" .*mean fixed-spin\?/);
  assert.match(await message({ policy: { use: "nothing" } }), /"nothing" is not a known policy/);
  assert.match(await message({ matrix: 3 }), /matrix/);
  assert.match(await message({ name: "No name" }), /^name: must be lower-case/);
  const path = join("/nowhere", "a.yaml");
  await assert.rejects(prepareAdvice(path, [], builtins, LONG), ScenarioError);
});
