// Rings that bring no work: a peer that floods costs its victim little, and the victim's other peers hardly more.
import assert from "node:assert/strict";
import { runDriver } from "../../core/domain/driver.ts";
import { Operation, Status } from "../../core/blkif.ts";
import { synchronous } from "../../core/block_device.ts";
import { EventFd } from "../../core/event_fd.ts";
import { FdWaiter } from "../../core/fd_waiter.ts";
import { AtomicsWaiter, type LookingWaiter } from "../../core/waiter.ts";
import { threadUsage } from "../../core/measure/thread.ts";
import { MemoryDevice } from "../helpers/devices.ts";
import { driverFor, leave } from "../helpers/driver.ts";
import { FloodedEventPage, policy, TestSource } from "../helpers/waiting.ts";

threadUsage(); // Opens the C library for good, before a sanitizer counts what a test opens.

/** Rings without work that a waiter bears before it rests. */
const BORNE = 64;

type Wait = (waiter: LookingWaiter) => void | Promise<void>;

const waits: Readonly<Record<string, Wait>> = {
  "sleeps at once": (waiter) => waiter.wait(policy()),
  "spins first": (waiter) => waiter.wait(policy({ spinNs: 1000 })),
  "serves events": (waiter) => waiter.waitServingEvents(policy()),
  "serves events and spins first": (waiter) => waiter.waitServingEvents(policy({ spinNs: 1000 })),
};

/** A waiter with one source on a page whose bell never stands still. */
function flooded() {
  const events = new FloodedEventPage();
  const source = new TestSource();
  const waiter = new AtomicsWaiter(events, () => {});
  waiter.add(source);
  const rests = (): number => events.log.splice(0).filter((step) => step === "rest").length;
  return { events, source, waiter, rests };
}

for (const [how, wait] of Object.entries(waits)) {
  Deno.test(`a flooded wait that ${how} comes back, and rests once when ${BORNE} rings brought no work`, async () => {
    const { waiter, rests } = flooded();
    for (let i = 0; i < BORNE; i++) await wait(waiter);
    assert.equal(rests(), 0);
    for (let i = 0; i < 100; i++) {
      await wait(waiter);
      assert.equal(rests(), 1);
    }
  });

  Deno.test(`work ends the rests of a flooded wait that ${how}, and it bears as many rings again`, async () => {
    const { source, waiter, rests } = flooded();
    for (let i = 0; i < 2 * BORNE; i++) await wait(waiter);
    source.onPeek = () => true;
    await wait(waiter);
    source.onPeek = () => false;
    rests();
    for (let i = 0; i < BORNE; i++) await wait(waiter);
    assert.equal(rests(), 0);
    await wait(waiter);
    assert.equal(rests(), 1);
  });
}

Deno.test("silence ends the rests, too", () => {
  const { events, waiter, rests } = flooded();
  for (let i = 0; i < 2 * BORNE; i++) waiter.wait(policy());
  events.flooded = false;
  waiter.wait(policy()); // Sees the flood's last ring.
  waiter.wait(policy());
  rests();
  for (let i = 0; i < 10; i++) waiter.wait(policy());
  assert.equal(rests(), 0);
});

Deno.test("rings that bring work are no flood, however many they are", () => {
  const { source, waiter, rests } = flooded();
  source.onPeek = () => true;
  for (let i = 0; i < 10 * BORNE; i++) waiter.wait(policy());
  assert.equal(rests(), 0);
});

Deno.test("a waiter on descriptors rests, too", () => {
  const events = new FloodedEventPage();
  const doorbell = EventFd.create() as EventFd;
  const waiter = FdWaiter.create(events, doorbell, () => {}) as FdWaiter;
  try {
    for (let i = 0; i < BORNE + 3; i++) waiter.wait(policy());
    assert.deepEqual(events.log, ["rest", "rest", "rest"]);
  } finally {
    waiter.close();
    doorbell.close();
  }
});

Deno.test("a frontend that floods its driver keeps it from no other: each request is answered in the next turn", async () => {
  const events = new FloodedEventPage();
  const { setup, frontends: [good, hostile] } = driverFor(synchronous(new MemoryDevice()), 2, true, events);
  const waiter = new AtomicsWaiter(events, () => {});
  const { wait } = waiter;
  const reference = good.grant(0);
  let [turns, asked] = [0, 0];
  waiter.wait = (how) => {
    hostile.notify();
    if (asked > 0) assert.deepEqual(good.responses().map(({ id, status }) => [id, status]), [[asked, Status.Okay]]);
    // Now and then only, so that the driver rests in between.
    asked = ++turns % 100 === 0 ? turns : 0;
    if (asked > 0) good.postTransfer(Operation.Read, asked, 0, [reference, 0, 7]);
    if (turns > 1000) { for (const frontend of [good, hostile]) leave(frontend); }
    wait.call(waiter, how);
  };
  await runDriver({ ...setup, waiter });
  assert(turns > 1000);
  const rests = events.log.filter((step) => step === "rest").length;
  assert(rests > 200, `the driver rested ${rests} times in ${turns} turns`);
});
