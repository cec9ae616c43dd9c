import assert from "node:assert/strict";
import { join } from "node:path";
import { flags, outcome, PROJECT, start, withDirectory, writeScenario } from "./command.ts";

const BROKEN = `apiVersion: iddr/v1
kind: Scenario
name: broken
device: { use: ramdsk }
policy: { use: fixed-spin, with: { spin: 50 } }
workload:
  use: sysbench-fileio
  with: { blocksize: 16KiB }
`;

Deno.test("every mistake of a scenario is named with its place, and nothing runs", async () => {
  await withDirectory(async (directory) => {
    const file = join(directory, "broken.yaml");
    await Deno.writeTextFile(file, BROKEN);
    for (const command of [[file, "--out", directory], ["check", file]]) {
      const { code, stdout, stderr } = await outcome(start(command, flags(directory)));
      assert.equal(code, 2);
      assert.equal(stdout, "");
      assert.deepEqual(stderr.trim().split("\n"), [
        `${file}:4:16: device.use: "ramdsk" is not a known device; did you mean ramdisk? (allowed: null, ramdisk, loop-file, sata, nbd)`,
        `${file}:5:42: policy.with.spin: must be a time with its unit, such as 50us: found 50`,
        `${file}:8:11: workload.with.blocksize: is not a known key; did you mean blockSize? ` +
        "(allowed: mode, blockSize, threads, queueDepth, files, totalSize, rwRatio, fsyncFreq, fsyncAll, fsyncEnd, " +
        "randType, paretoH, zipfianExp)",
        "iddr: 3 mistakes; nothing was run",
      ]);
    }
    assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["broken.yaml"]);
  });
});

Deno.test("text that is no YAML, a missing file and an empty glob are named with their places", async () => {
  await withDirectory(async (directory) => {
    const file = join(directory, "text.yaml");
    await Deno.writeTextFile(file, "a: [1,\nb: }\n");
    const missing = `${directory}/*.yml`;
    const { code, stderr } = await outcome(start([file, missing, "--out", directory], flags(directory)));
    assert.equal(code, 2);
    assert.match(stderr, /text\.yaml:2:\d+: is not YAML: /);
    assert.match(stderr, /\*\.yml:1:1: cannot be read: there is no such file/);
  });
});

Deno.test("a workload that needs more slots than the ring has is refused by check", async () => {
  await withDirectory(async (directory) => {
    const file = await writeScenario(directory, { workload: { use: "sysbench-fileio", with: { queueDepth: 33 } } });
    const { code, stderr } = await outcome(start(["check", file], flags(directory)));
    assert.equal(code, 2);
    assert.match(stderr, /workload: keeps 33 requests in flight; a ring of order 0 has 32 entries/);
  });
});

Deno.test("the shipped scenarios are valid", async () => {
  await withDirectory(async (directory) => {
    const files = [...Deno.readDirSync(join(PROJECT, "scenarios"))]
      .filter(({ name }) => name.endsWith(".yaml")).map(({ name }) => join("scenarios", name));
    assert.ok(files.length > 0);
    const { code, stdout, stderr } = await outcome(start(["check", ...files], flags(directory)));
    assert.equal(code, 0, stderr);
    assert.equal(stdout.trim().split("\n").length, files.length);
  });
});

Deno.test("a wrong command line ends with 2 and says what is right", async () => {
  await withDirectory(async (directory) => {
    for (
      const args of [[], ["--josn", "a.yaml", "--out", directory], ["run"], [
        "a.yaml",
        "--set",
        "nothing",
        "--out",
        directory,
      ]]
    ) {
      const { code, stderr } = await outcome(start(args, flags(directory)));
      assert.equal(code, 2, args.join(" "));
      assert.match(stderr, /Usage: iddr|must be PATH=VALUE/);
    }
    const { code, stdout } = await outcome(start(["--help"], flags(directory)));
    assert.equal(code, 0);
    assert.match(stdout, /Usage: iddr run/);
  });
});

Deno.test("a missing permission is named in one line, with the flags to add", async () => {
  await withDirectory(async (directory) => {
    const file = await writeScenario(directory);
    const none = await outcome(start([file, "--out", directory], ["--no-prompt"]));
    assert.equal(none.code, 2);
    const all = `Add: --allow-read --allow-env=LOG_TOKENS,LOG_STREAM --allow-run --allow-write=${directory} `;
    assert.ok(none.stderr.startsWith("iddr: ") && none.stderr.includes(all), none.stderr);
    assert.equal(none.stderr.trim().split("\n").length, 1);
    const some = flags(directory).filter((flag) => !/run|write/.test(flag));
    const { code, stderr } = await outcome(start([file, "--out", directory], some));
    assert.equal(code, 2);
    assert.ok(stderr.includes(`Add: --allow-run --allow-write=${directory} `), stderr);
  });
});
