import assert from "node:assert/strict";
import fc from "fast-check";
import { NO_CONTEXT, resetPlan, type WaitPlan } from "../../core/notification.ts";
import adaptiveSpin from "../../plugins/policies/adaptive_spin.ts";

const US = 1000;
const CEILING = 200 * US;
const FLOOR = 10 * US;
/** What a wait without work takes: the bound of every sleep. */
const TIMEOUT = 100_000 * US;

/** A policy with the default options, and a thread that waits by it: for work that comes so long after a wait began. */
class Thread {
  spunNs = 0;
  readonly #policy = adaptiveSpin.create(adaptiveSpin.options.parse({}), NO_CONTEXT);
  readonly #plan: WaitPlan = { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: 0 };
  readonly #wakeNs: number;

  constructor(wakeNs: number) {
    this.#wakeNs = wakeNs;
  }

  get spinNs(): number {
    resetPlan(this.#plan);
    this.#policy.plan(this.#plan);
    return this.#plan.spinNs + this.#plan.yieldNs;
  }

  /** Waits once. Whether the spin found the work. */
  wait(arrivalNs: number): boolean {
    const { spinNs } = this;
    const spinHit = arrivalNs <= spinNs;
    const spunNs = Math.min(spinNs, arrivalNs);
    this.spunNs += spunNs;
    const sleptNs = spinHit ? 0 : arrivalNs - spunNs + this.#wakeNs;
    this.#policy.waited?.({ spinHit, spunNs, lostNs: 0, sleptNs, wakeNs: 0, found: true });
    return spinHit;
  }

  /** Waits so often, and tells which of them a spin ended. */
  waits(count: number, arrivalNs: number): boolean[] {
    return Array.from({ length: count }, () => this.wait(arrivalNs));
  }
}

Deno.test("adaptive-spin is quiet after five idle waits, has spun for less than two ceilings, and stays quiet", () => {
  const thread = new Thread(40 * US);
  thread.waits(5, TIMEOUT);
  assert.equal(thread.spinNs, 0);
  assert(thread.spunNs > 0 && thread.spunNs < 2 * CEILING, `spun ${thread.spunNs}`);
  const { spunNs } = thread;
  thread.waits(10_000, TIMEOUT);
  assert.equal(thread.spunNs, spunNs);
});

Deno.test("adaptive-spin does not spin for work that comes less often than its ceiling", () => {
  const thread = new Thread(40 * US);
  thread.waits(1000, 1000 * US);
  assert(thread.spunNs < 2 * CEILING, `spun ${thread.spunNs}`);
});

Deno.test("adaptive-spin spins again from the second back-to-back wait after an idle time on, however long that was", () => {
  for (const idleWaits of [5, 36_000]) {
    const thread = new Thread(40 * US);
    thread.waits(idleWaits, TIMEOUT);
    assert.deepEqual(thread.waits(4, 2 * US), [false, true, true, true]);
  }
});

Deno.test("adaptive-spin reaches every gap that it can learn within six waits, and then catches all", () => {
  const wakes = fc.integer({ min: 1 * US, max: 100 * US });
  fc.assert(fc.property(wakes, fc.double({ min: 0, max: 1, noNaN: true }), (wakeNs, share) => {
    const thread = new Thread(wakeNs);
    thread.waits(10, TIMEOUT);
    const found = thread.waits(50, share * (CEILING - wakeNs));
    assert(found.slice(6).every((hit) => hit), `${found}`);
  }));
});

Deno.test("adaptive-spin comes to rest under any steady load: it catches all of it or does not spin", () => {
  const arrivals = fc.integer({ min: 1, max: 3 * CEILING });
  const past = fc.array(fc.integer({ min: 1, max: TIMEOUT }), { maxLength: 30 });
  fc.assert(fc.property(past, arrivals, fc.integer({ min: US, max: 100 * US }), (history, arrivalNs, wakeNs) => {
    const thread = new Thread(wakeNs);
    for (const each of history) thread.wait(each);
    thread.waits(10, arrivalNs);
    const { spinNs } = thread;
    const found = thread.waits(20, arrivalNs);
    assert.equal(thread.spinNs, spinNs);
    assert(spinNs === 0 || found.every((hit) => hit), `spins ${spinNs} in vain`);
  }));
});

Deno.test("adaptive-spin loses no catch by one delay among back-to-back waits, or by as many as halve it to the floor", () => {
  const thread = new Thread(40 * US);
  for (let delay = 0; delay < 4; delay++) {
    assert.equal(thread.wait(4000 * US), false);
    assert(thread.waits(100, 2 * US).every((hit) => hit));
  }
  assert(thread.spinNs >= FLOOR);
});

Deno.test("adaptive-spin does not begin again where a wake takes longer than its ceiling, and does with a higher one", () => {
  const thread = new Thread(CEILING);
  thread.waits(10, TIMEOUT);
  assert(thread.waits(100, 2 * US).every((hit) => !hit));
  const higher = adaptiveSpin.create(adaptiveSpin.options.parse({ ceiling: "500us" }), NO_CONTEXT);
  const plan: WaitPlan = { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: 0 };
  for (let i = 0; i < 10; i++) {
    higher.waited?.({ spinHit: false, spunNs: 0, lostNs: 0, sleptNs: TIMEOUT, wakeNs: 0, found: false });
  }
  higher.waited?.({ spinHit: false, spunNs: 0, lostNs: 0, sleptNs: CEILING + 2 * US, wakeNs: 0, found: false });
  higher.plan(plan);
  assert.equal(plan.spinNs + plan.yieldNs, FLOOR);
});

Deno.test("adaptive-spin keeps the core for its first looks, and offers it at once for a while after others took it", () => {
  const policy = adaptiveSpin.create(adaptiveSpin.options.parse({}), NO_CONTEXT);
  const plan: WaitPlan = { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: 0 };
  const planned = (): number[] => {
    policy.plan(plan);
    return [plan.spinNs, plan.yieldNs];
  };
  const found = { spinHit: true, spunNs: 30 * US, lostNs: 0, sleptNs: 0, wakeNs: 0, found: true };
  assert.deepEqual(planned(), [10 * US, CEILING - 10 * US]);
  policy.waited?.({ ...found, lostNs: 5 * US });
  for (let wait = 0; wait < 10; wait++) {
    assert.deepEqual(planned(), [1 * US, CEILING - 1 * US]);
    policy.waited?.(found);
  }
  assert.deepEqual(planned(), [10 * US, CEILING - 10 * US]);
});

Deno.test("adaptive-spin does not offer its core to who keeps it, for longer each time that this goes on", () => {
  const policy = adaptiveSpin.create(adaptiveSpin.options.parse({}), NO_CONTEXT);
  const plan: WaitPlan = { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: 0 };
  const offers = (): boolean => {
    policy.plan(plan);
    return plan.yieldNs > 0;
  };
  const found = { spinHit: true, spunNs: 30 * US, lostNs: 0, sleptNs: 0, wakeNs: 0, found: true };
  for (const waits of [100, 200, 400]) {
    assert(offers());
    policy.waited?.({ ...found, lostNs: 3000 * US });
    for (let wait = 0; wait < waits; wait++) {
      assert(!offers() && plan.spinNs === 1 * US, `wait ${wait} of ${waits}`);
      policy.waited?.(found);
    }
  }
  for (let wait = 0; wait < 1000; wait++) policy.waited?.(found);
  policy.waited?.({ ...found, lostNs: 3000 * US });
  for (let wait = 0; wait < 100; wait++) policy.waited?.(found);
  assert(offers(), "it forgets in time");
});
