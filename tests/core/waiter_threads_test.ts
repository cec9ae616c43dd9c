// The same waiter with a second thread at the bell. No test depends on how long anything takes.
import assert from "node:assert/strict";
import { allocateEventPage, EventPage } from "../../core/event_channel.ts";
import type { WaitPlan } from "../../core/notification.ts";
import { AtomicsWaiter } from "../../core/waiter.ts";
import { GO, type RingerTask, WORK } from "../helpers/ringer_worker.ts";
import { TestSource } from "../helpers/waiting.ts";

/** Runs `body` with a worker that deals with `events` as `mode` says, once `words[GO]` is set. */
async function withRinger(
  mode: RingerTask["mode"],
  body: (events: EventPage, words: Int32Array, go: () => void) => void,
): Promise<void> {
  const memory = allocateEventPage();
  const words = new Int32Array(new SharedArrayBuffer(64));
  const worker = new Worker(import.meta.resolve("../helpers/ringer_worker.ts"), { type: "module" });
  try {
    await new Promise((resolve) => worker.addEventListener("message", resolve, { once: true }));
    worker.postMessage({ mode, events: memory.buffer, words: words.buffer });
    body(new EventPage(memory), words, () => {
      Atomics.store(words, GO, 1);
      Atomics.notify(words, GO);
    });
  } finally {
    Atomics.store(words, GO, 1);
    Atomics.notify(words, GO);
    worker.terminate();
  }
}

/** A source whose work is the word that the other thread sets, and that lets it go on when it is armed. */
function workSource(events: EventPage, words: Int32Array, go: () => void): TestSource {
  const source = new TestSource();
  source.onPeek = source.onReady = () => Atomics.load(words, WORK) === 1;
  source.arm = () => {
    events.clear(0);
    go();
    return true;
  };
  return source;
}

const plans: Readonly<Record<string, Partial<WaitPlan>>> = {
  "that sleeps at once": {},
  "that spins first": { spinNs: 20_000 },
  "that sleeps, spins and sleeps": { preSleepNs: 1000, spinNs: 20_000 },
};
for (const [name, plan] of Object.entries(plans)) {
  Deno.test(`a waiter ${name} returns when another thread has work and notifies`, async () => {
    await withRinger("work", (events, words, go) => {
      const waiter = new AtomicsWaiter(events, () => {});
      const source = workSource(events, words, go);
      waiter.add(source);
      while (!source.ready()) waiter.wait({ plan: (into) => void Object.assign(into, plan) });
      assert.equal(words[WORK], 1);
    });
  });
}

Deno.test("a waiter sleeps on the bell, where another thread can wake it", async () => {
  await withRinger("wake", (events, words, go) => {
    const waiter = new AtomicsWaiter(events, () => {});
    const source = workSource(events, words, go);
    waiter.add(source);
    while (!source.ready()) waiter.wait({ plan() {} });
    assert.equal(events.bell, 0, "it was woken without a ring, so it was asleep");
    assert(waiter.counters.sleeps > 0);
  });
});

Deno.test("a spin without end is ended by another thread's ring", async () => {
  await withRinger("ring", (events, _words, go) => {
    const waiter = new AtomicsWaiter(events, () => {});
    waiter.add(new TestSource());
    go();
    waiter.wait({ plan: (into) => void (into.spinNs = Infinity) });
    assert.equal(events.bell, 1);
    assert.equal(waiter.counters.sleeps, 0);
  });
});
