import assert from "node:assert/strict";
import fc from "fast-check";
import { mulberry32 } from "../../core/mulberry32.ts";
import { resetPlan, type WaitOutcome, type WaitPlan } from "../../core/notification.ts";
import { CANDIDATES, SLEEP, SPIN, YIELD } from "../../plugins/policies/auto/candidates.ts";
import { Tournament } from "../../plugins/policies/auto/tournament.ts";
import { Trials } from "../../plugins/policies/auto/trials.ts";
import auto from "../../plugins/policies/auto.ts";

const MS = 1e6;

/** Normally distributed numbers. */
function normal(random: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Plays a tournament in which each candidate scores its mean, but for a factor that chance decides. */
function play(means: readonly number[], deviation: number, seed: number): { winner: number; scores: number } {
  const noise = normal(mulberry32(seed));
  const tournament = new Tournament(means.map((_, candidate) => candidate));
  let scores = 0;
  for (; tournament.winner === null; scores++) {
    tournament.scored(means[tournament.current] * Math.exp(deviation * noise()));
  }
  return { winner: tournament.winner, scores };
}

Deno.test("a tournament finds who is better by much, and soon", () => {
  fc.assert(fc.property(fc.integer(), fc.integer({ min: 0, max: 6 }), (seed, best) => {
    const means = Array.from({ length: 7 }, (_, candidate) => candidate === best ? 100 : 50);
    const { winner, scores } = play(means, 0.05, seed);
    assert.equal(winner, best);
    assert(scores <= 21, `${scores} scores`);
  }));
});

Deno.test("of those that cannot be told apart the first wins", () => {
  let first = 0;
  for (let seed = 0; seed < 1000; seed++) if (play([100, 100, 101, 99], 0.01, seed).winner === 0) first++;
  assert(first >= 990, `${first} of 1000`);
  const noisy = Array.from({ length: 1000 }, (_, seed) => play([100, 100], 0.5, seed).winner);
  assert(noisy.filter((winner) => winner === 0).length >= 800, "though each scores differently each time");
});

Deno.test("a tournament ends, whatever is scored", () => {
  const score = fc.double({ min: 1e-300, max: 1e300, noNaN: true });
  fc.assert(fc.property(fc.integer({ min: 1, max: 9 }), fc.infiniteStream(score), (count, scores) => {
    const tournament = new Tournament(Array.from({ length: count }, (_, candidate) => candidate));
    for (let i = 0; i < 8 * count && tournament.winner === null; i++) tournament.scored(scores.next().value);
    assert.notEqual(tournament.winner, null);
  }));
});

/** What each way would do: entries a second, and the cores that it takes. */
type World = readonly { readonly rate: number; readonly cores: number }[];

/** A thread that waits as trials say, in steps of virtual time. */
class Thread {
  nowNs = 0;
  /** Time that each way was followed. */
  readonly followedNs: number[];
  readonly trials: Trials;
  world: World;
  #sinceNs = 0;
  #entries = 0;
  #cpuNs = 0;
  #part = 0;

  constructor(world: World, cpuPrice: number) {
    this.world = world;
    this.trials = new Trials(world.length, cpuPrice);
    this.followedNs = world.map(() => 0);
  }

  run(durationNs: number, stepNs = 0.5 * MS): this {
    for (const until = this.nowNs + durationNs; this.nowNs < until; this.nowNs += stepNs) {
      const { rate, cores } = this.world[this.trials.current];
      this.followedNs[this.trials.current] += stepNs;
      this.#part += rate * stepNs / 1e9;
      const entries = Math.floor(this.#part);
      this.#part -= entries;
      this.#entries += entries;
      this.#sinceNs += stepNs;
      this.#cpuNs += cores * stepNs;
      if (this.trials.advance({ elapsedNs: this.#sinceNs, entries: this.#entries, cpuNs: () => this.#cpuNs })) {
        this.#sinceNs = this.#entries = this.#cpuNs = 0;
      }
    }
    return this;
  }
}

const FAST: World = [{ rate: 200_000, cores: 1 }, { rate: 150_000, cores: 1 }, { rate: 20_000, cores: 0.3 }];
const SLOW: World = [{ rate: 5000, cores: 1 }, { rate: 5000, cores: 0.9 }, { rate: 4800, cores: 0.1 }];

for (
  const [load, world, cpuPrice, best] of [
    ["a fast load", FAST, 0, 0],
    ["a fast load", FAST, 1, 0],
    ["a slow load", SLOW, 0, 0],
    ["a slow load", SLOW, 1, 2],
    ["a slow load", SLOW, 0.5, 2],
  ] as const
) {
  Deno.test(`trials find the best way for ${load} where the price of CPU time is ${cpuPrice}, within 0.3 s, and keep it`, () => {
    const thread = new Thread(world, cpuPrice).run(300 * MS);
    assert.deepEqual([thread.trials.decided, thread.trials.current], [true, best]);
    const before = thread.followedNs[best];
    thread.run(60_000 * MS);
    assert(
      (thread.followedNs[best] - before) / (60_000 * MS) > 0.99,
      "what is tried later costs less than 1 % of the time",
    );
  });
}

Deno.test("trials begin anew when the load has become another", () => {
  const thread = new Thread(FAST, 1).run(1000 * MS);
  assert.equal(thread.trials.current, 0);
  thread.world = SLOW;
  thread.run(500 * MS);
  assert.deepEqual([thread.trials.decided, thread.trials.current], [true, 2]);
});

Deno.test("what has become better without another load is found by a challenge, in time", () => {
  const thread = new Thread(SLOW, 1).run(1000 * MS);
  thread.world = [{ rate: 5000, cores: 0.05 }, SLOW[1], SLOW[2]];
  thread.run(10_000 * MS);
  assert.equal(thread.trials.current, 0);
});

Deno.test("while there is nothing to do, nothing is tried", () => {
  const idle = [{ rate: 0, cores: 1 }, { rate: 0, cores: 0 }];
  const thread = new Thread(idle, 1).run(10_000 * MS, 100 * MS);
  assert.deepEqual([thread.trials.current, thread.trials.decided], [0, false]);
  thread.world = [{ rate: 1000, cores: 1 }, { rate: 1000, cores: 0.1 }];
  thread.run(1000 * MS);
  assert.equal(thread.trials.current, 1);
});

/** The policy on a thread that takes `rate` entries a second and whose waits take as long as that means. */
function waits(cpuPrice: number, seconds: number, world: (plan: WaitPlan) => { rate: number; cores: number }) {
  let now = 0;
  let taken = 2 ** 32 - 50; // It is counted modulo 2³².
  let cpu = 0;
  const context = { nowNs: () => now, taken: () => taken % 2 ** 32, threadCpuNs: () => cpu };
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
  assert.deepEqual([plan.spinNs, plan.yieldNs], [YIELD.plan.spinNs, YIELD.plan.yieldNs]);
});

Deno.test("auto looks at the clock soon when waits have become longer", () => {
  let [now, readings] = [0, 0];
  const context = { nowNs: () => (readings++, now), taken: () => readings, threadCpuNs: () => 0 };
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
  const context = { nowNs: () => 0, taken: () => 0, threadCpuNs: () => 0 };
  const idle = auto.create(auto.options.parse({}), context);
  idle.waited?.({ spinHit: false, spunNs: 0, lostNs: 0, sleptNs: 1, wakeNs: 0, found: false });
  resetPlan(plan);
  idle.plan(plan);
  assert.deepEqual([plan.armDistance, plan.blockNs], [1, Infinity]);
});

Deno.test("without a clock of CPU time, auto takes the time awake for it", () => {
  let now = 0;
  let taken = 0;
  const context = { nowNs: () => now, taken: () => taken, threadCpuNs: () => NaN };
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
  assert.deepEqual([plan.spinNs, plan.yieldNs], [SLEEP.plan.spinNs, SLEEP.plan.yieldNs]);
});

Deno.test("the candidates have the longest look first, each another name and plan", () => {
  assert.equal(CANDIDATES[0], SPIN);
  assert.equal(new Set(CANDIDATES.map(({ name }) => name)).size, CANDIDATES.length);
  assert.equal(new Set(CANDIDATES.map(({ plan }) => JSON.stringify(plan))).size, CANDIDATES.length);
});
