// A frontend and a backend against each other, and a model of what must come of it.
import assert from "node:assert/strict";
import fc from "fast-check";
import { Operation, Status } from "../../core/blkif.ts";
import { synchronous } from "../../core/block_device.ts";
import type { Frontend } from "../../core/frontend.ts";
import { linkLayout } from "../../core/link.ts";
import { SharedMemory } from "../../core/memory.ts";
import { testWays } from "../helpers/completions.ts";
import { deviceInfo, fillPattern, LaterDevice, MemoryDevice } from "../helpers/devices.ts";
import { connectPair, linkEnds, linkOptions, makeFrontend, PumpWaiter } from "../helpers/link.ts";
import { checkQueue, queueCommands } from "../helpers/queue_model.ts";
import { ScriptedBackend } from "../helpers/scripted_backend.ts";

const SECTORS = 256;
const { Read, Write, Flush, Discard } = Operation;
const ringOrders = fc.integer({ min: 0, max: 4 });
/** Where indices begin: at 0, and where they are about to become negative as signed words, and 0 again. */
const startIndices = fc.constantFrom(0, 2 ** 31 - 7, 2 ** 31 - 1, 2 ** 32 - 7, 2 ** 32 - 1);

function memoryDevice(changes = {}): MemoryDevice {
  return new MemoryDevice({ sizeBytes: SECTORS * 512, ...changes });
}

testWays("data written is data read, for every ring order and wherever the indices begin", () => {
  fc.assert(fc.property(queueCommands(SECTORS, 88), ringOrders, startIndices, (commands, ringOrder, start) => {
    const device = memoryDevice();
    const { frontend, reports } = connectPair(synchronous(device), { ringOrder }, start);
    checkQueue(frontend, device.disk, commands);
    assert.deepEqual(reports, []);
  }));
});

testWays("data written is data read, when the device is done later and in any order", () => {
  const choices = fc.infiniteStream(fc.integer({ min: -2, max: 100 }));
  const inputs = [queueCommands(SECTORS, 88), ringOrders, startIndices, choices] as const;
  fc.assert(fc.property(...inputs, (commands, ringOrder, start, picks) => {
    const device = memoryDevice();
    const later = new LaterDevice(device, (count) => {
      const { value } = picks.next();
      return value < 0 ? -1 : value % count;
    });
    checkQueue(connectPair(later, { ringOrder }, start).frontend, device.disk, commands);
  }));
});

testWays("a ring goes round many times at every depth", () => {
  for (const depth of [1, 2, 31, 32]) {
    const device = memoryDevice();
    const { frontend, meter } = connectPair(synchronous(device), {}, 2 ** 32 - 100);
    let submitted = 0;
    const submit = (slot: number): void => frontend.submit(slot, submitted++ % 2 ? Write : Read, slot * 512, 512);
    for (let slot = 0; slot < depth; slot++) submit(slot);
    for (let slot = frontend.wait(); slot >= 0; slot = frontend.wait()) {
      assert.equal(frontend.status(slot), Status.Okay);
      if (submitted < 5000) submit(slot);
    }
    assert.equal(meter.operations, 5000);
    assert.equal(meter.errors, 0);
    assert.equal(device.calls.length, 5000);
  }
});

testWays("a slot's whole buffer travels, and nothing beside it changes", () => {
  const device = memoryDevice();
  const { frontend } = connectPair(synchronous(device));
  for (let slot = 0; slot < frontend.depth; slot++) frontend.buffer(slot).fill(slot);
  fillPattern(frontend.buffer(1), 5);
  frontend.submit(1, Write, 1024, frontend.maxTransferBytes);
  assert.equal(frontend.wait(), 1);
  frontend.submit(2, Read, 1024, frontend.maxTransferBytes - 512);
  assert.equal(frontend.wait(), 2);
  const { maxTransferBytes } = frontend;
  assert.deepEqual(frontend.buffer(2).slice(0, -512), frontend.buffer(1).slice(0, -512));
  assert(frontend.buffer(2).subarray(maxTransferBytes - 512).every((byte) => byte === 2));
  assert(frontend.buffer(0).every((byte) => byte === 0));
  assert(frontend.buffer(3).every((byte) => byte === 3));
  assert.equal(device.calls.length, 2, "one slot's frames lie together, so the device sees one piece");
});

testWays("requests that were submitted together are published together, and the peer is notified once", () => {
  const { frontend, backend } = connectPair(synchronous(memoryDevice()));
  backend.arm(1);
  for (let slot = 0; slot < 8; slot++) frontend.submit(slot, Read, 0, 512);
  assert.equal(backend.peek(), false);
  assert.equal(frontend.poll(), -1);
  assert.equal(backend.ready(), true);
  assert.deepEqual(frontend.pushes, { sent: 1, suppressed: 0 });
});

testWays("a peer that did not ask is not notified", () => {
  const { frontend, backend, ends } = connectPair(synchronous(memoryDevice()));
  backend.arm(3);
  const bell = ends.back.events.bell;
  for (const [slot, sent] of [[0, 0], [1, 0], [2, 1], [3, 1]]) {
    frontend.submit(slot, Read, 0, 512);
    frontend.poll();
    assert.deepEqual(frontend.pushes, { sent, suppressed: slot + 1 - sent });
    assert.equal(ends.back.events.bell - bell, sent);
  }
});

testWays("a frontend never asks to be woken by more responses than are to come", () => {
  const { frontend, backend, serve } = connectPair(synchronous(memoryDevice()));
  frontend.submit(0, Read, 0, 512);
  frontend.poll();
  frontend.arm(100);
  serve();
  assert.equal(backend.pushes.sent, 1);
});

testWays("a device's failures reach the workload as a status, and only that", () => {
  const device = memoryDevice({ canFlush: false });
  device.write = () => {
    throw new Error("worn out");
  };
  const { frontend, reports, meter } = connectPair(synchronous(device));
  for (
    const [operation, offset, length, status] of [
      [Write, 0, 512, Status.Error],
      [Flush, 0, 0, Status.NotSupported],
      [Read, SECTORS * 512, 512, Status.Error],
      [Discard, 0, 512, Status.Okay],
      [Read, 0, 512, Status.Okay],
    ] as const
  ) {
    frontend.submit(0, operation, offset, length);
    assert.equal(frontend.wait(), 0);
    assert.equal(frontend.status(0), status);
  }
  assert.deepEqual(reports, ["worn out"]);
  assert.deepEqual([meter.operations, meter.flushes, meter.errors], [4, 1, 3]);
});

testWays("a submission that no slot can take is refused and leaves the ring as it was", () => {
  const { frontend, backend } = connectPair(synchronous(memoryDevice()));
  const { depth, maxTransferBytes } = frontend;
  for (
    const [slot, operation, offset, length] of [
      [depth, Read, 0, 512],
      [-1, Read, 0, 512],
      [0, Write, 0, maxTransferBytes + 512],
      [0, Read, 100, 512],
      [0, Read, 0, 513],
      [0, Write, NaN, 512],
      [0, Write, Infinity, 512],
      [0, Write, 2 ** 60, 512],
      [NaN, Write, 0, 512],
    ] as const
  ) {
    assert.throws(() => frontend.submit(slot, operation, offset, length), RangeError, `${slot} ${offset} ${length}`);
  }
  assert.equal(frontend.inFlight, 0);
  assert.equal(frontend.poll(), -1);
  assert.equal(backend.ready(), false);
});

testWays("a flush that is given a length does not write over its neighbours in the ring", () => {
  const peer = new ScriptedBackend().connect();
  const { frontend } = peer.test;
  const { entryCount } = linkLayout(linkOptions());
  frontend.submit(0, Flush, 0, 0);
  const beyond = peer.ring.slice(16 + 2 * 28, 16 + entryCount * 28);
  try {
    frontend.submit(1, Flush, 0, 1 << 20);
  } catch (error) {
    assert(error instanceof RangeError); // Refusing is as good.
  }
  assert(peer.ring.slice(16 + 2 * 28, 16 + entryCount * 28).every((word, i) => word === beyond[i]));
});

testWays("a negative offset never names a sector of the device, however large that is", () => {
  const sizeBytes = 2 ** 42;
  const peer = new ScriptedBackend(deviceInfo({ sizeBytes })).connect();
  const { frontend } = peer.test;
  try {
    frontend.submit(0, Write, -512, 512);
  } catch (error) {
    assert(error instanceof RangeError); // Refusing is as good.
    return;
  }
  frontend.poll();
  const [request] = peer.take();
  assert(request.sector * 512 >= sizeBytes, `sector ${request.sector} is on the device`);
});

testWays("closing ends both sides, and the frames can be taken back", () => {
  const pair = connectPair(synchronous(memoryDevice()));
  const { frontend, backend } = pair;
  frontend.submit(0, Read, 0, 512);
  frontend.wait();
  pair.stop = () => {
    assert.equal(backend.connected, false);
    backend.close();
    return false;
  };
  frontend.close();
  assert.throws(() => frontend.close(), "a closed connection cannot be closed again");
});

testWays("a frontend that is not connected, or not any more, takes no operation and says so", () => {
  const ends = linkEnds(linkOptions());
  const { frontend } = makeFrontend(ends, new PumpWaiter());
  const submit = (queue: Frontend): void => queue.submit(0, Read, 0, 512);
  assert.throws(() => submit(frontend), /^ConnectionError: The frontend is not connected yet$/);
  assert.throws(() => frontend.wait(), /not connected yet/);
  assert.equal(frontend.inFlight, 0);
  const pair = connectPair(synchronous(memoryDevice()));
  submit(pair.frontend);
  assert.equal(pair.frontend.wait(), 0);
  pair.stop = () => (pair.backend.close(), false);
  pair.frontend.close();
  assert.throws(() => submit(pair.frontend), /^ConnectionError: The frontend is closed$/);
  assert.equal(pair.frontend.inFlight, 0);
});

testWays("data that the frontend copies is what it is for every length", () => {
  const disk = memoryDevice();
  const { frontend } = connectPair(synchronous(disk), { transfer: "copy" });
  for (const sectors of [1, 8, 3, 88, 1]) {
    fillPattern(frontend.buffer(0), sectors);
    frontend.submit(0, Write, 4096, sectors * 512);
    frontend.wait();
    const written = disk.disk.slice(4096, 4096 + sectors * 512);
    assert.deepEqual(new Uint8Array(frontend.buffer(0).slice(0, sectors * 512)), written);
    frontend.buffer(0).fill(0xee);
    frontend.submit(0, Read, 4096, sectors * 512);
    frontend.wait();
    assert.deepEqual(new Uint8Array(frontend.buffer(0).slice(0, sectors * 512)), written);
    assert(frontend.buffer(0).slice(sectors * 512).every((byte) => byte === 0xee));
  }
});

testWays("data that the frontend copies is copied without a new view for each request", () => {
  const { frontend } = connectPair({ info: deviceInfo(), submit: () => true }, { transfer: "copy" });
  const { subarray } = Uint8Array.prototype;
  const { view } = SharedMemory.prototype;
  const views = new Set<Uint8Array>();
  Uint8Array.prototype.subarray = () => assert.fail("a view was made");
  SharedMemory.prototype.view = function (start, end) {
    const made = view.call(this, start, end);
    views.add(made);
    return made;
  };
  try {
    for (let i = 0; i < 5; i++) {
      for (const operation of [Write, Read]) {
        frontend.submit(0, operation, 4096, 512);
        assert.equal(frontend.wait(), 0);
      }
    }
  } finally {
    Uint8Array.prototype.subarray = subarray;
    SharedMemory.prototype.view = view;
  }
  assert.equal(views.size, 2, "one of the workload's buffer, one of the granted frames");
});
