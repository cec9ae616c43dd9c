/**
 * A waiter in virtual time: what a policy costs and gains, for any sequence of arrivals, in microseconds of real time and
 * the same each time.
 *
 * One thread waits for the entries of one ring by a policy, as `core/waiter.ts` does: it sleeps first if the plan says so,
 * spins, looks with its core offered, asks for a notification, looks again and sleeps; then it serves what is there. It is
 * a discrete-event simulation: time goes from event to event (an arrival, the end of a spin, a timer, the end of a
 * time slice), so the length of a wait costs nothing. What a look, a sleep, a wake and a timer cost is a parameter.
 *
 * That it goes as the real waiter does is checked against that (`wait_simulator_model_test.ts`). What is left out: caches,
 * the peer's cost of a notification, several sources, rings of the doorbell without work.
 *
 * @module
 */

import {
  endLooks,
  type NotificationPolicy,
  type PolicyContext,
  resetPlan,
  type WaitOutcome,
  type WaitPlan,
} from "../../core/notification.ts";
import { Competitor, type Contention } from "./core_competitor.ts";

/** What things take on the simulated machine, in nanoseconds. */
export interface WaitCosts {
  /** How much later than work arrives a spin finds it. */
  readonly lookNs: number;
  /** A look with the core offered, where nobody takes it. More than 0. */
  readonly yieldNs: number;
  /** CPU time to ask for a notification, to go to sleep and to come back. */
  readonly sleepNs: number;
  /** From the ring that ends a sleep until the thread runs again. */
  readonly wakeNs: number;
  /** How much later than asked a timer ends a sleep. */
  readonly timerSlackNs: number;
  /** How long a busy thread keeps a core that another wants. */
  readonly sliceNs: number;
}

/** About what threads on two cores of a virtual machine take. */
export const TYPICAL_COSTS: WaitCosts = {
  ...{ lookNs: 40, yieldNs: 500, sleepNs: 4000, wakeNs: 40_000, timerSlackNs: 55_000, sliceNs: 3e6 },
};

/** What comes, and who else wants the core. */
export interface WaitLoad {
  /** One for each entry, in nanoseconds: see {@link from}. */
  readonly gaps: readonly number[];
  /**
   * What a gap follows. `wait`: an entry arrives so long after the thread asked for it (closed loop), which it does when it
   * has served what it saw; with several in flight, so long after the one before it, if that comes later. `arrival`: so
   * long after the entry before it, whatever the thread does (open loop).
   */
  readonly from: "wait" | "arrival";
  /** With `wait`, how many entries are asked for at a time; 1 when absent. */
  readonly queueDepth?: number;
  /** With `wait`, whether the thread knows how many are on their way, and waits for no more: as a frontend does. */
  readonly knowsInFlight?: boolean;
  /** CPU time to serve one entry; 0 when absent. */
  readonly serviceNs?: number;
  /** Who else wants the core; nobody when absent. */
  readonly contention?: Contention;
}

/** How a simulation went. Times in nanoseconds. */
export interface WaitFigures {
  /** Entries that were served: all. */
  readonly entries: number;
  /** Waits. */
  readonly waits: number;
  /** Sleeps, those before a look included. */
  readonly sleeps: number;
  /** Sleeps that an arrival ended; a timer ended the others. */
  readonly wakes: number;
  /** From the beginning to the end of the last entry's service. */
  readonly elapsedNs: number;
  /** CPU time of the thread: looking, going to sleep, serving. */
  readonly cpuNs: number;
  /** Time looking. */
  readonly spunNs: number;
  /** Time in which others had the core while the thread would have looked. */
  readonly lostNs: number;
  /** Time asleep. */
  readonly sleptNs: number;
  /** From an entry's arrival to the beginning of its service. */
  readonly latency: { readonly meanNs: number; readonly maxNs: number };
}

/** What a simulation calls after each wait. Both objects are used again for the next. */
export type WaitObserver = (plan: Readonly<WaitPlan>, outcome: Readonly<WaitOutcome>) => void;

/** No sleep lasts longer, nor does a wait that never sleeps: as in `core/waiter.ts`. */
export const MAX_SLEEP_NS = 100e6;
/** Time that the waiter notices to have been lost. */
const LOST_IN_SPIN_NS = 50_000;
const LOST_IN_YIELD_NS = 2500;
/** Waits without work after which it is taken that none will ever be found: entries that come a day apart have fewer. */
const MAX_IDLE_WAITS = 1e6;

/**
 * Plays a policy against a load until all entries are served.
 *
 * @param create makes the policy; what its context tells is the simulation's: its time, the entries that were served, the
 * thread's CPU time
 * @param observe is told of each wait
 * @throws {Error} when the policy does not find its work
 *
 * @example Spinning for 50 µs before a sleep that costs 40 µs, where answers take 10 µs
 * ```ts
 * import { simulateWaits } from "./wait_simulator.ts";
 *
 * const create = () => ({ plan: (plan: { spinNs: number }) => void (plan.spinNs = 50_000) });
 * const figures = simulateWaits(create, { gaps: [10_000, 10_000, 10_000], from: "wait" });
 * if (figures.sleeps !== 0 || figures.spunNs < 30_000) throw new Error("it spins for each of them");
 * ```
 */
export function simulateWaits(
  create: (context: PolicyContext) => NotificationPolicy,
  load: WaitLoad,
  costs: WaitCosts = TYPICAL_COSTS,
  observe: WaitObserver = () => {},
): WaitFigures {
  return new Simulation(create, load, costs, observe).run();
}

class Simulation {
  readonly #policy: NotificationPolicy;
  readonly #load: WaitLoad;
  readonly #costs: WaitCosts;
  readonly #observe: WaitObserver;
  readonly #competitor: Competitor | null;
  readonly #plan: WaitPlan = { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: Infinity };
  readonly #outcome: WaitOutcome;
  /** When each entry arrives, as far as that is known; Infinity where it is not. */
  readonly #arrivals: Float64Array;
  #now = 0;
  #asked = 0;
  #served = 0;
  #cpuNs = 0;
  #waits = 0;
  #wakes = 0;
  #sleeps = 0;
  #spunNs = 0;
  #lostNs = 0;
  #sleptNs = 0;

  constructor(
    create: (context: PolicyContext) => NotificationPolicy,
    load: WaitLoad,
    costs: WaitCosts,
    observe: WaitObserver,
  ) {
    if (load.contention?.kind === "peer" && (load.from !== "wait" || (load.queueDepth ?? 1) > 1)) {
      throw new TypeError(
        "A peer that needs the core brings one entry at a time: 'from' must be 'wait', 'queueDepth' 1",
      );
    }
    this.#policy = create({
      nowNs: () => this.#now,
      taken: () => this.#served >>> 0,
      threadCpuNs: () => this.#cpuNs,
      side: "frontend",
      counterparts: [],
    });
    this.#load = load;
    this.#costs = costs;
    this.#observe = observe;
    this.#competitor = load.contention === undefined ? null : new Competitor(load.contention);
    this.#outcome = { spinHit: false, spunNs: 0, lostNs: 0, sleptNs: 0, wakeNs: 0, found: false };
    this.#arrivals = new Float64Array(load.gaps.length).fill(Infinity);
    if (load.from === "wait") return;
    let at = 0;
    for (let entry = 0; entry < load.gaps.length; entry++) this.#arrivals[entry] = at += load.gaps[entry];
  }

  run(): WaitFigures {
    const { gaps, serviceNs = 0 } = this.#load;
    let latencyNs = 0;
    let maxNs = 0;
    let idleWaits = 0;
    while (this.#served < gaps.length) {
      this.#ask();
      if (!this.#isThere()) {
        this.#wait();
        idleWaits = this.#isThere() ? 0 : idleWaits + 1;
        if (idleWaits > MAX_IDLE_WAITS) throw new Error(`Entry ${this.#served} was not found in ${idleWaits} waits`);
      }
      for (let seen = this.#seen(); seen > 0; seen--) {
        const waitedNs = this.#now - this.#arrivals[this.#served++];
        latencyNs += waitedNs;
        maxNs = Math.max(maxNs, waitedNs);
        this.#now += serviceNs;
        this.#cpuNs += serviceNs;
      }
    }
    return {
      ...{ entries: gaps.length, waits: this.#waits, sleeps: this.#sleeps, wakes: this.#wakes },
      ...{ elapsedNs: this.#now, cpuNs: this.#cpuNs, spunNs: this.#spunNs, lostNs: this.#lostNs },
      ...{ sleptNs: this.#sleptNs, latency: { meanNs: latencyNs / Math.max(1, gaps.length), maxNs } },
    };
  }

  /** The thread asks for as many entries as may be in flight. */
  #ask(): void {
    const { from, gaps, queueDepth = 1, contention } = this.#load;
    if (from !== "wait") return;
    for (; this.#asked < Math.min(this.#served + queueDepth, gaps.length); this.#asked++) {
      const gapNs = gaps[this.#asked];
      if (contention?.kind === "peer" && gapNs > 0) this.#competitor?.want(this.#now, gapNs);
      else this.#arrivals[this.#asked] = Math.max(this.#now, this.#arrivals[this.#asked - 1] ?? 0) + gapNs;
    }
  }

  /** How many entries are there that were not served. */
  #seen(): number {
    let next = this.#served;
    while (next < this.#arrivals.length && this.#arrivals[next] <= this.#now) next++;
    return next - this.#served;
  }

  /** Whether an entry is there that was not served. */
  #isThere(): boolean {
    return this.#served < this.#arrivals.length && this.#arrivals[this.#served] <= this.#now;
  }

  #wait(): void {
    const plan = this.#plan;
    const outcome = this.#outcome;
    resetPlan(plan);
    this.#policy.plan(plan);
    Object.assign(outcome, { spinHit: false, spunNs: 0, lostNs: 0, sleptNs: 0, wakeNs: 0, found: false });
    const { preSleepNs, armDistance, blockNs } = plan;
    const endless = plan.spinNs + plan.yieldNs === Infinity;
    if (endless) endLooks(plan, MAX_SLEEP_NS);
    const mayBlock = !endless && plan.blockNs > 0;
    this.#waits++;
    if (preSleepNs > 0) this.#sleep(preSleepNs, Infinity);
    outcome.spinHit = (plan.spinNs > 0 && this.#spin(plan.spinNs)) || (plan.yieldNs > 0 && this.#yield(plan.yieldNs));
    if (!outcome.spinHit && mayBlock && !this.#isThere()) {
      outcome.wakeNs = this.#sleep(
        blockNs,
        this.#load.knowsInFlight ? Math.min(armDistance, this.#asked - this.#served) : armDistance,
      );
    }
    outcome.found = this.#isThere();
    this.#policy.waited?.(outcome);
    this.#observe(plan, outcome);
  }

  /** Looks for so long. Whether there is work. */
  #spin(spinNs: number): boolean {
    const endsAt = this.#now + spinNs;
    let hasCoreSince = this.#now;
    for (;;) {
      const takenAt = this.#competitor === null
        ? Infinity
        : Math.max(this.#competitor.readyAt, hasCoreSince) + this.#costs.sliceNs;
      const until = Math.max(this.#now, Math.min(endsAt, takenAt));
      const arrivesAt = this.#arrivals[this.#served];
      if (arrivesAt < until || arrivesAt <= this.#now) {
        this.#look(Math.max(this.#now, arrivesAt) + this.#costs.lookNs);
        return true;
      }
      this.#look(until);
      if (until >= endsAt) return false;
      this.#lose(LOST_IN_SPIN_NS);
      hasCoreSince = this.#now;
    }
  }

  /** Looks for so long, the core offered between looks. Whether there is work. */
  #yield(yieldNs: number): boolean {
    const endsAt = this.#now + yieldNs;
    do {
      const readyAt = this.#competitor?.readyAt ?? Infinity;
      if (readyAt <= this.#now) this.#lose(LOST_IN_YIELD_NS);
      const next = Math.min(endsAt, this.#arrivals[this.#served], readyAt <= this.#now ? this.#now : readyAt);
      const looks = Math.max(1, Math.ceil((next - this.#now) / this.#costs.yieldNs));
      this.#look(this.#now + looks * this.#costs.yieldNs);
    } while (!this.#isThere() && this.#now < endsAt);
    return this.#isThere();
  }

  /** Time goes by with looking. */
  #look(until: number): void {
    const spunNs = until - this.#now;
    this.#now = until;
    this.#outcome.spunNs += spunNs;
    this.#spunNs += spunNs;
    this.#cpuNs += spunNs;
  }

  /** The competitor has the core. The thread is told if that is long enough for its waiter to notice. */
  #lose(noticedNs: number): void {
    const lostNs = this.#compete(this.#now, this.#costs.sliceNs);
    this.#now += lostNs;
    this.#lostNs += lostNs;
    if (lostNs > noticedNs) this.#outcome.lostNs += lostNs;
    else this.#outcome.spunNs += lostNs;
  }

  /** Has the competitor run from `at` on, at most for so long. Returns how long it ran. */
  #compete(at: number, limitNs: number): number {
    const competitor = this.#competitor as Competitor;
    const ranNs = competitor.run(at, limitNs);
    if (this.#load.contention?.kind === "peer" && competitor.readyAt === Infinity) {
      this.#arrivals[this.#served] = Math.min(this.#arrivals[this.#served], at + ranNs);
    }
    return ranNs;
  }

  /**
   * Sleeps for so long, or until `distance` entries have come.
   *
   * @returns how long the wake took where an arrival ended the sleep, else 0
   */
  #sleep(limitNs: number, distance: number): number {
    const { sleepNs, wakeNs, timerSlackNs } = this.#costs;
    const startedAt = this.#now;
    // A time of 0 is over at once, and takes no timer.
    const timerAt = startedAt + (limitNs > 0 ? Math.min(limitNs, MAX_SLEEP_NS) + timerSlackNs : 0);
    const isPeer = this.#load.contention?.kind === "peer";
    if (isPeer) this.#compete(startedAt, timerAt - startedAt);
    const rungAt = this.#served + distance - 1 < this.#arrivals.length
      ? this.#arrivals[this.#served + distance - 1]
      : Infinity;
    const isRung = rungAt + wakeNs < timerAt;
    this.#now = isRung ? Math.max(startedAt, rungAt) + wakeNs : timerAt;
    if (!isPeer) this.#competitor?.runFreely(startedAt, this.#now);
    const sleptNs = this.#now - startedAt;
    this.#outcome.sleptNs += sleptNs;
    this.#sleptNs += sleptNs;
    this.#sleeps++;
    this.#cpuNs += sleepNs;
    this.#now += sleepNs;
    if (isRung) this.#wakes++;
    return isRung ? wakeNs : 0;
  }
}
