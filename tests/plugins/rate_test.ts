// What `rate` lets through. Times have lower bounds alone.
import assert from "node:assert/strict";
import { Operation, Status } from "../../core/blkif.ts";
import { type BlockDevice, BlockRequest } from "../../core/block_device.ts";
import { SharedMemory } from "../../core/memory.ts";
import rate from "../../plugins/filters/rate.ts";
import { ScriptedDevice } from "../conformance/scripted_device.ts";
import { mediumContext } from "../helpers/medium_context.ts";

const { Read, Write, Flush } = Operation;
const memory = SharedMemory.allocate(64);

function limit(given: unknown, next: BlockDevice): BlockDevice {
  return rate.create(rate.options.parse(given), next, { ...mediumContext(), layer: 0 });
}

function request(operation: Operation, byteLength: number): BlockRequest {
  const made = new BlockRequest({ completed() {} }, 0, memory, 1);
  made.operation = operation;
  made.byteLength = byteLength;
  if (byteLength > 0) made.addExtent(0, byteLength);
  return made;
}

/** Submits all at once, and waits for all. What was done, in order, and how long it took in milliseconds. */
function run(given: unknown, requests: readonly BlockRequest[]): { done: readonly BlockRequest[]; tookMs: number } {
  const next = new ScriptedDevice("synchronous");
  const device = limit(given, next);
  const start = performance.now();
  let left = requests.filter((each) => !device.submit(each)).length;
  while (left > 0) if (device.poll?.()) left--;
  const tookMs = performance.now() - start;
  device.close?.();
  return { done: next.done, tookMs };
}

Deno.test("no more operations a second reach the device than it may have", () => {
  const requests = Array.from(
    { length: 60 },
    (_, index) => request(index % 7 === 6 ? Flush : Read, index % 7 === 6 ? 0 : 512),
  );
  const { done, tookMs } = run({ iops: 1000, burst: "10ms" }, requests);
  assert.deepEqual(done, requests, "in the order in which they came");
  assert(tookMs >= 49 - 1e-6, `${tookMs} ms: 10 and one more may go at once, and one each millisecond`);
});

Deno.test("no more bytes a second reach the device than it may have, and flushes cost none and pass nothing", () => {
  const requests = [4096, 65536, 0, 65536, 0, 4096].map((length) => request(length === 0 ? Flush : Write, length));
  const { done, tookMs } = run({ bandwidth: "1MiB", burst: "1ms" }, requests);
  assert.deepEqual(done, requests);
  // 1 KiB is there at first; the last may go when all before it is paid for.
  assert(tookMs >= (4096 + 2 * 65536 - 1049) / (2 ** 20 / 1000), `${tookMs} ms`);
});

/** Submits requests until one has to wait. All of them, that one last. */
function submitUntilHeld(device: BlockDevice): BlockRequest[] {
  const requests = [request(Read, 512)];
  while (device.submit(requests[requests.length - 1])) requests.push(request(Read, 512));
  return requests;
}

Deno.test("what comes when others wait stays behind them, however full the bucket is by then", async () => {
  const next = new ScriptedDevice("synchronous");
  const device = limit({ iops: 1000, burst: "1ms" }, next);
  const requests = submitUntilHeld(device);
  await new Promise((resolve) => setTimeout(resolve, 20));
  requests.push(request(Read, 512));
  assert.equal(device.submit(requests[requests.length - 1]), false);
  for (const each of requests.slice(-2)) {
    let found = device.poll?.() ?? null;
    while (found === null) found = device.poll?.() ?? null;
    assert.equal(found, each);
  }
  assert.deepEqual(next.done, requests);
  const { rateHeldRequests, rateHeldNs } = device.counters?.() ?? {};
  assert.equal(rateHeldRequests, 2);
  assert(rateHeldNs > 0 && Number.isInteger(rateHeldNs));
  device.close?.();
});

Deno.test("what the device throws at a request that had to wait fails that request, with the reason", () => {
  const next = new ScriptedDevice("synchronous");
  const device = limit({ iops: 1000, burst: "1ms" }, next);
  const held = submitUntilHeld(device).at(-1);
  next.throws = new Error("it is on fire");
  while (device.poll?.() !== held);
  assert.equal(held?.status, Status.Error);
  assert.equal(held?.cause, next.throws);
  device.close?.();
});

Deno.test("without a limit nothing waits", () => {
  const requests = Array.from({ length: 100 }, () => request(Read, 4096));
  const next = new ScriptedDevice("synchronous");
  const device = limit({}, next);
  assert(requests.every((each) => device.submit(each)));
  device.close?.();
});
