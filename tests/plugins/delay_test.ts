// What `delay` does to requests. Times have lower bounds alone: no request is early, however busy the machine is.
import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { type BlockDevice, BlockRequest } from "../../core/block_device.ts";
import { Epoll, Ready } from "../../core/epoll.ts";
import { EventFd } from "../../core/event_fd.ts";
import { passThrough } from "../../core/filter.ts";
import { mayCallLibc } from "../../core/libc.ts";
import { SharedMemory } from "../../core/memory.ts";
import delay from "../../plugins/filters/delay.ts";
import { ScriptedDevice, type Way } from "../conformance/scripted_device.ts";
import { mediumContext } from "../helpers/medium_context.ts";
import { testUnless } from "../helpers/test_unless.ts";

const { Read, Write, Flush, Discard } = Operation;
const NS_PER_MS = 1e6;

/** A delayed device, closed at the end. */
class Delayed implements Disposable {
  readonly device: BlockDevice;
  /** What was completed, in order, with when. */
  readonly completed: { readonly request: BlockRequest; readonly atMs: number }[] = [];
  readonly #memory = SharedMemory.allocate(1);

  constructor(given: unknown, next: BlockDevice = new ScriptedDevice("synchronous"), alive = () => {}) {
    this.device = delay.create(delay.options.parse(given), next, { ...mediumContext(), alive, layer: 0 });
  }

  submit(operation: Operation): BlockRequest {
    const request = new BlockRequest({ completed() {} }, 0, this.#memory, 1);
    request.operation = operation;
    if (this.device.submit(request)) this.completed.push({ request, atMs: performance.now() });
    return request;
  }

  poll(): void {
    const request = this.device.poll?.() ?? null;
    if (request !== null) this.completed.push({ request, atMs: performance.now() });
  }

  until(count: number): void {
    while (this.completed.length < count) this.poll();
  }

  [Symbol.dispose](): void {
    this.device.close?.();
  }
}

for (const by of ["device", "processor"]) {
  for (const way of ["synchronous", "later", "events"] as Way[]) {
    Deno.test(`no request of a device (${way}) that is delayed by a ${by} is early`, () => {
      const next = new ScriptedDevice(way);
      using delayed = new Delayed({ time: "300us", by }, next);
      for (let count = 1; count <= 20; count++) {
        const start = performance.now();
        const request = delayed.submit(Read);
        delayed.until(count);
        const { request: last, atMs } = delayed.completed[count - 1];
        assert.equal(last, request);
        assert.equal(request.status, Status.Okay);
        assert(atMs - start >= 0.3, `${atMs - start} ms`);
      }
      assert.equal(next.done.length, 20);
      const { delayedRequests, delayNs, delayLateNs } = delayed.device.counters?.() ?? {};
      assert.deepEqual([delayedRequests, delayNs], [20, 20 * 300_000]);
      assert(delayLateNs >= 0);
    });
  }
}

Deno.test("the shortest delay is no shorter than it says", () => {
  for (const by of ["device", "processor"]) {
    using delayed = new Delayed({ time: "200ns", by });
    for (let count = 1; count <= 1000; count++) {
      const start = performance.now();
      delayed.submit(Read);
      delayed.until(count);
      assert(delayed.completed[count - 1].atMs - start >= 0.0002);
    }
  }
});

Deno.test("a device that serves one request at a time has a queue; one that serves two serves two", () => {
  for (const parallel of [1, 2]) {
    using delayed = new Delayed({ time: "2ms", parallel });
    const start = performance.now();
    const requests = Array.from({ length: 6 }, () => delayed.submit(Read));
    delayed.until(6);
    assert.deepEqual(delayed.completed.map(({ request }) => request), requests);
    for (const [index, { atMs }] of delayed.completed.entries()) {
      assert(atMs - start >= 2 * (Math.floor(index / parallel) + 1), `${index}: ${atMs - start} ms`);
    }
  }
});

Deno.test("requests are reported by their times and not in the order in which they came", () => {
  using delayed = new Delayed({ time: "50ms", operations: "writes" });
  const write = delayed.submit(Write);
  const read = delayed.submit(Read);
  delayed.until(2);
  assert.deepEqual(delayed.completed.map(({ request }) => request), [read, write]);
});

Deno.test("a flush is not reported before what changed the device before it, though it is not delayed itself", () => {
  for (const way of ["synchronous", "later"] as Way[]) {
    for (const operation of [Write, Discard]) {
      using delayed = new Delayed({ time: "20ms", operations: "writes" }, new ScriptedDevice(way));
      const changes = [delayed.submit(operation), delayed.submit(operation)];
      const flush = delayed.submit(Flush);
      delayed.until(3);
      assert.deepEqual(delayed.completed.map(({ request }) => request), [...changes, flush]);
      const after = delayed.submit(Flush);
      delayed.until(4);
      assert.equal(delayed.completed[3].request, after);
    }
  }
});

Deno.test("only the operations that were chosen are delayed, and of these every so many-th", () => {
  const delayedOf = (given: Record<string, unknown>): number => {
    using delayed = new Delayed({ time: "1us", ...given });
    let count = 0;
    for (let i = 0; i < 12; i++) {
      for (const operation of [Read, Write, Flush]) {
        delayed.submit(operation);
        delayed.until(++count);
      }
    }
    return delayed.device.counters?.().delayedRequests ?? -1;
  };
  assert.equal(delayedOf({}), 36);
  assert.equal(delayedOf({ operations: "reads" }), 12);
  assert.equal(delayedOf({ operations: "writes" }), 12);
  assert.equal(delayedOf({ operations: "flushes", by: "processor" }), 12);
  assert.equal(delayedOf({ every: 5 }), 7);
  assert.equal(delayedOf({ operations: "reads", every: 12 }), 1);
  assert.equal(delayedOf({ operations: "reads", every: 13 }), 0);
});

Deno.test("a thread that is busy for long shows that it lives, and says for how long a call may take", () => {
  let beats = 0;
  using delayed = new Delayed({ time: "150ms", by: "processor" }, undefined, () => beats++);
  delayed.submit(Read);
  assert(beats >= 1);
  const timeout = (given: Record<string, unknown>): number => {
    using other = new Delayed(given);
    return other.device.operationTimeoutNs ?? 0;
  };
  const below = new ScriptedDevice("synchronous").operationTimeoutNs;
  assert.equal(delayed.device.operationTimeoutNs, below + 150 * NS_PER_MS);
  assert.equal(timeout({ time: "1ms", by: "processor" }), below);
  assert.equal(timeout({ time: "1ms", by: "processor", distribution: "pareto" }), below + 1000 * NS_PER_MS);
  assert.equal(timeout({ time: "500ms" }), below);
});

const withoutLibc = mayCallLibc() ? null : "libc may not be called";

/** Whether a descriptor is ready within so long. */
function readyWithin(descriptor: number | undefined, timeoutMs: number): boolean {
  const set = new Epoll();
  try {
    set.add(descriptor ?? -1, Ready.Read);
    return set.poll(timeoutMs) > 0;
  } finally {
    set.close();
  }
}

testUnless(
  withoutLibc,
  "a thread that sleeps on descriptors is woken when the first request is over, and not before",
  () => {
    using delayed = new Delayed({ time: "30ms", parallel: 1 });
    const { descriptor } = delayed.device;
    delayed.submit(Read);
    delayed.submit(Read);
    const start = performance.now();
    delayed.device.arm?.();
    assert(readyWithin(descriptor, 60_000));
    assert(performance.now() - start >= 29);
    delayed.until(1);
    delayed.device.arm?.();
    assert(readyWithin(descriptor, 60_000));
    delayed.until(2);
    delayed.device.idle?.();
    assert(!readyWithin(descriptor, 0), "nothing is left to be woken for");
  },
);

testUnless(withoutLibc, "it is also woken by the device below", () => {
  const doorbell = EventFd.create() ?? assert.fail("no eventfd");
  const next = new ScriptedDevice("later");
  next.pick = () => -1;
  {
    using delayed = new Delayed({ time: "1us" }, { ...passThrough(next), descriptor: doorbell.descriptor });
    delayed.submit(Read);
    delayed.device.arm?.();
    assert(!readyWithin(delayed.device.descriptor, 0));
    doorbell.ring();
    assert(readyWithin(delayed.device.descriptor, 0));
    next.pick = () => 0;
    delayed.until(1);
    doorbell.drain();
    delayed.device.idle?.();
    assert(!readyWithin(delayed.device.descriptor, 0));
  }
  doorbell.close();
});

Deno.test("a thread that serves events is woken when a request is over", async () => {
  using delayed = new Delayed({ time: "5ms" }, new ScriptedDevice("events"));
  const woken = Promise.withResolvers<void>();
  let armed = false;
  delayed.device.listen?.(() => armed && woken.resolve());
  delayed.submit(Read);
  delayed.poll(); // The device below has done it, and it is in service.
  await Promise.resolve(); // The wake of the device below is over.
  armed = true;
  delayed.device.arm?.();
  await woken.promise;
  delayed.until(1);
});
