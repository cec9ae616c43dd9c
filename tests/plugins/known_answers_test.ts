// What a machine measures of a device whose service times are known. The bounds hold however busy this computer is: no
// request may be measured to be shorter than it was, and no stall may be lost.
import assert from "node:assert/strict";
import type { MachinePlan } from "../../core/domain/plan.ts";
import type { DomainSample } from "../../core/domain/report.ts";
import { Operation } from "../../core/blkif.ts";
import { mayCallLibc } from "../../core/libc.ts";
import { LatencyHistogram } from "../../core/measure/histogram.ts";
import { type FilterPlugin, loadPlugin } from "../../core/plugin.ts";
import { builtins } from "../../plugins/mod.ts";
import { openDevice } from "../conformance/opened_device.ts";
import { withDevice } from "../conformance/device.ts";
import { planProcesses, processTest, runProcesses } from "../helpers/process_machine.ts";
import { testUnless } from "../helpers/test_unless.ts";

const NS_PER_MS = 1e6;
const filter: FilterPlugin = await loadPlugin("filter", builtins.filter.delay);
const WORKLOAD = {
  url: builtins.workload["sysbench-fileio"],
  given: { mode: "rndrd", blockSize: "4KiB", totalSize: "512KiB", files: 1 },
};

async function plan(given: Record<string, unknown>, driver: "worker" | "process"): Promise<MachinePlan> {
  const options = filter.options.parse(given);
  const { domains, devices: [device], ...others } = await planProcesses({ driver, workload: WORKLOAD });
  return {
    ...others,
    domains: domains.map((domain) => {
      return domain.workload === undefined ? { ...domain, needs: filter.permissions?.(options) } : domain;
    }),
    devices: [{ ...device, filters: [{ url: builtins.filter.delay, options }] }],
  };
}

/** What application and driver measured within some time. */
async function measured(machine: MachinePlan): Promise<{ application: DomainSample; driver: DomainSample }> {
  const { results } = await runProcesses(machine, () => new Promise((resolve) => setTimeout(resolve, 200)));
  const sample = (name: string): DomainSample => results.get(name)?.sample ?? assert.fail(name);
  return { application: sample("application-0"), driver: sample("driver") };
}

for (const driver of ["worker", "process"] as const) {
  for (const by of ["device", "processor"]) {
    processTest(`with a delay of 2 ms by a ${by}, no latency below that is measured (driver: ${driver})`, async () => {
      const { application: { operations, durationNs } } = await measured(await plan({ time: "2ms", by }, driver));
      assert(operations !== null && operations.operations > 0);
      assert(operations.latencies.min >= 2 * NS_PER_MS, `${operations.latencies.min} ns`);
      assert.equal(operations.errors, 0);
      // One at a time, none is done faster; one may have been in flight when the window began.
      assert(operations.operations <= durationNs / (2 * NS_PER_MS) + 1);
      const histogram = new LatencyHistogram();
      histogram.add(operations.latencies);
      for (const fraction of [0, 0.5, 0.99, 1]) assert(histogram.quantile(fraction) >= 2 * NS_PER_MS);
    });
  }
}

testUnless(
  mayCallLibc() ? null : "libc may not be called",
  "while a device takes its time its driver sleeps",
  async () => {
    const { driver: { waits, durationNs } } = await measured(await plan({ time: "20ms" }, "worker"));
    assert(waits !== null);
    // It was woken by the timer: who looks on does not sleep at all.
    assert(waits.sleptNs > durationNs / 3, `${waits.sleptNs} of ${durationNs} ns`);
  },
);

Deno.test("requests that stall now and then show in p99.9 and in the maximum, and are as many as there were", async () => {
  const [stallMs, every, count] = [5, 500, 5000];
  const options = filter.options.parse({ time: `${stallMs}ms`, every });
  const ramdisk = await loadPlugin("device", builtins.device.ramdisk);
  await withDevice(ramdisk, { size: "128KiB" }, async ({ medium, options: given }) => {
    const { queue, take, gate } = openDevice(ramdisk, given, medium, [{ plugin: filter, options }]);
    try {
      const latencies = new LatencyHistogram();
      let stalled = 0;
      for (let index = 0; index < count; index++) {
        const start = performance.now();
        queue.submit(0, Operation.Read, 0, 4096);
        await take();
        const ms = performance.now() - start;
        if (ms >= stallMs) stalled++;
        latencies.record(ms * NS_PER_MS);
      }
      assert.equal(gate.counters().delayedRequests, count / every);
      assert(stalled >= count / every, `${stalled} of ${count / every} stalls were measured`);
      assert(latencies.quantile(0.999) >= stallMs * NS_PER_MS * (1 - 1 / 64), `p99.9 ${latencies.quantile(0.999)}`);
      assert(latencies.max >= stallMs * NS_PER_MS);
    } finally {
      gate.close();
    }
  });
});
