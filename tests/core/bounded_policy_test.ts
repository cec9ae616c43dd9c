import assert from "node:assert/strict";
import fc from "fast-check";
import { BoundedPolicy } from "../../core/bounded_policy.ts";
import { resetPlan, type WaitPlan } from "../../core/notification.ts";
import { AtomicsWaiter } from "../../core/waiter.ts";
import { policy, RecordingEventPage, TestSource } from "../helpers/waiting.ts";

/** Looks without an end last so long at most, as they do in a wait without a bound. */
const LONGEST_NS = 100e6;

const time = fc.oneof(fc.integer({ min: 0, max: 1e9 }), fc.constant(Infinity));

function planned(policy: BoundedPolicy): WaitPlan {
  const plan: WaitPlan = { spinNs: 1, yieldNs: 1, preSleepNs: 1, armDistance: 9, blockNs: 1 };
  resetPlan(plan);
  policy.plan(plan);
  return plan;
}

Deno.test("no wait takes longer than is left, and within that it is as the policy wants it", () => {
  const wanted = fc.record({ spinNs: time, yieldNs: time, preSleepNs: time, blockNs: time, armDistance: fc.nat(32) });
  fc.assert(fc.property(wanted, fc.oneof(time, fc.constant(-5)), (wants, leftNs) => {
    const policy = new BoundedPolicy({ plan: (plan) => void Object.assign(plan, wants) });
    policy.leftNs = leftNs;
    const plan = planned(policy);
    const endless = leftNs < Infinity && wants.spinNs + wants.yieldNs === Infinity;
    if (endless) {
      wants.yieldNs = wants.spinNs < Infinity ? LONGEST_NS : 0;
      wants.spinNs = Math.min(wants.spinNs, LONGEST_NS);
      wants.blockNs = 0;
    }
    let left = Math.max(0, leftNs);
    for (const part of ["preSleepNs", "spinNs", "yieldNs", "blockNs"] as const) {
      assert.equal(plan[part], Math.min(wants[part], left), part);
      if (left < Infinity) left -= plan[part];
    }
    assert.equal(plan.armDistance, wants.armDistance);
  }));
});

Deno.test("a policy that is bounded learns how its waits went", () => {
  const outcome = { spinHit: true, spunNs: 5, lostNs: 0, sleptNs: 7, wakeNs: 0, found: true };
  const told: unknown[] = [];
  new BoundedPolicy({ plan() {}, waited: (each) => void told.push(each) }).waited(outcome);
  new BoundedPolicy({ plan() {} }).waited(outcome);
  assert.deepEqual(told, [outcome]);
});

Deno.test("a policy is not told of a wait that was cut short and brought nothing, as that says nothing of when work comes", () => {
  const told: boolean[] = [];
  const policy = new BoundedPolicy({
    plan: (plan) => void Object.assign(plan, { preSleepNs: 10, spinNs: 20, yieldNs: 30, blockNs: 40 }),
    waited: ({ found }) => void told.push(found),
  });
  const wait = (leftNs: number, found: boolean): void => {
    policy.leftNs = leftNs;
    planned(policy);
    policy.waited({ spinHit: false, spunNs: 5, lostNs: 0, sleptNs: 7, wakeNs: 0, found });
  };
  for (const leftNs of [0, 5, 15, 99]) wait(leftNs, false);
  assert.deepEqual(told, [], "neither of a spin that was shorter, nor of a sleep");
  wait(0, true);
  wait(99, true);
  for (const leftNs of [100, 101, Infinity]) wait(leftNs, false);
  assert.deepEqual(told, [true, true, false, false, false]);
});

Deno.test("a policy that sleeps as long as it may is told of a sleep of the longest length", () => {
  const told: boolean[] = [];
  const policy = new BoundedPolicy({ plan() {}, waited: ({ found }) => void told.push(found) });
  for (const leftNs of [99e6, 100e6, 1e12]) {
    policy.leftNs = leftNs;
    planned(policy);
    policy.waited({ spinHit: false, spunNs: 0, lostNs: 0, sleptNs: leftNs, wakeNs: 0, found: false });
  }
  assert.equal(told.length, 2);
});

Deno.test("a bound holds for one wait", () => {
  const policy = new BoundedPolicy({ plan: (plan) => void (plan.spinNs = 70) });
  policy.leftNs = 50;
  assert.deepEqual([planned(policy).spinNs, planned(policy).spinNs], [50, 70]);
});

Deno.test("a wait without a sleep arms nothing: nobody is to ring for a thread that is awake", () => {
  const log: string[] = [];
  const waiter = new AtomicsWaiter(new RecordingEventPage(log), () => {});
  waiter.add(new TestSource(log));
  waiter.wait(policy({ blockNs: 0 }));
  const bounded = new BoundedPolicy(policy({ spinNs: 5000 }));
  bounded.leftNs = 1000;
  waiter.wait(bounded);
  const endless = new BoundedPolicy(policy({ spinNs: Infinity }));
  endless.leftNs = 1000;
  waiter.wait(endless);
  assert.deepEqual(log, ["disarm", "disarm", "disarm"]);
  assert.equal(waiter.counters.sleeps, 0);
});
