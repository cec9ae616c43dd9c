// The same waiter with a second thread at the bell. No test depends on how long anything takes.
import assert from "node:assert/strict";
import { allocateEventPage, EventPage } from "../../core/event_channel.ts";
import type { WaitPlan } from "../../core/notification.ts";
import { EventFd } from "../../core/event_fd.ts";
import { FdWaiter } from "../../core/fd_waiter.ts";
import { AtomicsWaiter, type LookingWaiter, MAX_SLEEP_MS } from "../../core/waiter.ts";
import { GO, type RingerTask, WORK } from "../helpers/ringer_worker.ts";
import { TestSource } from "../helpers/waiting.ts";

/** The kinds of waiters, each made for a page and its eventfd. */
const kinds: Readonly<Record<string, (events: EventPage, eventFd: EventFd) => LookingWaiter>> = {
  "an AtomicsWaiter": (events) => new AtomicsWaiter(events, () => {}),
  "an FdWaiter": (events, eventFd) => FdWaiter.create(events, eventFd, () => {}) as FdWaiter,
};

/** A waiter that `using` closes. */
function disposable(waiter: LookingWaiter): LookingWaiter & Disposable {
  return Object.assign(waiter, { [Symbol.dispose]: () => waiter.close() });
}

interface Ringer {
  readonly events: EventPage;
  readonly eventFd: EventFd;
  readonly sourceFd: EventFd;
  readonly words: Int32Array;
  readonly go: () => void;
}

/** Runs `body` with a worker that deals with the page as `mode` says, once `words[GO]` is set. */
async function withRinger(mode: RingerTask["mode"], body: (ringer: Ringer) => void): Promise<void> {
  const memory = allocateEventPage();
  const words = new Int32Array(new SharedArrayBuffer(64));
  const [eventFd, sourceFd] = [EventFd.create() as EventFd, EventFd.create() as EventFd];
  const worker = new Worker(import.meta.resolve("../helpers/ringer_worker.ts"), { type: "module" });
  try {
    await new Promise((resolve) => worker.addEventListener("message", resolve, { once: true }));
    const task: RingerTask = {
      mode,
      events: memory.buffer,
      words: words.buffer as SharedArrayBuffer,
      eventFd: eventFd.descriptor,
      sourceFd: sourceFd.descriptor,
    };
    worker.postMessage(task);
    const go = (): void => {
      Atomics.store(words, GO, 1);
      Atomics.notify(words, GO);
    };
    body({ events: new EventPage(memory, eventFd), eventFd, sourceFd, words, go });
  } finally {
    Atomics.store(words, GO, 1);
    Atomics.notify(words, GO);
    worker.terminate();
    eventFd.close();
    sourceFd.close();
  }
}

/** A source whose work is the word that the other thread sets, and that lets it go on when it is armed. */
function workSource({ events, words, go }: Ringer): TestSource {
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
for (const [kind, make] of Object.entries(kinds)) {
  for (const [name, plan] of Object.entries(plans)) {
    Deno.test(`${kind} ${name} returns when another thread has work and notifies`, async () => {
      await withRinger("work", (ringer) => {
        using waiter = disposable(make(ringer.events, ringer.eventFd));
        const source = workSource(ringer);
        waiter.add(source);
        while (!source.ready()) waiter.wait({ plan: (into) => void Object.assign(into, plan) });
        assert.equal(ringer.words[WORK], 1);
      });
    });
  }

  Deno.test(`${kind} comes back again and again while another thread floods it, and sees work among the rings`, async () => {
    await withRinger("flood", ({ events, eventFd, words, go }) => {
      using waiter = disposable(make(events, eventFd));
      const source = new TestSource();
      waiter.add(source);
      go();
      events.sleep(0, 20_000);
      let waits = 0;
      source.onPeek = () => waits % 200 === 199;
      for (const spinNs of [0, 2000]) {
        for (; waits < 1000; waits++) waiter.wait({ plan: (into) => void (into.spinNs = spinNs) });
        waits = 0;
      }
      Atomics.store(words, WORK, 1);
      assert.equal(waiter.counters.spinHits, 5, "of the waits that spin, all that had work");
    });
  });

  Deno.test(`${kind} that spins without end is ended by another thread's ring`, async () => {
    await withRinger("ring", ({ events, eventFd, go }) => {
      using waiter = disposable(make(events, eventFd));
      waiter.add(new TestSource());
      go();
      // A wait without work ends after a while, and the other thread may be slow.
      do waiter.wait({ plan: (into) => void (into.spinNs = Infinity) }); while (events.bell === 0);
      assert.equal(events.bell, 1);
      assert.equal(waiter.counters.sleeps, 0);
    });
  });

  Deno.test(`${kind} wakes by itself when nobody rings`, () => {
    const eventFd = EventFd.create() as EventFd;
    using waiter = disposable(make(new EventPage(allocateEventPage(), eventFd), eventFd));
    waiter.add(new TestSource());
    waiter.wait({ plan: (into) => void (into.blockNs = 1000) });
    waiter.wait({ plan() {} });
    assert.equal(waiter.counters.sleeps, 2);
    assert(waiter.counters.sleptNs >= MAX_SLEEP_MS * 1e6);
    eventFd.close();
  });
}

Deno.test("an AtomicsWaiter sleeps on the bell, where another thread can wake it", async () => {
  await withRinger("wake", (ringer) => {
    const waiter = new AtomicsWaiter(ringer.events, () => {});
    const source = workSource(ringer);
    waiter.add(source);
    while (!source.ready()) waiter.wait({ plan() {} });
    assert.equal(ringer.events.bell, 0, "it was woken without a ring, so it was asleep");
    assert(waiter.counters.sleeps > 0);
  });
});

Deno.test("an FdWaiter sleeps on its sources' descriptors, which end the sleep without a ring", async () => {
  await withRinger("descriptor", (ringer) => {
    using waiter = disposable(kinds["an FdWaiter"](ringer.events, ringer.eventFd));
    const source = workSource(ringer);
    // It cannot ring, which keeps every other waiter from sleeping.
    const { arm } = source;
    source.arm = (distance) => {
      arm.call(source, distance);
      return false;
    };
    waiter.add(Object.assign(source, { descriptor: ringer.sourceFd.descriptor }));
    while (!source.ready()) waiter.wait({ plan() {} });
    assert.equal(ringer.events.bell, 0);
    assert(waiter.counters.sleeps > 0);
    assert(!ringer.events.isOnDescriptor);
  });
});

Deno.test("an FdWaiter's sleep that comes first lasts its time, though a descriptor is readable", () => {
  const [eventFd, sourceFd] = [EventFd.create() as EventFd, EventFd.create() as EventFd];
  using waiter = disposable(kinds["an FdWaiter"](new EventPage(allocateEventPage(), eventFd), eventFd));
  waiter.add(Object.assign(new TestSource(), { descriptor: sourceFd.descriptor, onPeek: () => true }));
  sourceFd.ring();
  const preSleepNs = 5e6;
  waiter.wait({ plan: (into) => void Object.assign(into, { preSleepNs, spinNs: 1000 }) });
  assert.deepEqual([waiter.counters.sleeps, waiter.counters.spinHits], [1, 1]);
  assert(waiter.counters.sleptNs >= 0.99 * preSleepNs, `${waiter.counters.sleptNs} ns`);
  eventFd.close();
  sourceFd.close();
});

Deno.test("an FdWaiter that serves events does not sleep while a source can only be seen by its descriptor", async () => {
  const eventFd = EventFd.create() as EventFd;
  using waiter = disposable(kinds["an FdWaiter"](new EventPage(allocateEventPage(), eventFd), eventFd));
  const source = Object.assign(new TestSource(), { descriptor: eventFd.descriptor, canArm: false });
  waiter.add(source);
  await waiter.waitServingEvents({ plan() {} });
  assert.equal(waiter.counters.sleeps, 0);
  eventFd.close();
});

Deno.test("an FdWaiter says that its eventfd is to be rung before it looks at the bell for the last time", () => {
  const log: string[] = [];
  const eventFd = EventFd.create() as EventFd;
  const events = new class extends EventPage {
    override get bell(): number {
      log.push("looks");
      return super.bell;
    }
    override sleepsOnDescriptor(does: boolean): void {
      log.push(does ? "sleeps" : "wakes");
      super.sleepsOnDescriptor(does);
    }
  }(allocateEventPage(), eventFd);
  using waiter = disposable(kinds["an FdWaiter"](events, eventFd));
  waiter.add(new TestSource());
  waiter.wait({ plan: (into) => void (into.blockNs = 1000) });
  // A ring between a look and the word would wake nobody.
  assert.deepEqual(log.slice(log.indexOf("sleeps")), ["sleeps", "looks", "wakes", "looks"]);
  eventFd.close();
});

Deno.test("an eventfd is rung only while the owner sleeps on descriptors", () => {
  const memory = allocateEventPage();
  let rings = 0;
  const eventFd = { ring: () => void rings++ } as unknown as EventFd;
  const page = new EventPage(memory, eventFd);
  page.wake();
  page.raise(3);
  assert.equal(rings, 0);
  page.sleepsOnDescriptor(true);
  page.wake();
  assert.equal(rings, 1);
  page.sleepsOnDescriptor(false);
  page.wake();
  assert.deepEqual([rings, page.bell], [1, 4]);
});
