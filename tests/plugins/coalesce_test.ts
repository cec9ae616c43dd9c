import assert from "node:assert/strict";
import coalesce from "../../plugins/policies/coalesce.ts";
import interrupt from "../../plugins/policies/interrupt.ts";
import { fc } from "../conformance/properties.ts";
import { simulateWaits, TYPICAL_COSTS, type WaitFigures, type WaitLoad } from "../conformance/wait_simulator.ts";
import { planOf, policyOf, slept } from "../helpers/scripted_waits.ts";

const ORDINARY = { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: Infinity };

function simulate(options: unknown, load: WaitLoad): WaitFigures {
  return simulateWaits(() => policyOf(coalesce, options), load);
}

Deno.test("coalesce waits for several entries after a wait that brought some, and as usual after one that did not", () => {
  const policy = policyOf(coalesce, { "rx-frames": 8, "rx-usecs": 50 });
  assert.deepEqual(planOf(policy), ORDINARY);
  policy.waited?.(slept(1000));
  assert.deepEqual(planOf(policy), { ...ORDINARY, armDistance: 8, blockNs: 50_000 });
  policy.waited?.(slept(50_000, { found: false }));
  assert.deepEqual(planOf(policy), ORDINARY);
});

Deno.test("coalesce goes by the time alone with rx-frames 0, and does not moderate with rx-frames 1", () => {
  const byTime = policyOf(coalesce, { "rx-frames": 0, "rx-usecs": 100 });
  byTime.waited?.(slept(1000));
  assert.deepEqual(planOf(byTime), { ...ORDINARY, armDistance: 512, blockNs: 100_000 });
  for (const options of [{ "rx-frames": 1 }, { "rx-frames": 1, "rx-usecs": 0 }]) {
    const off = policyOf(coalesce, options);
    off.waited?.(slept(1000));
    assert.deepEqual(planOf(off), ORDINARY);
  }
});

Deno.test("coalesce refuses to wait for several entries without a time: they may never come", () => {
  assert.match(String(coalesce.options.safeParse({ "rx-usecs": 0 }).error), /unless rx-frames is 1/);
  assert.equal(coalesce.options.safeParse({ "rx-frames": 513 }).success, false);
});

Deno.test("coalesce wakes once for as many entries as it was told", () => {
  const load: WaitLoad = { gaps: Array(8001).fill(10_000), from: "arrival" };
  const { wakes } = simulate({ "rx-frames": 8, "rx-usecs": 1000 }, load);
  // While a wake takes 40 µs four more entries come.
  assert(wakes > 8000 / 13 && wakes < 8000 / 11, `woken ${wakes} times`);
  const each = simulateWaits(() => policyOf(interrupt), load);
  assert(each.wakes > 1.9 * wakes && each.cpuNs > 1.9 * simulate({ "rx-frames": 8, "rx-usecs": 1000 }, load).cpuNs);
});

Deno.test("coalesce takes a full queue at a time, with one wake for all of it", () => {
  const load: WaitLoad = { gaps: Array(1600).fill(2000), from: "wait", queueDepth: 16, knowsInFlight: true };
  const { wakes } = simulate({ "rx-usecs": 200 }, load);
  assert.equal(wakes, 100);
});

Deno.test("coalesce lets no entry wait for longer than its time, a late timer and a wake", () => {
  const gaps = fc.array(fc.nat(200_000), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(gaps, fc.integer({ min: 2, max: 64 }), fc.integer({ min: 1, max: 500 }), (gaps, frames, usecs) => {
      const { latency } = simulate({ "rx-frames": frames, "rx-usecs": usecs }, { gaps, from: "arrival" });
      const { timerSlackNs, wakeNs, sleepNs } = TYPICAL_COSTS;
      assert(latency.maxNs <= usecs * 1000 + timerSlackNs + wakeNs + 2 * sleepNs, `${latency.maxNs}`);
    }),
  );
});

Deno.test("coalesce costs no timer while nothing comes", () => {
  const { waits, sleeps } = simulate({}, { gaps: [1000, 60e9], from: "wait" });
  // One for the first entry, one in vain for several, and then one every 100 ms.
  assert(waits <= 603 && sleeps <= 603, `${waits} waits, ${sleeps} sleeps`);
});

Deno.test("coalesce costs its time where fewer are in flight than it waits for, unless the thread knows how many", () => {
  const load: WaitLoad = { gaps: Array(100).fill(2000), from: "wait" };
  const options = { "rx-frames": 8, "rx-usecs": 50 };
  const { timerSlackNs, wakeNs, sleepNs } = TYPICAL_COSTS;
  assert.equal(simulate(options, load).latency.maxNs, 50_000 + timerSlackNs - 2000 + sleepNs);
  assert.equal(simulate(options, { ...load, knowsInFlight: true }).latency.maxNs, wakeNs + sleepNs);
});
