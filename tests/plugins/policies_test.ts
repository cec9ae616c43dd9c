import assert from "node:assert/strict";
import {
  NO_CONTEXT,
  type NotificationPolicy,
  resetPlan,
  type WaitOutcome,
  type WaitPlan,
} from "../../core/notification.ts";
import { formatDuration } from "../../core/units.ts";
import adaptiveSpin from "../../plugins/policies/adaptive_spin.ts";
import fixedSpin from "../../plugins/policies/fixed_spin.ts";
import interrupt from "../../plugins/policies/interrupt.ts";
import { builtins } from "../../plugins/mod.ts";
import { outcomes, testPolicy } from "../conformance/policy.ts";
import { fc } from "../conformance/properties.ts";

/** Options to try beside the defaults; a policy that is not here is tried with its defaults alone. */
const examples: Readonly<Record<string, readonly unknown[]>> = {
  "fixed-spin": [{ spin: "0ns" }, { spin: "1s" }],
  "hybrid-poll": [{ io_poll_delay: -1 }, { io_poll_delay: 20 }],
  "halt-poll": [
    { halt_poll_ns: 0 },
    { halt_poll_ns: 32_768, halt_poll_ns_grow_start: 4000, halt_poll_ns_shrink: 0 },
    { halt_poll_ns: 50_000, halt_poll_ns_grow: 0, halt_poll_ns_grow_start: 0 },
  ],
  "competitive-spin": [{ algorithm: "randomised" }, { cost: "20us" }, { initialCost: "1us", maxCost: "1us" }],
  "coalesce": [{ "rx-frames": 1, "rx-usecs": 0 }, { "rx-frames": 8, "rx-usecs": 200 }, { "rx-frames": 0 }],
  "adaptive-spin": [{ floor: "100ns" }, { floor: "1us", ceiling: "1ms" }, { floor: "50us", ceiling: "50us" }],
};
for (const [name, url] of Object.entries(builtins.policy)) testPolicy(name, url, examples[name] ?? []);

function planOf(policy: { plan(plan: WaitPlan): void }): WaitPlan {
  const plan = { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: 0 };
  resetPlan(plan);
  policy.plan(plan);
  return plan;
}

/** How long a policy looks in all, whether or not it offers its core meanwhile. */
function spinOf(policy: NotificationPolicy): number {
  const { spinNs, yieldNs } = planOf(policy);
  return spinNs + yieldNs;
}

Deno.test("interrupt sleeps at once, for as long as it takes", () => {
  const policy = interrupt.create(interrupt.options.parse({}), NO_CONTEXT);
  assert.deepEqual(planOf(policy), { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: Infinity });
});

Deno.test("fixed-spin spins for the time that it was given, whatever happens", () => {
  const policy = fixedSpin.create(fixedSpin.options.parse({ spin: "7us" }), NO_CONTEXT);
  fc.assert(fc.property(outcomes, (outcome) => {
    policy.waited?.(outcome);
    assert.deepEqual(planOf(policy), { spinNs: 7000, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: Infinity });
  }));
});

const FLOOR = 10_000;
const CEILING = 200_000;

/** How waits may have gone on a core that nobody else wants. */
const undisturbed = outcomes.map((outcome) => ({ ...outcome, lostNs: 0 }));

/** An adaptive policy with the default options, and its spin after each of some outcomes. */
function adaptive() {
  const policy = adaptiveSpin.create(adaptiveSpin.options.parse({}), NO_CONTEXT);
  const spin = (): number => spinOf(policy);
  const after = (...sequence: WaitOutcome[]): number[] => {
    return sequence.map((outcome) => {
      policy.waited?.(outcome);
      return spin();
    });
  };
  return { spin, after };
}

/** A wait that ended after a sleep, `totalNs` after it began. */
function slept(totalNs: number): WaitOutcome {
  return { spinHit: false, spunNs: totalNs / 2, lostNs: 0, sleptNs: totalNs / 2, wakeNs: 0, found: false };
}

Deno.test("adaptive-spin begins with its longest spin", () => {
  assert.equal(adaptive().spin(), CEILING);
});

Deno.test("adaptive-spin halves when waits are long, down to no spin at all", () => {
  const { after } = adaptive();
  const spins = after(...Array(6).fill(slept(10 * CEILING)));
  assert.deepEqual(spins, [100_000, 50_000, 25_000, 12_500, 0, 0]);
});

Deno.test("adaptive-spin doubles, from the floor to the ceiling, when a longer spin would have caught the work", () => {
  const { after } = adaptive();
  after(...Array(6).fill(slept(10 * CEILING)));
  assert.deepEqual(after(...Array(6).fill(slept(CEILING))), [10_000, 20_000, 40_000, 80_000, 160_000, 200_000]);
});

Deno.test("adaptive-spin changes nothing when the spin found work, or nobody slept", () => {
  const { after } = adaptive();
  after(slept(10 * CEILING));
  const unchanged = [
    { spinHit: true, spunNs: 5, lostNs: 0, sleptNs: 0, wakeNs: 0, found: true },
    { spinHit: true, spunNs: CEILING, lostNs: 0, sleptNs: 10 * CEILING, wakeNs: 0, found: true },
    { spinHit: false, spunNs: 10 * CEILING, lostNs: 0, sleptNs: 0, wakeNs: 0, found: false },
  ];
  assert.deepEqual(after(...unchanged), [100_000, 100_000, 100_000]);
});

Deno.test("adaptive-spin never spins outside of 0 or floor to ceiling, for any floor and ceiling", () => {
  const bound = fc.integer({ min: 100, max: 1_000_000 });
  const bounds = fc.tuple(bound, bound).map((pair) => pair.sort((a, b) => a - b));
  fc.assert(fc.property(bounds, fc.array(undisturbed, { maxLength: 60 }), ([floor, ceiling], sequence) => {
    const options = { floor: formatDuration(floor), ceiling: formatDuration(ceiling) };
    const policy = adaptiveSpin.create(adaptiveSpin.options.parse(options), NO_CONTEXT);
    for (const outcome of sequence) {
      const spinNs = spinOf(policy);
      assert(spinNs === 0 || (spinNs >= floor && spinNs <= ceiling), `spins ${spinNs}`);
      policy.waited?.(outcome);
    }
  }));
});

Deno.test("adaptive-spin comes to rest at the ceiling on a busy ring and at nothing on an idle one", () => {
  const history = fc.array(undisturbed, { maxLength: 30 });
  fc.assert(fc.property(history, fc.integer({ min: 1, max: CEILING }), (sequence, total) => {
    const { after } = adaptive();
    after(...sequence);
    assert.equal(after(...Array(20).fill(slept(total))).at(-1), CEILING);
    assert.equal(after(...Array(20).fill(slept(CEILING + total))).at(-1), 0);
    assert.equal(after(slept(total))[0], FLOOR);
  }));
});

Deno.test("adaptive-spin refuses a floor above its ceiling", () => {
  assert.equal(adaptiveSpin.options.safeParse({ floor: "1ms", ceiling: "10us" }).success, false);
});
