import assert from "node:assert/strict";
import hybridPoll from "../../plugins/policies/hybrid_poll.ts";
import { simulateWaits, TYPICAL_COSTS } from "../conformance/wait_simulator.ts";
import { fc } from "../conformance/properties.ts";
import { planOf, policyOf, slept, spun } from "../helpers/scripted_waits.ts";

const SLACK = 50_000;

Deno.test("hybrid-poll polls without an end, after a sleep of so many microseconds; with -1, after none", () => {
  const poll = { spinNs: Infinity, yieldNs: 0, armDistance: 1, blockNs: Infinity };
  assert.deepEqual(planOf(policyOf(hybridPoll, { io_poll_delay: -1 })), { ...poll, preSleepNs: 0 });
  assert.deepEqual(planOf(policyOf(hybridPoll, { io_poll_delay: 20 })), { ...poll, preSleepNs: 20_000 });
  assert.deepEqual(planOf(policyOf(hybridPoll)), { ...poll, preSleepNs: 0 });
  for (const delay of [-2, 0.5, "20us"]) {
    assert.equal(hybridPoll.options.safeParse({ io_poll_delay: delay }).success, false);
  }
});

Deno.test("hybrid-poll sleeps for half the mean of the last full window, less what sleeps last longer than asked", () => {
  const waits = fc.array(fc.integer({ min: 1e6, max: 10e6 }), { minLength: 100, maxLength: 100 });
  fc.assert(fc.property(waits, (lengths) => {
    const policy = policyOf(hybridPoll);
    let [windowNs, count, expected] = [0, 0, 0];
    for (const lengthNs of lengths) {
      const askedNs = planOf(policy).preSleepNs;
      assert(Math.abs(askedNs - expected) < 1, `asks for ${askedNs} ns; expected ${expected}`);
      // A sleep that ends as late as is taken at first: nothing new is learnt of sleeps.
      const sleptNs = askedNs > 0 ? askedNs + SLACK : 0;
      policy.waited?.(spun(Math.max(0, lengthNs - sleptNs), { sleptNs }));
      windowNs += Math.max(lengthNs, sleptNs);
      if (++count && windowNs >= 100e6) {
        expected = windowNs / count / 2 - SLACK;
        [windowNs, count] = [0, 0];
      }
    }
  }));
});

Deno.test("hybrid-poll counts neither waits that ended without work, nor time that others had the core", () => {
  const policy = policyOf(hybridPoll);
  for (let i = 0; i < 50; i++) {
    policy.waited?.(spun(100e6, { spinHit: false, found: false }));
    policy.waited?.(spun(1e6, { lostNs: 10e6 }));
  }
  assert.equal(planOf(policy).preSleepNs, 0, "there were 50 ms of waits with work");
  for (let i = 0; i < 50; i++) policy.waited?.(spun(1e6));
  assert.equal(planOf(policy).preSleepNs, 500_000 - SLACK);
});

Deno.test("hybrid-poll polls alone where half of a wait is over before a sleep could end", () => {
  const policy = policyOf(hybridPoll);
  for (let i = 0; i < 3000; i++) policy.waited?.(spun(99_000));
  assert.deepEqual([1, 2, 3].map(() => planOf(policy).preSleepNs), [1, 0, 0], "the first is there to measure");
});

Deno.test("hybrid-poll finds out that sleeps end sooner than it thought, though it polls alone", () => {
  const policy = policyOf(hybridPoll);
  const LATE = 20_000;
  for (let i = 0; i < 50_000; i++) {
    const askedNs = planOf(policy).preSleepNs;
    const sleptNs = askedNs > 0 ? askedNs + LATE : 0;
    policy.waited?.(spun(90_000 - sleptNs, { sleptNs }));
  }
  const { preSleepNs } = planOf(policy);
  assert(Math.abs(preSleepNs - (45_000 - LATE)) < 1000, `${preSleepNs}`);
});

Deno.test("hybrid-poll learns how much longer than asked sleeps last, but not from those that a ring ended", () => {
  const policy = policyOf(hybridPoll);
  for (let i = 0; i < 100; i++) policy.waited?.(spun(1e6));
  for (let i = 0; i < 50; i++) {
    const { preSleepNs } = planOf(policy);
    policy.waited?.(spun(0, { sleptNs: preSleepNs + 120_000, found: false }));
  }
  const learnt = 500_000 - planOf(policy).preSleepNs;
  assert(learnt > 119_000 && learnt <= 120_000, `learnt ${learnt}`);
  const { preSleepNs } = planOf(policy);
  policy.waited?.(slept(preSleepNs / 2, { found: false }));
  assert.equal(planOf(policy).preSleepNs, preSleepNs);
});

Deno.test("hybrid-poll halves the CPU time of steady waits, and is no later than polling", () => {
  const gaps = Array(2000).fill(1e6);
  const create = () => policyOf(hybridPoll);
  const { latency, spunNs, elapsedNs } = simulateWaits(create, { gaps, from: "wait" });
  assert.equal(latency.maxNs, TYPICAL_COSTS.lookNs);
  // 0.1 of the 2 s are the first window, which is polled through.
  const share = spunNs / elapsedNs;
  assert(share > 0.5 && share < 0.56, `polls for ${share} of the time`);
});

Deno.test("hybrid-poll follows waits that become short, window by window", () => {
  const gaps = [...Array(200).fill(1e6), ...Array(5000).fill(20_000)];
  const latencies: number[] = [];
  const create = () => policyOf(hybridPoll);
  simulateWaits(create, { gaps, from: "wait" }, TYPICAL_COSTS, (plan) => latencies.push(plan.preSleepNs));
  assert(latencies[150] > 400_000);
  assert.equal(latencies[5100], 0);
});
