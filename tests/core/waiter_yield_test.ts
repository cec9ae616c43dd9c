import assert from "node:assert/strict";
import { AtomicsWaiter } from "../../core/waiter.ts";
import { peeksUntil, policy, RecordingEventPage, TestSource } from "../helpers/waiting.ts";

/** A waiter with one source, whose core can be offered: `offered` is called each time; null where it cannot be. */
function offering(offered: (() => void) | null) {
  const log: string[] = [];
  const events = new RecordingEventPage(log);
  const source = new TestSource(log);
  const waiter = new AtomicsWaiter(events, () => {}, offered);
  waiter.add(source);
  return { log, events, source, waiter };
}

/** Lets so much time go by. */
function passTime(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

Deno.test("a wait goes on looking with its core offered, once before each look, until there is work", () => {
  let offers = 0;
  const { log, source, waiter } = offering(() => offers++);
  source.onPeek = () => offers === 7;
  const told = policy({ yieldNs: Infinity });
  waiter.wait(told);
  assert.deepEqual([offers, log, waiter.counters.spinHits, told.outcomes[0].spinHit], [7, [], 1, true]);
});

Deno.test("a spin comes before the core is offered, and its work is found without that", () => {
  let offers = 0;
  const { source, waiter } = offering(() => offers++);
  source.onPeek = peeksUntil(50);
  waiter.wait(policy({ spinNs: Infinity, yieldNs: Infinity }));
  assert.equal(offers, 0);
});

Deno.test("time in which others had the offered core is told apart from time spent looking", () => {
  let offers = 0;
  const { source, waiter } = offering(() => {
    if (++offers === 3) passTime(2);
  });
  source.onPeek = () => offers === 4;
  const told = policy({ yieldNs: Infinity });
  waiter.wait(told);
  const [{ lostNs, spunNs }] = told.outcomes;
  assert(lostNs >= 2e6 && spunNs >= 0, `${lostNs} ns`);
  assert.deepEqual([waiter.counters.lostNs, waiter.counters.spunNs], [lostNs, spunNs]);
});

Deno.test("a wait that offers its core sleeps when the time is up, and at once when the bell rings", () => {
  const { log, waiter } = offering(() => passTime(0.01));
  waiter.wait(policy({ yieldNs: 1e5 }));
  assert.deepEqual(log, ["arm", "ready", "sleep", "disarm"]);
  const ringing = offering(() => ringing.events.wake());
  ringing.waiter.wait(policy({ yieldNs: Infinity }));
  assert.deepEqual([ringing.waiter.counters.spinMisses, ringing.waiter.counters.sleeps], [1, 0]);
});

Deno.test("where the core cannot be offered, that time is spun", () => {
  const { source, waiter } = offering(null);
  source.onPeek = peeksUntil(1000);
  waiter.wait(policy({ yieldNs: Infinity }));
  assert.equal(waiter.counters.spinHits, 1);
});

Deno.test("the dearer a look, the sooner a spin looks at the clock and the bell", () => {
  const { events, source, waiter } = offering(null);
  waiter.add({ peek: () => false, ready: () => false, arm: () => true, peekNs: 1000 });
  let peeks = 0;
  source.onPeek = () => {
    if (++peeks === 5) events.wake();
    return false;
  };
  waiter.wait(policy({ spinNs: Infinity }));
  assert.equal(peeks, 6, "and one more, to see what the ring was for");
});
