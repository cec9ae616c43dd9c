// An open loop on real machines: what came due, what was done of it, and what was timed.
import assert from "node:assert/strict";
import { allowedCpus } from "../../core/measure/thread.ts";
import { expandScenario } from "../../core/runner/expand.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import { runMachineProcess } from "../../core/runner/machine_process.ts";
import { permissionNeeds, planMachine } from "../../core/runner/plan.ts";
import { toSample } from "../../core/runner/sample.ts";
import { builtins } from "../../plugins/mod.ts";
import { testUnless } from "../helpers/test_unless.ts";

const noFfi = allowedCpus() === null ? "without FFI no domain can be a process" : null;
const plugins = {
  ...builtins,
  device: { ...builtins.device, "tally-disk": import.meta.resolve("../helpers/plugins/tally_disk.ts") },
};

async function run(options: Record<string, unknown>, parts: Record<string, unknown> = {}) {
  const scenario = {
    ...{ apiVersion: "iddr/v1", kind: "Scenario", name: "test" },
    device: { use: "tally-disk" },
    policy: { use: "interrupt" },
    workload: { use: "open-loop", with: options },
    ...parts,
  };
  const { cells: [cell] } = await expandScenario(
    ScenarioDocument.parse("test.yaml", JSON.stringify(scenario), []),
    plugins,
  );
  const notes: string[] = [];
  const results = await runMachineProcess(
    { plan: planMachine(cell), window: { warmupNs: 30e6, durationNs: 150e6 }, affinity: "none" },
    { needs: permissionNeeds(cell), onNote: (text) => void notes.push(text) },
  );
  return { sample: toSample(0, results), notes };
}

const setups: Readonly<Record<string, readonly [Record<string, unknown>, Record<string, unknown>?]>> = {
  "on a ring, by interrupts": [{ rate: 2000, readPercentage: 50 }],
  "on a ring, spinning without an end": [{ rate: 3000 }, { policy: { use: "fixed-spin", with: { spin: "1s" } } }],
  "with several threads, in bursts, that copy": [
    { rate: 5000, rateProcess: "bursty", threads: 3, readPercentage: 0 },
    { channel: { transfer: "copy" } },
  ],
  "in one domain": [{ rate: 2000, rateProcess: "constant", arrivalSpin: "50us" }, { placement: "monolithic" }],
  "of two clients": [{ rate: 1000 }, { clients: 2, policy: { use: "adaptive-spin" } }],
};

for (const [name, [options, parts]] of Object.entries(setups)) {
  Deno.test(`of an open loop ${name} every arrival is accounted for, and every operation is timed`, async () => {
    const { sample } = await run(options, parts);
    const { offered, submitted, completed, unsubmitted, diskReads, diskWrites } = sample.counters;
    assert(submitted > 0 && sample.operations > 0);
    assert.equal(offered, submitted + unsubmitted);
    assert.equal(completed, submitted);
    assert.equal(diskReads + diskWrites, submitted, "each reached the disk once");
    assert.equal(sample.timedOperations, sample.operations);
    assert(sample.operations <= submitted);
    const { latenessNs, latencyNs } = sample;
    assert(latenessNs !== null && latencyNs !== null);
    assert(latenessNs.min >= 0 && latenessNs.p50 <= latenessNs.max);
  });
}

Deno.test("an open loop at a rate that nothing can serve ends in time, and says that it was too much", async () => {
  const { sample, notes } = await run({ rate: 1e7, queueDepth: 4 });
  assert.match(notes.join("\n"), /^10000000 arrivals a second were too many at the end: /m);
  const { offered, submitted, unsubmitted } = sample.counters;
  assert(unsubmitted > 0 && offered === submitted + unsubmitted);
  // Its window takes 150 ms at least.
  assert(offered >= 1.4e6, `${offered}`);
  assert((sample.latencyNs?.max ?? 0) > 30e6, "what was done last was due in the warm-up");
});

testUnless(noFfi, "an open loop in processes is measured like any other", async () => {
  const domain = { kind: "process" };
  const { sample } = await run({ rate: 2000 }, { domains: { application: domain, driver: domain } });
  assert.equal(sample.timedOperations, sample.operations);
  assert(sample.operations > 0 && sample.latenessNs !== null);
});
