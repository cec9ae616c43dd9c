// Two threads that consume one ring's responses, on one thread: at any access to what they share, another may go on first,
// as far as it likes. Nothing is lost, nothing is done twice, and nobody sleeps over what he is there for.
import assert from "node:assert/strict";
import fc from "fast-check";
import { Operation } from "../../core/blkif.ts";
import { CompletionArea } from "../../core/completion_area.ts";
import { allocateEventPage, EventPage } from "../../core/event_channel.ts";
import type { CompletionEnd, LinkEnd } from "../../core/link_end.ts";
import { ResponseThread } from "../../core/response_thread.ts";
import { Ring } from "../../core/ring.ts";
import { ShadowTable } from "../../core/shadow_table.ts";
import type { WaitSource } from "../../core/waiter.ts";
import { LaterDevice, MemoryDevice } from "../helpers/devices.ts";
import { connectEnds, type LinkChanges, linkEnds, linkOptions, PumpWaiter } from "../helpers/link.ts";

/** What may be interrupted: all accesses to the shared words, and those to the ring that matter to both. */
const INTERRUPTED: readonly (readonly [prototype: object, names: readonly string[]])[] = [
  [CompletionArea.prototype, ["tryLock", "unlock", "write", "publish", "mustWake", "fallAsleep", "awake"]],
  [CompletionArea.prototype, ["state", "consumed", "answered", "queued"]],
  [Ring.prototype, ["available", "arm", "disarm", "push"]],
  [ShadowTable.prototype, ["answer", "assign", "release"]],
];

/** Calls `interrupt` before each of those accesses while `body` runs. */
function interrupting(interrupt: () => void, body: () => void): void {
  const undo: (() => void)[] = [];
  for (const [prototype, names] of INTERRUPTED) {
    for (const name of names) {
      const before = Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor;
      const changed = { ...before };
      for (const kind of ["value", "get", "set"] as const) {
        const access = before[kind] as ((...given: unknown[]) => unknown) | undefined;
        if (access === undefined) continue;
        changed[kind] = function (this: unknown, ...given: unknown[]) {
          interrupt();
          return access.apply(this, given);
        };
      }
      Object.defineProperty(prototype, name, changed);
      undo.push(() => Object.defineProperty(prototype, name, before));
    }
  }
  try {
    body();
  } finally {
    undo.forEach((each) => each());
  }
}

/** One of the threads: works until there is nothing to do, and sleeps as a waiter does. */
class Actor {
  asleep = false;
  /** Whether it is in the middle of a step. */
  running = false;
  readonly #page: EventPage;
  readonly #source: WaitSource;
  readonly #work: () => boolean;
  readonly #distance: () => number;
  #bellSeen: number;

  constructor(page: EventPage, source: WaitSource, distance: () => number, work: () => boolean) {
    this.#page = page;
    this.#source = source;
    this.#work = work;
    this.#distance = distance;
    this.#bellSeen = page.bell;
  }

  /** Whether it can go on. */
  get runnable(): boolean {
    return !this.running && (!this.asleep || this.#page.bell !== this.#bellSeen);
  }

  step(): void {
    this.running = true;
    try {
      if (this.asleep) this.#wake();
      else if (!this.#work()) this.#wait();
    } finally {
      this.running = false;
    }
  }

  #wait(): void {
    if (this.#page.bell === this.#bellSeen && this.#source.arm(this.#distance()) && !this.#source.ready()) {
      // As the kernel compares the word before it sleeps.
      this.asleep = this.#page.bell === this.#bellSeen;
    }
    if (!this.asleep) this.#wake();
  }

  #wake(): void {
    this.#source.disarm?.();
    this.#bellSeen = this.#page.bell;
    this.asleep = false;
  }
}

interface Run {
  readonly link: LinkChanges;
  readonly total: number;
  /** The next of the test's choices, from 0 to 99. */
  readonly choose: () => number;
}

/** Has so many operations done, with as many in flight as there are slots. */
function run({ link, total, choose }: Run): { readonly handed: number; readonly interruptions: number } {
  const [mine, theirs, responds] = [1, 2, 3].map(() => new EventPage(allocateEventPage()));
  const ends = linkEnds(linkOptions({ completion: "thread", ...link }), mine, theirs, responds);
  const device = new LaterDevice(new MemoryDevice(), (count) => choose() < 30 ? -1 : choose() % count);
  const frontWaiter = new PumpWaiter();
  frontWaiter.pump = () => {}; // A spin that sees nothing.
  const { frontend, backend, gate } = connectEnds({ ...ends, responder: null }, device, frontWaiter);
  const end = ends.responder as LinkEnd;
  const waiter = new PumpWaiter();
  const policy = { plan() {} };
  const thread = new ResponseThread({ end, link: ends.options, waiter, policy }, end.completion as CompletionEnd);
  const distance = (): number => 1 + choose() % 4;

  let submitted = 0;
  let done = 0;
  const inFlight = new Set<number>();
  const submit = (slot: number): void => {
    inFlight.add(slot);
    submitted++;
    frontend.submit(slot, Operation.Read, slot * 512, 512);
  };
  const application = new Actor(mine, frontend, distance, () => {
    const slot = frontend.poll();
    if (slot >= 0) {
      assert(inFlight.delete(slot), `slot ${slot} was done twice`);
      done++;
    }
    const before = submitted;
    for (let free = 0; submitted < total && free < frontend.depth; free++) if (!inFlight.has(free)) submit(free);
    // The next look publishes what was submitted.
    return slot >= 0 || submitted > before;
  });
  // A device that is done later does not ring.
  const driver: WaitSource = {
    peek: () => backend.peek(),
    ready: () => backend.ready(),
    arm: (distance) => backend.arm(distance) && device.held.length === 0,
    disarm: () => backend.disarm(),
  };
  const actors = [
    application,
    new Actor(responds, thread, distance, () => thread.service()),
    new Actor(theirs, driver, () => 1, () => [backend.service(), gate.reap()].includes(true)),
  ];
  let interruptions = 0;
  const step = (odds: number): boolean => {
    const able = actors.filter(({ runnable }) => runnable);
    if (able.length === 0 || choose() >= odds) return false;
    able[choose() % able.length].step();
    return true;
  };
  interrupting(() => {
    if (step(20)) interruptions++;
  }, () => {
    while (done < total) {
      assert(actors.some(({ runnable }) => runnable), `all sleep after ${done} of ${submitted} operations`);
      step(100);
    }
  });
  assert.equal(inFlight.size, 0);
  assert.equal(frontend.poll(), -1, "nothing more comes");
  return { handed: thread.handedOver, interruptions };
}

const links: fc.Arbitrary<LinkChanges> = fc.record({
  suppression: fc.constantFrom("event-index" as const, "sleep-flag" as const),
  batch: fc.integer({ min: 1, max: 8 }),
  merge: fc.boolean(),
  // Whether the thread that submits takes responses, too.
  submitSpinNs: fc.constantFrom(0, 1),
  slots: fc.record({ count: fc.constantFrom(1, 2, 3, 40), bytes: fc.constant(4096) }),
});

Deno.test("two threads that interrupt each other anywhere lose no response, finish none twice, and sleep over none", () => {
  let interruptions = 0;
  let taken = 0;
  let handed = 0;
  fc.assert(
    fc.property(links, fc.infiniteStream(fc.nat(99)), (link, choices) => {
      const total = 200;
      const outcome = run({ link, total, choose: () => choices.next().value });
      interruptions += outcome.interruptions;
      handed += outcome.handed;
      taken += total;
    }),
    { numRuns: 200, endOnFailure: true },
  );
  assert(interruptions > taken, "they were interrupted");
  assert(handed > 0 && handed < taken, "both have taken responses");
});
