import assert from "node:assert/strict";
import { flags, type Outcome, outcome, savedResult, start, withDirectory, writeScenario } from "../e2e/command.ts";

async function run(directory: string, parts: Record<string, unknown>, ...args: string[]): Promise<Outcome> {
  const scenario = await writeScenario(directory, parts);
  return await outcome(start([scenario, "--out", directory, "--no-progress", ...args], flags(directory)));
}

const TWO = { matrix: { placement: ["isolated", "monolithic"] } };

Deno.test("a run whose expectations are met ends with 0, prints them and saves them", async () => {
  await withDirectory(async (directory) => {
    const { code, stdout, stderr } = await run(directory, { ...TWO, expect: ["errors == 0", "iops > 0.5"] });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^met {4}errors == 0 {3}0 == 0 \(2 times\)$/m);
    const { expectations, cells } = await savedResult(directory);
    assert.equal(expectations.length, 4);
    for (const [index, { text, labels, status, left, right }] of expectations.entries()) {
      assert.equal(status, "met");
      assert.deepEqual(labels, cells[index % 2].labels);
      assert.equal(right, text === "errors == 0" ? 0 : 0.5);
      assert.equal(left, text === "errors == 0" ? 0 : cells[index % 2].summary.iops.median);
    }
  });
});

Deno.test("an unmet expectation makes the exit status 1; the cells are all measured", async () => {
  await withDirectory(async (directory) => {
    const expect = ["iops(placement=isolated) > 1e12 * iops(placement=monolithic)", "errors == 0"];
    const { code, stdout } = await run(directory, { ...TWO, expect });
    assert.equal(code, 1);
    assert.match(stdout, /^UNMET {2}iops\(placement=isolated\).* {3}[\d.,]+ > [\d,]+$/m);
    const { expectations, cells } = await savedResult(directory);
    assert.deepEqual(cells.map(({ status }: { status: string }) => status), ["ok", "ok"]);
    assert.deepEqual(expectations.map(({ status }: { status: string }) => status), ["unmet", "met", "met"]);
  });
});

Deno.test("--quick measures shortly and once, says so in the result, and an unmet expectation decides nothing", async () => {
  await withDirectory(async (directory) => {
    const { code, stdout, stderr } = await run(directory, { expect: ["iops > 1e12"] }, "--quick");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^UNMET {2}iops > 1e12/m);
    assert.match(stderr, /do not decide the exit status/);
    const { scenario, cells } = await savedResult(directory);
    const { warmup, duration, repetitions } = scenario.run;
    assert.deepEqual({ warmup, duration, repetitions }, { warmup: "100ms", duration: "200ms", repetitions: 1 });
    assert.equal(cells[0].samples.length, 1);
  });
});

Deno.test("--set goes before --quick", async () => {
  await withDirectory(async (directory) => {
    const { code, stderr } = await run(directory, {}, "--quick", "--set", "run.duration=20ms");
    assert.equal(code, 0, stderr);
    const { scenario } = await savedResult(directory);
    assert.equal(scenario.run.duration, "20ms");
    assert.equal(scenario.run.warmup, "100ms");
  });
});

Deno.test("a failed cell makes its expectation unmet without a value", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory, {
      matrix: { device: [{ use: "throws-on-create" }, { use: "ramdisk", with: { size: "1MiB" } }] },
      expect: ["iops(device=ramdisk) > iops(device=throws-on-create)"],
    });
    const { code, stdout } = await outcome(start([scenario, "--out", directory], flags(directory), true));
    assert.equal(code, 1);
    assert.match(stdout, /^UNMET .* > not measured$/m);
    const [expectation] = (await savedResult(directory)).expectations;
    assert.ok(expectation.left > 0);
    assert.equal(expectation.right, null);
  });
});
