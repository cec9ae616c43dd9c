// Every built-in policy in real domains, on both sides of the ring: whatever it does, nothing is lost, and it ends.
import assert from "node:assert/strict";
import { threadUsage } from "../../core/measure/thread.ts";
import { expandScenario } from "../../core/runner/expand.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import { runScenario } from "../../core/runner/run.ts";
import { builtins } from "../../plugins/mod.ts";

threadUsage(); // Opens the C library for good, before a sanitizer counts what a test opens.

/** Options with which a policy does something else than with its defaults. */
const OTHERWISE: Readonly<Record<string, readonly string[]>> = {
  "hybrid-poll": ["{ io_poll_delay: -1 }", "{ io_poll_delay: 30 }"],
  "competitive-spin": ["{ algorithm: randomised }"],
  "coalesce": ["{ rx-frames: 4, rx-usecs: 200 }", "{ rx-frames: 0 }"],
};

/** What is tried in each kind of domain: processes run the same code, and take longer to begin. */
const KINDS = [
  { kind: "worker", suppressions: ["event-index", "sleep-flag"], queueDepths: [1, 8] },
  { kind: "process", suppressions: ["event-index"], queueDepths: [8] },
];

for (const use of Object.keys(builtins.policy)) {
  const policies = ["{}", ...(OTHERWISE[use] ?? [])].map((options) => `{ use: ${use}, with: ${options} }`);
  for (const { kind, suppressions, queueDepths } of KINDS) {
    Deno.test(`${use}: verify finds what it wrote, both domains of kind ${kind}, with ${queueDepths} in flight`, async () => {
      const document = ScenarioDocument.parse(
        "policies_test.yaml",
        `
apiVersion: iddr/v1
kind: Scenario
name: policies-test
device: { use: ramdisk, with: { size: 1MiB } }
domains: { application: { kind: ${kind} }, driver: { kind: ${kind} } }
recovery: { onFailure: fail, hangTimeout: 20s }
workload: { use: verify, with: { size: 128KiB, blockSize: 4KiB } }
run: { warmup: 5ms, duration: 20ms, repetitions: 1 }
matrix:
  policy: [${policies.join(", ")}]
  channel.suppression: [${suppressions}]
  workload.with.queueDepth: [${queueDepths}]
`,
      );
      const { cells } = await runScenario(await expandScenario(document, builtins));
      assert.equal(cells.length, policies.length * suppressions.length * queueDepths.length);
      for (const { status, error, labels, samples } of cells) {
        const cell = JSON.stringify(labels);
        assert.equal(status, "ok", `${cell}: ${error}`);
        assert.equal(samples[0].errors, 0, cell);
        assert(samples[0].counters.sectorsVerified > 0, cell);
        assert.deepEqual(samples[0].restarts, [], cell);
      }
    });
  }
}
