/** Filters as a person uses them through the command line: recorded and replayed, and somebody else's. */

import assert from "node:assert/strict";
import { Trace } from "../../plugins/trace/format.ts";
import { runCli, withFiles } from "../helpers/run_deno.ts";

const scenario = (device: string, workload: string): string =>
  `apiVersion: iddr/v1
kind: Scenario
name: test
device: ${device}
policy: { use: adaptive-spin }
workload: ${workload}
run: { warmup: 10ms, duration: 50ms, repetitions: 1 }
`;
const RECORD = scenario(
  "{ use: ramdisk, with: { size: 1MiB }, filters: [{ use: trace, with: { directory: kept } }, { use: delay }] }",
  "{ use: verify, with: { size: 256KiB } }",
);
const REPLAY = scenario(
  "{ use: ramdisk, with: { size: 1MiB } }",
  "{ use: replay, with: { file: kept/trace-1.trace, speed: 2x } }",
);

Deno.test("what one run records another replays, once the person has granted both files", async () => {
  await withFiles({ "record.yaml": RECORD, "replay.yaml": REPLAY }, async (folder) => {
    const refused = await runCli(["record.yaml"], folder);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /let the filter trace write kept/);
    assert.match(refused.stderr, /--allow-write=\S*kept/);

    const recorded = await runCli(["record.yaml", "--json"], folder, ["--allow-write=kept"]);
    assert.equal(recorded.code, 0, recorded.stderr);
    const [cell] = JSON.parse(recorded.stdout).cells;
    assert.equal(cell.labels.device, "trace(directory=kept) > delay > ramdisk(size=1MiB)");
    assert.deepEqual(cell.notes, ["the requests are recorded in kept/trace-1.trace"]);
    const trace = new Trace(await Deno.readFile(`${folder}/kept/trace-1.trace`));
    assert.equal(trace.header.sizeBytes, 1 << 20);
    assert.equal(trace.length, cell.samples[0].counters.tracedRequests);
    for (const { latencyNs } of trace.inOrder()) assert(latencyNs >= 10_000, "the delay is below the trace");

    const replayed = await runCli(["replay.yaml", "--json"], folder);
    assert.equal(replayed.code, 0, replayed.stderr);
    const [{ samples: [{ counters, operations }] }] = JSON.parse(replayed.stdout).cells;
    assert(operations > 0);
    assert(counters.replayedRequests > 0);

    const small = await runCli(["replay.yaml", "--set", "device.with.size=64KiB"], folder);
    assert.equal(small.code, 1);
    assert.match(
      small.stderr + small.stdout,
      /Cannot replay kept\/trace-1\.trace on this device: .* the device has 64KiB/,
    );
  });
});

const MINE = `import { API_VERSION, definePlugin, passThrough, z } from "iddr";
export default definePlugin({
  apiVersion: API_VERSION,
  kind: "filter",
  name: "mine",
  description: "Counts requests.",
  options: z.strictObject({}),
  counters: { seen: "Requests." },
  create(_, next) {
    let seen = 0;
    return passThrough(next, {
      submit(request) {
        seen++;
        return next.submit(request);
      },
      counters: () => ({ seen }),
    });
  },
});
`;

Deno.test("somebody's filter runs once it was allowed, in place and in a confined process, and expectations know its counters", async () => {
  const text = scenario(
    "{ use: ramdisk, with: { size: 1MiB }, filters: [{ use: ./mine.ts }] }",
    "{ use: verify, with: { size: 256KiB } }",
  );
  await withFiles({ "s.yaml": `${text}expect: [seen > 100]\n`, "mine.ts": MINE }, async (folder) => {
    const refused = await runCli(["check", "s.yaml"], folder);
    assert.equal(refused.code, 2);
    assert.match(
      refused.stderr,
      /device\.filters\.0\.use: ".\/mine\.ts" is somebody's code.*--allow-plugin=\.\/mine\.ts/s,
    );
    for (const set of ["placement=monolithic", "domains.driver={ kind: process, sandbox: strict }"]) {
      const { code, stdout, stderr } = await runCli(
        ["s.yaml", "--allow-plugin=./mine.ts", "--set", set, "--json"],
        folder,
      );
      assert.equal(code, 0, `${set}: ${stderr}`);
      const result = JSON.parse(stdout);
      assert.equal(result.scenario.device.filters[0].use, "./mine.ts");
      assert.equal(result.expectations[0].status, "met");
    }
  });
});

Deno.test("list tells of filters and their options", async () => {
  await withFiles({}, async (folder) => {
    const { code, stdout } = await runCli(["list", "filter", "delay"], folder);
    assert.equal(code, 0);
    assert.match(stdout, /^filters\n {2}delay .*\n(?:.*\n)* {4}parallel .*integer 1–1024/);
    assert.match((await runCli(["list"], folder)).stdout, /^filters$/m);
  });
});
