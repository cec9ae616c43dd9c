import assert from "node:assert/strict";
import fc from "fast-check";
import { type Counterpart, resetPlan, type WaitOutcome, type WaitPlan } from "../../core/notification.ts";
import { FollowersCpu } from "../../plugins/policies/auto/together.ts";
import {
  ALONE,
  COALESCE_MANY,
  SLEEP,
  SPIN,
  TOGETHER,
  type Way,
  WAYS,
  YIELD,
} from "../../plugins/policies/auto/ways.ts";
import auto from "../../plugins/policies/auto.ts";

const MS = 1e6;

const ALONE_CONTEXT = { side: "backend", counterparts: [] } as const;

/** The policy on a thread that takes `rate` entries a second and whose waits take as long as that means. */
function waits(cpuPrice: number, seconds: number, world: (plan: WaitPlan) => { rate: number; cores: number }) {
  let now = 0;
  let taken = 2 ** 32 - 50; // It is counted modulo 2³².
  let cpu = 0;
  const context = { ...ALONE_CONTEXT, nowNs: () => now, taken: () => taken % 2 ** 32, threadCpuNs: () => cpu };
  const policy = auto.create(auto.options.parse({ cpuPrice }), context);
  const plan: WaitPlan = { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: 0 };
  const outcome: WaitOutcome = { spinHit: true, spunNs: 0, lostNs: 0, sleptNs: 0, wakeNs: 0, found: true };
  while (now < seconds * 1e9) {
    resetPlan(plan);
    policy.plan(plan);
    const { rate, cores } = world(plan);
    now += 1e9 / rate;
    cpu += cores * 1e9 / rate;
    taken++;
    policy.waited?.(outcome);
  }
  return plan;
}

const isLongSpin = ({ spinNs, yieldNs }: WaitPlan): boolean => spinNs + yieldNs >= 1 * MS;

Deno.test("auto spins where that is faster, and sleeps where CPU time has a price and spinning gains little", () => {
  const fast = (plan: WaitPlan) => isLongSpin(plan) ? { rate: 100_000, cores: 1 } : { rate: 10_000, cores: 0.4 };
  const slow = (plan: WaitPlan) => isLongSpin(plan) ? { rate: 1000, cores: 1 } : { rate: 960, cores: 0.05 };
  assert(isLongSpin(waits(0, 1, fast)) && isLongSpin(waits(1, 1, fast)) && isLongSpin(waits(0, 2, slow)));
  assert.equal(isLongSpin(waits(1, 2, slow)), false);
});

Deno.test("auto offers its core where whoever it waits for needs it", () => {
  const world = ({ yieldNs, spinNs }: WaitPlan) => yieldNs > 0 ? 200_000 : spinNs > 0 ? 200 : 15_000;
  const plan = waits(0, 2, (plan) => ({ rate: world(plan), cores: 0.5 }));
  assert.deepEqual([plan.spinNs, plan.yieldNs], [YIELD.backend.spinNs, YIELD.backend.yieldNs]);
});

Deno.test("auto looks at the clock soon when waits have become longer", () => {
  let [now, readings] = [0, 0];
  const context = { ...ALONE_CONTEXT, nowNs: () => (readings++, now), taken: () => readings, threadCpuNs: () => 0 };
  const policy = auto.create(auto.options.parse({}), context);
  const wait = (spunNs: number): void => {
    now += spunNs;
    policy.waited?.({ spinHit: true, spunNs, lostNs: 0, sleptNs: 0, wakeNs: 0, found: true });
  };
  for (let i = 0; i < 100_000; i++) wait(1000);
  const before = readings;
  assert(before < 1000, `${before} readings`);
  for (let i = 0; i < 10; i++) wait(20 * MS);
  assert.equal(readings - before, 10);
});

Deno.test("auto does not wake for several entries where none come", () => {
  // Coalescing is by far the best, until there is no work at all.
  const plan = waits(1, 1, ({ armDistance }) => ({ rate: 50_000, cores: armDistance === 16 ? 0.1 : 1 }));
  assert.equal(plan.armDistance, 16);
  const context = { ...ALONE_CONTEXT, nowNs: () => 0, taken: () => 0, threadCpuNs: () => 0 };
  const idle = auto.create(auto.options.parse({}), context);
  const fruitless = { spinHit: false, spunNs: 0, lostNs: 0, wakeNs: 0, found: false };
  idle.waited?.({ ...fruitless, sleptNs: COALESCE_MANY.backend.blockNs });
  resetPlan(plan);
  idle.plan(plan);
  assert.deepEqual([plan.armDistance, plan.blockNs], [1, Infinity]);
  assert.deepEqual([plan.spinNs, plan.yieldNs, plan.preSleepNs], [0, 0, 0], "and it looks no more");
});

Deno.test("a bell that rings for what was taken already does not make auto take its thread for idle", () => {
  const policy = auto.create(auto.options.parse({}), {
    ...ALONE_CONTEXT,
    nowNs: () => 0,
    taken: () => 0,
    threadCpuNs: () => 0,
  });
  const plan: WaitPlan = { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: 0 };
  policy.waited?.({ spinHit: false, spunNs: 1000, lostNs: 0, sleptNs: 0, wakeNs: 0, found: false });
  policy.plan(plan);
  assert.equal(plan.spinNs, SPIN.backend.spinNs);
});

Deno.test("without a clock of CPU time, auto takes the time awake for it", () => {
  let now = 0;
  let taken = 0;
  const context = { ...ALONE_CONTEXT, nowNs: () => now, taken: () => taken, threadCpuNs: () => NaN };
  const policy = auto.create(auto.options.parse({ cpuPrice: 1 }), context);
  const plan: WaitPlan = { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: 0 };
  while (now < 2e9) {
    resetPlan(plan);
    policy.plan(plan);
    const sleeps = plan.spinNs + plan.yieldNs === 0;
    now += MS;
    taken++;
    policy.waited?.({ spinHit: !sleeps, spunNs: 0, lostNs: 0, sleptNs: sleeps ? 0.9 * MS : 0, wakeNs: 0, found: true });
  }
  assert.deepEqual([plan.spinNs, plan.yieldNs], [SLEEP.backend.spinNs, SLEEP.backend.yieldNs]);
});

/**
 * How long the driver's end learns where all ways do the same, in milliseconds: until it goes the last of them.
 *
 * @param cores what it uses
 * @param slept the share of the time that it sleeps
 * @param saysEveryMs how often its frontend says something; null: it has none that follows
 */
function learnsForMs(cores: number, slept: number, saysEveryMs: number | null): number {
  const words = new Words(1);
  const stepNs = 0.2 * MS;
  let [now, last] = [0, 0];
  const policy = auto.create(auto.options.parse({ cpuPrice: 0 }), {
    ...{ side: "backend", counterparts: words.frontends },
    ...{ nowNs: () => now, taken: () => now / stepNs * 10, threadCpuNs: () => now * cores },
  });
  const plan: WaitPlan = { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: 0 };
  const outcome = { spinHit: false, spunNs: stepNs, lostNs: 0, sleptNs: 10e9, wakeNs: 0, found: true };
  let before = "";
  while (now < 10e9) {
    resetPlan(plan);
    policy.plan(plan);
    const way = JSON.stringify(plan);
    if (way !== before) last = now;
    before = way;
    now += stepNs;
    if (saysEveryMs !== null) words.words[0].front = 1 + Math.floor(now / (saysEveryMs * MS));
    policy.waited?.(outcome);
    outcome.sleptNs = slept * stepNs;
    if (now > 2e9 && now - last > 0.5e9) break;
  }
  return last / MS;
}

Deno.test("auto tries longer where others want its core, but not because it slept", () => {
  const alone = learnsForMs(1, 0, null);
  assert(alone < 600, `${alone} ms`);
  assert(learnsForMs(0.4, 0.6, null) < 600);
  assert(learnsForMs(0.4, 0, null) > 2 * alone);
});

Deno.test("auto tries longer where its frontend seldom says what it has used", () => {
  const often = learnsForMs(1, 0, 0.2);
  assert(often < 800, `${often} ms`);
  const seldom = learnsForMs(1, 0, 12);
  assert(seldom > 2 * often, `${seldom} ms`);
});

/** Words between a backend and its frontends, and what each side may write whenever it likes. */
class Words {
  readonly frontends: Counterpart[] = [];
  readonly backends: Counterpart[] = [];
  readonly words: { front: number; back: number }[] = [];

  constructor(rings: number) {
    for (let i = 0; i < rings; i++) {
      const ring = { front: 0, back: 0 };
      this.words.push(ring);
      this.frontends.push({ said: () => ring.front, tell: (word) => void (ring.back = word >>> 0) });
      this.backends.push({ said: () => ring.back, tell: (word) => void (ring.front = word >>> 0) });
    }
  }
}

interface Cost {
  readonly rate: number;
  /** Cores that the frontend and the backend use. */
  readonly cores: readonly [number, number];
}

/** Two ends of a ring, each with the policy; `world` says what comes of the ways that they go. */
function pair(cpuPrices: readonly [number, number], world: (front: WaitPlan, back: WaitPlan) => Cost) {
  const words = new Words(1);
  let now = 0;
  let part = 0;
  const taken = [0, 0];
  const cpu = [0, 0];
  const policies = (["frontend", "backend"] as const).map((side, i) => {
    return auto.create(auto.options.parse({ cpuPrice: cpuPrices[i] }), {
      ...{ side, counterparts: side === "frontend" ? words.backends : words.frontends },
      ...{ nowNs: () => now, taken: () => taken[i], threadCpuNs: () => cpu[i] },
    });
  });
  const plans = policies.map((): WaitPlan => ({ spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: 0 }));
  const outcome = { spinHit: true, spunNs: 0.2 * MS, lostNs: 0, sleptNs: 0, wakeNs: 0, found: true };
  const run = (seconds: number): void => {
    for (const until = now + seconds * 1e9; now < until;) {
      for (const [i, policy] of policies.entries()) {
        resetPlan(plans[i]);
        policy.plan(plans[i]);
      }
      const { rate, cores } = world(plans[0], plans[1]);
      now += 0.2 * MS;
      part += rate * 0.2e-3;
      const entries = Math.floor(part);
      part -= entries;
      for (const [i, policy] of policies.entries()) {
        taken[i] += entries;
        cpu[i] += cores[i] * 0.2 * MS;
        policy.waited?.(outcome);
      }
    }
  };
  return { plans, words, run };
}

/** Spinning together is by far the best; but whoever sleeps while the other spins saves more than it loses itself. */
function dilemma(front: WaitPlan, back: WaitPlan): Cost {
  const [a, b] = [isLongSpin(front), isLongSpin(back)];
  const rate = a && b ? 100_000 : a || b ? 30_000 : 12_000;
  return { rate, cores: [a ? 1 : 0.2, b ? 1 : 0.2] };
}

Deno.test("both ends find together what each alone would spoil", () => {
  const { plans, run } = pair([1, 1], dilemma);
  run(2);
  assert.deepEqual(plans.map(isLongSpin), [true, true]);
});

Deno.test("the backend's price is that of both", () => {
  const world = (front: WaitPlan, back: WaitPlan): Cost => {
    const looks = isLongSpin(front) && isLongSpin(back);
    return { rate: looks ? 1000 : 950, cores: looks ? [1, 1] : [0.05, 0.05] };
  };
  for (const [cpuPrices, spins] of [[[1, 0], true], [[0, 1], false]] as const) {
    const { plans, run } = pair(cpuPrices, world);
    run(3);
    assert.deepEqual(plans.map(isLongSpin), [spins, spins], `prices ${cpuPrices}`);
  }
});

Deno.test("both ends find a way in which they do different things", () => {
  const world = (front: WaitPlan, back: WaitPlan): Cost => {
    const best = !isLongSpin(front) && isLongSpin(back);
    return { rate: best ? 50_000 : 20_000, cores: [0.5, 0.5] };
  };
  const { plans, run } = pair([0, 0], world);
  run(2);
  assert.deepEqual(plans.map(isLongSpin), [false, true]);
});

Deno.test("a frontend whose backend says nothing any more decides for itself", () => {
  const { plans, words, run } = pair([1, 1], (front) => {
    return isLongSpin(front) ? { rate: 5000, cores: [1, 1] } : { rate: 4800, cores: [0.1, 1] };
  });
  run(1);
  const [ring] = words.words;
  Object.defineProperty(ring, "back", { get: () => 0, set() {} });
  run(2);
  assert.equal(isLongSpin(plans[0]), false);
});

Deno.test("whatever the other end says, plans are those of ways, and a liar counts for one core at most", () => {
  const word = fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 300 }));
  const plansOf = (side: "frontend" | "backend") => WAYS.map((way: Way) => way[side]);
  fc.assert(fc.property(fc.constantFrom("frontend" as const, "backend" as const), fc.array(word), (side, said) => {
    const words = new Words(2);
    let now = 0;
    const policy = auto.create(auto.options.parse({ cpuPrice: 1 }), {
      ...{ side, counterparts: side === "frontend" ? words.backends : words.frontends },
      ...{ nowNs: () => now += MS, taken: () => now / 1000, threadCpuNs: () => now / 2 },
    });
    const plan: WaitPlan = { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: 0 };
    for (const [i, word] of said.entries()) {
      words.words[i % 2][side === "frontend" ? "back" : "front"] = word;
      for (let wait = 0; wait < 20; wait++) {
        resetPlan(plan);
        policy.plan(plan);
        assert(plansOf(side).some((each) => JSON.stringify(each) === JSON.stringify(plan)), JSON.stringify(plan));
        policy.waited?.({ spinHit: true, spunNs: MS, lostNs: 0, sleptNs: 0, wakeNs: 0, found: true });
      }
    }
  }));
  const words = new Words(1);
  const cpu = new FollowersCpu(words.frontends);
  assert.equal(cpu.begin(), 0);
  words.words[0].front = 1000;
  assert.equal(cpu.usedNs(MS), 0, "who did not follow at the beginning does not count");
  assert.equal(cpu.begin(), 1);
  words.words[0].front = 1500;
  assert.equal(cpu.usedNs(MS), 0.5 * MS);
  words.words[0].front = 3;
  assert.equal(cpu.usedNs(MS), MS, "it cannot have used more than there was");
});

Deno.test("a backend waits for what frontends say, but not for one that said nothing the last time", () => {
  const words = new Words(2);
  const cpu = new FollowersCpu(words.frontends);
  const [first, second] = words.words;
  assert.equal(cpu.behind(), false, "nobody follows");
  [first.front, second.front] = [1, 1];
  cpu.begin();
  assert.equal(cpu.behind(), true);
  first.front = 2;
  assert.equal(cpu.behind(), true, "one of two has said something");
  cpu.begin();
  first.front = 3;
  assert.equal(cpu.behind(), false, "the other has nothing to do");
  second.front = 2;
  cpu.begin();
  first.front = 4;
  assert.equal(cpu.behind(), true, "it has something to do again");
});

Deno.test("the ways have the longest look first, each another name and plans; alone, each another plan", () => {
  assert.equal(WAYS[0], SPIN);
  assert.equal(new Set(WAYS.map(({ name }) => name)).size, WAYS.length);
  assert.equal(
    new Set(TOGETHER.map((way) => JSON.stringify([WAYS[way].frontend, WAYS[way].backend]))).size,
    WAYS.length,
  );
  assert.equal(new Set(ALONE.map((way) => JSON.stringify(WAYS[way].frontend))).size, ALONE.length);
});
