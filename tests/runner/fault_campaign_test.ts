// On what scenarios faults can be tried, and that a campaign says so when something is lost.
import assert from "node:assert/strict";
import { expandScenario } from "../../core/runner/expand.ts";
import { campaignMistake, runFaultCampaign } from "../../core/runner/fault_campaign.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import type { ExpandedScenario } from "../../core/runner/cell.ts";
import { mayCallLibc } from "../../core/libc.ts";
import { cLibraryPath } from "../../core/measure/thread.ts";
import { builtins } from "../../plugins/mod.ts";
import { testUnless } from "../helpers/test_unless.ts";

const withoutLibc = mayCallLibc() ? null : "libc may not be called";
cLibraryPath(); // It is opened once in a process, and stays open.
const HOARDING = import.meta.resolve("../helpers/plugins/hoarding_disk.ts");

/** A scenario on which faults can be tried, with what the test changes. */
async function scenario(changes: Record<string, unknown> = {}): Promise<ExpandedScenario> {
  const text = JSON.stringify({
    ...{ apiVersion: "iddr/v1", kind: "Scenario", name: "test" },
    domains: { driver: { kind: "process" } },
    device: { use: "ramdisk", with: { size: "256KiB" } },
    policy: { use: "interrupt" },
    workload: { use: "verify", with: { errors: "tolerate" } },
    run: { repetitions: 1 },
    recovery: { backoff: "10ms", hangTimeout: "3s" },
    ...changes,
  });
  const document = ScenarioDocument.parse("test.yaml", text);
  const plugins = { ...builtins, device: { ...builtins.device, "hoarding-disk": HOARDING } };
  return await expandScenario(document, plugins, { oneCell: false });
}

const MISTAKES: readonly (readonly [what: string, changes: Record<string, unknown>, message: RegExp])[] = [
  ["a driver in a worker", { domains: {} }, /domains\.driver\.kind must be process/],
  ["a driver in the application", { placement: "monolithic" }, /placement must be isolated/],
  ["no recovery", { recovery: { onFailure: "fail" } }, /recovery\.onFailure must be restart/],
  ["operations that fail without a driver", { recovery: { requests: "fail-io" } }, /must be reissue or requeue/],
  ["a workload that checks nothing", { workload: { use: "idle" } }, /the workload must be verify/],
  ["a workload that no error may happen to", { workload: { use: "verify" } }, /errors must be tolerate/],
  ["requests that are merged", { channel: { merge: true } }, /channel\.merge must be false/],
  ["several clients", { clients: 2 }, /several clients/],
  ["several devices", { device: [{ use: "ramdisk" }, { use: "ramdisk" }] }, /2 devices/],
];
for (const [what, changes, message] of MISTAKES) {
  Deno.test(`faults cannot be tried with ${what}`, async () => {
    const expanded = await scenario(changes);
    assert.match(campaignMistake(expanded.cells[0]) ?? "none", message);
    await assert.rejects(runFaultCampaign(expanded, { faults: 1, seed: 1 }), { name: "RangeError", message });
  });
}

Deno.test("faults cannot be tried on several cells at once", async () => {
  const expanded = await scenario({ matrix: { "workload.with.queueDepth": [1, 2] } });
  await assert.rejects(runFaultCampaign(expanded, { faults: 1, seed: 1 }), /it makes 2 cells; allowed is one/);
});

testUnless(
  withoutLibc,
  "a driver that keeps acknowledged writes to itself loses them, and the campaign says so",
  async () => {
    const report = await runFaultCampaign(await scenario({ device: { use: "hoarding-disk" } }), {
      faults: 10,
      seed: 1,
    });
    assert.equal(report.ok, false);
    assert.match(report.complaints.map(({ text }) => text).join("\n"), /was not read as it was written/);
  },
);

testUnless(withoutLibc, "a campaign that is interrupted reports what there is", async () => {
  const finish = new AbortController();
  const seen: number[] = [];
  const report = await runFaultCampaign(await scenario(), {
    ...{ faults: 1000, seed: 2, finish: finish.signal },
    onFault: ({ number }) => {
      if (seen.push(number) === 3) finish.abort();
    },
  });
  assert.deepEqual([report.interrupted, report.ok, report.complaints], [true, true, []]);
  assert(report.total.injected >= 3 && report.total.injected < 50);
});

testUnless(
  withoutLibc,
  "the same seed gives the same faults, and a machine can be gone through by itself",
  async () => {
    const play = async (faults: number, firstMachine: number): Promise<string[]> => {
      const played: string[] = [];
      const report = await runFaultCampaign(await scenario(), {
        ...{ faults, seed: 4, firstMachine },
        onFault: ({ kind, step, skip, value }, machine) => played.push([machine, kind, step, skip, value].join(" ")),
      });
      assert.deepEqual(report.complaints, []);
      return played;
    };
    const first = await play(8, 1);
    assert.deepEqual(await play(8, 1), first);
    assert.match(first[0], /^1 /);
  },
);
