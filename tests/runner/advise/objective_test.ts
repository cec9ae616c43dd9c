import assert from "node:assert/strict";
import fc from "fast-check";
import { canScore, logScore, objectiveOf, type Observation } from "../../../core/runner/advise/objective.ts";

const busy: Observation = { iops: 1000, p99Ns: 5e5, cores: 2 };

Deno.test("a closed loop is decided by IOPS / cores^price", () => {
  for (const [price, score] of [[0, 1000], [0.5, 1000 / Math.SQRT2], [1, 500]]) {
    const objective = objectiveOf([[busy]], false, price);
    assert.deepEqual(objective, { goal: "throughput", cpuPrice: price });
    assert.ok(Math.abs(Math.exp(logScore(busy, objective!)) - score) < 1e-9);
  }
});

Deno.test("an open loop is decided by 1 / (p99^(1 - price) · cores^price)", () => {
  for (const [price, score] of [[0, 1 / 5e5], [0.5, 1 / Math.sqrt(5e5 * 2)], [1, 1 / 2]]) {
    const objective = objectiveOf([[busy]], true, price);
    assert.deepEqual(objective, { goal: "latency", cpuPrice: price });
    assert.ok(Math.abs(Math.exp(logScore(busy, objective!)) / score - 1) < 1e-9);
  }
});

Deno.test("where nothing is asked of the device the least CPU is best, and without CPU times nothing can be told", () => {
  const idle = { iops: 0, p99Ns: null, cores: 0.25 };
  const objective = objectiveOf([[idle], [{ ...idle, cores: 0.5 }]], false, 0);
  assert.deepEqual(objective, { goal: "idleness", cpuPrice: 1 });
  assert.ok(logScore(idle, objective!) > logScore({ ...idle, cores: 0.5 }, objective!));
  assert.equal(objectiveOf([[idle, { ...idle, cores: null }]], false, 1), null);
});

Deno.test("without CPU times the price is 0, and an open loop without timed operations is decided by throughput", () => {
  assert.deepEqual(objectiveOf([[busy, { ...busy, cores: null }]], false, 1), { goal: "throughput", cpuPrice: 0 });
  assert.deepEqual(objectiveOf([[busy, { ...busy, p99Ns: null }]], true, 0), { goal: "throughput", cpuPrice: 0 });
});

Deno.test("a policy of which a figure is missing has no place, and does not change what decides for the others", () => {
  const unknown = { ...busy, cores: null };
  const priced = objectiveOf([[busy], [busy, unknown]], false, 1);
  assert.deepEqual(priced, { goal: "throughput", cpuPrice: 1 });
  assert.deepEqual([[busy], [busy, unknown]].map((own) => canScore(own, priced!)), [true, false]);
  const untimed = { ...busy, p99Ns: null };
  const open = objectiveOf([[busy], [busy, untimed]], true, 0);
  assert.deepEqual(open, { goal: "latency", cpuPrice: 0 });
  assert.deepEqual([[busy, unknown], [untimed]].map((own) => canScore(own, open!)), [true, false]);
});

Deno.test("where no policy keeps up with the arrivals, latencies say how long the run was, and throughput decides", () => {
  const behind = { ...busy, unsubmittedShare: 0.4 };
  assert.equal(objectiveOf([[behind], [behind, behind]], true, 0)?.goal, "throughput");
  assert.equal(objectiveOf([[behind], [{ ...busy, unsubmittedShare: 0.01 }]], true, 0)?.goal, "latency");
});

Deno.test("every score is finite, of a policy that does nothing or uses no CPU, too", () => {
  const observation = fc.record({
    iops: fc.constantFrom(0, 1, 1e6),
    p99Ns: fc.constantFrom(null, 0, 1e3),
    cores: fc.constantFrom(null, 0, 2),
  });
  const property = fc.property(
    fc.array(observation, { minLength: 1 }),
    fc.boolean(),
    fc.double({ min: 0, max: 1, noNaN: true }),
    (all, openLoop, price) => {
      const objective = objectiveOf([all], openLoop, price);
      if (objective !== null) { for (const each of all) assert.ok(Number.isFinite(logScore(each, objective))); }
    },
  );
  fc.assert(property);
});
