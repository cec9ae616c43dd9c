/**
 * Finds out by itself how to wait.
 *
 * It tries several ways for some milliseconds each (`auto/ways.ts`: spinning, spinning with the core offered to others,
 * spinning for as long as a wake costs, sleeping, sleeping until several entries are there, sleeping for a time) and keeps
 * the one with the best score, which is measured and not computed from assumptions: entries that the thread takes from its
 * rings in a second, divided by the cores that it uses to the power of `cpuPrice`. So at 0 throughput counts alone, and at
 * 1 the work that is done for the CPU time. When the trials are repeated is in `auto/trials.ts`.
 *
 * Where both ends of a ring have this policy, the backend tries for both, and the cores are those of both
 * (`auto/together.ts`). Else a thread tries for itself.
 *
 * What is waited for, how long that takes, what a wake costs on this machine, and whether others want the core: all of it
 * shows in the score, and none of it has to be known.
 *
 * @module
 */

import { z } from "../../core/schema.ts";
import type { NotificationPolicy, PolicyContext, WaitOutcome, WaitPlan } from "../../core/notification.ts";
import { API_VERSION, definePlugin, type PolicyPlugin } from "../../core/plugin.ts";
import { FollowersCpu, isTried, sayCpuTime, sayWay, toldBy, wayOf } from "./auto/together.ts";
import { Trials } from "./auto/trials.ts";
import { ALONE, TOGETHER, WAYS } from "./auto/ways.ts";

const options = z.strictObject({
  cpuPrice: z.number().min(0).max(1).default(0.5).describe(
    "What CPU time counts: from 0, only throughput matters, to 1, only what is done for each second of CPU time.",
  ),
});

/** The policy `auto`. */
const plugin: PolicyPlugin<typeof options> = definePlugin({
  apiVersion: API_VERSION,
  kind: "policy",
  name: "auto",
  description: "Tries several ways of waiting and keeps the best, by throughput and by what CPU time is worth.",
  options,
  create: ({ cpuPrice }, context) => new Auto(cpuPrice, context),
});

export default plugin;

/** Time between two looks at the clock while ways are tried. */
const TRIAL_LOOK_NS = 5e5;
const MAX_WAITS = 4096;
/** The same while one is kept: a look costs some microseconds where it is so seldom that its code is cold. */
const KEPT_LOOK_NS = 4e6;
/** What a wait without work must have lasted at least to say that there is none. Shorter than any wait for several entries. */
const IDLE_NS = 1e5;
const TWO_32 = 2 ** 32;

class Auto implements NotificationPolicy {
  readonly #context: PolicyContext;
  readonly #cpuPrice: number;
  readonly #followers: FollowersCpu;
  /** How many followed when the present epoch began. */
  #following = 0;
  /** What to do is found by them; null where the backend says it. */
  #trials: Trials | null;
  /** What was done since the present epoch began. */
  readonly #progress = {
    elapsedNs: 0,
    entries: 0,
    cpuNs: (): number => this.#usedNs(),
    lostNs: (): number => this.#lostNs(),
    complete: (): boolean => !this.#followers.behind(),
  };
  #way: Readonly<WaitPlan>;
  #lookNs = TRIAL_LOOK_NS;
  /** Waits until the clock is read again, and how many that were. */
  #waitsLeft = 1;
  #waits = 1;
  #lookedAt: number;
  readonly #bornAt: number;
  /** When the epoch began, and what had been taken and used by then. */
  #startedAt: number;
  #taken = 0;
  #cpuNs = 0;
  /** Time asleep so far, and that before the epoch. */
  #sleptNs = 0;
  #sleptBeforeNs = 0;
  /** Time of the waits since the clock was read. */
  #waitedNs = 0;
  /** Whether the last wait of some length brought no work. */
  #idle = false;

  constructor(cpuPrice: number, context: PolicyContext) {
    this.#context = context;
    this.#cpuPrice = cpuPrice;
    this.#followers = new FollowersCpu(context.side === "backend" ? context.counterparts : []);
    this.#trials = new Trials(ALONE, cpuPrice);
    this.#way = WAYS[this.#trials.current][context.side];
    this.#bornAt = this.#startedAt = this.#lookedAt = context.nowNs();
    this.#begin(this.#bornAt);
  }

  plan(plan: WaitPlan): void {
    // A thread without work sleeps, and is woken by the first entry.
    if (this.#idle) return;
    const way = this.#way;
    plan.spinNs = way.spinNs;
    plan.yieldNs = way.yieldNs;
    plan.preSleepNs = way.preSleepNs;
    plan.armDistance = way.armDistance;
    plan.blockNs = way.blockNs;
  }

  waited(outcome: WaitOutcome): void {
    const waitedNs = outcome.spunNs + outcome.lostNs + outcome.sleptNs;
    // What ends sooner without work was a bell that rang for what had been taken already.
    if (outcome.found) this.#idle = false;
    else if (waitedNs >= IDLE_NS) this.#idle = true;
    this.#sleptNs += outcome.sleptNs;
    this.#waitedNs += waitedNs;
    if (--this.#waitsLeft === 0 || this.#waitedNs >= this.#lookNs) this.#look();
  }

  /** Sees how it goes: about as often as said, or at each wait where they are longer. */
  #look(): void {
    const now = this.#context.nowNs();
    this.#waits = Math.ceil(
      Math.min(MAX_WAITS, 2 * this.#waits, this.#waits * this.#lookNs / (now - this.#lookedAt + 1)),
    );
    this.#waitsLeft = this.#waits;
    this.#waitedNs = 0;
    this.#lookedAt = now;
    const { counterparts } = this.#context;
    if (this.#context.side === "frontend") {
      const told = toldBy(counterparts, WAYS.length);
      if (told !== 0) return this.#follow(told, now);
    }
    const trials = this.#trials ?? this.#tryAlone(now);
    const taken = this.#context.taken();
    const entries = (taken - this.#taken + TWO_32) % TWO_32;
    this.#progress.elapsedNs = now - this.#startedAt;
    // A ring that begins anew goes back.
    this.#progress.entries = entries < TWO_32 / 2 ? entries : 0;
    if (this.#progress.elapsedNs > 0 && trials.advance(this.#progress)) this.#begin(now);
    else if (this.#following === 0 && this.#followers.any()) this.#begin(now);
    const { current, decided } = this.#trials ?? trials;
    this.#lookNs = decided ? KEPT_LOOK_NS : TRIAL_LOOK_NS;
    if (this.#context.side === "backend") sayWay(counterparts, current, !decided);
  }

  /** Begins an epoch, in which what the trials say is done. */
  #begin(now: number): void {
    const following = this.#followers.begin();
    if (following > 0 !== this.#following > 0) {
      this.#trials = new Trials(following > 0 ? TOGETHER : ALONE, this.#cpuPrice);
    }
    this.#following = following;
    if (this.#trials !== null) this.#way = WAYS[this.#trials.current][this.#context.side];
    this.#startedAt = now;
    this.#taken = this.#context.taken();
    this.#cpuNs = this.#ownCpuNs(now);
    this.#sleptBeforeNs = this.#sleptNs;
  }

  /** Does what the backend says, and says what that costs. */
  #follow(told: number, now: number): void {
    this.#trials = null;
    this.#way = WAYS[wayOf(told)].frontend;
    this.#lookNs = isTried(told) ? TRIAL_LOOK_NS : KEPT_LOOK_NS;
    sayCpuTime(this.#context.counterparts, this.#ownCpuNs(now));
  }

  /** Nobody says any more what to do. */
  #tryAlone(now: number): Trials {
    const trials = this.#trials = new Trials(ALONE, this.#cpuPrice);
    this.#begin(now);
    return trials;
  }

  /** CPU time since the epoch began, of all whose ways are tried. */
  #usedNs(): number {
    const { elapsedNs } = this.#progress;
    return this.#ownCpuNs(this.#startedAt + elapsedNs) - this.#cpuNs + this.#followers.usedNs(elapsedNs);
  }

  /** Time since the epoch began in which the thread neither slept nor ran. */
  #lostNs(): number {
    const { elapsedNs } = this.#progress;
    return elapsedNs - (this.#sleptNs - this.#sleptBeforeNs) -
      (this.#ownCpuNs(this.#startedAt + elapsedNs) - this.#cpuNs);
  }

  /** The thread's CPU time so far. Where it cannot be known: all the time that it was awake. */
  #ownCpuNs(now: number): number {
    const cpuNs = this.#context.threadCpuNs();
    return Number.isNaN(cpuNs) ? now - this.#bornAt - this.#sleptNs : cpuNs;
  }
}
