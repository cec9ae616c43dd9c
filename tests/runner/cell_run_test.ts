import assert from "node:assert/strict";
import { CellRun } from "../../core/runner/cell_run.ts";
import type { Cell } from "../../core/runner/cell.ts";
import { expandScenario } from "../../core/runner/expand.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import type { Sample } from "../../core/runner/result.ts";
import { builtins } from "../../plugins/mod.ts";
import { sampleOf } from "../helpers/results.ts";

const WORKLOAD = "{ use: sysbench-fileio }";
const STOLEN: Partial<Sample> = { stealNs: 5e8 };

async function cellRun(run: string, workload = WORKLOAD): Promise<CellRun> {
  const document = ScenarioDocument.parse(
    "s.yaml",
    `apiVersion: iddr/v1
kind: Scenario
name: s
device: { use: ramdisk }
policy: { use: interrupt }
workload: ${workload}
run: ${run}
`,
  );
  const cell: Cell = (await expandScenario(document, builtins)).cells[0];
  return new CellRun(cell, 2);
}

/** Measures until nothing more is needed; each sample as `of` says. Returns the numbers of the repetitions. */
function measure(run: CellRun, of: (attempt: number, repetition: number) => Sample): number[] {
  const measured: number[] = [];
  while (run.needed > 0) {
    const repetition = run.next;
    run.add(of(measured.length, repetition));
    measured.push(repetition);
    run.review();
    assert(measured.length < 100, "it comes to an end");
  }
  return measured;
}

Deno.test("a cell is measured as often as the scenario says, and pending until then", async () => {
  const run = await cellRun("{ repetitions: 3 }");
  assert.deepEqual([run.needed, run.least, run.result.status, run.result.summary.iops], [3, 3, "pending", null]);
  run.add(sampleOf(0, [10]));
  assert.deepEqual([run.needed, run.result.status, run.result.summary.iops?.median], [2, "pending", 10]);
  assert.deepEqual(measure(run, (_, repetition) => sampleOf(repetition, [20])), [1, 2]);
  const { status, samples, summary, notes } = run.result;
  assert.deepEqual([status, samples.length, summary.iops?.median, notes], ["ok", 3, 20, []]);
});

Deno.test("a repetition that the host disturbed is measured anew, and says why", async () => {
  const run = await cellRun("{ repetitions: 2 }");
  const measured = measure(run, (attempt, repetition) => sampleOf(repetition, [100], attempt === 1 ? STOLEN : {}));
  assert.deepEqual(measured, [0, 1, 1]);
  const { samples, notes, status } = run.result;
  assert.deepEqual(samples.map(({ repetition, redone, disturbed }) => [repetition, redone, disturbed]), [
    [0, [], null],
    [1, ["the host took 25.0 % of the cores' time"], null],
  ]);
  assert.deepEqual(notes, ["measured anew: 1 repetition, as the host took 25.0 % of the cores' time"]);
  assert.equal(status, "ok");
});

Deno.test("after so many attempts a disturbed repetition is kept and marked, and no other is measured anew", async () => {
  const run = await cellRun("{ repetitions: 3, redo: 2 }");
  const measured = measure(run, (_, repetition) => sampleOf(repetition, [100], STOLEN));
  assert.deepEqual(measured, [0, 0, 0, 1, 2], "a machine that is always like that costs redo attempts in all");
  const { samples, notes } = run.result;
  assert.deepEqual(samples.map(({ redone }) => redone.length), [2, 0, 0]);
  assert(samples.every(({ disturbed }) => disturbed === "the host took 25.0 % of the cores' time"));
  assert.equal(notes.length, 2);
  assert.match(notes[1], /^disturbed: 3 of 3 repetitions, as the host took/);
});

Deno.test("with redo: 0 nothing is thrown away, and what a conductor leads is never measured anew", async () => {
  const once = (run: CellRun): (string | null)[] => {
    measure(run, (attempt, repetition) => sampleOf(repetition, [100], attempt === 0 ? STOLEN : {}));
    return run.result.samples.map(({ disturbed }) => disturbed && "disturbed");
  };
  assert.deepEqual(once(await cellRun("{ repetitions: 2, redo: 0 }")), ["disturbed", null]);
  const mounted = "{ use: mounted, with: { command: [true] } }".replace("true", "'true'");
  assert.deepEqual(once(await cellRun("{ repetitions: 2 }", mounted)), ["disturbed", null]);
});

Deno.test("a repetition that others disturbed is found by what is usual, once that is known", async () => {
  const run = await cellRun("{ repetitions: 6 }");
  const measured = measure(run, (attempt, repetition) => {
    const involuntary = attempt === 1 ? 5000 : 20 + attempt;
    return sampleOf(repetition, [100], {
      contextSwitches: { application: { voluntary: 1, involuntary }, driver: { voluntary: 1, involuntary: 1 } },
      othersNs: attempt === 1 ? 9e8 : 1e7,
    });
  });
  assert.deepEqual(measured, [0, 1, 2, 3, 4, 1, 5], "with five there are four others");
  assert.match(run.result.samples[1].redone[0], /^other programs used 0\.90 cores/);
});

Deno.test("with a precision a cell is measured until its interval is so narrow, at least six times", async () => {
  const exact = await cellRun("{ repetitions: 2, precision: 2% }");
  assert.equal(measure(exact, (_, repetition) => sampleOf(repetition, [100])).length, 6);
  assert.deepEqual([exact.result.status, exact.result.notes], ["ok", []]);

  const noisy = await cellRun("{ repetitions: 2, precision: 2% }");
  const iops = [100, 110, 90, 105, 95, 120, 80];
  const measured = measure(noisy, (attempt, repetition) => sampleOf(repetition, [iops[attempt] ?? 100]));
  const { low, median, high } = noisy.result.summary.iops ?? { low: NaN, median: NaN, high: NaN };
  assert(measured.length > 6 && measured.length < 50, `${measured.length}`);
  assert((high - low) / 2 / median <= 0.02);
});

Deno.test("a cell that does not become precise says so after the most repetitions", async () => {
  const run = await cellRun("{ precision: 1%, maxRepetitions: 8 }");
  const measured = measure(run, (attempt, repetition) => sampleOf(repetition, [attempt % 2 === 0 ? 100 : 200]));
  assert.equal(measured.length, 8);
  assert.equal(run.result.status, "ok");
  assert.match(run.result.notes[0], /^not precise: iops is known to ±\d+\.\d % after 8 repetitions; wanted was ±1%$/);
});

Deno.test("precision may be that of another metric; one that cannot be measured is not waited for beyond the limit", async () => {
  const run = await cellRun("{ precision: 1%, precisionMetric: latencyP99Ns, maxRepetitions: 7 }");
  const measured = measure(run, (_, repetition) => sampleOf(repetition, [100], { latencyNs: null }));
  assert.equal(measured.length, 7);
  assert.match(run.result.notes[0], /^not precise: latencyP99Ns could not be measured after 7 repetitions/);
});

Deno.test("a cell that still changes within its window says so", async () => {
  const run = await cellRun("{ repetitions: 1 }");
  run.add(sampleOf(0, Array.from({ length: 20 }, (_, piece) => 100 + 5 * piece)));
  const { summary: { steady }, notes } = run.result;
  assert.equal(steady?.settled, false);
  assert.deepEqual(notes, [
    "not settled: the operations a second changed by more than 5 % within the measured window",
  ]);
});

Deno.test("a cell that failed needs nothing more, and keeps what it has", async () => {
  const run = await cellRun("{ repetitions: 3 }");
  run.add(sampleOf(0, [100]));
  run.error = "the driver died";
  const { status, error, samples } = run.result;
  assert.deepEqual([run.needed, status, error, samples.length], [0, "failed", "the driver died", 1]);
});
