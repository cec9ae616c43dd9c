import assert from "node:assert/strict";
import { adviceFor, DEPTH, loadOf, loadsAlong, steady, unsteady } from "../../helpers/advices.ts";

Deno.test("a load has a winner, a tie, policies that are not told apart, nothing but failures, or no measurement", () => {
  assert.equal(loadOf({ a: steady(100), b: steady(200), c: "it broke" }).verdict, "winner");
  assert.equal(loadOf({ a: steady(200), b: steady(200), c: steady(100) }).verdict, "tie");
  assert.equal(loadOf({ a: unsteady(200), b: unsteady(190).toReversed(), c: steady(1) }).verdict, "open");
  assert.equal(loadOf({ a: steady(100, {}, 1), b: [] }).verdict, "open", "one was not measured");
  assert.equal(loadOf({ a: "it broke", b: "it broke" }).verdict, "failed");
  assert.equal(loadOf({ a: [], b: [] }).verdict, "unmeasured");
  assert.equal(loadOf({ a: [{ iops: 0, cores: null }], b: [] }).verdict, "unmeasured");
});

Deno.test("policies stand in their order, with their medians and what CPU an operation costs", () => {
  const { policies, best, runnerUp } = loadOf({
    a: steady(100),
    b: "it broke",
    c: steady(400, { cores: 2 }),
    d: [],
    e: steady(200, { cores: null }),
  });
  assert.deepEqual(policies.map(({ policy }) => policy), ["c", "e", "a", "d", "b"]);
  assert.deepEqual([best, runnerUp], [["c"], "e"]);
  const [first, second] = policies;
  assert.equal(first.cpuCores, 2);
  assert.ok(Math.abs((first.cpuNsPerOperation ?? 0) - 2e9 / 400) < 0.01e9);
  assert.deepEqual([second.cpuCores, second.cpuNsPerOperation], [null, null]);
  assert.ok(Math.abs((second.relative?.ratio ?? 0) - 0.5) < 1e-9);
});

Deno.test("loads with a common answer are one segment; those without an answer are passed over", () => {
  const { segments } = adviceFor(
    loadsAlong({
      1: { a: steady(200), b: steady(200), c: steady(100) },
      2: { a: steady(200), b: steady(100), c: steady(100) },
      4: { a: "it broke", b: "it broke", c: "it broke" },
      8: { a: steady(200), b: steady(150), c: steady(200) },
      16: { a: steady(20), b: steady(30), c: steady(100) },
    }),
    { axis: DEPTH },
  );
  assert.deepEqual(segments, [{ from: 0, to: 3, best: ["a"] }, { from: 4, to: 4, best: ["c"] }]);
});

Deno.test("the policy for all loads is the one whose worst ratio to the best is the highest", () => {
  const { allRound } = adviceFor(loadsAlong({
    1: { a: steady(200), b: steady(150), c: steady(180) },
    32: { a: steady(20), b: steady(150), c: steady(200) },
  }));
  assert.equal(allRound?.policy, "c");
  assert.equal(allRound?.load, 0);
  assert.ok(Math.abs((allRound?.ratio ?? 0) - 0.9) < 0.001);
});

Deno.test("who fails at a load is not for all of them, and one load alone needs no such policy", () => {
  const { allRound } = adviceFor(
    loadsAlong({ 1: { a: steady(200), b: steady(150) }, 2: { a: "it broke", b: steady(1) } }),
  );
  assert.equal(allRound?.policy, "b");
  assert.equal(adviceFor(loadsAlong({ 1: { a: steady(200) } })).allRound, null);
  const none = loadsAlong({ 1: { a: steady(200), b: "it broke" }, 2: { a: "it broke", b: steady(200) } });
  assert.equal(adviceFor(none).allRound, null);
});
