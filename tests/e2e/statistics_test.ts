// What a run says beside its figures: pieces of the window, what else the machine did, how sure the figures are.
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Result, Sample, Windows } from "../../core/runner/result.ts";
import { parseResult } from "../../core/runner/read_result.ts";
import { flags, type Outcome, outcome, savedResult, start, withDirectory, writeScenario } from "./command.ts";

async function run(directory: string, parts: Record<string, unknown>, ...args: string[]): Promise<Outcome> {
  const scenario = await writeScenario(directory, parts);
  return await outcome(start(["run", scenario, "--out", directory, ...args], flags(directory)));
}

async function result(directory: string): Promise<Result> {
  return parseResult(await savedResult(directory), "the result");
}

const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);

function checkWindows(
  windows: Windows | null,
  { operations, bytes, durationNs, waits }: Sample,
  isolated: boolean,
): void {
  assert(windows !== null, "the window was cut");
  assert(windows.durationNs.length > 1 && windows.durationNs.length <= 8);
  assert.deepEqual(
    [sum(windows.operations), sum(windows.bytes)],
    [operations, bytes],
    "nothing is lost between pieces",
  );
  assert(sum(windows.durationNs) <= durationNs + windows.durationNs.length, "they lie within it, each rounded");
  const kinds = [[windows.application, waits.frontend], [windows.driver, waits.backend]] as const;
  assert.equal(windows.driver !== null, isolated);
  for (const [times, waited] of kinds) {
    if (times === null) continue;
    assert(times.cpuNs.every((ns) => ns !== null && ns >= 0));
    if (waited === null) continue;
    for (const key of ["spunNs", "sleptNs", "lostNs"] as const) {
      // Rounded in each piece.
      assert(Math.abs(sum(times[key]) - waited[key]) <= times[key].length, key);
    }
  }
}

for (const [placement, kind] of [["isolated", "worker"], ["isolated", "process"], ["monolithic", "worker"]] as const) {
  Deno.test(`the pieces of a window add up to it: ${placement}, ${kind}`, async () => {
    await withDirectory(async (directory) => {
      const { code, stderr } = await run(directory, {
        placement,
        domains: { driver: { kind } },
        run: { warmup: "50ms", duration: "800ms", repetitions: 1, windows: 8, redo: 0 },
      });
      assert.equal(code, 0, stderr);
      const { cells: [{ samples: [sample], summary }] } = await result(directory);
      checkWindows(sample.windows, sample, placement === "isolated");
      assert.equal(sum(sample.latencyHistogram?.counts ?? []), sample.timedOperations);
      const { ns = [] } = sample.latencyHistogram ?? {};
      assert(ns.every((each, index) => index === 0 || each > ns[index - 1]), "ascending");
      assert(sample.stealNs !== null && sample.stealNs >= 0 && sample.othersNs !== null && sample.othersNs >= 0);
      assert.deepEqual([sample.redone, summary.latencyP999Ns?.median], [[], sample.latencyNs?.p999]);
    });
  });
}

Deno.test("a window that is not to be cut has no pieces, and nothing is said of its being steady", async () => {
  await withDirectory(async (directory) => {
    await run(directory, { run: { warmup: "20ms", duration: "50ms", repetitions: 1, windows: 1 } });
    const { cells: [{ samples: [sample], summary }] } = await result(directory);
    assert.deepEqual([sample.windows, summary.steady], [null, null]);
  });
});

Deno.test("a cell that is not as precise as is wanted after the most repetitions says so below the table", async () => {
  await withDirectory(async (directory) => {
    const times = { warmup: "20ms", duration: "50ms", precision: "0.0001%", maxRepetitions: 2 };
    const { code, stdout, stderr } = await run(directory, { run: times });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /\nnote: not precise: iops is known to ±\d+\.\d % after 2 repetitions; wanted was ±0\.0001%/);
    assert.match(stderr, /1 cell, repetitions until iops is known to 0\.0001%, 2 at most each\n/);
    assert.equal((await result(directory)).cells[0].samples.length, 2);
  });
});

Deno.test("a wanted precision is checked and said by check, and left out by --quick", async () => {
  await withDirectory(async (directory) => {
    const file = await writeScenario(directory, { run: { precision: "2%", duration: "1s", warmup: "1s" } });
    const check = (...args: string[]): Promise<Outcome> => outcome(start(["check", file, ...args], flags(directory)));
    assert.match((await check()).stdout, /1 cell, repetitions until iops is known to 2%, 50 at most, 100 s at most\n/);
    const wrong = await check("--set", "run.precision=2");
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /run\.precision.*must be a percentage, such as 2%/);
    const quick = await outcome(start(["run", file, "--quick", "--out", join(directory, "q.json")], flags(directory)));
    assert.equal(quick.code, 0, quick.stderr);
    const { cells: [{ samples }] } = JSON.parse(await Deno.readTextFile(join(directory, "q.json")));
    assert.equal(samples.length, 1);
  });
});
