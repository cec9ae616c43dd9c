import assert from "node:assert/strict";
import fc from "fast-check";
import { Operation, Status } from "../../core/blkif.ts";
import { type BlockDevice, synchronous } from "../../core/block_device.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { OperationMeter } from "../../core/measure/meter.ts";
import { MonolithicQueue } from "../../core/monolithic_queue.ts";
import { LaterDevice, MemoryDevice } from "../helpers/devices.ts";
import { interrupt, PumpWaiter } from "../helpers/link.ts";
import { checkQueue, queueCommands } from "../helpers/queue_model.ts";

const SIZE = 256 * 512;
const { Read, Write, Flush, Discard } = Operation;

function queueTo(device: BlockDevice, depth = 4) {
  const waiter = new PumpWaiter();
  const meter = new OperationMeter(depth);
  const gate = new DeviceGate(device, () => {});
  const state = { stopped: false };
  const queue = new MonolithicQueue({
    gate,
    slots: { count: depth, bytes: 44 * 1024 },
    waiter,
    policy: interrupt,
    meter,
    stopRequested: () => state.stopped,
  });
  return { queue, waiter, meter, gate, state };
}

function memoryDevice(changes = {}): MemoryDevice {
  return new MemoryDevice({ sizeBytes: SIZE, ...changes });
}

Deno.test("data written is data read, on a device that is done at once", () => {
  fc.assert(fc.property(queueCommands(256, 88), fc.integer({ min: 1, max: 40 }), (commands, depth) => {
    const device = memoryDevice();
    checkQueue(queueTo(synchronous(device), depth).queue, device.disk, commands);
  }));
});

Deno.test("data written is data read, on a device that is done later and in any order", () => {
  const choices = fc.infiniteStream(fc.integer({ min: -2, max: 100 }));
  fc.assert(fc.property(queueCommands(256, 88), fc.integer({ min: 1, max: 40 }), choices, (commands, depth, picks) => {
    const device = memoryDevice();
    const later = new LaterDevice(device, (count) => {
      const { value } = picks.next();
      return value < 0 ? -1 : value % count;
    });
    const { queue, waiter } = queueTo(later, depth);
    waiter.pump = () => {};
    checkQueue(queue, device.disk, commands);
  }));
});

Deno.test("slots come back in the order in which the device was done with them", () => {
  const { queue } = queueTo(new LaterDevice(memoryDevice(), (count) => count - 1));
  for (const slot of [2, 0, 3]) queue.submit(slot, Read, slot * 512, 512);
  assert.deepEqual([queue.wait(), queue.wait(), queue.wait()], [3, 0, 2]);
});

Deno.test("a wait with nothing in flight returns −1 and does not sleep", () => {
  assert.equal(queueTo(synchronous(memoryDevice())).queue.wait(), -1);
});

Deno.test("a wait ends when the domain is told to stop", () => {
  const { queue, waiter, state } = queueTo(new LaterDevice(memoryDevice(), () => -1));
  waiter.pump = () => state.stopped = true;
  queue.submit(0, Read, 0, 512);
  assert.equal(queue.wait(), -1);
  assert.equal(queue.inFlight, 1);
});

Deno.test("only a device that completes later is a source to wait for", () => {
  assert.equal(queueTo(synchronous(memoryDevice())).waiter.sources.length, 0);
  const { waiter, gate } = queueTo(new LaterDevice(memoryDevice(), () => 0));
  assert.deepEqual(waiter.sources, [gate]);
});

Deno.test("a submission that no slot can take is refused, and nothing is in flight after it", () => {
  const { queue } = queueTo(synchronous(memoryDevice()));
  const { maxTransferBytes } = queue;
  for (
    const [slot, operation, offset, length] of [
      [4, Read, 0, 512],
      [-1, Read, 0, 512],
      [0, Read, 0, maxTransferBytes + 512],
      [0, Write, 0, maxTransferBytes + 512],
      [0, Read, 1, 512],
      [0, Read, 0, 100],
    ] as const
  ) {
    assert.throws(() => queue.submit(slot, operation, offset, length), RangeError, `${slot} ${offset} ${length}`);
  }
  assert.equal(queue.inFlight, 0);
});

Deno.test("a discard may be longer than a slot's buffer", () => {
  const { queue } = queueTo(synchronous(memoryDevice()));
  queue.submit(0, Discard, 0, SIZE);
  assert.equal(queue.wait(), 0);
  assert.equal(queue.status(0), Status.Okay);
});

Deno.test("a failed operation gives its slot back with its status, and the slot works again", () => {
  const { queue, meter } = queueTo(synchronous(memoryDevice({ canFlush: false })));
  for (
    const [operation, offset, length, status] of [
      [Read, SIZE, 512, Status.Error],
      [Flush, 0, 0, Status.NotSupported],
      [Read, 0, 512, Status.Okay],
    ] as const
  ) {
    queue.submit(1, operation, offset, length);
    assert.equal(queue.wait(), 1);
    assert.equal(queue.status(1), status);
  }
  assert.deepEqual([meter.operations, meter.flushes, meter.errors], [2, 1, 2]);
});

Deno.test("slots have buffers of their own, the same object every time", () => {
  const { queue } = queueTo(synchronous(memoryDevice()));
  for (let slot = 0; slot < queue.depth; slot++) queue.buffer(slot).fill(slot + 1);
  for (let slot = 0; slot < queue.depth; slot++) {
    assert.equal(queue.buffer(slot), queue.buffer(slot));
    assert.equal(queue.buffer(slot).length, queue.maxTransferBytes);
    assert(queue.buffer(slot).every((byte) => byte === slot + 1));
  }
});
