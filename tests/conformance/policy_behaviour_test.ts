// The suite must tell a policy that is wrong: each of these is wrong in one way.
import assert from "node:assert/strict";
import type { WaitOutcome, WaitPlan } from "../../core/notification.ts";
import { assertAllocatesNothing, assertFindsWork, assertSleepsWhenIdle } from "./policy_behaviour.ts";

Deno.test("a policy that waits for several entries without an end is found out", () => {
  const create = () => ({ plan: (plan: WaitPlan) => void (plan.armDistance = 4) });
  assert.throws(() => assertFindsWork(create, () => {}), ({ cause }: Error) => {
    return /it waits for 4 entries for Infinity ns/.test(String(cause));
  });
});

Deno.test("a policy whose plans go wrong after what it has seen is found out", () => {
  let waits = 0;
  const create = () => ({ plan: (plan: WaitPlan) => void (plan.spinNs = ++waits > 5 ? NaN : 1) });
  assert.throws(() => assertFindsWork(create, ({ spinNs }) => assert(spinNs >= 0)));
});

Deno.test("a policy that looks in vain again and again instead of sleeping is found out", () => {
  const create = () => ({ plan: (plan: WaitPlan) => void Object.assign(plan, { spinNs: 1e6, blockNs: 0 }) });
  assert.throws(() => assertSleepsWhenIdle(create), /did not sleep/);
  assertSleepsWhenIdle(() => ({ plan: (plan: WaitPlan) => void (plan.spinNs = Infinity) }));
});

Deno.test("a policy that takes memory for each wait is found out", () => {
  const kept: unknown[] = [0];
  assert.throws(() =>
    assertAllocatesNothing({
      plan: (plan) => void (plan.spinNs = 1),
      waited: ({ spunNs }: WaitOutcome) => void (kept[0] = { spunNs }),
    }), /1000 waits took \d+ bytes/);
});
