// What the gate makes up for: write-zeroes and durable writes on devices that do not know them.
import assert from "node:assert/strict";
import fc from "fast-check";
import { Operation, Status } from "../../core/blkif.ts";
import { type BlockDevice, BlockRequest, type DeviceInfo, synchronous } from "../../core/block_device.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { SharedMemory } from "../../core/memory.ts";
import { deviceInfo, fillPattern, LaterDevice, MemoryDevice, ZeroingDevice } from "../helpers/devices.ts";

const { Read, Write, Flush, WriteZeroes, WriteFua } = Operation;
/** What the gate writes at a time. */
const PIECE = 65_536;
const SIZE = 4 * PIECE;

/** A gate, and a log of what the device did and what was answered. */
function gateTo(device: BlockDevice, log: string[]) {
  const reports: string[] = [];
  const gate = new DeviceGate(device, (message) => reports.push(message));
  const memory = SharedMemory.allocate(4);
  const owner = {
    completed: ({ operation, status }: BlockRequest) => void log.push(`answer ${operation} ${status}`),
  };
  const submit = (operation: number, offsetBytes: number, byteLength: number): BlockRequest => {
    const request = new BlockRequest(owner, 0, memory, 4);
    Object.assign(request, { operation, offsetBytes, byteLength });
    if (operation === Write || operation === WriteFua || operation === Read) request.addExtent(0, byteLength);
    gate.submit(request);
    return request;
  };
  return { gate, memory, reports, submit };
}

type Kind = "at once" | "later";

/** A gate to a memory device, which is done at once or later, in turn. */
function memoryGate(kind: Kind, changes: Partial<DeviceInfo> = {}, make = MemoryDevice) {
  const disk = new make({ sizeBytes: SIZE, ...changes });
  const device = kind === "at once" ? synchronous(disk) : new LaterDevice(disk, () => 0);
  const made = gateTo(device, disk.calls);
  /** Lets the device finish everything. */
  const finish = (): void => {
    while (made.gate.reap());
    assert.equal(made.gate.inFlight, 0);
  };
  return { disk, log: disk.calls, finish, ...made };
}

for (const kind of ["at once", "later"] as const) {
  Deno.test(`write-zeroes is written piece by piece, and answered once: a device that is done ${kind}`, () => {
    const { disk, log, submit, finish } = memoryGate(kind);
    disk.disk.fill(0xee);
    submit(WriteZeroes, 512, 2 * PIECE + 1024);
    finish();
    assert.deepEqual(log, [
      `write 512 ${PIECE}`,
      `write ${512 + PIECE} ${PIECE}`,
      `write ${512 + 2 * PIECE} 1024`,
      "answer 16 0",
    ]);
    const zeroed = (byte: number, at: number): boolean => (byte === 0) === (at >= 512 && at < 512 + 2 * PIECE + 1024);
    assert(disk.disk.every(zeroed));
  });

  Deno.test(`write-zeroes goes to a device that knows it as it is: a device that is done ${kind}`, () => {
    const { log, submit, finish } = memoryGate(kind, {}, ZeroingDevice);
    submit(WriteZeroes, 0, SIZE);
    finish();
    assert.deepEqual(log, [`write-zeroes 0 ${SIZE}`, "answer 16 0"]);
  });

  Deno.test(`write-zeroes ends with the first piece that fails: a device that is done ${kind}`, () => {
    const { disk, log, reports, submit, finish } = memoryGate(kind);
    const { write } = disk;
    disk.write = (offset, from) => {
      if (offset >= PIECE) throw new Error("worn out");
      write.call(disk, offset, from);
    };
    if (kind === "at once") {
      submit(WriteZeroes, 0, SIZE);
      assert.deepEqual(reports, ["worn out"]);
    } else {
      const later = new LaterDevice(disk, () => 0);
      const { poll } = later;
      later.poll = () => {
        const request = later.held[0];
        try {
          return poll.call(later);
        } catch (thrown) {
          Object.assign(request, { status: Status.Error, cause: thrown });
          return request;
        }
      };
      const made = gateTo(later, log);
      made.submit(WriteZeroes, 0, SIZE);
      while (made.gate.reap());
      assert.deepEqual(made.reports, ["worn out"]);
    }
    finish();
    assert.deepEqual(log, [`write 0 ${PIECE}`, "answer 16 -1"]);
  });

  Deno.test(`a durable write is a write, then a flush, then its answer: a device that is done ${kind}`, () => {
    const { disk, log, memory, submit, finish } = memoryGate(kind);
    fillPattern(memory.bytes, 3);
    submit(WriteFua, 1024, 1536);
    finish();
    assert.deepEqual(log, ["write 1024 1536", "flush", "answer 17 0"]);
    assert.deepEqual(disk.disk.slice(1024, 2560), new Uint8Array(memory.bytes.slice(0, 1536)));
  });

  Deno.test(`a durable write on a device without a cache is a write: a device that is done ${kind}`, () => {
    const { log, submit, finish } = memoryGate(kind, { canFlush: false });
    submit(WriteFua, 0, 512);
    finish();
    assert.deepEqual(log, ["write 0 512", "answer 17 0"]);
  });
}

Deno.test("a durable write whose write fails is not flushed; one whose flush fails has failed", () => {
  const { disk, log, reports, submit } = memoryGate("at once");
  disk.flush = () => {
    throw new Error("the cache is lost");
  };
  const request = submit(WriteFua, 0, 512);
  assert.deepEqual(log.splice(0), ["write 0 512", "answer 17 -1"]);
  assert.deepEqual(reports.splice(0), ["the cache is lost"]);
  disk.write = () => {
    throw new Error("worn out");
  };
  submit(WriteFua, 0, 512);
  assert.deepEqual(log, ["answer 17 -1"]);
  assert.deepEqual(reports, ["worn out"]);
  assert.deepEqual([request.flushFollows, request.operation], [false, WriteFua]);
});

Deno.test("a device that knows durable writes gets them as they are", () => {
  const seen: number[] = [];
  const device: BlockDevice = {
    info: deviceInfo({ canFua: true }),
    submit(request) {
      seen.push(request.operation);
      request.status = Status.Okay;
      return true;
    },
  };
  const log: string[] = [];
  gateTo(device, log).submit(WriteFua, 0, 512);
  assert.deepEqual([seen, log], [[WriteFua], ["answer 17 0"]]);
});

Deno.test("the flush of a durable write looks as every flush does", () => {
  const seen: number[][] = [];
  const device: BlockDevice = {
    info: deviceInfo(),
    submit({ operation, byteLength, extentCount }) {
      seen.push([operation, byteLength, extentCount]);
      return true;
    },
  };
  gateTo(device, []).submit(WriteFua, 512, 1024);
  assert.deepEqual(seen, [[Write, 1024, 1], [Flush, 0, 0]]);
});

Deno.test("a request that carried a durable write can carry anything else afterwards", () => {
  const { log, memory, gate } = memoryGate("at once");
  const request = new BlockRequest(
    { completed: (done) => void log.push(`answer ${done.operation} ${done.status}`) },
    0,
    memory,
    1,
  );
  for (const operation of [WriteFua, Write, WriteFua, Read]) {
    Object.assign(request, { operation, offsetBytes: 0, byteLength: 512, extentCount: 0 });
    request.addExtent(0, 512);
    gate.submit(request);
  }
  const durable = ["write 0 512", "flush", "answer 17 0"];
  assert.deepEqual(log, [...durable, "write 0 512", "answer 1 0", ...durable, "read 0 512", "answer 0 0"]);
});

Deno.test("write-zeroes of a large device takes no more stack than of a small one", () => {
  const sizeBytes = 100_000 * PIECE;
  let written = 0;
  const device = synchronous({
    info: deviceInfo({ sizeBytes }),
    read() {},
    write: (_, from) => void (written += from.length),
  });
  const log: string[] = [];
  const { submit, reports } = gateTo(device, log);
  submit(WriteZeroes, 0, sizeBytes);
  assert.deepEqual([log, reports, written], [["answer 16 0"], [], sizeBytes]);
});

Deno.test("write-zeroes that overlap in time on a device that is done later do not disturb each other", () => {
  const ranges = fc.array(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 400 })), { minLength: 1, maxLength: 5 });
  fc.assert(fc.property(ranges, fc.infiniteStream(fc.nat(100)), (drawn, picks) => {
    const disk = new MemoryDevice({ sizeBytes: 1 << 20 });
    disk.disk.fill(0xee);
    const log: string[] = [];
    const later = new LaterDevice(disk, (count) => picks.next().value % count);
    const { gate, submit } = gateTo(later, log);
    const expected = disk.disk.slice();
    for (const [sector, count] of drawn) {
      expected.fill(0, sector * 512, (sector + count) * 512);
      submit(WriteZeroes, sector * 512, count * 512);
    }
    while (gate.reap());
    assert.deepEqual(log, Array(drawn.length).fill("answer 16 0"));
    assert.deepEqual(disk.disk, expected);
  }));
});

Deno.test("a device that leaves a request pending and cannot be polled fails it, with the reason", () => {
  const log: string[] = [];
  const { gate, reports, submit } = gateTo({ info: deviceInfo(), submit: () => false }, log);
  submit(Read, 0, 512);
  assert.deepEqual(log, ["answer 0 -1"]);
  assert.deepEqual(reports, ["submit left a request pending, and there is no poll to complete it"]);
  assert.equal(gate.inFlight, 0);
});

Deno.test("a cause is reported for a request that failed, and for no other", () => {
  const log: string[] = [];
  const { gate, reports, submit } = gateTo({
    info: deviceInfo(),
    submit(request) {
      request.cause = new Error(`of ${request.offsetBytes}`);
      request.status = request.offsetBytes === 0 ? Status.Okay : Status.Error;
      return true;
    },
  }, log);
  submit(Read, 0, 512);
  const failed = submit(Read, 512, 512);
  assert.deepEqual(reports, ["of 512"]);
  assert.equal(failed.cause, undefined, "the request can be used again");
  assert.deepEqual([gate.asynchronous, gate.eventDriven], [false, false]);
});

Deno.test("a device that completes a request twice is reported, and the request is answered once", () => {
  const log: string[] = [];
  const held: BlockRequest[] = [];
  const { gate, reports, submit } = gateTo({
    info: deviceInfo(),
    submit(request) {
      held.push(request, request);
      if (request.offsetBytes === 0) throw new Error("worn out");
      return false;
    },
    poll: () => held.shift() ?? null,
  }, log);
  submit(Read, 0, 512); // Over, as it threw; it is completed twice more, when the next one is polled for.
  submit(Read, 512, 512);
  while (gate.reap());
  assert.deepEqual(log, ["answer 0 -1", "answer 0 0"]);
  assert.deepEqual(reports.slice(0, 2), ["worn out", "the device completed a request that it did not have"]);
  assert.equal(gate.inFlight, 0);
});

Deno.test("a device that still has requests is not closed under them", () => {
  let closed = 0;
  const later = Object.assign(new LaterDevice(new MemoryDevice(), () => 0), { close: () => void closed++ });
  const { gate, submit } = gateTo(later, []);
  submit(Read, 0, 512);
  gate.close();
  assert.equal(closed, 0);
  while (gate.reap());
  gate.close();
  assert.equal(closed, 1);
});

Deno.test("a device is told before a sleep that it has no request, and only then, and may say what a look costs", () => {
  let idled = 0;
  const later = new LaterDevice(new MemoryDevice({ sizeBytes: SIZE }), () => 0);
  const device: BlockDevice = {
    info: later.info,
    pollNs: 300,
    submit: (request) => later.submit(request),
    poll: () => later.poll(),
    idle: () => void idled++,
  };
  const { gate, submit } = gateTo(device, []);
  assert.equal(gate.peekNs, 300);
  assert.equal(gate.arm(), true);
  assert.equal(idled, 1);
  submit(Flush, 0, 0);
  assert.equal(gate.arm(), false);
  assert.equal(idled, 1);
  gate.reap();
  gate.arm();
  assert.equal(idled, 2);
});
