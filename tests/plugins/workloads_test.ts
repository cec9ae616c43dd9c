import assert from "node:assert/strict";
import { loadPlugin } from "../../core/plugin.ts";
import { builtins } from "../../plugins/mod.ts";
import { testDefinition } from "../conformance/definition.ts";
import { testWorkload, type WorkloadExpectation } from "../conformance/workload.ts";

const expectations: Readonly<Record<string, WorkloadExpectation>> = {
  "sysbench-fileio": {
    examples: [
      { mode: "rndrd", blockSize: "512B", queueDepth: 64, randType: "zipfian" },
      { mode: "rndwr", blockSize: "44KiB", queueDepth: 3, files: 2, fsyncAll: true },
      { mode: "rndrw", totalSize: "3MiB", files: 10, threads: 3, fsyncFreq: 7, randType: "pareto" },
    ],
  },
  "open-loop": {
    examples: [
      { rate: 1e6, rateProcess: "constant", queueDepth: 4, readPercentage: 40, randType: "pareto" },
      { rateProcess: "bursty", on: "1ms", off: "500us", blockSize: "64KiB", queueDepth: 1, threads: 3 },
      { rate: 10, readPercentage: 0, totalSize: "1MiB", blockSize: "512B", queueDepth: 2, arrivalSpin: "5us" },
    ],
  },
  "dd": {
    examples: [
      { bs: "4KiB", count: 200, readAhead: "0B" },
      { bs: "512B", count: 300, readAhead: "10KiB" },
      { bs: "256KiB", readAhead: "1MiB" },
    ],
    finishesLater: "it finishes the pass",
  },
  "verify": {
    examples: [
      { threads: 4, queueDepth: 16, discardShare: 0.2 },
      { blockSize: "512B", size: "64KiB", queueDepth: 1 },
      { blockSize: "64KiB", queueDepth: 16, threads: 2, readShare: 0, fuaShare: 0.5, zeroesShare: 0.5 },
    ],
    finishesLater: "it reads everything back",
  },
  "replay": {
    required: { file: new URL("./fixtures/version-1.trace", import.meta.url).pathname },
    examples: [{ queueDepth: 1 }, { queueDepth: 100, maxTransfer: "16KiB" }],
  },
  "idle": { submitsNothing: "it is to wait" },
};

/** What these do depends on what others ask of them, so that they have tests of their own. */
const servers = ["nbd-export", "mounted"];

Deno.test("every built-in workload is held to something", () => {
  assert.deepEqual([...Object.keys(expectations), ...servers].sort(), Object.keys(builtins.workload).sort());
});

for (const [name, url] of Object.entries(builtins.workload)) {
  if (servers.includes(name)) testDefinition(name, url, () => loadPlugin("workload", url));
  else testWorkload(name, url, expectations[name]);
}
