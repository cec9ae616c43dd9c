import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { BlockRequest } from "../../core/block_device.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { PluginError } from "../../core/errors.ts";
import { SharedMemory } from "../../core/memory.ts";
import { type DevicePlugin, makeDevice } from "../../core/plugin.ts";
import { promised, type PromiseDevice } from "../../core/promise_device.ts";
import { giveWay } from "../../core/waiter.ts";
import { deviceInfo, fillPattern, MemoryDevice } from "../helpers/devices.ts";
import { mediumContext } from "../helpers/medium_context.ts";
import promiseDiskDefinition from "../helpers/plugins/promise_disk.ts";

const promiseDisk = promiseDiskDefinition as unknown as DevicePlugin;

const { Read, Write, Flush, Discard, WriteZeroes, WriteFua } = Operation;

/** A gate to a device of promises, and what was answered: the slots, in order, with their status. */
function gateTo(device: PromiseDevice) {
  const reports: string[] = [];
  const answers: (readonly [slot: number, status: number])[] = [];
  let woken = 0;
  const gate = new DeviceGate(promised(device), (message) => reports.push(message));
  gate.listen(() => woken++);
  const memory = SharedMemory.allocate(64);
  const owner = { completed: ({ slot, status }: BlockRequest) => void answers.push([slot, status]) };
  const submit = (operation: number, offsetBytes: number, byteLength: number, slot = 0): void => {
    const request = new BlockRequest(owner, slot, memory, 2);
    Object.assign(request, { operation, offsetBytes, byteLength });
    request.addExtent(slot * 4096, slot * 4096 + byteLength);
    gate.submit(request);
  };
  /** Serves events until the device has nothing left. */
  const finish = async (): Promise<void> => {
    for (let turn = 0; gate.inFlight > 0 && turn < 1000; turn++) {
      await giveWay();
      gate.reap();
    }
    assert.equal(gate.inFlight, 0);
  };
  return { gate, reports, answers, memory, submit, finish, woken: () => woken };
}

/** A memory device whose operations are promises. */
function memoryDevice(): { disk: MemoryDevice; device: PromiseDevice } {
  const disk = new MemoryDevice();
  const device: PromiseDevice = {
    info: disk.info,
    read: (offset, into) => giveWay().then(() => disk.read(offset, into)),
    write: (offset, from) => giveWay().then(() => disk.write(offset, from)),
    flush: () => giveWay().then(() => disk.flush()),
    discard: (offset, byteLength) => giveWay().then(() => disk.discard(offset, byteLength)),
    close: () => disk.close(),
  };
  return { disk, device };
}

Deno.test("a request of promises is pending until they are fulfilled, and then wakes its thread", async () => {
  const { disk, device } = memoryDevice();
  const { gate, answers, memory, submit, finish, woken } = gateTo(device);
  fillPattern(disk.disk, 4);
  assert.deepEqual([gate.asynchronous, gate.eventDriven], [true, true]);
  submit(Read, 512, 1024);
  assert.deepEqual([gate.inFlight, answers.length, woken(), gate.reap()], [1, 0, 0, false]);
  assert.equal(gate.arm(), true, "its thread may sleep, as the device rings");
  await finish();
  assert.deepEqual([answers, woken()], [[[0, Status.Okay]], 1]);
  assert.deepEqual(new Uint8Array(memory.bytes.slice(0, 1024)), disk.disk.slice(512, 1536));
});

Deno.test("every operation reaches the device, write-zeroes and durable writes as it knows them", async () => {
  const { disk, device } = memoryDevice();
  const { answers, submit, finish } = gateTo(device);
  for (const operation of [Write, Flush, Discard, WriteZeroes, WriteFua]) {
    submit(operation, 0, operation === Flush ? 0 : 512);
    await finish();
  }
  assert.deepEqual(answers, Array(5).fill([0, Status.Okay]));
  assert.deepEqual(disk.calls, ["write 0 512", "flush", "discard 0 512", "write 0 512", "write 0 512", "flush"]);
});

Deno.test("a device of promises that knows write-zeroes gets it", async () => {
  const { device } = memoryDevice();
  const seen: number[][] = [];
  const zeroing = {
    ...device,
    writeZeroes: (...range: [number, number]) => giveWay().then(() => void seen.push(range)),
  };
  const { gate, submit, finish } = gateTo(zeroing);
  submit(WriteZeroes, 512, 1 << 19);
  await finish();
  assert.deepEqual([seen, gate.info.canWriteZeroes, gate.info.canFua], [[[512, 1 << 19]], true, false]);
});

Deno.test("requests are answered in the order in which their promises are fulfilled, each once", async () => {
  const open: (() => void)[] = [];
  const { device } = memoryDevice();
  const { answers, submit, finish } = gateTo({ ...device, read: () => new Promise((resolve) => open.push(resolve)) });
  for (let slot = 0; slot < 10; slot++) submit(Read, 0, 512, slot);
  assert.equal(open.length, 10, "all are in flight together");
  const order = [3, 0, 9, 1, 8, 2, 7, 4, 6, 5];
  for (const index of order) {
    open[index]();
    await giveWay();
  }
  await finish();
  assert.deepEqual(answers.map(([slot]) => slot), order);
});

Deno.test("a request's pieces are done one after the other, in the order of the device's bytes", async () => {
  const { disk, device } = memoryDevice();
  const gate = new DeviceGate(promised(device), () => {});
  const memory = SharedMemory.allocate(4);
  const request = new BlockRequest({ completed() {} }, 0, memory, 2);
  Object.assign(request, { operation: Write, offsetBytes: 1024, byteLength: 1536 });
  request.addExtent(8192, 8704);
  request.addExtent(512, 1536);
  gate.submit(request);
  for (let turn = 0; gate.inFlight > 0 && turn < 100; turn++) {
    await giveWay();
    gate.reap();
  }
  assert.deepEqual(disk.calls, ["write 1024 512", "write 1536 1024"]);
});

const failures: Readonly<Record<string, [() => Promise<void>, string]>> = {
  "rejects": [() => Promise.reject(new Error("the far end is gone")), "the far end is gone"],
  "throws": [() => {
    throw new Error("there is no far end");
  }, "there is no far end"],
  "rejects without a reason": [() => Promise.reject(), "a promise was rejected without a reason"],
};
for (const [what, [read, message]] of Object.entries(failures)) {
  Deno.test(`a device of promises that ${what} fails the request with its message, and goes on`, async () => {
    const { disk, device } = memoryDevice();
    const { answers, reports, submit, finish } = gateTo({ ...device, read });
    submit(Read, 0, 512, 1);
    submit(Write, 0, 512, 2);
    await finish();
    assert.deepEqual(answers.toSorted(), [[1, Status.Error], [2, Status.Okay]]);
    assert.deepEqual(reports, [message]);
    assert.deepEqual(disk.calls, ["write 0 512"]);
  });
}

Deno.test("closing reaches the device, if that can be closed", () => {
  const { disk, device } = memoryDevice();
  promised(device).close?.();
  assert.deepEqual(disk.calls, ["close"]);
  promised({ info: deviceInfo(), read: device.read, write: device.write }).close?.();
});

Deno.test("a device that completes requests by events is refused when its plugin does not say so", () => {
  const { events: _, ...silent } = promiseDisk;
  const options = { failing: false, crashing: false };
  const medium = new SharedArrayBuffer(512);
  assert.throws(
    () => makeDevice({ ...silent, events: false }, options, medium, mediumContext()),
    /^PluginError: The device promise-disk completes .* add `events: true`/,
  );
  assert.throws(() => makeDevice(silent, options, medium, mediumContext()), PluginError);
  assert.notEqual(makeDevice(promiseDisk, options, medium, mediumContext()).listen, undefined);
});
