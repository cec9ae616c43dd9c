import assert from "node:assert/strict";
import fc from "fast-check";
import { mulberry32 } from "../../core/mulberry32.ts";
import { Tournament } from "../../plugins/policies/auto/tournament.ts";
import { Trials } from "../../plugins/policies/auto/trials.ts";

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
    assert(scores <= 6 * 7, `${scores} scores`);
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

Deno.test("whose code is slow at first does not lose by it", () => {
  const tournament = new Tournament([0, 1], 0);
  const turns = [0, 0];
  while (tournament.winner === null) {
    const turn = turns[tournament.current]++;
    tournament.tried(tournament.current === 0 ? 100 : [60, 80, 90, 130][Math.min(turn, 3)], 1, false);
  }
  assert.deepEqual([tournament.winner, turns], [1, [6, 6]]);
});

Deno.test("what is far worse is out after one round where scores are sure, and the losers are ranked", () => {
  const { winner, scores, losers } = play([80, 100, 10, 40, 85], 0.001, 1, true);
  assert.deepEqual([winner, losers], [1, [4, 0, 3, 2]]);
  assert.equal(
    scores,
    5 + 2 * 3 + 3 * 3,
    "three heats, of which the later are only of those that are left, and three rounds",
  );
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
      for (let i = 0; i < (3 + 8) * count && tournament.winner === null; i++) {
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
  /** How long each epoch lasted. */
  readonly epochsNs: number[] = [];
  /** Share of the time in which others have the core. */
  lost = 0;
  /** When the other end says what it has used. */
  saysAfterNs = 0;
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
      const progress = {
        elapsedNs: this.#sinceNs,
        entries: this.#entries,
        cpuNs: () => this.#cpuNs,
        lostNs: () => this.lost * this.#sinceNs,
        complete: () => this.#sinceNs >= this.saysAfterNs,
      };
      if (this.trials.advance(progress)) {
        this.epochsNs.push(this.#sinceNs);
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
  thread.run(20_000 * MS);
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

Deno.test("where others have the core in turns, a trial is longer than a turn, and begins after the other end's next turn", () => {
  const alone = new Thread(FAST, 0).run(400 * MS);
  assert.deepEqual([Math.max(...alone.epochsNs.slice(2, 8)), alone.trials.decided], [4 * MS, true]);
  const shared = new Thread(FAST, 0);
  shared.lost = 0.5;
  shared.run(2000 * MS);
  assert.deepEqual(shared.epochsNs.slice(2, 6), [20, 10, 20, 10].map((ms) => ms * MS));
  assert.deepEqual([shared.trials.decided, shared.trials.current], [true, 0]);
});

Deno.test("a trial waits for what the other end says, but not for ever", () => {
  const late = new Thread(FAST, 1);
  late.saysAfterNs = 7 * MS;
  late.run(2000 * MS);
  assert.deepEqual(late.epochsNs.slice(2, 6), [7, 7, 7, 7].map((ms) => ms * MS));
  assert.deepEqual([late.trials.decided, late.trials.current], [true, 0]);
  const silent = new Thread(FAST, 1);
  silent.saysAfterNs = Infinity;
  silent.run(4000 * MS);
  assert.deepEqual(silent.epochsNs.slice(2, 6), [40, 20, 40, 20].map((ms) => ms * MS));
  assert.deepEqual([silent.trials.decided, silent.trials.current], [true, 0]);
});
