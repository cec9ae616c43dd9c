import assert from "node:assert/strict";
import { allocateEventPage, EventPage } from "../../core/event_channel.ts";
import type { NotificationPolicy, WaitPlan } from "../../core/notification.ts";
import { AtomicsWaiter, MAX_SLEEP_MS } from "../../core/waiter.ts";
import { peeksUntil, policy, RecordingEventPage, TestSource } from "../helpers/waiting.ts";

/** A waiter with one source, every step of which is in `log`. */
function setup() {
  const log: string[] = [];
  const events = new RecordingEventPage(log);
  const source = new TestSource(log);
  let beats = 0;
  const waiter = new AtomicsWaiter(events, () => beats++);
  waiter.add(source);
  return { log, events, source, waiter, beats: () => beats };
}

Deno.test("a wait arms, looks again, only then sleeps, and disarms after it", () => {
  const { log, waiter } = setup();
  waiter.wait(policy());
  assert.deepEqual(log, ["arm", "ready", "sleep", "disarm"]);
});

Deno.test("a wait without a spin does not look before it arms", () => {
  const { log, source, waiter } = setup();
  source.onPeek = () => {
    log.push("peek");
    return false;
  };
  waiter.wait(policy());
  assert.deepEqual(log, ["arm", "ready", "sleep", "disarm", "peek"]);
});

Deno.test("work that comes between looking and arming is not slept upon", () => {
  const { log, source, waiter } = setup();
  source.onReady = () => true;
  waiter.wait(policy());
  assert.deepEqual(log, ["arm", "ready", "disarm"]);
  assert.equal(waiter.counters.sleeps, 0);
});

Deno.test("a spin that finds work ends the wait: nothing is armed, nobody sleeps", () => {
  for (const looks of [1, 2, 100, 1000]) {
    const { log, source, waiter } = setup();
    source.onPeek = peeksUntil(looks);
    waiter.wait(policy({ spinNs: Infinity }));
    assert.deepEqual(log, []);
    assert.deepEqual([waiter.counters.spinHits, waiter.counters.spinMisses, waiter.counters.sleeps], [1, 0, 0]);
  }
});

Deno.test("a spin that finds nothing ends with arming and sleeping", () => {
  const { log, waiter } = setup();
  waiter.wait(policy({ spinNs: 1 }));
  assert.deepEqual(log, ["arm", "ready", "sleep", "disarm"]);
  assert.deepEqual([waiter.counters.spinHits, waiter.counters.spinMisses, waiter.counters.sleeps], [0, 1, 1]);
  assert(waiter.counters.spunNs > 0);
});

Deno.test("a ring before the wait ends it before it arms or sleeps, and only once", () => {
  const { log, events, waiter } = setup();
  events.wake();
  waiter.wait(policy());
  assert.deepEqual(log.splice(0), ["disarm"]);
  waiter.wait(policy());
  assert.deepEqual(log, ["arm", "ready", "sleep", "disarm"]);
});

Deno.test("a ring between the last look and the sleep is not lost", () => {
  const { events, source, waiter } = setup();
  source.onReady = () => {
    events.wake();
    return false;
  };
  waiter.wait(policy());
  assert.deepEqual(events.slept.map(({ rung }) => rung), [true]);
});

Deno.test("a ring between two waits, when the first one found work by spinning, is not lost", () => {
  const { events, source, waiter } = setup();
  source.onPeek = () => {
    events.wake();
    return true;
  };
  waiter.wait(policy({ spinNs: Infinity }));
  source.onPeek = () => false;
  waiter.wait(policy());
  assert.equal(events.slept.length, 0);
});

Deno.test("a ring ends a spin that would last for ever", () => {
  const { events, source, waiter } = setup();
  let peeks = 0;
  source.onPeek = () => {
    if (++peeks === 1000) events.wake();
    return false;
  };
  waiter.wait(policy({ spinNs: Infinity }));
  assert.deepEqual([waiter.counters.spinMisses, waiter.counters.sleeps], [1, 0]);
});

Deno.test("a plan that never sleeps neither arms nor sleeps, and its wait ends after a while without work", () => {
  for (const plan of [{ spinNs: Infinity }, { yieldNs: Infinity }, { spinNs: Infinity, yieldNs: Infinity }]) {
    const { log, waiter } = setup();
    const told = policy({ ...plan, blockNs: 5 });
    waiter.wait(told);
    assert.deepEqual([log, waiter.counters.sleeps, waiter.counters.spinMisses], [["disarm"], 0, 1]);
    assert.equal(told.outcomes[0].found, false);
    // That it was no shorter holds at any load.
    assert(waiter.counters.spunNs + waiter.counters.lostNs >= MAX_SLEEP_MS * 1e6);
  }
});

Deno.test("a plan that never sleeps gives way to events, and its wait ends after a while without work", async () => {
  const { log, waiter } = setup();
  await waiter.waitServingEvents(policy({ spinNs: Infinity }));
  assert.deepEqual([log, waiter.counters.sleeps, waiter.counters.spinMisses], [["disarm"], 0, 1]);
  assert(waiter.counters.spunNs >= MAX_SLEEP_MS * 1e6);
});

Deno.test("a source that cannot arm keeps the thread from sleeping, and the others are armed all the same", () => {
  for (const order of [0, 1]) {
    const { log, source, waiter } = setup();
    const other = new TestSource(log, "other-");
    waiter.add(other);
    [source, other][order].canArm = false;
    for (let i = 0; i < 5; i++) waiter.wait(policy({ spinNs: i }));
    assert.equal(waiter.counters.sleeps, 0);
    assert.deepEqual(log.slice(0, 2), ["arm", "other-arm"]);
  }
});

Deno.test("every source is looked at before sleeping", () => {
  const { log, waiter } = setup();
  const other = new TestSource(log, "other-");
  other.onReady = () => true;
  waiter.add(other);
  waiter.wait(policy());
  assert.deepEqual(log, ["arm", "other-arm", "ready", "other-ready", "disarm", "other-disarm"]);
});

Deno.test("every source is looked at while spinning", () => {
  const { waiter } = setup();
  const other = new TestSource();
  other.onPeek = peeksUntil(3);
  waiter.add(other);
  waiter.wait(policy({ spinNs: Infinity }));
  assert.equal(waiter.counters.spinHits, 1);
});

Deno.test("sources are armed at the distance that the policy says", () => {
  const { source, waiter } = setup();
  waiter.wait(policy({ armDistance: 7 }));
  waiter.wait(policy());
  assert.deepEqual(source.distances, [7, 1]);
});

Deno.test("no sleep is longer than its bound, and a shorter one is as long as the policy says", () => {
  const { events, waiter } = setup();
  for (const blockNs of [Infinity, 1e12, 3e6]) waiter.wait(policy({ blockNs }));
  assert.deepEqual(events.slept.map(({ timeoutMs }) => timeoutMs), [MAX_SLEEP_MS, MAX_SLEEP_MS, 3]);
});

Deno.test("a policy may sleep first, for a time of its own, and look then", () => {
  const { log, events, source, waiter } = setup();
  source.onPeek = () => {
    log.push("peek");
    return true;
  };
  const hybrid = policy({ preSleepNs: 2e6, spinNs: 1e6 });
  waiter.wait(hybrid);
  assert.deepEqual(log, ["sleep", "peek"]);
  assert.equal(events.slept[0].timeoutMs, 2);
  assert.equal(hybrid.outcomes[0].spinHit, true);
  assert.equal(waiter.counters.sleeps, 1);
});

Deno.test("a ring during the sleep that comes first is seen to before anything else", () => {
  const { log, events, waiter } = setup();
  events.wake();
  waiter.wait(policy({ preSleepNs: 1e6 }));
  assert.deepEqual(log, ["sleep", "disarm"]);
  assert.equal(events.slept[0].rung, true);
});

Deno.test("a policy is told how each wait went", () => {
  const { source, waiter } = setup();
  const told = policy({ spinNs: 1 });
  waiter.wait(told);
  source.onPeek = () => true;
  waiter.wait(told);
  const [missed, hit] = told.outcomes;
  assert.equal(missed.spinHit, false);
  assert(missed.spunNs > 0 && missed.sleptNs >= 0);
  assert.deepEqual([hit.spinHit, hit.sleptNs], [true, 0]);
});

/** Its sleeps take 2 ms, at whose end it is rung; its clock says that this was so long ago, in nanoseconds. */
class RungEventPage extends EventPage {
  rings = true;
  constructor(sinceRungNs: number) {
    let readings = 0;
    super(allocateEventPage(), null, "word", () => readings++ * sinceRungNs);
  }

  override sleep(): void {
    this.rest(2);
    if (this.rings) this.wake();
  }
}

for (const [sinceRungNs, wakeNs] of [[1500, 1500], [0, 0], [1e12, 0], [-5, 0], [NaN, 0]]) {
  Deno.test(`a sleep that a ring ended ${sinceRungNs} ns ago has taken ${wakeNs} ns to end`, () => {
    const events = new RungEventPage(sinceRungNs);
    const waiter = new AtomicsWaiter(events, () => {});
    waiter.add(new TestSource());
    const told = policy();
    waiter.wait(told);
    events.rings = false;
    waiter.wait(told);
    assert.deepEqual(told.outcomes.map((outcome) => outcome.wakeNs), [wakeNs, 0], "the second was not rung");
  });
}

Deno.test("a policy is told whether there was work at the end", () => {
  const { source, waiter } = setup();
  const told = policy({ spinNs: 1 });
  waiter.wait(told);
  let asked = 0;
  source.onReady = () => {
    source.onPeek = () => true; // It comes as the thread is about to sleep.
    return ++asked > 0;
  };
  waiter.wait(told);
  waiter.wait(told);
  assert.deepEqual(told.outcomes.map(({ found, spinHit }) => [found, spinHit]), [
    [false, false],
    [true, false],
    [true, true],
  ]);
});

Deno.test("what was taken is the sum over the sources that count it", () => {
  const { waiter } = setup();
  const rings = [2 ** 32 - 1, 3].map((taken) => Object.assign(new TestSource(), { taken }));
  for (const ring of rings) waiter.add(ring);
  assert.equal(waiter.taken, 2);
});

Deno.test("counters are the sums of what the policies were told", () => {
  const { source, waiter } = setup();
  const told = policy({ spinNs: 1000, preSleepNs: 1 });
  for (let i = 0; i < 20; i++) {
    source.onPeek = i % 3 === 0 ? () => true : () => false;
    waiter.wait(told);
  }
  for (const key of ["spunNs", "sleptNs"] as const) {
    const sum = told.outcomes.reduce((total, outcome) => total + outcome[key], 0);
    assert(Math.abs(waiter.counters[key] - sum) < 1, key);
  }
  assert.equal(waiter.counters.spinHits, told.outcomes.filter(({ spinHit }) => spinHit).length);
});

Deno.test("a plan starts afresh in each wait, in the same object", () => {
  const { waiter } = setup();
  const seen: WaitPlan[] = [];
  const copies: WaitPlan[] = [];
  const greedy: NotificationPolicy = {
    plan(plan) {
      seen.push(plan);
      copies.push({ ...plan });
      Object.assign(plan, { spinNs: 1, preSleepNs: 1, armDistance: 9, blockNs: 5 });
    },
  };
  waiter.wait(greedy);
  waiter.wait(greedy);
  assert.equal(seen[0], seen[1]);
  assert.deepEqual(copies[1], { spinNs: 0, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: Infinity });
});

Deno.test("a wait that slept, and a long spin, show that the thread lives", () => {
  const slept = setup();
  slept.waiter.wait(policy());
  assert(slept.beats() > 0);
  const spun = setup();
  spun.source.onPeek = peeksUntil(10_000);
  spun.waiter.wait(policy({ spinNs: Infinity }));
  assert(spun.beats() > 0);
});

Deno.test("a wait that serves events goes through the same steps", async () => {
  const { log, events, source, waiter } = setup();
  await waiter.waitServingEvents(policy());
  assert.deepEqual(log.splice(0), ["arm", "ready", "sleep", "disarm"]);
  source.onReady = () => true;
  await waiter.waitServingEvents(policy({ armDistance: 3 }));
  assert.deepEqual(log.splice(0), ["arm", "ready", "disarm"]);
  events.wake();
  await waiter.waitServingEvents(policy());
  assert.deepEqual(log.splice(0), ["disarm"]);
  assert.deepEqual([source.distances, waiter.counters.sleeps], [[1, 3], 1]);
});

Deno.test("a spin that serves events lets them happen between looks, and ends when there is work", async () => {
  const { log, source, waiter, beats } = setup();
  let worked = false;
  source.onPeek = () => worked;
  setTimeout(() => worked = true, 1);
  const told = policy({ spinNs: Infinity });
  await waiter.waitServingEvents(told);
  assert.deepEqual([log, waiter.counters.spinHits, told.outcomes[0].spinHit], [[], 1, true]);
  assert(beats() > 0 && waiter.counters.spunNs > 0);
});

Deno.test("a spin that serves events ends when its time is up or the bell rings", async () => {
  const { log, events, waiter } = setup();
  await waiter.waitServingEvents(policy({ spinNs: 1 }));
  assert.deepEqual(log.splice(0), ["arm", "ready", "sleep", "disarm"]);
  setTimeout(() => events.wake(), 1);
  await waiter.waitServingEvents(policy({ spinNs: Infinity }));
  assert.deepEqual(log, ["disarm"]);
  assert.deepEqual([waiter.counters.spinMisses, waiter.counters.sleeps], [2, 1]);
});

Deno.test("a wait that serves events may sleep first, as every other", async () => {
  const { log, events, source, waiter } = setup();
  source.onPeek = () => true;
  await waiter.waitServingEvents(policy({ preSleepNs: 2e6, spinNs: 1 }));
  assert.deepEqual(log, ["sleep"]);
  assert.equal(events.slept[0].timeoutMs, 2);
});

Deno.test("a real sleep that serves events is ended by a ring from an event", async () => {
  const events = new EventPage(allocateEventPage());
  const waiter = new AtomicsWaiter(events, () => {});
  waiter.add(new TestSource());
  setTimeout(() => events.wake(), 1);
  const alive = setInterval(() => {}, 1000); // A sleeper alone does not keep the event loop going, as a worker's port does.
  await waiter.waitServingEvents(policy());
  clearInterval(alive);
  assert.deepEqual([waiter.counters.sleeps, events.bell], [1, 1]);
});

Deno.test("a spin by itself looks, counts, and neither arms nor sleeps", () => {
  const { log, source, waiter } = setup();
  waiter.spin(1);
  source.onPeek = peeksUntil(1000);
  waiter.spin(Infinity);
  assert.deepEqual(log, []);
  assert.deepEqual([waiter.counters.spinMisses, waiter.counters.spinHits, waiter.counters.sleeps], [1, 1, 0]);
});

Deno.test("a spin by itself leaves no trace in how the next wait went", () => {
  const { source, waiter } = setup();
  source.onPeek = () => true;
  waiter.spin(1000);
  source.onPeek = () => false;
  const told = policy();
  waiter.wait(told);
  assert.deepEqual([told.outcomes[0].spinHit, told.outcomes[0].spunNs], [false, 0]);
});

Deno.test("a spin by itself is ended by a ring, but not by one from before it", () => {
  const { events, source, waiter } = setup();
  events.wake();
  source.onPeek = peeksUntil(1000);
  waiter.spin(Infinity);
  assert.equal(waiter.counters.spinHits, 1);
  let peeks = 0;
  source.onPeek = () => {
    if (++peeks === 1000) events.wake();
    return false;
  };
  waiter.spin(Infinity);
  assert.equal(waiter.counters.spinMisses, 1);
});

Deno.test("a peer that rings all the time does not keep a thread from serving its events", async () => {
  const { events, waiter } = setup();
  let served = false;
  setTimeout(() => served = true);
  for (let i = 0; i < 100_000 && !served; i++) {
    events.wake();
    await waiter.waitServingEvents(policy({ spinNs: i % 2 }));
  }
  assert(served);
});

Deno.test("a source that cannot ring does not keep a thread from serving its events", async () => {
  const { source, waiter } = setup();
  source.canArm = false;
  let served = false;
  setTimeout(() => served = true);
  for (let i = 0; i < 100_000 && !served; i++) await waiter.waitServingEvents(policy());
  assert(served);
});
