// Scenarios whose applications have a thread each that takes their responses.
import assert from "node:assert/strict";
import { isDriver } from "../../core/domain/plan.ts";
import { allowedCpus } from "../../core/measure/thread.ts";
import type { Cell } from "../../core/runner/cell.ts";
import { expandScenario } from "../../core/runner/expand.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import { runMachineProcess } from "../../core/runner/machine_process.ts";
import { permissionNeeds, planMachine } from "../../core/runner/plan.ts";
import { toSample } from "../../core/runner/sample.ts";
import { builtins } from "../../plugins/mod.ts";

allowedCpus(); // Opens the C library for good, before a sanitizer counts what a test opens.

const HEAD = `apiVersion: iddr/v1
kind: Scenario
name: test
device: { use: ramdisk, with: { size: 1MiB } }
`;

async function cellsOf(text: string): Promise<readonly Cell[]> {
  return (await expandScenario(ScenarioDocument.parse("test.yaml", HEAD + text, []), builtins)).cells;
}

Deno.test("each thread has a second one for its responses, which has its policy and its client", async () => {
  const [cell] = await cellsOf(`channel: { completion: thread }
clients: 2
workload: { use: verify, with: { size: 64KiB, threads: 2 } }
policy: { frontend: { use: fixed-spin }, backend: { use: interrupt } }
`);
  const plan = planMachine(cell);
  const applications = plan.domains.filter(({ workload }) => workload !== undefined);
  const responders = plan.domains.filter(({ responder }) => responder !== undefined);
  assert.equal(applications.length, 4);
  assert.deepEqual(
    responders.map(({ name, responder, policy, kind }) => ({ name, responder, policy, kind })),
    applications.map(({ name, workload, policy, kind }) => ({
      ...{ name: `${name}-responses`, policy, kind },
      responder: { application: name, client: workload?.client?.index },
    })),
  );
  assert.deepEqual(plan.domains.filter(isDriver).map(({ name }) => name), ["driver"]);
});

Deno.test("without it, nobody has", async () => {
  const [cell] = await cellsOf("workload: { use: verify }\npolicy: { use: interrupt }\n");
  assert.equal(cell.scenario.channel.completion, "inline");
  assert.deepEqual(planMachine(cell).domains.map(({ name }) => name), ["application", "driver"]);
});

Deno.test("what cannot have a response thread says so at its place", async () => {
  const rest = "workload: { use: verify }\npolicy: { use: interrupt }\n";
  for (
    const [text, message] of [
      [
        "channel: { completion: tread }\n",
        '5:24: channel.completion: must be inline | thread: found "tread"',
      ],
      [
        "placement: monolithic\nchannel: { completion: thread }\n",
        "6:24: channel.completion: is thread, and a device in the application's own domain answers without a ring: " +
        "placement must be isolated",
      ],
      [
        "domains: { application: { kind: process } }\nmatrix: { channel.completion: [inline, thread] }\n",
        "6:40: matrix.channel.completion.1: is thread, and an application that is a process has one thread: " +
        "domains.application.kind must be worker",
      ],
    ]
  ) {
    await assert.rejects(cellsOf(text + rest), (thrown: Error) => {
      assert(thrown.message.includes(message), thrown.message);
      return true;
    });
  }
});

Deno.test("a response thread's figures are its application's, and it has a core of that side", async () => {
  const [cell] = await cellsOf(`channel: { completion: thread }
workload: { use: verify, with: { size: 64KiB } }
policy: { use: interrupt }
`);
  const cpus = allowedCpus() ?? assert.fail("the cores are not known");
  const affinity = { application: [cpus[0]], driver: [cpus[cpus.length - 1]] };
  const job = { plan: planMachine(cell), window: { warmupNs: 10e6, durationNs: 100e6 }, affinity };
  const results = await runMachineProcess(job, { needs: permissionNeeds(cell) });
  const responses = results.domains["application-responses"].sample;
  const application = results.domains["application"].sample;
  assert.deepEqual([responses.confinedTo, responses.operations], [affinity.application, null]);
  const sample = toSample(0, results);
  assert.equal(sample.operations, application.operations?.operations);
  const { voluntary } = sample.contextSwitches.application ?? assert.fail("not counted");
  assert.equal(
    voluntary,
    (application.contextSwitches?.voluntary ?? NaN) + (responses.contextSwitches?.voluntary ?? NaN),
  );
  assert.deepEqual(sample.confinedTo, affinity);
  assert(sample.counters.handedOver > 0 && sample.counters.handOverWakes > 0);
});
