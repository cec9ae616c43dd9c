// Token buckets and limits, with a clock that the test moves.
import assert from "node:assert/strict";
import fc from "fast-check";
import { Allowance } from "../../core/allowance.ts";
import { Operation } from "../../core/blkif.ts";
import { BlockRequest } from "../../core/block_device.ts";
import { SharedMemory } from "../../core/memory.ts";
import { RateLimit, TokenBucket } from "../../core/rate_limit.ts";

const memory = SharedMemory.allocate(1);

function request(byteLength: number, operation: number = Operation.Read): BlockRequest {
  const made = new BlockRequest({ completed() {} }, 0, memory, 1);
  made.operation = operation;
  made.byteLength = byteLength;
  return made;
}

/** Takes requests of these lengths, one after the other, as the limit allows. Returns those that were taken. */
function takeAll(limit: RateLimit, nowMs: number, lengths: readonly number[]): number[] {
  const allowance = new Allowance(1 << 30);
  const taken: number[] = [];
  if (lengths.length === 0 || !limit.grant(allowance, nowMs)) return taken;
  for (const length of lengths) {
    taken.push(length);
    if (!allowance.take(request(length))) break;
  }
  limit.settle(allowance);
  return taken;
}

Deno.test("a bucket is full at first, gains by its rate, and never holds more than a burst", () => {
  const bucket = new TokenBucket(1000, 100e6);
  bucket.fill(50);
  assert.equal(bucket.tokens, 100);
  bucket.tokens = -10;
  bucket.fill(55);
  assert.equal(bucket.tokens, -5);
  bucket.fill(1e9);
  assert.equal(bucket.tokens, 100);
});

Deno.test("a bucket of a rate too low for its burst holds one token, so that something goes through", () => {
  const bucket = new TokenBucket(1, 1e6);
  bucket.fill(0);
  assert.equal(bucket.tokens, 1);
});

Deno.test("a bucket in debt has tokens again when it says, and none before", () => {
  fc.assert(fc.property(
    fc.double({ min: 0.1, max: 1e9, noNaN: true }),
    fc.double({ min: 0, max: 1e6, noNaN: true }),
    fc.double({ min: 0, max: 1e6, noNaN: true }),
    (rate, owed, nowMs) => {
      const bucket = new TokenBucket(rate, 100e6);
      bucket.fill(nowMs);
      bucket.tokens = -owed;
      const { dueMs } = bucket;
      const waitMs = dueMs - nowMs;
      assert(waitMs > 0);
      bucket.fill(nowMs + waitMs * 0.9 - 0.002);
      if (owed > 1e-3) assert(bucket.tokens <= 0);
      bucket.fill(dueMs);
      assert(bucket.tokens > 0, `${bucket.tokens} tokens at ${dueMs}`);
    },
  ));
});

Deno.test("limits keep to what a model of them allows, whatever is asked for and when", () => {
  const step = fc.record({
    afterMs: fc.double({ min: 0, max: 50, noNaN: true }),
    lengths: fc.array(fc.integer({ min: 0, max: 1 << 20 }), { maxLength: 40 }),
  });
  const rates = fc.record({
    iops: fc.option(fc.integer({ min: 1, max: 100_000 })),
    bytesPerSecond: fc.option(fc.integer({ min: 1, max: 1 << 30 })),
    burstNs: fc.integer({ min: 1, max: 1e9 }),
  });
  fc.assert(fc.property(rates, fc.array(step, { minLength: 1, maxLength: 60 }), (limits, steps) => {
    const limit = new RateLimit(limits);
    const { iops, bytesPerSecond, burstNs } = limits;
    const holds = (rate: number): number => Math.max(1, (rate * burstNs) / 1e9);
    // The model: what may have been done since any earlier step began.
    const done: { atMs: number; operations: number; bytes: number }[] = [];
    let nowMs = 1000;
    for (const { afterMs, lengths } of steps) {
      nowMs += afterMs;
      const taken = takeAll(limit, nowMs, lengths);
      if (lengths.length > 0 && iops === null && bytesPerSecond === null) assert.deepEqual(taken, lengths);
      done.push({ atMs: nowMs, operations: taken.length, bytes: taken.reduce((sum, each) => sum + each, 0) });
      let operations = 0;
      let bytes = 0;
      for (const each of done.toReversed()) {
        operations += each.operations;
        bytes += each.bytes;
        const seconds = (nowMs - each.atMs) / 1e3;
        if (iops !== null) assert(operations < holds(iops) + iops * seconds + 1.001);
        if (bytesPerSecond !== null) {
          assert(bytes < holds(bytesPerSecond) + bytesPerSecond * seconds + (1 << 20) + 1, `${bytes} in ${seconds} s`);
        }
      }
      // And it gives all that it may: who got less than he asked for has nothing left.
      if (taken.length < lengths.length) assert(limit.dueMs > nowMs);
    }
  }));
});

Deno.test("who always asks gets the rate in the long run, in operations and in bytes", () => {
  const run = (limits: { iops: number | null; bytesPerSecond: number | null }): number => {
    const limit = new RateLimit({ ...limits, burstNs: 10e6 });
    let operations = 0;
    for (let nowMs = 0; nowMs <= 10_000; nowMs++) operations += takeAll(limit, nowMs, Array(50).fill(4096)).length;
    return operations;
  };
  assert(Math.abs(run({ iops: 2000, bytesPerSecond: null }) - 20_000) <= 21);
  assert(Math.abs(run({ iops: null, bytesPerSecond: 4096 * 500 }) - 5000) <= 6);
  assert(Math.abs(run({ iops: 2000, bytesPerSecond: 4096 * 500 }) - 5000) <= 6, "the lower one counts");
});

Deno.test("a discard is an operation without bytes", () => {
  const allowance = new Allowance(1 << 20);
  allowance.requests = 5;
  allowance.bytes = 100;
  allowance.cost = 1e9;
  assert(allowance.take(request(1 << 19, Operation.Discard)));
  assert.deepEqual([allowance.requests, allowance.bytes], [4, 100]);
  assert(!allowance.take(request(1 << 19, Operation.WriteZeroes)));
  assert(allowance.bytes < 0);
});

Deno.test("a request counts no more than the device has, whatever length it claims", () => {
  const allowance = new Allowance(1 << 20);
  allowance.cost = allowance.bytes = 0;
  allowance.take(request(2 ** 73, Operation.WriteZeroes));
  assert.deepEqual([allowance.bytes, allowance.cost], [-(1 << 20), -(1 << 20) - 4096]);
});
