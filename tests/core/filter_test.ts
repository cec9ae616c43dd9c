// How filters are stacked, and what is held against what their plugins say; `tests/conformance/filter.ts` has the rest.
import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { type BlockDevice, BlockRequest } from "../../core/block_device.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { PluginError } from "../../core/errors.ts";
import { type FilterUse, passThrough, stackFilters } from "../../core/filter.ts";
import { SharedMemory } from "../../core/memory.ts";
import { API_VERSION, type FilterPlugin } from "../../core/plugin.ts";
import { z } from "../../core/schema.ts";
import { ScriptedDevice } from "../conformance/scripted_device.ts";
import { mediumContext } from "../helpers/medium_context.ts";

const options = z.strictObject({});

function use(create: FilterPlugin["create"], more: Partial<FilterPlugin> = {}): FilterUse {
  const plugin = {
    apiVersion: API_VERSION,
    kind: "filter",
    name: "mine",
    description: "For a test.",
    options,
  } as const;
  return { plugin: { ...plugin, create, ...more }, options: {} };
}

function stack(next: BlockDevice, ...filters: FilterUse[]): BlockDevice {
  return stackFilters(next, filters, mediumContext());
}

function readRequest(): BlockRequest {
  const request = new BlockRequest({ completed() {} }, 0, SharedMemory.allocate(1), 1);
  request.byteLength = 512;
  request.addExtent(0, 512);
  return request;
}

Deno.test("a request passes the first filter first and the device last, and each filter has a layer of its own", () => {
  const passed: string[] = [];
  const named = (name: string) =>
    use((_, next, { layer }) =>
      passThrough(next, {
        submit(request) {
          passed.push(`${name} ${layer}`);
          request.marks[layer] = passed.length;
          return next.submit(request);
        },
      })
    );
  const next = new ScriptedDevice("synchronous");
  const request = readRequest();
  assert.equal(stack(next, named("a"), named("b"), named("c")).submit(request), true);
  assert.deepEqual(passed, ["a 0", "b 1", "c 2"]);
  assert.deepEqual(request.marks, [1, 2, 3]);
  assert.deepEqual(next.done, [request]);
});

Deno.test("without filters a device is itself", () => {
  const next = new ScriptedDevice("later");
  assert.equal(stack(next), next);
});

Deno.test("what passes through does what the device does; what is overridden does not; close and counters do both", () => {
  const next = new ScriptedDevice("later");
  const calls: string[] = [];
  const device = passThrough(next, {
    info: { ...next.info, readOnly: true },
    idle: () => void calls.push("own idle"),
    counters: () => ({ own: 3, scripted: 4 }),
    close: () => void calls.push("own close"),
  });
  const request = readRequest();
  assert.equal(device.submit(request), false);
  assert.equal(device.poll?.(), request);
  device.arm?.();
  device.idle?.();
  assert.deepEqual(device.counters?.(), { own: 3, scripted: 5 });
  device.close?.();
  assert.deepEqual(next.calls, ["submit", "arm", "close"]);
  assert.deepEqual(calls, ["own idle", "own close"]);
  assert.equal(device.info.readOnly, true);
  assert.equal(device.operationTimeoutNs, next.operationTimeoutNs);
});

Deno.test("a device is closed though the filter before it cannot be", () => {
  const next = new ScriptedDevice("synchronous");
  const device = passThrough(next, {
    close() {
      throw new Error("it is stuck");
    },
  });
  assert.throws(() => device.close?.(), /stuck/);
  assert.deepEqual(next.calls, ["close"]);
});

Deno.test("a filter withholds a member of the device by giving it as undefined", () => {
  const next: BlockDevice = { ...passThrough(new ScriptedDevice("synchronous")), descriptor: 5, pollNs: 7 };
  assert.equal(passThrough(next).descriptor, 5);
  assert.equal(passThrough(next, { descriptor: undefined }).descriptor, undefined);
  assert.equal(passThrough(next, { descriptor: undefined }).pollNs, 7);
});

Deno.test("when a filter cannot be made, all that was made below it is closed, once", () => {
  const next = new ScriptedDevice("synchronous");
  const failing = use(() => {
    throw new Error("no such folder");
  });
  const fine = use((_, next) => passThrough(next));
  assert.throws(() => stack(next, failing, fine), /no such folder/);
  assert.deepEqual(next.calls, ["close"]);
});

Deno.test("what a filter does and does not say of itself is refused, and the device closed", () => {
  const refused: [FilterUse, "later" | "events" | "synchronous", RegExp][] = [
    [use((_, next) => passThrough(next, { counters: () => ({ seen: 1 }) })), "later", /counts seen.*`counters`/],
    [use((_, next) => ({ ...passThrough(next), counters: undefined })), "later", /does not return scripted/],
    [use((_, next) => passThrough(next, { poll: undefined })), "later", /has no poll/],
    [use((_, next) => passThrough(next, { listen: undefined })), "events", /has no listen/],
    [use((_, next) => passThrough(next, { listen() {} })), "synchronous", /`events: true`/],
  ];
  for (const [filter, way, said] of refused) {
    const next = new ScriptedDevice(way);
    assert.throws(() => stack(next, filter), (error) => error instanceof PluginError && said.test(error.message));
    assert.deepEqual(next.calls, ["close"], `${said}`);
  }
  const listening = use((_, next) => passThrough(next, { listen() {}, poll: () => null }), { events: true });
  assert.notEqual(stack(new ScriptedDevice("synchronous"), listening).listen, undefined);
});

Deno.test("the gate asks a device that has requests to arm, and one that has none to be idle", () => {
  const next = new ScriptedDevice("later");
  const gate = new DeviceGate(next, () => {});
  assert.equal(gate.arm(), true);
  const request = readRequest();
  request.operation = Operation.Read;
  gate.submit(request);
  assert.equal(gate.arm(), false);
  assert.deepEqual(next.calls, ["idle", "submit", "arm"]);
  gate.reap();
  assert.equal(request.status, Status.Okay);
  assert.equal(gate.arm(), true);
});
