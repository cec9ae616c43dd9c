import assert from "node:assert/strict";
import { CountingMeter, OperationMeter } from "../../core/measure/meter.ts";

function operate(meter: OperationMeter, count: number, slot = 0): void {
  for (let i = 0; i < count; i++) {
    meter.submitted(slot, 512);
    meter.completed(slot, 0);
  }
}

Deno.test("operations and errors are counted as they finish, and bytes of those that succeed", () => {
  const meter = new OperationMeter(2);
  meter.submitted(0, 4096);
  meter.submitted(1, 512);
  assert.deepEqual([meter.operations, meter.bytes, meter.errors], [0, 0, 0]);
  meter.completed(1, -1);
  assert.deepEqual([meter.operations, meter.bytes, meter.errors], [1, 0, 1]);
  meter.completed(0, 0);
  assert.deepEqual([meter.operations, meter.bytes, meter.errors], [2, 4096, 1]);
});

Deno.test("a new meter times every operation", () => {
  const meter = new OperationMeter(1);
  operate(meter, 50);
  assert.equal(meter.stride, 1);
  assert.equal(meter.latencies.count, 50);
});

Deno.test("slots are timed independently of each other", () => {
  const meter = new OperationMeter(3);
  for (const slot of [0, 1, 2]) meter.submitted(slot, 512);
  for (const slot of [2, 0, 1]) meter.completed(slot, 0);
  assert.equal(meter.latencies.count, 3);
  assert(meter.latencies.min >= 0);
});

Deno.test("a restarted meter counts from nothing", () => {
  const meter = new OperationMeter(1);
  operate(meter, 3);
  meter.restart();
  assert.deepEqual([meter.operations, meter.bytes, meter.errors, meter.latencies.count], [0, 0, 0, 0]);
});

Deno.test("an operation that was in flight at a restart is counted but not timed", () => {
  const meter = new OperationMeter(1);
  meter.submitted(0, 512);
  meter.restart();
  meter.completed(0, 0);
  assert.equal(meter.operations, 1);
  assert.equal(meter.bytes, 512);
  assert.equal(meter.latencies.count, 0);
});

Deno.test("after a run of fast operations about one in a stride is timed, at gaps that vary", () => {
  const meter = new OperationMeter(1);
  operate(meter, 100_000);
  meter.restart();
  assert(meter.stride > 1, "operations of some ten nanoseconds are not all timed");
  const gaps = new Set<number>();
  const wanted = meter.stride * 2000;
  let timed = 0;
  let last = 0;
  for (let i = 1; i <= wanted; i++) {
    operate(meter, 1);
    if (meter.latencies.count === timed) continue;
    timed = meter.latencies.count;
    if (last > 0) gaps.add(i - last);
    last = i;
  }
  assert(timed > 1600 && timed < 2400, `${timed} of ${wanted} at a stride of ${meter.stride}`);
  assert(gaps.size > 1 && Math.max(...gaps) < 2 * meter.stride);
});

Deno.test("while it warms up, fewer are timed as soon as that is possible; once it measures, the distance stays", () => {
  const meter = new OperationMeter(1);
  meter.restart(true);
  operate(meter, 100_000);
  assert(meter.stride > 1 && meter.latencies.count < 50_000, `${meter.latencies.count} timed, stride ${meter.stride}`);
  meter.restart();
  const { stride } = meter;
  operate(meter, 100_000);
  assert.equal(meter.stride, stride);
});

Deno.test("flushes are counted apart, never timed, and their failures are errors", () => {
  const meter = new OperationMeter(1);
  for (const status of [0, -2]) {
    meter.submitted(0, 0);
    meter.completed(0, status);
  }
  operate(meter, 1);
  assert.deepEqual([meter.operations, meter.flushes, meter.errors, meter.bytes], [1, 2, 1, 512]);
  assert.equal(meter.latencies.count, 1);
  meter.restart();
  assert.equal(meter.flushes, 0);
});

Deno.test("a meter that only counts has the operations and bytes since it was restarted, and no latency", () => {
  const meter = new CountingMeter(2);
  operate(meter, 5);
  meter.restart();
  operate(meter, 3);
  operate(meter, 4, 1);
  assert.deepEqual([meter.operations, meter.bytes, meter.latencies.count], [7, 7 * 512, 0]);
});

Deno.test("a latency runs from when its operation was due, and each of these is timed", () => {
  const meter = new OperationMeter(2);
  operate(meter, 100_000);
  meter.restart();
  assert(meter.stride > 1, "of others only a sample is timed");
  for (let i = 1; i <= 100; i++) {
    const slot = i % 2;
    const dueMs = performance.now() * (1 - i / 200);
    meter.due(slot, dueMs, i * 10);
    meter.submitted(slot, 512);
    const [before, count] = [performance.now(), meter.latencies.count];
    const sum = meter.latencies.mean * count || 0;
    meter.completed(slot, 0);
    const latency = meter.latencies.mean * meter.latencies.count - sum;
    assert.equal(meter.latencies.count, i);
    // Sums of up to a second in doubles: exact to less than a nanosecond.
    assert(latency >= (before - dueMs) * 1e6 - 1 && latency <= (performance.now() - dueMs) * 1e6 + 1, `${latency}`);
  }
  assert.deepEqual([meter.lateness.count, meter.lateness.min, meter.lateness.max], [100, 10, 1000]);
});

Deno.test("a due time is that of one operation, and outlives a restart, which forgets how late the workload was", () => {
  const meter = new OperationMeter(1);
  const dueMs = performance.now();
  while (performance.now() < dueMs + 20);
  meter.due(0, dueMs, 7);
  operate(meter, 1000);
  assert.equal(meter.latencies.count, 1000);
  assert(meter.latencies.max >= 20e6 && meter.latencies.quantile(0.5) < 20e6);
  meter.due(0, dueMs, 7);
  meter.submitted(0, 512);
  meter.restart();
  meter.completed(0, 0);
  assert.deepEqual([meter.operations, meter.latencies.count, meter.lateness.count], [1, 1, 0]);
  assert(meter.latencies.min >= 20e6);
});
