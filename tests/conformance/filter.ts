/**
 * What holds for every filter, before devices of all kinds: synchronous, completing later, or of promises.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { BlockRequest, type RequestOwner } from "../../core/block_device.ts";
import { DeviceGate } from "../../core/device_gate.ts";
import { DeviceError } from "../../core/errors.ts";
import { type FilterUse, stackFilters } from "../../core/filter.ts";
import { SharedMemory } from "../../core/memory.ts";
import { type FilterPlugin, loadPlugin } from "../../core/plugin.ts";
import { builtins } from "../../plugins/mod.ts";
import { mediumContext } from "../helpers/medium_context.ts";
import { testDefinition } from "./definition.ts";
import { testDevice } from "./device.ts";
import { fc } from "./properties.ts";
import { ScriptedDevice, type Way, WAYS } from "./scripted_device.ts";

/** Options of a filter, or what makes them, given a folder that is removed after the test. */
export type FilterOptions = Readonly<Record<string, unknown>> | ((directory: string) => unknown);

/** What a filter is held to. */
export interface FilterExpectation {
  /** Options to try; the defaults when absent. They must not make it take longer than some milliseconds. */
  readonly examples?: readonly FilterOptions[];
  /** What of the device below it is not to be seen through it, if so: that operations fail, or that data is another. */
  readonly changes?: string;
}

const { Read, Write, Flush, Discard } = Operation;
/** The devices with which a filter is held to all that holds for devices. */
const DEVICES: Readonly<Record<string, readonly [url: string, keepsNothing?: string]>> = {
  "a ramdisk": [builtins.device.ramdisk],
  "a device that does nothing": [builtins.device.null, "it touches no data"],
  "a disk that completes later": [import.meta.resolve("../helpers/plugins/later_disk.ts")],
  "a disk of promises": [import.meta.resolve("../helpers/plugins/promise_disk.ts")],
};

/**
 * Registers the tests for one filter.
 *
 * @param name what its plugin is called
 * @param url its module
 */
export function testFilter(name: string, url: string, { examples = [{}], changes }: FilterExpectation = {}): void {
  testDefinition(name, url, () => loadPlugin("filter", url));
  for (const [index, given] of examples.entries()) {
    const title = `${name}${examples.length > 1 ? ` (example ${index})` : ""}`;
    for (const way of WAYS) testStack(`${title} before a device (${way})`, url, given, way, changes);
    if (changes !== undefined) continue;
    for (const [device, [deviceUrl, keepsNothing]] of Object.entries(DEVICES)) {
      testDevice(name, deviceUrl, {
        variant: `${examples.length > 1 ? `example ${index} ` : ""}before ${device}`,
        options: { size: "128KiB" },
        keepsNothing,
        filters: async (directory) => [await useOf(url, given, directory)],
      });
    }
  }
}

async function useOf(url: string, given: FilterOptions, directory: string): Promise<FilterUse> {
  const plugin: FilterPlugin = await loadPlugin("filter", url);
  return { plugin, options: plugin.options.parse(typeof given === "function" ? given(directory) : given) };
}

/** A filter, or the same one several times, before a device that the test leads; with what came of its requests. */
class Stack implements RequestOwner {
  readonly next: ScriptedDevice;
  readonly gate: DeviceGate;
  readonly reports: string[] = [];
  /** What was completed, in order. */
  readonly completions: BlockRequest[] = [];
  readonly #memory = SharedMemory.allocate(1);

  constructor(filters: readonly FilterUse[], way: Way) {
    this.next = new ScriptedDevice(way);
    this.gate = new DeviceGate(stackFilters(this.next, filters, mediumContext()), (text) => this.reports.push(text));
    this.gate.listen(() => {});
  }

  completed(request: BlockRequest): void {
    this.completions.push(request);
  }

  submit(operation: Operation, sector = 0): BlockRequest {
    const request = new BlockRequest(this, 0, this.#memory, 1);
    request.operation = operation;
    if (operation !== Flush) {
      request.offsetBytes = 512 * sector;
      request.byteLength = 512;
    }
    if (operation === Read || operation === Write) request.addExtent(0, 512);
    this.gate.submit(request);
    return request;
  }

  /** Looks until all is completed, giving way to events. */
  async settle(): Promise<void> {
    const deadline = performance.now() + 60_000;
    while (this.gate.inFlight > 0) {
      assert(performance.now() < deadline, `${this.gate.inFlight} requests were never completed`);
      if (!this.gate.reap()) await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }
}

function testStack(title: string, url: string, given: FilterOptions, way: Way, changes: string | undefined): void {
  const test = (what: string, body: (stack: Stack) => void | Promise<void>, copies = 1, notHeldTo?: string): void => {
    if (notHeldTo !== undefined) {
      Deno.test.ignore(`${title}: ${what} (not held to it: ${notHeldTo})`, () => {});
      return;
    }
    Deno.test(`${title}: ${what}`, async () => {
      const directory = await Deno.makeTempDir();
      const stack = new Stack(
        await Promise.all(Array.from({ length: copies }, () => useOf(url, given, directory))),
        way,
      );
      try {
        await body(stack);
      } finally {
        stack.gate.close();
        await Deno.remove(directory, { recursive: true });
      }
    });
  };

  for (const copies of [1, 3]) {
    const often = copies === 1 ? "" : ", also where it is there three times";
    test(`every request is completed once, whatever the order below${often}`, async (stack) => {
      const operation = fc.constantFrom(Read, Write, Flush, Discard);
      const action = fc.oneof({ weight: 4, arbitrary: operation }, { weight: 1, arbitrary: fc.constant("look") });
      await fc.assert(
        fc.asyncProperty(fc.array(action, { maxLength: 60 }), fc.nat(), async (actions, order) => {
          stack.next.pick = (count) => order % count;
          stack.completions.length = 0;
          const submitted: BlockRequest[] = [];
          for (const [sector, each] of actions.entries()) {
            if (each === "look") stack.gate.reap();
            else submitted.push(stack.submit(each as Operation, sector));
          }
          await stack.settle();
          assert.equal(stack.completions.length, submitted.length);
          assert.deepEqual(new Set(stack.completions), new Set(submitted));
        }),
        { numRuns: 10, endOnFailure: true },
      );
      assert.deepEqual(stack.reports, []);
    }, copies);
  }

  test("what it answers well the device has done, and a flush what was answered before it", async (stack) => {
    for (let round = 0; round < 20; round++) {
      stack.next.done.length = stack.completions.length = 0;
      stack.next.pick = (count) => count - 1;
      const writes = [stack.submit(Write, 1), stack.submit(Write, 2)];
      while (stack.completions.length === 0) await step(stack);
      const answered = writes.filter((each) => stack.completions.includes(each) && each.status === Status.Okay);
      const flush = stack.submit(Flush);
      while (!stack.completions.includes(flush)) await step(stack);
      if (flush.status === Status.Okay) {
        const flushed = stack.next.done.indexOf(flush);
        assert(flushed >= 0, "the device was not asked to flush");
        for (const write of answered) assert(stack.next.done.slice(0, flushed).includes(write), "a write came later");
      }
      await stack.settle();
    }
  });

  test(
    "how operations end below is how they end",
    async (stack) => {
      for (const status of [Status.Error, Status.NotSupported, Status.Okay]) {
        stack.next.statusOf = () => status;
        for (const operation of [Read, Write, Flush, Discard]) {
          const request = stack.submit(operation);
          await stack.settle();
          assert.equal(request.status, status);
        }
      }
      assert.deepEqual(stack.reports, []);
    },
    1,
    changes,
  );

  test(
    "what the device throws fails one request, and is reported",
    async (stack) => {
      stack.next.throws = new DeviceError("the disk is on fire");
      const failed = stack.submit(Read);
      await stack.settle();
      assert.equal(failed.status, Status.Error);
      assert.deepEqual(stack.reports, ["the disk is on fire"]);
      stack.next.throws = undefined;
      const after = stack.submit(Read);
      await stack.settle();
      assert.equal(after.status, Status.Okay);
    },
    1,
    changes,
  );

  test("it is a device as there can be, of the size and sectors of the one below", ({ gate, next }) => {
    assert.equal(gate.info.sizeBytes, next.info.sizeBytes);
    assert.equal(gate.info.sectorSize, next.info.sectorSize);
    assert(gate.operationTimeoutNs >= next.operationTimeoutNs, "a call may take no longer than below");
  });

  test("what is counted below is counted, and its own by the names that it says", async (stack) => {
    const { gate, next } = stack;
    const { counters = {} } = await loadPlugin("filter", url);
    for (const operation of [Read, Write, Flush]) stack.submit(operation);
    await stack.settle();
    assert.deepEqual(Object.keys(gate.counters()).sort(), ["scripted", ...Object.keys(counters)].sort());
    assert.equal(gate.counters().scripted, next.done.length);
    for (const count of Object.values(gate.counters())) assert(Number.isInteger(count) && count >= 0, `${count}`);
  });

  test("before the thread sleeps, the device hears whether it has requests", async (stack) => {
    const { next, gate } = stack;
    gate.arm();
    assert.deepEqual(next.calls.filter((each) => each !== "listen"), ["idle"]);
    if (way === "synchronous") return;
    next.pick = () => -1;
    const deadline = performance.now() + 60_000;
    while (next.held.length === 0) {
      assert(performance.now() < deadline, "no request ever reached the device");
      stack.submit(Read);
      gate.reap();
    }
    next.calls.length = 0;
    gate.arm();
    assert.deepEqual(next.calls, ["arm"]);
    next.pick = () => 0;
    await stack.settle();
  });

  test("a device that has to be looked at is looked at: there is no descriptor to sleep on", ({ gate }) => {
    if (way === "later") assert.equal(gate.descriptor, undefined);
    assert.equal(gate.asynchronous || way === "synchronous", true);
    assert.equal(gate.eventDriven, way === "events");
  });

  test("it is closed with the device, once", ({ gate, next }) => {
    gate.close();
    assert.deepEqual(next.calls.filter((each) => each === "close"), ["close"]);
    gate.close = () => {};
  });
}

async function step(stack: Stack): Promise<void> {
  if (!stack.gate.reap()) await new Promise((resolve) => setTimeout(resolve, 0));
}
