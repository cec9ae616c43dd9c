import assert from "node:assert/strict";
import { hostTimes, parseHostTimes, watchHost } from "../../core/measure/host.ts";
import { threadCpuClock, threadUsage } from "../../core/measure/thread.ts";

// The C library is opened once and stays open: here, so that it is no leak of the first test that measures.
threadUsage();
hostTimes();
const threadCpuNs = threadCpuClock() ?? (() => NaN);

Deno.test("the line of all cores gives work and steal time, by the columns of proc_stat(5)", () => {
  const text = "cpu  100 20 30 4000 500 6 7 8 9 10\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
  assert.deepEqual(parseHostTimes(text), { busyNs: (100 + 20 + 30 + 6 + 7) * 1e7, stealNs: 8e7 });
  assert.deepEqual(parseHostTimes("cpu 1 2 3 4 5"), { busyNs: 6e7, stealNs: 0 }, "as old kernels have it");
  assert.equal(parseHostTimes("intr 1 2 3"), null);
});

Deno.test("what the kernel says of the machine is what its file says at about the same time", () => {
  const before = parseHostTimes(Deno.readTextFileSync("/proc/stat"));
  const times = hostTimes();
  const after = parseHostTimes(Deno.readTextFileSync("/proc/stat"));
  assert(before !== null && times !== null && after !== null);
  for (const key of ["busyNs", "stealNs"] as const) {
    assert(before[key] <= times[key] && times[key] <= after[key], key);
  }
});

Deno.test("the CPU time of others leaves out what this process used", () => {
  const busyFrom = hostTimes()?.busyNs as number;
  const used = watchHost();
  const from = threadCpuNs();
  while (threadCpuNs() - from < 2e8);
  const host = used();
  const busyNs = hostTimes()?.busyNs as number - busyFrom;
  assert(host !== null && host.stealNs >= 0 && host.othersNs >= 0);
  assert(host.othersNs <= busyNs - 2e8 + 5e7, `${host.othersNs} of ${busyNs}, to some ticks`);
});
