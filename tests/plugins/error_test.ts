// Which operations `error` makes fail.
import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { BlockRequest } from "../../core/block_device.ts";
import { SharedMemory } from "../../core/memory.ts";
import error from "../../plugins/filters/error.ts";
import readonly from "../../plugins/filters/readonly.ts";
import { ScriptedDevice } from "../conformance/scripted_device.ts";
import { mediumContext } from "../helpers/medium_context.ts";

const { Read, Write, Flush, Discard, WriteZeroes, WriteFua } = Operation;
const memory = SharedMemory.allocate(1);

/** How operations of 512 bytes end, each at its place. */
function statuses(given: unknown, operations: readonly (readonly [Operation, offsetBytes: number])[]): number[] {
  const next = new ScriptedDevice("synchronous");
  const device = error.create(error.options.parse(given), next, { ...mediumContext(), layer: 0 });
  const ended = operations.map(([operation, offsetBytes]) => {
    const request = new BlockRequest({ completed() {} }, 0, memory, 1);
    request.operation = operation;
    request.offsetBytes = offsetBytes;
    request.byteLength = operation === Flush ? 0 : 512;
    assert.equal(device.submit(request), true);
    return request.status;
  });
  const failed = ended.filter((status) => status !== Status.Okay).length;
  assert.equal(device.counters?.().injectedErrors, failed);
  assert.equal(next.done.length, operations.length - failed, "what fails does not reach the device");
  return ended;
}

const times = (count: number, operation: Operation = Read) =>
  Array.from({ length: count }, () => [operation, 0] as const);

Deno.test("by default all fails; every third, exactly every third", () => {
  assert.deepEqual(statuses({}, times(3)), [-1, -1, -1]);
  assert.deepEqual(statuses({ every: 3 }, times(7)), [0, 0, -1, 0, 0, -1, 0]);
});

Deno.test("only operations of the kind fail, and they alone are counted", () => {
  const mixed = [Read, Write, Flush, Read, Discard, WriteZeroes, WriteFua].map((operation) => [operation, 0] as const);
  assert.deepEqual(statuses({ operations: "reads" }, mixed), [-1, 0, 0, -1, 0, 0, 0]);
  assert.deepEqual(statuses({ operations: "writes" }, mixed), [0, -1, 0, 0, -1, -1, -1]);
  assert.deepEqual(statuses({ operations: "writes", every: 2 }, mixed), [0, 0, 0, 0, -1, 0, -1]);
  assert.deepEqual(statuses({ operations: "flushes" }, mixed), [0, 0, -1, 0, 0, 0, 0]);
});

Deno.test("of a range of bytes, what touches one of them fails; a flush touches all", () => {
  const sectors = [0, 512, 1024, 1536, 2048].map((offset) => [Write, offset] as const);
  assert.deepEqual(statuses({ from: "1KiB", to: "2KiB" }, sectors), [0, 0, -1, -1, 0]);
  assert.deepEqual(statuses({ from: "1100B", to: "1101B" }, sectors), [0, 0, -1, 0, 0]);
  assert.deepEqual(statuses({ from: "1KiB" }, [...sectors, [Flush, 0]]), [0, 0, -1, -1, -1, -1]);
  assert.equal(error.options.safeParse({ from: "2KiB", to: "2KiB" }).success, false);
});

Deno.test("a share of the operations fails, within what chance allows, and the same for the same seed", () => {
  const count = 10_000;
  const failed = (seed: number) => statuses({ share: 0.3, seed }, times(count)).map((status) => status !== 0);
  const share = failed(5).filter((each) => each).length / count;
  // Four standard deviations of a share of 0.3 among 10 000.
  assert(Math.abs(share - 0.3) < 4 * Math.sqrt(0.3 * 0.7 / count), `${share}`);
  assert.deepEqual(failed(5), failed(5));
  assert.notDeepEqual(failed(5), failed(6));
});

Deno.test("it answers with the status that was asked for", () => {
  assert.deepEqual(statuses({ status: "unsupported" }, times(1, Discard)), [Status.NotSupported]);
  assert.deepEqual(statuses({ status: "error" }, times(1, Discard)), [Status.Error]);
});

Deno.test("a device behind readonly says that it is, and is else the same", () => {
  const next = new ScriptedDevice("later");
  const device = readonly.create({}, next, { ...mediumContext(), layer: 0 });
  assert.deepEqual(device.info, { ...next.info, readOnly: true });
  assert.equal(next.info.readOnly, false);
});
