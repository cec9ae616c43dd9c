import assert from "node:assert/strict";
import { flags, outcome, processesAlive, savedResult, start, until, withDirectory, writeScenario } from "./command.ts";

async function fail(directory: string, parts: Record<string, unknown>) {
  const scenario = await writeScenario(directory, parts);
  return await outcome(start([scenario, "--out", directory], flags(directory), true));
}

const BAD_DEVICES = {
  "throws-on-create": /The domain driver failed: the firmware is missing/,
  "throws-on-request": /An operation failed with status -1\. The device disk failed: the platter is scratched/,
  "spins-for-ever": /The domain driver has shown no sign of life for 1000 ms/,
  "ends-its-worker": /The domain driver has shown no sign of life for 1000 ms/,
};

for (const [device, message] of Object.entries(BAD_DEVICES)) {
  Deno.test(`a device that ${device} fails its cell with the cause; the other cell is measured`, async () => {
    await withDirectory(async (directory) => {
      const { code, stdout, stderr } = await fail(directory, {
        matrix: { device: [{ use: device }, { use: "ramdisk", with: { size: "1MiB" } }] },
      });
      assert.equal(code, 1, stderr);
      assert.match(stdout, message);
      const { cells } = await savedResult(directory);
      assert.equal(cells[0].status, "failed");
      assert.match(cells[0].error, message);
      assert.deepEqual(cells[0].summary.iops, null);
      assert.equal(cells[1].status, "ok");
      assert.deepEqual(await processesAlive(), []);
    });
  });
}

Deno.test("a policy that throws fails its cell with the cause", async () => {
  await withDirectory(async (directory) => {
    const { code, stdout } = await fail(directory, { policy: { use: "throws-when-planning" } });
    assert.equal(code, 1);
    assert.match(stdout, /The domain (application|driver) failed: no plan/);
  });
});

Deno.test("a workload that never returns fails its cell and leaves no process", async () => {
  await withDirectory(async (directory) => {
    const { code, stdout } = await fail(directory, { workload: { use: "never-returns" } });
    assert.equal(code, 1);
    assert.match(stdout, /The domain application has shown no sign of life for 1000 ms/);
    assert.deepEqual(await processesAlive(), []);
  });
});

Deno.test("a plugin that prints to standard output does not disturb its machine's answer", async () => {
  await withDirectory(async (directory) => {
    const { code, stderr } = await fail(directory, { device: { use: "prints" } });
    assert.equal(code, 0, stderr);
  });
});

const INVALID_PLUGINS = {
  "not-a-plugin": /scenario\.yaml:1:\d+: device\.use: .* is no device for iddr\/v1/,
  "throws-on-load": /scenario\.yaml:1:\d+: device\.use: Cannot load the device .*this module cannot be loaded/,
};

for (const [device, message] of Object.entries(INVALID_PLUGINS)) {
  Deno.test(`a module that is ${device} is refused before anything runs`, async () => {
    await withDirectory(async (directory) => {
      const { code, stderr } = await fail(directory, { device: { use: device } });
      assert.equal(code, 2);
      assert.match(stderr, message);
    });
  });
}

Deno.test("a missing loop file fails its cell with its path", async () => {
  await withDirectory(async (directory) => {
    const path = `${directory}/absent.img`;
    const { code, stdout } = await fail(directory, { device: { use: "loop-file", with: { path } } });
    assert.equal(code, 1);
    assert.ok(stdout.includes(`Cannot open the loop file ${path}`));
  });
});

/** A scenario that runs long enough to be disturbed in its second repetition. */
const LONG = { run: { warmup: "10ms", duration: "300ms", repetitions: 50 } };

/** Waits until something has been saved, so that there is a machine in the middle of its work. */
async function firstSave(directory: string): Promise<void> {
  await until(() => [...Deno.readDirSync(directory)].some(({ name }) => /^test-.*\.json$/.test(name)));
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`${signal} ends a run with 130, saves what was measured and leaves no process`, async () => {
    await withDirectory(async (directory) => {
      const scenario = await writeScenario(directory, LONG);
      const child = start([scenario, "--out", directory], flags(directory));
      await firstSave(directory);
      child.kill(signal);
      const { code, stdout, stderr } = await outcome(child);
      assert.equal(code, 130, stderr);
      assert.match(stderr, /interrupted; saved in/);
      assert.match(stdout, /fixed-spin/);
      const { interrupted, cells } = await savedResult(directory);
      assert.equal(interrupted, true);
      assert.equal(cells[0].status, "pending");
      assert.ok(cells[0].samples.length >= 1 && cells[0].samples.length < 50);
      assert.deepEqual(await processesAlive(), []);
    });
  });
}

Deno.test("a machine process that is killed fails its cell", async () => {
  await withDirectory(async (directory) => {
    const scenario = await writeScenario(directory, LONG);
    const child = start([scenario, "--out", directory], flags(directory));
    await firstSave(directory);
    await until(async () => {
      const machines = (await processesAlive()).filter((pid) => pid !== child.pid);
      for (const pid of machines) Deno.kill(pid, "SIGKILL");
      return machines.length > 0;
    });
    const { code, stdout } = await outcome(child);
    assert.equal(code, 1);
    assert.match(stdout, /The machine process was killed by SIGKILL/);
    assert.ok((await savedResult(directory)).cells[0].samples.length >= 1);
  });
});

Deno.test("a runner that is killed takes its machine process with it", async () => {
  await withDirectory(async (directory) => {
    // The loop file lies in a folder that the machine process must then remove.
    const scenario = await writeScenario(directory, { ...LONG, device: { use: "loop-file", with: { size: "1MiB" } } });
    const child = start([scenario, "--out", directory], flags(directory));
    await firstSave(directory);
    await until(async () => (await processesAlive()).length === 2);
    child.kill("SIGKILL");
    await outcome(child);
    await until(async () => (await processesAlive()).length === 0);
    assert.deepEqual([...Deno.readDirSync(directory)].filter(({ name }) => name.startsWith(".iddr-")), []);
  });
});
