// A driver's process is killed again and again while sysbench runs on the ext2 that is mounted from its device: the client
// sees no error, and the file system is clean. IDDR_KILLS says how often it is killed; 5 times where it does not.
import assert from "node:assert/strict";
import mounted from "../../plugins/workloads/mounted.ts";
import { builtins } from "../../plugins/mod.ts";
import { attachRefusal, leftIn, programRefusal } from "../helpers/mounted.ts";
import { conduct, driverPid, hasResumed, planProcesses, until } from "../helpers/process_machine.ts";
import { testUnless } from "../helpers/test_unless.ts";

const KILLS = Number(Deno.env.get("IDDR_KILLS") ?? 5);
/** Every block has a checksum, from its preparation on. */
const FILES = ["--file-total-size=16M", "--file-num=8", "--validate=on"];
const DEVICES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "ramdisk": { size: "64MiB" },
  "loop-file": { size: "64MiB" },
};

/** Runs sysbench over and over until there is a file; it ends with an error at its first failed operation. */
function sysbenchUntil(path: string): string[] {
  const run = [
    "sysbench",
    "fileio",
    ...FILES,
    "--file-test-mode=rndrw",
    "--file-fsync-freq=20",
    "--file-extra-flags=direct",
  ];
  const round = [...run, "--time=0", "--events=400", "run"].join(" ");
  return ["sh", "-c", `while [ ! -e ${path} ]; do ${round} || exit 1; done`];
}

for (const [device, given] of Object.entries(DEVICES)) {
  const name =
    `${device}: ${KILLS} deaths of the driver while sysbench runs on its ext2 are no errors, and e2fsck is content`;
  testUnless(attachRefusal ?? programRefusal("sysbench"), name, async () => {
    const folder = await Deno.makeTempDir();
    const over = `${folder}/over`;
    const wanted = {
      ...{ attach: "nbdfuse", figures: "none", timeout: "60min", transferSize: "64KiB" },
      prepare: [["sysbench", "fileio", ...FILES, "prepare"]],
      command: sysbenchUntil(over),
    };
    const plan = await planProcesses({
      device: { url: builtins.device[device], given },
      workload: { url: builtins.workload.mounted, given: wanted },
      recovery: { maxRestarts: KILLS, standby: true },
      hangTimeoutNs: 30e9,
    });
    const pausesMs: number[] = [];
    const options = mounted.options.parse(wanted);
    try {
      const { results } = await conduct(plan, (hypervisor) => async (phases) => {
        const measured = Promise.withResolvers<void>();
        const measure = async (): Promise<void> => {
          await phases.measure();
          measured.resolve();
        };
        const conducted = mounted.conduct?.(options, { ...phases, measure, scratchDirectory: folder, note() {} });
        const killing = async (): Promise<void> => {
          await measured.promise;
          for (let killed = 1; killed <= KILLS; killed++) {
            Deno.kill(driverPid(hypervisor), "SIGKILL");
            await until(phases, () => hasResumed(hypervisor, killed));
          }
          await Deno.writeTextFile(over, "");
        };
        await Promise.race([conducted, killing()]);
        await conducted;
      }, { scratchDirectory: folder });
      const { restarts = [] } = results.get("driver") ?? {};
      assert.equal(restarts.length, KILLS);
      for (const { noticedAtMs, resumedAtMs } of restarts) pausesMs.push((resumedAtMs ?? Infinity) - noticedAtMs);
      const { sample } = results.get("application-0") ?? assert.fail();
      assert.equal(sample.operations?.errors, 0);
      assert((sample.operations?.flushes ?? 0) > 0, "the device was flushed");
      console.log(`${KILLS} kills; ${describe(pausesMs)}; ${sample.operations?.operations} operations in between`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
    assert.deepEqual(leftIn(folder), []);
  });
}

/** What the pauses were, from the notice of a death to the first answer of the next driver. */
function describe(pausesMs: number[]): string {
  const sorted = pausesMs.toSorted((a, b) => a - b);
  const [min, median, max] = [sorted[0], sorted[sorted.length >> 1], sorted[sorted.length - 1]];
  return `pauses of ${min.toFixed(1)} to ${max.toFixed(1)} ms, median ${median.toFixed(1)} ms`;
}
