import assert from "node:assert/strict";
import { Operation } from "../../core/blkif.ts";
import { writeDeviceInfo } from "../../core/device_keys.ts";
import { ConnectionError } from "../../core/errors.ts";
import { allocateEventPage, EventPage } from "../../core/event_channel.ts";
import { Frontend } from "../../core/frontend.ts";
import { OperationMeter } from "../../core/measure/meter.ts";
import { AtomicsWaiter } from "../../core/waiter.ts";
import { XenbusStore } from "../../core/xenbus.ts";
import busyPoll from "../../plugins/policies/busy_poll.ts";
import { connectFrontend, linkEnds, linkOptions } from "../helpers/link.ts";
import { planOf, policyOf, spun } from "../helpers/scripted_waits.ts";
import { TestSource } from "../helpers/waiting.ts";

Deno.test("busy-poll never sleeps, whatever it has seen", () => {
  const policy = policyOf(busyPoll);
  policy.waited?.(spun(100e6, { spinHit: false, found: false }));
  assert.deepEqual(planOf(policy), {
    ...{ spinNs: Infinity, yieldNs: 0, preSleepNs: 0, armDistance: 1, blockNs: Infinity },
  });
});

Deno.test("busy-poll arms nothing and does not sleep; a ring, as a command makes it, ends its wait, and so does time", () => {
  const events = new EventPage(allocateEventPage());
  const source = new TestSource();
  let beats = 0;
  const waiter = new AtomicsWaiter(events, () => {
    if (++beats === 3) events.wake();
  });
  waiter.add(source);
  waiter.wait(policyOf(busyPoll));
  assert.deepEqual([source.log, waiter.counters.sleeps], [["disarm"], 0]);
  waiter.wait(policyOf(busyPoll));
  assert.deepEqual([source.log, waiter.counters.sleeps], [["disarm", "disarm"], 0]);
});

Deno.test("busy-poll does not keep a frontend from seeing that its driver answers nothing", () => {
  const ends = linkEnds(linkOptions());
  const waiter = new AtomicsWaiter(ends.front.events, () => {});
  const meter = new OperationMeter(ends.options.slots.count);
  const test = { waiter, meter, stop: () => false };
  const options = { end: ends.front, link: ends.options, policy: policyOf(busyPoll), requestTimeoutMs: 150 };
  const frontend = new Frontend({ ...options, waiter, meter, stopRequested: () => test.stop() });
  const info = { sizeBytes: 1 << 20, sectorSize: 512, readOnly: false, canFlush: true, canDiscard: true };
  writeDeviceInfo(XenbusStore.backend(ends.memory.frameWords(0, 1)), info);
  connectFrontend(Object.assign(test, { frontend }), ends);
  frontend.submit(0, Operation.Read, 0, 512);
  assert.throws(() => frontend.wait(), (thrown: Error) => {
    return thrown instanceof ConnectionError && /answered nothing for 150 ms/.test(thrown.message);
  });
});
