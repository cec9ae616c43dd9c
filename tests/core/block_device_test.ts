import assert from "node:assert/strict";
import fc from "fast-check";
import { Operation, Status } from "../../core/blkif.ts";
import { type BlockDevice, BlockRequest, type DeviceInfo, synchronous } from "../../core/block_device.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { DeviceError } from "../../core/errors.ts";
import { SharedMemory } from "../../core/memory.ts";
import { deviceInfo, fillPattern, LaterDevice, MemoryDevice } from "../helpers/devices.ts";

const SIZE = 64 * 512;
const { Read, Write, Flush, Discard, WriteZeroes } = Operation;

/** A gate, and a function that puts one operation through it and tells its status. */
function gateTo(device: BlockDevice) {
  const reports: string[] = [];
  const completed: BlockRequest[] = [];
  const gate = new DeviceGate(device, (message) => reports.push(message));
  const memory = SharedMemory.allocate(16);
  const owner = { completed: (request: BlockRequest) => void completed.push(request) };
  const request = (operation: number, offsetBytes: number, byteLength: number, slot = 0): BlockRequest => {
    const made = new BlockRequest(owner, slot, memory, 11);
    Object.assign(made, { operation, offsetBytes, byteLength, status: 99 });
    if (operation <= Write && byteLength > 0) made.addExtent(slot * 4096, slot * 4096 + byteLength);
    return made;
  };
  const submit = (operation: number, offsetBytes: number, byteLength: number): number => {
    const before = completed.length;
    gate.submit(request(operation, offsetBytes, byteLength));
    assert.equal(completed.length, before + 1, "answered exactly once");
    return completed[before].status;
  };
  return { gate, reports, completed, request, submit, memory };
}

function memoryGate(changes: Partial<DeviceInfo> = {}) {
  const device = new MemoryDevice({ sizeBytes: SIZE, ...changes });
  return { device, ...gateTo(synchronous(device)) };
}

Deno.test("a gate lets exactly those transfers through that lie on the device and are aligned", () => {
  const number = fc.oneof(
    fc.integer({ min: -2, max: 70 }).map((n) => n * 512),
    fc.integer({ min: -2048, max: SIZE + 2048 }),
    fc.constantFrom(2 ** 53, 2 ** 73, 2 ** 32, 2 ** 32 - 512, -0, NaN, Infinity),
  );
  const operations = fc.constantFrom(Read, Write, Discard, WriteZeroes);
  fc.assert(
    fc.property(operations, number, number, fc.constantFrom(512, 1024, 4096), (operation, at, length, sectorSize) => {
      const device = { info: deviceInfo({ sizeBytes: SIZE, sectorSize, canWriteZeroes: true }), submit: accept };
      const valid = Number.isInteger(at / sectorSize) && Number.isInteger(length / sectorSize) && length > 0 &&
        at >= 0 &&
        at + length <= SIZE;
      const made = gateTo(device);
      const request = made.request(operation, at, 0);
      request.byteLength = length;
      made.gate.submit(request);
      assert.equal(request.status, valid ? Status.Okay : Status.Error);
      assert.equal(made.completed.length, 1);
    }),
    { numRuns: 1000 },
  );
});

function accept(request: BlockRequest): boolean {
  request.status = Status.Okay;
  return true;
}

Deno.test("the first and the last sector are on the device, the one after it is not", () => {
  const { submit } = memoryGate();
  assert.equal(submit(Read, 0, 512), Status.Okay);
  assert.equal(submit(Write, SIZE - 512, 512), Status.Okay);
  assert.equal(submit(Discard, 0, SIZE), Status.Okay);
  assert.equal(submit(Read, SIZE, 512), Status.Error);
  assert.equal(submit(Write, SIZE - 512, 1024), Status.Error);
});

Deno.test("a device never sees what the gate refuses", () => {
  const { device, submit, reports } = memoryGate();
  submit(Read, SIZE, 512);
  submit(Write, 100, 512);
  submit(Operation.Indirect, 0, 512);
  assert.deepEqual(device.calls, []);
  assert.deepEqual(reports, []);
});

Deno.test("a read-only device refuses writes and discards, and reads and flushes all the same", () => {
  const { device, submit } = memoryGate({ readOnly: true });
  assert.equal(submit(Write, 0, 512), Status.Error);
  assert.equal(submit(Discard, 0, 512), Status.Error);
  assert.equal(submit(WriteZeroes, 0, 512), Status.Error);
  assert.equal(submit(Operation.WriteFua, 0, 512), Status.Error);
  assert.deepEqual(device.calls, []);
  assert.equal(submit(Read, 0, 512), Status.Okay);
  assert.equal(submit(Flush, 0, 0), Status.Okay);
});

Deno.test("what a device cannot do is answered as unsupported", () => {
  const { device, submit } = memoryGate({ canFlush: false, canDiscard: false });
  assert.equal(submit(Flush, 0, 0), Status.NotSupported);
  assert.equal(submit(Discard, 0, 512), Status.NotSupported);
  for (const unknown of [Operation.WriteBarrier, 4, Operation.Indirect, 7, 255]) {
    assert.equal(submit(unknown, 0, 512), Status.NotSupported, `operation ${unknown}`);
  }
  assert.deepEqual(device.calls, []);
});

Deno.test("a device that throws fails the request, is reported and goes on", () => {
  const device = new MemoryDevice({ sizeBytes: SIZE });
  device.read = () => {
    throw new Error("head crash");
  };
  device.flush = () => {
    throw "not even an error";
  };
  const { gate, submit, reports } = gateTo(synchronous(device));
  assert.equal(submit(Read, 0, 512), Status.Error);
  assert.equal(submit(Flush, 0, 0), Status.Error);
  assert.deepEqual(reports, ["head crash", "not even an error"]);
  assert.equal(submit(Write, 0, 512), Status.Okay);
  assert.equal(gate.inFlight, 0);
});

Deno.test("a gate refuses a device whose info makes no sense", () => {
  for (
    const changes of [
      { sectorSize: 256 },
      { sectorSize: 1000 },
      { sectorSize: 0 },
      { sectorSize: NaN },
      { sizeBytes: 0 },
      { sizeBytes: 1000 },
      { sizeBytes: -512 },
      { sizeBytes: 512, sectorSize: 4096 },
      { sizeBytes: NaN },
      { sizeBytes: Infinity },
      { sizeBytes: 2 ** 60 },
    ]
  ) {
    assert.throws(() => gateTo({ info: deviceInfo(changes), submit: accept }), DeviceError, JSON.stringify(changes));
  }
});

Deno.test("a device says for how long it may block, with an end: its gate passes it on, and so does the adapter", () => {
  const info = deviceInfo();
  assert.equal(gateTo({ info, submit: accept }).gate.operationTimeoutNs, 0);
  assert.equal(gateTo({ info, submit: accept, operationTimeoutNs: 5e9 }).gate.operationTimeoutNs, 5e9);
  const adapted = synchronous(Object.assign(new MemoryDevice(), { operationTimeoutNs: 7 }));
  assert.equal(gateTo(adapted).gate.operationTimeoutNs, 7);
  for (const operationTimeoutNs of [Infinity, NaN, -1, "30s" as unknown as number]) {
    assert.throws(() => gateTo({ info, submit: accept, operationTimeoutNs }), /operationTimeoutNs must be .*: found/);
  }
});

Deno.test("a device that completes later gives its requests back in its own order", () => {
  const later = new LaterDevice(new MemoryDevice({ sizeBytes: SIZE }), (count) => count - 1);
  const { gate, completed, request } = gateTo(later);
  assert.equal(gate.asynchronous, true);
  for (const slot of [0, 1, 2]) gate.submit(request(Write, slot * 512, 512, slot));
  assert.deepEqual([completed.length, gate.inFlight], [0, 3]);
  assert.equal(gate.reap(), true);
  assert.deepEqual(completed.map(({ slot, status }) => [slot, status]), [[2, 0], [1, 0], [0, 0]]);
  assert.equal(gate.inFlight, 0);
  assert.equal(gate.reap(), false);
});

Deno.test("looking whether a request is done does not lose it", () => {
  let open = false;
  const later = new LaterDevice(new MemoryDevice({ sizeBytes: SIZE }), () => open ? 0 : -1);
  const { gate, completed, request } = gateTo(later);
  gate.submit(request(Read, 0, 512));
  assert.deepEqual([gate.peek(), gate.ready(), gate.reap()], [false, false, false]);
  open = true;
  assert.deepEqual([gate.peek(), gate.ready(), gate.ready()], [true, true, true]);
  assert.equal(completed.length, 0);
  gate.reap();
  assert.equal(completed.length, 1);
});

Deno.test("a gate can be slept upon only when its device has nothing", () => {
  const { gate, request } = gateTo(new LaterDevice(new MemoryDevice({ sizeBytes: SIZE }), () => 0));
  assert.equal(gate.arm(), true);
  gate.submit(request(Read, 0, 512));
  assert.equal(gate.arm(), false);
  gate.reap();
  assert.equal(gate.arm(), true);
});

Deno.test("a request that the gate refuses is not in flight, though the device completes later", () => {
  const { gate, completed, request } = gateTo(new LaterDevice(new MemoryDevice({ sizeBytes: SIZE }), () => 0));
  gate.submit(request(Read, SIZE, 512));
  assert.deepEqual([gate.inFlight, completed.length, completed[0].status], [0, 1, Status.Error]);
});

Deno.test("an owner may submit the next request from within the completion of the last", () => {
  const { gate, memory } = gateTo(new LaterDevice(new MemoryDevice({ sizeBytes: SIZE }), () => 0));
  let left = 3;
  const again = new BlockRequest({ completed: (done) => void (left-- > 0 && gate.submit(done)) }, 0, memory, 1);
  Object.assign(again, { operation: Read, offsetBytes: 0, byteLength: 512 });
  again.addExtent(0, 512);
  gate.submit(again);
  while (gate.reap());
  assert.deepEqual([left, gate.inFlight], [-1, 0]);
});

Deno.test("a request's pieces are views of its memory, made anew only when a piece changes", () => {
  const { request, memory } = memoryGate();
  const made = request(Flush, 0, 0);
  for (const [start, end] of [[0, 1536], [8192, 8704], [4096, 4608]]) made.addExtent(start, end);
  assert.equal(made.extentCount, 3);
  const pieces = [0, 1, 2].map((i) => made.extent(i));
  assert.deepEqual(pieces.map((each) => [each.byteOffset, each.length]), [[0, 1536], [8192, 512], [4096, 512]]);
  assert.equal(made.extent(0), pieces[0], "the same view as long as the piece is the same");
  for (const [start, end] of [[4096, 4608], [4096, 5120], [0, 512]]) {
    made.extentCount = 0;
    made.addExtent(start, end);
    assert.deepEqual([made.extent(0).byteOffset, made.extent(0).length], [start, end - start]);
    assert.equal(made.extent(0).buffer, memory.buffer);
  }
});

Deno.test("a synchronous device fills and empties a request's pieces in the order of its own bytes", () => {
  const { device, memory, request, gate } = memoryGate();
  fillPattern(memory.bytes, 1);
  const write = request(Flush, 0, 0);
  Object.assign(write, { operation: Write, offsetBytes: 1024, byteLength: 1536 });
  write.addExtent(8192, 8704);
  write.addExtent(512, 1536);
  gate.submit(write);
  assert.deepEqual(device.calls, ["write 1024 512", "write 1536 1024"]);
  assert.deepEqual(device.disk.slice(1024, 1536), new Uint8Array(memory.bytes.slice(8192, 8704)));
  assert.deepEqual(device.disk.slice(1536, 2560), new Uint8Array(memory.bytes.slice(512, 1536)));
});

Deno.test("closing a gate closes its device, if that can be closed", () => {
  const { device, gate } = memoryGate();
  gate.close();
  assert.deepEqual(device.calls, ["close"]);
  gateTo({ info: deviceInfo(), submit: accept }).gate.close();
});

Deno.test("a request's pieces may lie beyond 2 GiB of a region", () => {
  const end = 2 ** 31 + 4096;
  const request = new BlockRequest({ completed() {} }, 0, SharedMemory.allocate(end / 4096), 2);
  request.addExtent(2 ** 31 - 512, end - 512);
  request.addExtent(end - 512, end);
  const [first, second] = [request.extent(0), request.extent(1)];
  assert.deepEqual([first.byteOffset, first.length], [2 ** 31 - 512, 4096]);
  assert.deepEqual([second.byteOffset, second.length], [end - 512, 512]);
});
