import assert from "node:assert/strict";
import fc from "fast-check";
import { Operation, Status } from "../../core/blkif.ts";
import { BlockRequest, synchronous } from "../../core/block_device.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { SharedMemory } from "../../core/memory.ts";
import { Partition, rangeOf, viewOf } from "../../core/partition.ts";
import { deviceInfo, MemoryDevice } from "../helpers/devices.ts";

const memory = SharedMemory.allocate(16);

function run(view: Partition, operation: number, offsetBytes: number, byteLength: number): number {
  let answers = 0;
  const request = new BlockRequest({ completed: () => void answers++ }, 0, memory, 1);
  Object.assign(request, { operation, offsetBytes, byteLength });
  if (operation === Operation.Read || operation === Operation.Write) request.addExtent(0, byteLength);
  view.submit(request);
  assert.equal(answers, 1);
  return request.status;
}

Deno.test("the ranges of a device are equal, apart, on it, and at its sectors; at 4 KiB where there is room", () => {
  const sectorSize = fc.integer({ min: 9, max: 16 }).map((bits) => 2 ** bits);
  fc.assert(fc.property(sectorSize, fc.integer({ min: 1, max: 1 << 20 }), fc.integer({ min: 1, max: 64 }), (
    size,
    sectors,
    count,
  ) => {
    fc.pre(sectors >= count);
    const info = deviceInfo({ sectorSize: size, sizeBytes: size * sectors });
    const ranges = Array.from({ length: count }, (_, index) => rangeOf(info, { index, count }));
    const unit = info.sizeBytes / count >= Math.max(4096, size) ? Math.max(4096, size) : size;
    for (const [index, { offsetBytes, sizeBytes }] of ranges.entries()) {
      assert.equal(sizeBytes, ranges[0].sizeBytes);
      assert.equal(offsetBytes, index * sizeBytes);
      assert(sizeBytes > 0 && sizeBytes % unit === 0);
    }
    const end = ranges[count - 1].offsetBytes + ranges[0].sizeBytes;
    assert(end <= info.sizeBytes);
    assert(info.sizeBytes - end < count * unit, "no more is left over than the alignment takes");
  }));
});

Deno.test("a device of fewer sectors than clients is refused, with both numbers", () => {
  const info = deviceInfo({ sizeBytes: 512 * 3 });
  assert.throws(() => rangeOf(info, { index: 0, count: 4 }), /3 sectors of 512 bytes, too few for 4 clients/);
});

Deno.test("one client has the device itself, and so has one without a partition", () => {
  const gate = new DeviceGate(synchronous(new MemoryDevice()), () => {});
  assert.equal(viewOf(gate, undefined), gate);
  assert.equal(viewOf(gate, { index: 0, count: 1 }), gate);
});

Deno.test("whatever is asked for, nothing outside a range is reached, and nothing inside is refused", () => {
  const edge = fc.constantFrom(
    0,
    1,
    -1,
    512,
    -512,
    2 ** 31,
    2 ** 32,
    2 ** 53 - 1,
    2 ** 53,
    2 ** 63,
    2 ** 73,
    -(2 ** 40),
  );
  const anywhere = fc.oneof(
    fc.integer({ min: 0, max: 600 }).map((sector) => sector * 512),
    fc.integer({ min: -(1 << 20), max: 1 << 20 }),
    edge,
    fc.tuple(edge, edge).map(([a, b]) => a + b),
  );
  const operation = fc.constantFrom(Operation.Read, Operation.Write, Operation.Discard, Operation.WriteZeroes);
  fc.assert(
    fc.property(operation, anywhere, anywhere, fc.nat(3), (operation, offsetBytes, byteLength, index) => {
      const disk = new MemoryDevice({ sizeBytes: 512 * 401 });
      fc.pre(operation !== Operation.Read && operation !== Operation.Write || byteLength <= 65536);
      const range = rangeOf(disk.info, { index, count: 4 });
      const view = new Partition(new DeviceGate(synchronous(disk), () => {}), range);
      const status = run(view, operation, offsetBytes, byteLength);
      const allowed = offsetBytes >= 0 && byteLength > 0 && offsetBytes % 512 === 0 && byteLength % 512 === 0 &&
        offsetBytes + byteLength <= range.sizeBytes;
      assert.equal(status, allowed ? Status.Okay : Status.Error);
      for (const call of disk.calls) {
        const [, first, length] = call.split(" ").map(Number);
        assert(allowed && first >= range.offsetBytes, call);
        assert(first + length <= range.offsetBytes + range.sizeBytes, call);
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("what one client writes is at its range's place, and another reads its own", () => {
  const disk = new MemoryDevice();
  const gate = new DeviceGate(synchronous(disk), () => {});
  const views = [0, 1].map((index) => new Partition(gate, rangeOf(disk.info, { index, count: 2 })));
  assert.equal(views[0].info.sizeBytes, 1 << 19);
  memory.bytes.fill(7, 0, 4096);
  assert.equal(run(views[1], Operation.Write, 4096, 4096), Status.Okay);
  assert.deepEqual(disk.calls, [`write ${(1 << 19) + 4096} 4096`]);
  assert.equal(run(views[0], Operation.Read, 4096, 4096), Status.Okay);
  assert.equal(memory.bytes[0], 0);
});

Deno.test("a flush passes, wherever it claims to be, and what the device cannot do is answered by it", () => {
  const disk = new MemoryDevice({ canDiscard: false });
  const view = new Partition(new DeviceGate(synchronous(disk), () => {}), { offsetBytes: 4096, sizeBytes: 4096 });
  assert.equal(run(view, Operation.Flush, 2 ** 60, 0), Status.Okay);
  assert.equal(run(view, Operation.Discard, 0, 4096), Status.NotSupported);
  assert.deepEqual(disk.calls, ["flush"]);
});
