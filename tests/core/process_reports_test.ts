// What a domain that is a process says is what its plugin may have made it say.
import assert from "node:assert/strict";
import { readMarkedLines } from "../../core/deno_child.ts";
import { parseReport } from "../../core/domain/report_text.ts";
import type { MachineOutcome } from "../helpers/process_machine.ts";
import {
  assertUnharmed,
  driverPid,
  hasResumed,
  HELPER,
  isAlive,
  planProcesses,
  processTest,
  runProcesses,
  until,
} from "../helpers/process_machine.ts";

/** Runs a machine whose driver says something in mid-run, until it was started anew, or for some requests. */
async function withDriverSaying(
  says: unknown,
  restarts: number,
  more: Readonly<Record<string, unknown>> = {},
  notes: string[] = [],
): Promise<MachineOutcome> {
  const text = typeof says === "string" ? says : JSON.stringify(says);
  const plan = await planProcesses({
    device: { url: HELPER("talkative_disk"), given: { says: text, ...more } },
    recovery: {},
  });
  let last = 0;
  const outcome = await runProcesses(plan, async (hypervisor, phases) => {
    if (restarts > 0) await until(phases, () => hasResumed(hypervisor, restarts));
    else await until(phases, () => ++last > 40);
    last = driverPid(hypervisor);
  }, { note: (note) => void notes.push(note) });
  assertUnharmed(outcome);
  assert.equal(outcome.results.get("driver")?.restarts.length, restarts);
  assert(!isAlive(last));
  return outcome;
}

const RESTARTED: Readonly<Record<string, readonly [says: unknown, cause: RegExp]>> = {
  "that it has ended in order": [{ type: "closed", counters: {} }, /ended before its measured window did/],
  "that it failed": [{ type: "failed", message: "my fault" }, /failed: my fault/],
  "what is no report": [
    { type: "sample", sample: { durationNs: -1 } },
    /reported what is no report: \{"type":"sample"/,
  ],
  "what is no JSON": ["{{{", /reported what is no report: \{\{\{/],
};
for (const [what, [says, cause]] of Object.entries(RESTARTED)) {
  processTest(`a driver that says ${what} in mid-run is followed by another`, async () => {
    const { results } = await withDriverSaying(says, 1);
    assert.match(results.get("driver")?.restarts[0].cause ?? "", cause);
  });
}

const IGNORED: Readonly<Record<string, unknown>> = {
  "that it stands by": { type: "standby" },
  "that a link which it has not is lost": { type: "lost", port: 0, generation: 0, message: "gone" },
  "that a link which it has not is resumed": { type: "resumed", port: 7, generation: 3 },
};
for (const [what, says] of Object.entries(IGNORED)) {
  processTest(`a driver that says ${what} changes nothing`, async () => void await withDriverSaying(says, 0));
}

processTest("a line without an end is cut off, and its driver goes on until what follows is no report", async () => {
  const { results } = await withDriverSaying("x".repeat(1 << 22), 1);
  assert.match(results.get("driver")?.restarts[0].cause ?? "", /reported what is no report: x{200}$/);
});

processTest("of a driver that has ever more to say only the first notes are passed on", async () => {
  const notes: string[] = [];
  await withDriverSaying({ type: "note", text: "listen" }, 0, { times: 5000 }, notes);
  assert.equal(notes.length, 100);
});

processTest("an application's driver has nothing to say of others' connections", async () => {
  // Domain 1 is the application: it is this driver's. Domain 99 is nobody.
  const plan = await planProcesses({
    device: {
      url: HELPER("talkative_disk"),
      given: { says: JSON.stringify({ type: "disconnected", message: "so I say", peerDomainId: 99 }) },
    },
    recovery: {},
  });
  await assert.rejects(
    runProcesses(plan, (_, phases) => until(phases, () => false)),
    /The domain driver lost its connection: so I say/,
  );
});

Deno.test("lines are taken as they come, those with the mark alone, and none is longer than the longest", async () => {
  const chunks = ["no\n!one", "\n!two\n", "!" + "x".repeat(8), "x".repeat(100), "x\n!three\nhalf"];
  const stream = ReadableStream.from(chunks.map((chunk) => new TextEncoder().encode(chunk)));
  const lines: string[] = [];
  await readMarkedLines(stream, "!", (line) => void lines.push(line), 10);
  assert.deepEqual(lines.map((line) => line.slice(0, 12)), ["one", "two", "x".repeat(9), "three"]);
});

Deno.test("what is no report is none, whatever it resembles", () => {
  const none = [
    ...["", "null", "[]", "7", '"ready"', "{", '{"type":"unknown"}', '{"type":"lost","port":-1,"generation":0}'],
    ...['{"type":"closed"}', '{"type":"closed","counters":{"a":"1"}}', '{"type":"sample","sample":null}'],
  ];
  for (const text of none) assert.equal(parseReport(text), null, text);
  assert.deepEqual(parseReport('{"type":"ready","more":1}'), { type: "ready" });
  const long = parseReport(JSON.stringify({ type: "failed", message: "x".repeat(100_000) }));
  assert(long?.type === "failed" && long.message.length === 10_000);
});
