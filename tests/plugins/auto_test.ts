import assert from "node:assert/strict";
import fc from "fast-check";
import { mulberry32 } from "../../core/mulberry32.ts";
import { type Counterpart, resetPlan, type WaitOutcome, type WaitPlan } from "../../core/notification.ts";
import { FollowersCpu } from "../../plugins/policies/auto/together.ts";
import { Tournament } from "../../plugins/policies/auto/tournament.ts";
import { Trials } from "../../plugins/policies/auto/trials.ts";
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

/** Normally distributed numbers. */
function normal(random: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, number) => number);

/** Plays a tournament in which each candidate has its mean rate, but for a factor that chance decides. */
function play(means: readonly number[], deviation: number, seed: number, sure = false) {
  const noise = normal(mulberry32(seed));
  const tournament = new Tournament(numbers(means.length), 0);
  let scores = 0;
  for (; tournament.winner === null; scores++) {
    tournament.tried(means[tournament.current] * Math.exp(deviation * noise()), 1, sure);
  }
  return { winner: tournament.winner, scores, losers: tournament.losers };
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
  for (let seed = 0; seed < 1000; seed++) assert.equal(play([100, 100, 100.5, 99], 0.001, seed).winner, 0);
  let [first, second] = [0, 0];
  for (let seed = 0; seed < 1000; seed++) {
    if (play([100, 100], 0.5, seed).winner === 0) first++;
    else second++;
  }
  assert(first > second, `${first} of 1000, though each scores differently each time`);
});

Deno.test("one disturbed trial puts nobody out", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 1 }), (disturbed, round) => {
    const means = [1000, 400, 300, 200];
    const tournament = new Tournament(numbers(4), 0);
    for (let i = 0; tournament.winner === null; i++) {
      const isDisturbed = i >= round * 4 && tournament.current === disturbed && i < round * 4 + 4;
      tournament.tried(isDisturbed ? 1 : means[tournament.current], 1, false);
    }
    assert.equal(tournament.winner, 0);
  }));
});

Deno.test("what is far worse is out after one round where scores are sure, and the losers are ranked", () => {
  const { winner, scores, losers } = play([80, 100, 10, 40, 85], 0.001, 1, true);
  assert.deepEqual([winner, losers], [1, [4, 0, 3, 2]]);
  assert.equal(scores, 5 + 3, "of the second round only those that are left");
});

Deno.test("a score is of all trials together, so CPU time that is told one trial too late does no harm", () => {
  const tournament = new Tournament([0, 1], 1);
  for (let i = 0; tournament.winner === null; i++) {
    const late = Math.floor(i / 2) % 2 === 0;
    if (tournament.current === 0) tournament.tried(100, 1, false);
    else tournament.tried(100, late ? 0.2 : 2.2, false); // 1.2 cores in truth, though one trial scores 500.
  }
  assert.equal(tournament.winner, 0);
});

Deno.test("a tournament ends, whatever is scored", () => {
  const rate = fc.double({ min: 1e-9, max: 1e12, noNaN: true });
  const cores = fc.double({ min: 1e-4, max: 1e4, noNaN: true });
  const trial = fc.tuple(rate, cores, fc.boolean());
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 9 }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.infiniteStream(trial),
    (count, cpuPrice, trials) => {
      const tournament = new Tournament(numbers(count), cpuPrice);
      for (let i = 0; i < 8 * count && tournament.winner === null; i++) {
        const [rate, cores, sure] = trials.next().value;
        tournament.tried(rate, cores, sure);
      }
      assert.notEqual(tournament.winner, null);
      assert.deepEqual([tournament.winner, ...tournament.losers].sort(), numbers(count));
    },
  ));
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
    this.trials = new Trials(numbers(world.length), cpuPrice);
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
  Deno.test(`trials find the best way for ${load} where the price of CPU time is ${cpuPrice}, within 0.5 s, and keep it`, () => {
    const thread = new Thread(world, cpuPrice).run(500 * MS);
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

Deno.test("nothing is tried as long as a new thread becomes faster", () => {
  const thread = new Thread([{ rate: 1000, cores: 1 }, { rate: 10, cores: 1 }], 0);
  for (let i = 1; i <= 4; i++) {
    thread.world = [{ rate: 1000 * 2 ** i, cores: 1 }, thread.world[1]];
    thread.run(50 * MS);
  }
  assert.equal(thread.followedNs[1], 0);
  thread.run(200 * MS);
  assert.notEqual(thread.followedNs[1], 0);
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
  assert(plan.spinNs <= 2 * MS, "and it looks for long no more");
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

Deno.test("the ways have the longest look first, each another name and plans; alone, each another plan", () => {
  assert.equal(WAYS[0], SPIN);
  assert.equal(new Set(WAYS.map(({ name }) => name)).size, WAYS.length);
  assert.equal(
    new Set(TOGETHER.map((way) => JSON.stringify([WAYS[way].frontend, WAYS[way].backend]))).size,
    WAYS.length,
  );
  assert.equal(new Set(ALONE.map((way) => JSON.stringify(WAYS[way].frontend))).size, ALONE.length);
});
