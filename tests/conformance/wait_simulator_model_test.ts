// The simulated waiter does what the real one does: the same plans and arrivals, on the real waiter with a clock that the
// test moves, lead to the same outcomes.
import assert from "node:assert/strict";
import { allocateEventPage, EventPage } from "../../core/event_channel.ts";
import type { WaitOutcome, WaitPlan } from "../../core/notification.ts";
import { AtomicsWaiter, type WaitSource } from "../../core/waiter.ts";
import { fc } from "./properties.ts";
import { simulateWaits, type WaitCosts } from "./wait_simulator.ts";

const COSTS: WaitCosts = { lookNs: 8, yieldNs: 500, sleepNs: 0, wakeNs: 7000, timerSlackNs: 8000, sliceNs: 1e6 };
/** How far times may differ: the real waiter reads its clock after so many looks, and estimates times between. */
const CLOSE_NS = 6000;

/** The machine of a real waiter: its clock, and the entry that comes. */
class Machine implements WaitSource {
  nowNs = 0;
  arrivesAt = Infinity;
  /** Entries after which the thread is rung for; 0: it is not. */
  armed = 0;

  peek(): boolean {
    this.nowNs += COSTS.lookNs;
    return this.ready();
  }

  ready(): boolean {
    return this.arrivesAt <= this.nowNs;
  }

  arm(distance: number): boolean {
    this.armed = distance;
    return true;
  }

  disarm(): void {
    this.armed = 0;
  }
}

/** Sleeps by moving the clock. One entry comes at a time, so who waits for more is rung for by nobody. */
class MovedEventPage extends EventPage {
  readonly #machine: Machine;

  constructor(machine: Machine) {
    super(allocateEventPage(), null, "word", () => machine.nowNs);
    this.#machine = machine;
  }

  override sleep(_seen: number, timeoutMs: number): void {
    const machine = this.#machine;
    const timerAt = machine.nowNs + (timeoutMs > 0 ? timeoutMs * 1e6 + COSTS.timerSlackNs : 0);
    if (machine.armed === 1 && machine.arrivesAt + COSTS.wakeNs < timerAt) {
      machine.nowNs = machine.arrivesAt;
      this.wake();
      machine.nowNs += COSTS.wakeNs;
    } else {
      machine.nowNs = timerAt;
    }
  }
}

/** How the real waiter's waits go, with an entry so long after each time that the thread has nothing to do. */
function realOutcomes(plan: Partial<WaitPlan>, gaps: readonly number[]): WaitOutcome[] {
  const { now } = performance;
  const machine = new Machine();
  const outcomes: WaitOutcome[] = [];
  const policy = {
    plan: (into: WaitPlan) => void Object.assign(into, plan),
    waited: (outcome: WaitOutcome) => void outcomes.push({ ...outcome }),
  };
  performance.now = () => machine.nowNs / 1e6;
  try {
    const waiter = new AtomicsWaiter(
      new MovedEventPage(machine),
      () => {},
      () => void (machine.nowNs += COSTS.yieldNs),
    );
    waiter.add(machine);
    for (const gapNs of gaps) {
      machine.arrivesAt = machine.nowNs + gapNs;
      while (!machine.ready()) waiter.wait(policy);
    }
  } finally {
    performance.now = now;
  }
  return outcomes;
}

function simulatedOutcomes(plan: Partial<WaitPlan>, gaps: readonly number[]): WaitOutcome[] {
  const outcomes: WaitOutcome[] = [];
  const create = () => ({ plan: (into: WaitPlan) => void Object.assign(into, plan) });
  simulateWaits(create, { gaps, from: "wait" }, COSTS, (_, outcome) => outcomes.push({ ...outcome }));
  return outcomes;
}

/** Plans change at whole tenths of a millisecond, and entries come in the middle between two: what differs is no race. */
const TENTH_NS = 100_000;
const tenths = (min: number, max: number) => fc.integer({ min, max }).map((count) => count * TENTH_NS);

Deno.test("the simulated waiter's waits go as the real one's", () => {
  const plans = fc.record({
    spinNs: fc.oneof(tenths(0, 8), fc.constant(Infinity)),
    yieldNs: fc.oneof(fc.constant(0), tenths(0, 8), fc.constant(Infinity)),
    preSleepNs: fc.oneof(fc.constant(0), tenths(1, 8)),
    blockNs: fc.oneof(tenths(5, 20), fc.constant(Infinity)),
    armDistance: fc.constantFrom(1, 1, 2),
  });
  const gaps = fc.array(fc.integer({ min: 0, max: 10 }).map((count) => (count + 0.5) * TENTH_NS), { maxLength: 10 });
  fc.assert(
    fc.property(plans, gaps, (plan, gaps) => {
      const [real, simulated] = [realOutcomes(plan, gaps), simulatedOutcomes(plan, gaps)];
      const kinds = (outcomes: readonly WaitOutcome[]) => outcomes.map(({ spinHit, found }) => ({ spinHit, found }));
      assert.deepEqual(kinds(simulated), kinds(real));
      for (const [wait, expected] of real.entries()) {
        assert.equal(Math.round(simulated[wait].wakeNs), Math.round(expected.wakeNs));
        for (const key of ["spunNs", "lostNs", "sleptNs"] as const) {
          const differenceNs = Math.abs(simulated[wait][key] - expected[key]);
          assert(differenceNs < CLOSE_NS, `${key} of wait ${wait}: ${simulated[wait][key]}, really ${expected[key]}`);
        }
      }
    }),
    { numRuns: 100 },
  );
});

Deno.test("the simulated waiter ends looks and sleeps without end when the real one does", () => {
  for (const plan of [{ spinNs: Infinity }, { yieldNs: Infinity }, {}, { armDistance: 2 }]) {
    const [real, simulated] = [realOutcomes(plan, [250e6]), simulatedOutcomes(plan, [250e6])];
    assert.equal(real.length, 3);
    assert.deepEqual(simulated.map(({ found }) => found), real.map(({ found }) => found));
  }
});
