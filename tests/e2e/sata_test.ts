// The device sata by the command line, with a person's permissions, on loop devices.
import assert from "node:assert/strict";
import { join } from "node:path";
import { checkFromOutside } from "../helpers/check_from_outside.ts";
import { loopDevice, loopDeviceRefusal } from "../helpers/loop_device.ts";
import { testUnless } from "../helpers/test_unless.ts";
import { flags, outcome, savedResult, start, withDirectory, writeScenario } from "./command.ts";

const SIZE = 2 ** 20;
const refusal = loopDeviceRefusal();

interface Combination {
  readonly engine: "sync" | "io-uring";
  readonly sectorSize: 512 | 4096;
  readonly placement: "isolated" | "monolithic";
  readonly policy: string;
  readonly threads: number;
}

const COMBINATIONS: readonly Combination[] = [
  { engine: "sync", sectorSize: 512, placement: "isolated", policy: "fixed-spin", threads: 1 },
  { engine: "io-uring", sectorSize: 512, placement: "isolated", policy: "interrupt", threads: 2 },
  { engine: "io-uring", sectorSize: 4096, placement: "isolated", policy: "adaptive-spin", threads: 3 },
  { engine: "io-uring", sectorSize: 512, placement: "monolithic", policy: "interrupt", threads: 1 },
];

for (const [index, { engine, sectorSize, placement, policy, threads }] of COMBINATIONS.entries()) {
  const name = `${engine}, ${sectorSize}, ${placement}, ${policy}, ${threads} threads`;
  testUnless(refusal, `a disk holds what verify wrote, seen from outside: ${name}`, async () => {
    await withDirectory(async (directory) => {
      using disk = loopDevice({ sizeBytes: SIZE, sectorSize });
      const scenario = await writeScenario(directory, {
        device: { use: "sata", with: { path: disk.path, destructive: true, engine } },
        placement,
        policy: { use: policy },
        workload: { use: "verify", with: { threads, size: "1MiB", queueDepth: 8 } },
        run: { warmup: "10ms", duration: "50ms", repetitions: 1, seed: index + 1 },
        recovery: { hangTimeout: "10s" },
        expect: ["errors == 0", "sectorsVerified >= 2048", "bouncedRequests == 0"],
      });
      const results = join(directory, "results");
      const args = [scenario, "--out", results, "--no-progress", `--allow-destructive=${disk.path}`];
      const ran = await outcome(start(args, flags(directory)));
      assert.equal(ran.code, 0, ran.stderr + ran.stdout);
      const { counters } = (await savedResult(results)).cells[0].samples[0];
      const found = await checkFromOutside(disk.image, SIZE);
      assert.deepEqual([found.bad, found.sectors], [0, SIZE / 512]);
      assert.equal(found.generationSum, counters.generationSum);
    });
  });
}

testUnless(refusal, "a scenario that reads a disk needs no consent, and says that the disk is read-only", async () => {
  await withDirectory(async (directory) => {
    using disk = loopDevice({ sizeBytes: 8 * SIZE });
    const scenario = await writeScenario(directory, {
      device: { use: "sata", with: { path: disk.path } },
      workload: { use: "sysbench-fileio", with: { mode: "rndrd", queueDepth: 8 } },
      run: { warmup: "10ms", duration: "50ms", repetitions: 1 },
    });
    const ran = await outcome(start([scenario, "--out", directory, "--no-progress"], flags(directory)));
    assert.equal(ran.code, 0, ran.stderr + ran.stdout);
    assert.match(ran.stdout, /note: .*loop\d+ is read-only here: to write to it takes destructive: true/);
  });
});

testUnless(refusal, "without --allow-ffi the flag that is missing is named, with the reason", async () => {
  await withDirectory(async (directory) => {
    using disk = loopDevice({ sizeBytes: SIZE });
    const scenario = await writeScenario(directory, { device: { use: "sata", with: { path: disk.path } } });
    const without = flags(directory).filter((flag) => flag !== "--allow-ffi");
    const ran = await outcome(start([scenario, "--no-progress", "--out", directory], without));
    assert.equal(ran.code, 2);
    assert.match(ran.stderr, /--allow-ffi=\/\S+libc\.so\.6 .*the device sata load the library/);
  });
});

Deno.test("where io_uring is not to be had, a file past the page cache is driven without it, and that is noted", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory, {
      device: { use: "loop-file", with: { size: "8MiB", direct: true } },
      workload: { use: "sysbench-fileio", with: { queueDepth: 4 } },
      run: { warmup: "10ms", duration: "50ms", repetitions: 1 },
    });
    const without = flags(directory).filter((flag) => flag !== "--allow-ffi");
    const ran = await outcome(start([scenario, "--out", directory, "--no-progress"], without));
    assert.equal(ran.code, 0, ran.stderr + ran.stdout);
    assert.match(ran.stdout, /note: io_uring needs the C library: allow --allow-ffi; one command .* \(engine: sync\)/);
    const asked = ["--set", "device.with.engine=io-uring"];
    const refused = await outcome(start([scenario, "--out", directory, "--no-progress", ...asked], without));
    assert.equal(refused.code, 2, "it was told before anything ran");
    assert.match(refused.stderr, /--allow-ffi=\/\S+libc\.so\.6 .*the device loop-file load the library/);
  });
});
