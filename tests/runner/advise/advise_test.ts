import assert from "node:assert/strict";
import { advise } from "../../../core/runner/advise/advise.ts";
import { prepareAdvice, type Prepared, type Question } from "../../../core/runner/advise/prepare.ts";
import { parseResult } from "../../../core/runner/read_result.ts";
import type { Result } from "../../../core/runner/result.ts";
import { builtins } from "../../../plugins/mod.ts";
import { withDirectory, writeScenario } from "../../e2e/command.ts";
import { SimulatedRun, type Truth } from "../../helpers/simulated_run.ts";

const QUESTION: Question = { cpuPrice: 0, timeNs: 120e9, policies: ["interrupt", "fixed-spin", "adaptive-spin"] };

async function prepare(question: Partial<Question> = {}): Promise<Prepared> {
  let prepared: Prepared | undefined;
  await withDirectory(async (directory) => {
    const workload = { use: "sysbench-fileio", with: { blockSize: "4KiB" } };
    const file = await writeScenario(directory, { workload, run: { warmup: "200ms", duration: "300ms" } });
    prepared = await prepareAdvice(file, [], builtins, { ...QUESTION, ...question });
  });
  return prepared as Prepared;
}

const depthOf = (labels: Readonly<Record<string, string>>): number => Number(labels["workload.with.queueDepth"] ?? 1);

/** Spinning is best while few are in flight, interrupts where many are. */
const crossing: Truth = ({ labels }) => {
  const depth = depthOf(labels);
  const iops = { "interrupt": 1000 * depth, "fixed-spin": 8000, "adaptive-spin": 6000 }[labels.policy] ?? 1;
  return { iops, deviation: 0.02 };
};

Deno.test("the answer is the truth at each load, and says where it changes", async () => {
  const question = { ...QUESTION, timeNs: 1200e9 };
  const run = new SimulatedRun(crossing);
  const { advice } = await advise(await prepare(question), question, run);
  assert.equal(advice.ended, "decided");
  for (const { labels, best, verdict } of advice.loads) {
    if (depthOf(labels) !== 8) assert.equal(verdict, "winner", `at ${depthOf(labels)}`);
    assert.ok(best.includes(depthOf(labels) <= 8 ? "fixed-spin" : "interrupt"), `at ${depthOf(labels)}: ${best}`);
  }
  assert.deepEqual(advice.segments.map(({ best }) => best[0]), ["fixed-spin", "interrupt"]);
});

Deno.test("the time is kept, whatever it is, and what was measured in it is in the result", async () => {
  for (const timeNs of [1e9, 7e9, 30e9, 200e9]) {
    const question = { ...QUESTION, timeNs };
    const run = new SimulatedRun(() => ({ iops: 1000, deviation: 0.2 }));
    const { advice, result } = await advise(await prepare(question), question, run);
    assert.ok(run.nowMs * 1e6 <= timeNs, `${run.nowMs} ms`);
    assert.equal(advice.elapsedNs, Math.round(run.nowMs * 1e6));
    assert.equal(advice.ended, "time");
    const samples = result?.cells.flatMap((cell) => cell.samples).length ?? 0;
    assert.equal(samples, run.measured.length);
    assert.ok(timeNs < 2e9 || samples > 0);
  }
});

Deno.test("a start that takes longer than was thought is reckoned with", async () => {
  const question = { ...QUESTION, timeNs: 30e9 };
  const run = new SimulatedRun(() => ({ iops: 1000, deviation: 0.2 }), 2000);
  await advise(await prepare(question), question, run);
  assert.ok(run.nowMs <= 30_000 && run.nowMs > 25_000, `${run.nowMs}`);
});

Deno.test("a policy that fails is left out with its cause, and the rest is answered", async () => {
  const run = new SimulatedRun((cell) => cell.labels.policy === "fixed-spin" ? "it broke" : crossing(cell));
  const { advice, result } = await advise(await prepare({ fixedLoad: true }), QUESTION, run);
  const [load] = advice.loads;
  assert.deepEqual([load.verdict, load.best], ["winner", ["adaptive-spin"]]);
  const failed = load.policies.find(({ policy }) => policy === "fixed-spin");
  assert.deepEqual([failed?.standing, failed?.failure, failed?.relative], ["failed", "it broke", null]);
  assert.equal(run.measured.filter(({ labels }) => labels.policy === "fixed-spin").length, 1);
  assert.equal(result?.cells.find(({ labels }) => labels.policy === "fixed-spin")?.error, "it broke");
});

Deno.test("where all fail, that is the answer", async () => {
  const { advice } = await advise(await prepare(), QUESTION, new SimulatedRun(() => "it broke"));
  assert.ok(advice.loads.every(({ verdict, best }) => verdict === "failed" && best.length === 0));
  assert.equal(advice.ended, "decided");
  assert.equal(advice.allRound, null);
});

Deno.test("what is saved on the way and at the end is a result that can be read back, with the repetitions numbered", async () => {
  const saved: Result[] = [];
  const run = new SimulatedRun(crossing);
  const { result } = await advise(await prepare(), QUESTION, {
    ...{ now: run.now, measure: run.measure },
    onUpdate: (update) => void saved.push(JSON.parse(JSON.stringify(update))),
  });
  assert.equal(saved.length, run.measured.length);
  assert.equal(saved[0].cells.filter(({ status }) => status === "ok").length, 1, "it is as it was then");
  const read = parseResult(JSON.parse(JSON.stringify(result)), "result");
  for (const { samples, status } of read.cells) {
    assert.equal(status, "ok");
    assert.deepEqual(samples.map(({ repetition }) => repetition), samples.map((_, index) => index));
  }
});

Deno.test("an interruption ends it with what is known", async () => {
  const interruption = new AbortController();
  const run = new SimulatedRun(crossing);
  const { advice, result } = await advise(await prepare(), QUESTION, {
    ...{ now: run.now, signal: interruption.signal },
    measure(cell, repetition, options) {
      if (run.measured.length < 10) return run.measure(cell, repetition, options);
      interruption.abort();
      return Promise.reject(new Error("interrupted"));
    },
  });
  assert.equal(advice.ended, "interrupted");
  assert.equal(result?.interrupted, true);
  assert.equal(result?.cells.flatMap(({ samples }) => samples).length, 10, "what ran then is not counted");
  assert.ok(result?.cells.every(({ error }) => error === undefined), "and is no failure");
});

Deno.test("before each repetition it is said what comes, and how much time is left", async () => {
  const run = new SimulatedRun(crossing);
  const left: number[] = [];
  await advise(await prepare(), QUESTION, {
    ...{ now: run.now, measure: run.measure },
    onTrial({ cell, done, leftNs, contenders }) {
      assert.equal(done, left.length);
      assert.ok(contenders >= 1 && contenders <= 3 && cell.labels.policy !== undefined);
      left.push(leftNs);
    },
  });
  assert.ok(left.length > 0 && left.every((ns, index) => index === 0 || ns < left[index - 1]));
});

Deno.test("a repetition of which the host took a part is measured anew and not counted, unless that is so always", async () => {
  for (const [every, redone] of [[5, true], [1, false]] as const) {
    const run = new SimulatedRun(crossing);
    const { result } = await advise(await prepare({ fixedLoad: true }), QUESTION, {
      now: run.now,
      async measure(cell, repetition, options) {
        const { sample, losses } = await run.measure(cell, repetition, options);
        return { sample: { ...sample, stealNs: run.measured.length % every === 0 ? 1e9 : 0 }, losses };
      },
    });
    const samples = result?.cells.flatMap((each) => each.samples) ?? [];
    assert.ok(samples.length < run.measured.length);
    assert.equal(samples.every(({ disturbed }) => disturbed === null), redone);
  }
});
