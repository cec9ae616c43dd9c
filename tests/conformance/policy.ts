/**
 * What holds for every notification policy.
 *
 * @module
 */

import assert from "node:assert/strict";
import { NO_CONTEXT, resetPlan, type WaitOutcome, type WaitPlan } from "../../core/notification.ts";
import { loadPlugin, type PolicyPlugin } from "../../core/plugin.ts";
import { testDefinition } from "./definition.ts";
import { roundTrips } from "./echo.ts";
import { assertAllocatesNothing, assertFindsWork, assertSleepsWhenIdle } from "./policy_behaviour.ts";
import { fc } from "./properties.ts";

const duration = fc.oneof(fc.constantFrom(0, 1, 1e3, 75e3, 1e8), fc.double({ min: 0, max: 1e9, noNaN: true }));

/** How a wait may have gone: who found work while spinning did not sleep afterwards, but perhaps before. */
export const outcomes: fc.Arbitrary<WaitOutcome> = fc.record({
  spinHit: fc.boolean(),
  spunNs: duration,
  lostNs: duration,
  sleptNs: duration,
  wakeNs: duration,
  found: fc.boolean(),
});

function freshPlan(): WaitPlan {
  const plan: WaitPlan = { spinNs: NaN, yieldNs: NaN, preSleepNs: NaN, armDistance: NaN, blockNs: NaN };
  resetPlan(plan);
  return plan;
}

function assertInRange(plan: WaitPlan): void {
  assert.deepEqual(Object.keys(plan).sort(), ["armDistance", "blockNs", "preSleepNs", "spinNs", "yieldNs"]);
  assert(plan.spinNs >= 0, `spinNs is ${plan.spinNs}`);
  assert(plan.yieldNs >= 0, `yieldNs is ${plan.yieldNs}`);
  assert(plan.preSleepNs >= 0 && plan.preSleepNs < Infinity, `preSleepNs is ${plan.preSleepNs}`);
  assert(Number.isInteger(plan.armDistance) && plan.armDistance >= 1, `armDistance is ${plan.armDistance}`);
  assert(plan.blockNs >= 0, `blockNs is ${plan.blockNs}`);
}

/**
 * Registers the tests for one policy.
 *
 * @param examples options to try, beside the defaults
 */
export function testPolicy(name: string, url: string, examples: readonly unknown[]): void {
  const load = (): Promise<PolicyPlugin> => loadPlugin("policy", url);

  testDefinition(name, url, load);

  Deno.test(`${name}: its defaults and the examples are valid choices`, async () => {
    const { options } = await load();
    for (const example of [{}, ...examples]) assert(options.safeParse(example).success, JSON.stringify(example));
  });

  Deno.test(`${name}: its plans are in range after any sequence of outcomes`, async () => {
    const plugin = await load();
    for (const example of [{}, ...examples]) {
      fc.assert(fc.property(fc.array(outcomes, { maxLength: 100 }), (sequence) => {
        const policy = plugin.create(plugin.options.parse(example), NO_CONTEXT);
        for (const outcome of sequence) {
          const plan = freshPlan();
          policy.plan(plan);
          assertInRange(plan);
          policy.waited?.(outcome);
        }
      }));
    }
  });

  Deno.test(`${name}: it fills the plan that it is given, and keeps neither plan nor outcome`, async () => {
    const plugin = await load();
    const policy = plugin.create(plugin.options.parse({}), NO_CONTEXT);
    const plan = freshPlan();
    for (let i = 0; i < 10; i++) {
      assert.equal(policy.plan(plan), undefined, "there is no other plan than the one that was given");
      const before = { ...plan };
      const outcome = Object.freeze({
        spinHit: i % 2 === 0,
        spunNs: 100,
        lostNs: 0,
        sleptNs: 50_000,
        wakeNs: 0,
        found: i % 2 === 0,
      });
      policy.waited?.(outcome);
      assert.deepEqual(plan, before, "the outcome changes the next plan, not this one");
      resetPlan(plan);
    }
  });

  Deno.test(`${name}: two sides with the same policy do not influence each other`, async () => {
    const plugin = await load();
    fc.assert(fc.property(fc.array(outcomes, { maxLength: 30 }), (sequence) => {
      const [taught, untaught, reference] = [1, 2, 3].map(() => plugin.create(plugin.options.parse({}), NO_CONTEXT));
      const [plan, expected] = [freshPlan(), freshPlan()];
      for (const outcome of sequence) {
        taught.plan(freshPlan());
        taught.waited?.(outcome);
      }
      untaught.plan(plan);
      reference.plan(expected);
      assert.deepEqual(plan, expected);
    }));
  });

  Deno.test(`${name}: the same history leads to the same plan`, async () => {
    const plugin = await load();
    fc.assert(fc.property(fc.array(outcomes, { maxLength: 30 }), (sequence) => {
      const plans = [1, 2].map(() => {
        const policy = plugin.create(plugin.options.parse({}), NO_CONTEXT);
        return sequence.map((outcome) => {
          const plan = freshPlan();
          policy.plan(plan);
          policy.waited?.(outcome);
          return plan;
        });
      });
      assert.deepEqual(plans[0], plans[1]);
    }));
  });

  Deno.test(`${name}: work that comes is found, whenever it comes and whoever else wants the core`, async () => {
    const plugin = await load();
    for (const example of [{}, ...examples]) {
      assertFindsWork((context) => plugin.create(plugin.options.parse(example), context), assertInRange);
    }
  });

  Deno.test(`${name}: without work it sleeps, unless its plan says that it never does`, async () => {
    const plugin = await load();
    for (const example of [{}, ...examples]) {
      assertSleepsWhenIdle((context) => plugin.create(plugin.options.parse(example), context));
    }
  });

  Deno.test(`${name}: a wait takes no memory`, async () => {
    const plugin = await load();
    for (const example of [{}, ...examples]) {
      assertAllocatesNothing(plugin.create(plugin.options.parse(example), NO_CONTEXT));
    }
  });

  for (const serving of [false, true]) {
    const loop = serving ? "while the thread serves its events" : "and the thread does nothing else";
    Deno.test(`${name}: two threads that wait by it get every answer, ${loop}`, async () => {
      const plugin = await load();
      for (const example of [{}, ...examples]) {
        const options = plugin.options.parse(example);
        assert.equal(await roundTrips(plugin.create(options, NO_CONTEXT), { url, options }, 40, serving), 40);
      }
    });
  }
}
