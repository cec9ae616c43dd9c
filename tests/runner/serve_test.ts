// Serving as a library: any workload in place of a scenario's own, until somebody wants it to finish.
import assert from "node:assert/strict";
import {
  builtins,
  expandScenario,
  type Override,
  ScenarioDocument,
  ScenarioError,
  serveScenario,
  servingOverrides,
} from "../../mod.ts";
import { threadUsage } from "../../core/measure/thread.ts";

threadUsage(); // Opens the C library for good, before a sanitizer counts what a test opens.

const TEXT = `apiVersion: iddr/v1
kind: Scenario
name: test
device: { use: ramdisk, with: { size: 1MiB } }
policy: { use: interrupt }
workload: { use: sysbench-fileio, with: { queueDepth: 4 } }
run: { repetitions: 3 }
matrix:
  workload.with.blockSize: [4KiB, 16KiB]
  run.seed: [1, 2]
expect:
  - iops(blockSize=4KiB) > 0
`;

async function expand(overrides: readonly Override[], text = TEXT) {
  return await expandScenario(ScenarioDocument.parse("test.yaml", text, overrides), builtins, { oneCell: true });
}

Deno.test("what measures is left out of a scenario that serves", async () => {
  const { cells, expectations } = await expand(servingOverrides("idle", {}));
  assert.deepEqual(cells.map(({ labels }) => labels.workload), ["idle"]);
  assert.deepEqual(expectations, []);
});

Deno.test("a scenario is served until it is asked to finish", async () => {
  const finish = new AbortController();
  const serving = serveScenario(await expand(servingOverrides("idle", {})), { finish: finish.signal });
  const first = await Promise.race([serving, new Promise((resolve) => setTimeout(() => resolve("goes on"), 1500))]);
  assert.equal(first, "goes on");
  finish.abort();
  const { operations, durationNs, cpuCores } = await serving;
  assert.equal(operations, 0);
  assert.ok(durationNs > 0);
  assert.notEqual(cpuCores.driver, null);
});

Deno.test("one that is asked to finish before it has begun finishes all the same", async () => {
  const { operations } = await serveScenario(await expand(servingOverrides("idle", {})), {
    finish: AbortSignal.abort(),
  });
  assert.equal(operations, 0);
});

Deno.test("one whose signal is aborted rejects with its reason", async () => {
  const expanded = await expand(servingOverrides("idle", {}));
  await assert.rejects(serveScenario(expanded, { signal: AbortSignal.abort(new Error("enough")) }), /enough/);
});

Deno.test("a scenario of several cells is not served", async () => {
  const two = TEXT.replace("matrix:", "matrix:\n  placement: [isolated, monolithic]");
  await assert.rejects(expand(servingOverrides("idle", {}), two), (thrown) => {
    assert.ok(thrown instanceof ScenarioError);
    assert.deepEqual(thrown.diagnostics.map(({ line, message }) => [line, message]), [[
      9,
      "matrix: makes 2 cells; allowed is one here. Choose it by one of these:\n" +
      "  --set placement=isolated\n  --set placement=monolithic",
    ]]);
    return true;
  });
  const document = ScenarioDocument.parse("test.yaml", two, servingOverrides("idle", {}));
  const expanded = await expandScenario(document, builtins);
  await assert.rejects(serveScenario(expanded), /Cannot serve test\.yaml: it makes 2 cells; allowed is one/);
});

Deno.test("what would be destroyed is not, unless that is named", async () => {
  const disk = TEXT.replace(
    "{ use: ramdisk, with: { size: 1MiB } }",
    "{ use: sata, with: { path: /dev/nosuch, " +
      "destructive: true } }",
  );
  await assert.rejects(serveScenario(await expand(servingOverrides("idle", {}), disk)), /writes to \/dev\/nosuch/);
});

Deno.test("a workload that serves runs no program, unless that is named", async () => {
  const workload = servingOverrides("mounted", { command: ["nosuch-program"] });
  for (const allowCommands of [[], ["nosuch"]]) {
    await assert.rejects(serveScenario(await expand(workload), { allowCommands }), (thrown) => {
      return thrown instanceof ScenarioError && thrown.message.includes("add --allow-command=nosuch-program");
    });
  }
});
