import assert from "node:assert/strict";
import { flags, outcome, savedResult, start, withDirectory, writeScenario } from "./command.ts";

async function run(directory: string, parts: Record<string, unknown>, ...args: string[]) {
  const scenario = await writeScenario(directory, parts);
  return await outcome(start([scenario, "--out", directory, ...args], flags(directory)));
}

Deno.test("a run prints a table, saves a result and ends with 0", async () => {
  await withDirectory(async (directory) => {
    const { code, stdout, stderr } = await run(directory, {
      matrix: {
        policy: [{ use: "interrupt" }, { use: "fixed-spin", with: { spin: "20us" } }, { use: "adaptive-spin" }],
        placement: ["isolated", "monolithic"],
      },
    });
    assert.equal(code, 0, stderr);
    for (const label of ["interrupt", "fixed-spin(spin=20us)", "adaptive-spin", "monolithic"]) {
      assert.ok(stdout.includes(label), `${label} is missing in\n${stdout}`);
    }
    const result = await savedResult(directory);
    assert.equal(result.schema, "iddr.result/v1");
    assert.equal(result.interrupted, false);
    assert.equal(result.cells.length, 6);
    assert.equal(new Set(result.cells.map(({ id }: { id: string }) => id)).size, 6);
    for (const { status, samples, labels, summary } of result.cells) {
      assert.equal(status, "ok");
      assert.equal(samples.length, 2);
      assert.equal(summary.iops.interval, "minmax");
      for (const sample of samples) {
        assert.ok(sample.operations > 0);
        assert.equal(sample.bytes, sample.operations * 4096);
        assert.ok(sample.latencyNs.p50 <= sample.latencyNs.p99 && sample.latencyNs.p99 <= sample.latencyNs.max);
        assert.equal(sample.notifications.backend === null, labels.placement === "monolithic");
        assert.equal(sample.cpuCores.driver === null, labels.placement === "monolithic");
      }
    }
  });
});

for (
  const [device, kind] of ["ramdisk", "loop-file", "null"].flatMap((name) => [[name, "worker"], [name, "process"]])
) {
  Deno.test(`the device ${device} runs in every mode, with a full ring, its driver in a ${kind}`, async () => {
    await withDirectory(async (directory) => {
      const { code, stderr } = await run(directory, {
        domains: { driver: { kind } },
        device: { use: device, with: { size: "1MiB" } },
        workload: { use: "sysbench-fileio", with: { blockSize: "44KiB", queueDepth: 32, files: 16 } },
        matrix: { "workload.with.mode": ["rndrd", "rndwr", "rndrw"] },
        run: { warmup: "20ms", duration: "50ms", repetitions: 1 },
      });
      assert.equal(code, 0, stderr);
      const { cells } = await savedResult(directory);
      assert.deepEqual(
        cells.map(({ labels }: { labels: Record<string, string> }) => labels["workload.with.mode"]),
        ["rndrd", "rndwr", "rndrw"],
      );
      const left = [...Deno.readDirSync(directory)].filter(({ name }) => name.startsWith(".iddr-"));
      assert.deepEqual(left, [], "the folder for media was removed");
    });
  });
}

Deno.test("--json prints the result that is saved, and nothing else, on standard output", async () => {
  await withDirectory(async (directory) => {
    const { code, stdout, stderr } = await run(directory, {}, "--json", "--no-progress");
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), await savedResult(directory));
    assert.doesNotMatch(stderr, /done/);
  });
});

Deno.test("--set goes before the file and before the matrix", async () => {
  await withDirectory(async (directory) => {
    const { code, stderr } = await run(
      directory,
      { matrix: { policy: [{ use: "interrupt" }, { use: "adaptive-spin" }] } },
      "--set",
      "policy.use=fixed-spin",
      "--set",
      "workload.with.queueDepth=4",
    );
    assert.equal(code, 0, stderr);
    const { cells, scenario } = await savedResult(directory);
    assert.equal(cells.length, 1);
    assert.equal(cells[0].labels.policy, "fixed-spin");
    assert.equal(scenario.workload.with.queueDepth, 4);
  });
});

Deno.test("an --out that ends in .json is the result's file", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory);
    const file = `${directory}/mine.json`;
    const { code, stderr } = await outcome(start([scenario, "--out", file], flags(directory)));
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(await Deno.readTextFile(file)).cells[0].status, "ok");
  });
});

Deno.test("without FFI the run works, and what could not be measured is null", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory);
    const permissions = flags(directory).filter((flag) => flag !== "--allow-ffi" && flag !== "--allow-sys");
    const { code, stderr } = await outcome(start([scenario, "--out", directory], permissions));
    assert.equal(code, 0, stderr);
    assert.match(stderr, /--allow-ffi/);
    const { cells, machine } = await savedResult(directory);
    const [sample] = cells[0].samples;
    assert.deepEqual(sample.contextSwitches, { application: null, driver: null });
    assert.deepEqual(sample.cpus, { application: null, driver: null });
    assert.equal(machine.cpuModel, null);
  });
});

Deno.test("with FFI, domains that are spread stay on different cores", async () => {
  await withDirectory(async (directory) => {
    const { code, stderr } = await run(directory, {});
    assert.equal(code, 0, stderr);
    for (const { cpus } of (await savedResult(directory)).cells[0].samples) {
      assert.equal(cpus.application.length, 1);
      assert.equal(cpus.driver.length, 1);
      if (navigator.hardwareConcurrency > 1) assert.notDeepEqual(cpus.application, cpus.driver);
    }
  });
});
