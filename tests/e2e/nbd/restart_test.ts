// A driver that is killed, or replaced by another version of its module, under a client of the export.
import assert from "node:assert/strict";
import { join } from "node:path";
import { PROJECT } from "../../helpers/run_deno.ts";
import { testUnless } from "../../helpers/test_unless.ts";
import { until } from "../../nbd/until.ts";
import { processesAlive, withDirectory } from "../command.ts";
import { clientRefusal, serve, type Served, succeed } from "./served.ts";

const refusal = clientRefusal("fio");
const PROCESSES = { application: { kind: "process" }, driver: { kind: "process" } };

/** fio writes at random, and checks every block that it wrote. */
async function verify({ uri }: Served, loops: number): Promise<void> {
  const printed = await succeed(
    "fio",
    ...["--name=verify", "--ioengine=nbd", `--uri=${uri}`, "--size=4M", "--rw=randwrite", `--loops=${loops}`],
    ...["--bsrange=512-64k", "--iodepth=16", "--fsync=32", "--randseed=7"],
    ...["--verify=crc32c", "--do_verify=1", "--verify_fatal=1", "--verify_state_save=0", "--output-format=json"],
  );
  assert.equal(JSON.parse(printed.slice(printed.indexOf("{"))).jobs[0].error, 0);
}

/** The processes whose main module is that of a domain, by what their arguments end with, in the order of their start. */
async function domainProcesses(): Promise<number[]> {
  const found: number[] = [];
  for (const process of await processesAlive()) {
    const args = await Deno.readTextFile(`/proc/${process}/cmdline`).catch(() => "");
    if (args.includes("core/domain/process.ts")) found.push(process);
  }
  return found.sort((a, b) => a - b);
}

function occurrences(text: string, of: RegExp): number {
  return [...text.matchAll(of)].length;
}

testUnless(refusal, "clients of an export notice nothing when its driver is killed", async () => {
  await withDirectory(async (directory) => {
    const parts = { domains: PROCESSES, recovery: { hangTimeout: "20s", standby: false } };
    await using served = await serve(directory, { parts });
    const application = (await domainProcesses())[0];
    let over = false;
    const verified = verify(served, 20).finally(() => over = true);
    let kills = 0;
    let last = 0;
    while (!over && kills < 5) {
      const driver = (await domainProcesses()).find((each) => each !== application && each !== last);
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (driver === undefined || over) continue;
      Deno.kill(driver, "SIGKILL");
      last = driver;
      kills++;
    }
    await verified;
    const { code, stdout } = await served.end();
    assert.deepEqual([code, kills > 0], [0, true]);
    assert.doesNotMatch(stdout, /failed/);
    await until(async () => (await processesAlive()).length === 0, "nothing is left");
  });
});

testUnless(refusal, "a signal replaces the driver by the version of its module that is now on the disk", async () => {
  await withDirectory(async (directory) => {
    const module = join(directory, "disk.ts");
    const write = (body: string): Promise<void> => {
      return Deno.writeTextFile(
        module,
        `import ramdisk from ${JSON.stringify(`file://${PROJECT}plugins/devices/ramdisk.ts`)};\n` +
          `export default { ...ramdisk, name: "versioned", ${body} };\n`,
      );
    };
    const version = (number: number): Promise<void> => {
      return write(`create(o, m, c) { c.note("version ${number}"); return ramdisk.create(o, m, c); }`);
    };
    await version(1);
    const parts = {
      device: { use: "./disk.ts", with: { size: "4MiB" } },
      ...{ domains: PROCESSES, recovery: { hangTimeout: "20s", standby: true } },
    };
    await using served = await serve(directory, { parts, args: [`--allow-plugin=${module}`] });
    const verified = verify(served, 10);
    for (const next of [2, 3]) {
      await version(next);
      served.kill("SIGUSR2");
      await until(
        () => occurrences(served.stderr(), /the driver of disk was replaced/g) === next - 1,
        `driver ${next} takes over`,
      );
      await until(() => served.stderr().includes(`note: version ${next}`), `version ${next} is told`);
    }
    await write("syntax error");
    served.kill("SIGUSR2");
    await until(() => /the driver of disk was not replaced: .*disk\.ts/s.test(served.stderr()), "the refusal is told");
    await verified;
    const { code, stdout } = await served.end();
    assert.equal(code, 0);
    assert.doesNotMatch(stdout, /failed/);
    await until(async () => (await processesAlive()).length === 0, "nothing is left");
  });
});
