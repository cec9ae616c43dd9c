import assert from "node:assert/strict";
import { join } from "node:path";
import { parseResult } from "../../core/runner/read_result.ts";
import { flags, type Outcome, outcome, processesAlive, start, until, withDirectory, writeScenario } from "./command.ts";

const WORKLOAD = { use: "sysbench-fileio", with: { mode: "rndrd", blockSize: "4KiB" } };
/** As nothing is asserted of the figures. */
const WARM_UP = ["--set", "run.warmup=20ms"];
const PARTS = { device: { use: "null" }, workload: WORKLOAD, run: { warmup: "20ms", duration: "50ms" } };

async function advise(directory: string, args: readonly string[], parts = {}, fixtures = false): Promise<Outcome> {
  const file = await writeScenario(directory, { ...PARTS, ...parts });
  const out = args.some((arg) => arg.startsWith("--out")) ? [] : ["--out", directory];
  return await outcome(start(["advise", file, ...out, ...WARM_UP, ...args], flags(directory), fixtures));
}

function savedIn(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).filter((name) => name.startsWith("test-"));
}

const FIRST = /^(Use |No policy can be named|.* cannot be told apart|.* was ahead)/m;

Deno.test("advise measures some policies and says which is best, with tables; its result can be read back", async () => {
  await withDirectory(async (directory) => {
    const policies = ["--policy", "interrupt", "--policy", "fixed-spin"];
    const { code, stdout, stderr } = await advise(directory, ["--time", "30s", ...policies]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^test: which policy\?$/m);
    assert.match(stdout, FIRST);
    assert.match(stdout, /^Measured: \d+ repetitions? of 50ms after 20ms of warm-up, in \d+ s; /m);
    assert.match(stdout, /^At queueDepth=1:$/m);
    for (const policy of ["interrupt", "fixed-spin"]) assert.match(stdout, new RegExp(`^│ ${policy} +│`, "m"));
    assert.match(stderr, /^test \(.*\): 2 candidates at \d loads$/m);
    assert.match(stderr, /^saved in .*test-.*\.json$/m);
    const [file] = savedIn(directory);
    const { cells, scenario } = parseResult(JSON.parse(await Deno.readTextFile(join(directory, file))), file);
    assert.equal((scenario as { name: string }).name, "test");
    const total = Number(/Measured: (\d+)/.exec(stdout)?.[1]);
    assert.equal(cells.flatMap(({ samples }) => samples).length, total);
  });
});

Deno.test("a time that is too short for an answer is said to be so before anything is measured", async () => {
  await withDirectory(async (directory) => {
    const args = ["--time", "1s", "--fixed-load", "--policy", "interrupt", "--policy", "fixed-spin"];
    const { stderr } = await advise(directory, args);
    const warning =
      /^iddr: warning: it takes at least 2 s .*\(2 candidates at 1 load\), and --time is 1s: .*--fixed-load/m;
    assert.match(stderr, warning);
    assert.ok(stderr.search(warning) < stderr.indexOf("test ("), stderr);
  });
});

Deno.test("the answer as JSON has the same structure whatever comes out", async () => {
  await withDirectory(async (directory) => {
    const args = [
      "--time",
      "6s",
      "--cpu-price",
      "1",
      "--fixed-load",
      "--json",
      "--policy",
      "auto",
      "--policy",
      "interrupt",
    ];
    const { code, stdout, stderr } = await advise(directory, args);
    assert.equal(code, 0, stderr);
    const advice = JSON.parse(stdout);
    assert.deepEqual([advice.schema, advice.scenario, advice.cpuPrice, advice.axis], [
      "iddr.advice/v1",
      "test",
      1,
      null,
    ]);
    assert.equal(advice.loads.length, 1);
    const [load] = advice.loads;
    assert.deepEqual(load.policies.map(({ policy }: { policy: string }) => policy).sort(), [
      "auto(cpuPrice=1)",
      "interrupt",
    ]);
    assert.deepEqual(load.objective, { goal: "throughput", cpuPrice: 1 });
    assert.ok(advice.elapsedNs > 0 && ["decided", "time"].includes(advice.ended));
  });
});

Deno.test("without --allow-ffi, whatever CPU times there are, there is an answer", async () => {
  await withDirectory(async (directory) => {
    const file = await writeScenario(directory, PARTS);
    const args = ["advise", file, "--out", directory, "--time", "5s", "--fixed-load", "--policy", "interrupt"];
    const allowed = flags(directory).filter((flag) => flag !== "--allow-ffi");
    const { code, stdout, stderr } = await outcome(start(args, allowed));
    assert.equal(code, 0, stderr);
    assert.match(stdout, FIRST);
  });
});

Deno.test("a policy that fails is left out with its cause; where all fail the status is 1", async () => {
  await withDirectory(async (directory) => {
    const args = ["--time", "10s", "--fixed-load", "--policy", "throws-when-planning", "--policy", "fixed-spin"];
    const { code, stdout, stderr } = await advise(directory, args, {}, true);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^throws-when-planning was left out: .+$/m);
    assert.match(stdout, /^│ throws-when-planning +│[ │]*0 │ failed +│$/m);
    const failing = { device: { use: "throws-on-create" } };
    const all = await advise(directory, ["--time", "10s", "--policy", "fixed-spin"], failing, true);
    assert.equal(all.code, 1);
    assert.match(all.stdout, /^No policy can be named at queueDepth=1: all failed\.$/m);
    assert.match(all.stdout, /^fixed-spin was left out( at .*)?: .+$/m);
  });
});

Deno.test("Ctrl-C prints what is known so far, with status 130, and leaves nothing behind", async () => {
  await withDirectory(async (directory) => {
    const file = await writeScenario(directory, PARTS);
    const child = start(["advise", file, "--out", directory, "--time", "10min", ...WARM_UP], flags(directory));
    await until(() => savedIn(directory).some((name) => name.endsWith(".json")));
    child.kill("SIGINT");
    const { code, stdout, stderr } = await outcome(child);
    assert.equal(code, 130, stderr);
    assert.match(stdout, FIRST);
    assert.match(stdout, /it was interrupted then/);
    assert.match(stderr, /^interrupted; saved in /m);
    await until(async () => (await processesAlive()).length === 0);
    assert.ok(savedIn(directory).every((name) => name.endsWith(".json")));
  });
});

Deno.test("what is wrong is named before anything runs", async () => {
  await withDirectory(async (directory) => {
    const wrong: readonly (readonly [readonly string[], RegExp])[] = [
      [["--policy", "fixd-spin"], /"fixd-spin" is not a known policy; did you mean fixed-spin\?/],
      [["--time", "5"], /Expected a time with its unit, such as 90s or 5min/],
      [["--time", "0s"], /Expected a time with its unit/],
      [["--cpu-price", "1.5"], /1/],
      [["--set", "workload.with.queueDepth=0"], /queueDepth/],
      [["--set", "nonsense"], /must be PATH=VALUE/],
      [["--force"], /--force goes with --allow-destructive/],
      [["--out="], /--out is empty/],
    ];
    for (const [args, said] of wrong) {
      const { code, stdout, stderr } = await advise(directory, args);
      assert.equal(code, 2, args.join(" "));
      assert.equal(stdout, "");
      assert.match(stderr, said);
    }
    assert.deepEqual(savedIn(directory), []);
  });
});

Deno.test("missing permissions are named in one line, and with the flags that it names it runs", async () => {
  await withDirectory(async (directory) => {
    const file = await writeScenario(directory, PARTS);
    const args = ["advise", file, "--out", directory, "--time", "3s", "--policy", "fixed-spin", "--fixed-load"];
    const refused = await outcome(start(args, ["--no-prompt"]));
    assert.equal(refused.code, 2);
    const named = /Add: (.*?) {3}/.exec(refused.stderr)?.[1].split(" ") ?? [];
    const { code, stderr } = await outcome(start(args, ["--no-prompt", ...named]));
    assert.equal(code, 0, stderr);
  });
});

Deno.test("a minute can be written as other programs write it", async () => {
  await withDirectory(async (directory) => {
    const { code, stderr } = await advise(directory, ["--time", "0.05m", "--policy", "fixed-spin", "--fixed-load"]);
    assert.equal(code, 0, stderr);
  });
});
