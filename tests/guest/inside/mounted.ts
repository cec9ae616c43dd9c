/**
 * A step of the guest: the workload `mounted` where the kernel has a client of NBD of its own. The device is attached,
 * formatted and used; and nothing is left of it when the machine process is killed in the midst of that.
 *
 * @module
 */

import assert from "node:assert/strict";

const SCENARIO = "/tmp/mounted.yaml";
const RESULT = "/tmp/mounted.json";
/** There is such a file as long as the device is attached. */
const ATTACHED = "/sys/block/nbd0/pid";

/** Starts the command line on a scenario whose device is mounted. */
function start(device: unknown, script: string): Deno.ChildProcess {
  Deno.writeTextFileSync(
    SCENARIO,
    JSON.stringify({
      ...{ apiVersion: "iddr/v1", kind: "Scenario", name: "mounted", device, policy: { use: "interrupt" } },
      workload: { use: "mounted", with: { fileSystem: "ext4", command: ["sh", "-c", script] } },
      run: { repetitions: 1 },
      // Software emulation takes its time.
      recovery: { hangTimeout: "30s" },
    }),
  );
  return new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--allow-all", "--cached-only", "--no-check", "cli/main.ts", SCENARIO],
      ...["--out", RESULT, "--no-progress", "--no-report", "--allow-command=sh"],
    ],
    env: { PATH: `/opt/bin:${Deno.env.get("PATH")}` },
    stdin: "null",
  }).spawn();
}

/** Processes whose command line has some words. */
function processes(words: string): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => {
    try {
      return Number.isInteger(pid) &&
        Deno.readTextFileSync(`/proc/${pid}/cmdline`).replaceAll("\0", " ").includes(words);
    } catch {
      return false; // It has ended.
    }
  });
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

async function waitFor(condition: () => boolean): Promise<void> {
  for (let look = 0; look < 10_000; look++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`never happened: ${condition}`);
}

const fill = "test $(blockdev --getss {device}) = 4096 && dd if=/dev/urandom of=one bs=64k count=48 && cp one two && " +
  "sync && echo 1 > /proc/sys/vm/drop_caches && cmp one two";
const disk = { use: "loop-file", with: { size: "24MiB", sectorSize: "4KiB" } };
assert.equal((await start(disk, fill).status).code, 0);
const { cells: [{ samples: [sample], notes }] } = JSON.parse(Deno.readTextFileSync(RESULT));
assert.deepEqual(notes, ["attached by nbd-client"]);
assert.ok(sample.bytes >= 3 * 48 * 65536, `${sample.bytes} bytes went over the device`);
assert.ok(sample.flushes > 0);
assert.equal(exists(ATTACHED), false);

const ramdisk = { use: "ramdisk", with: { size: "24MiB" } };
const child = start(ramdisk, "while :; do dd if=/dev/zero of=x bs=64k count=9; sync; done");
await waitFor(() => processes("if=/dev/zero of=x").length > 1); // The shell, and what it has started.
assert.equal(exists(ATTACHED), true);
const machines = processes("core/runner/machine.ts");
assert.equal(machines.length, 1);
Deno.kill(machines[0], "SIGKILL");
assert.equal((await child.status).code, 1);
await waitFor(() => !exists(ATTACHED) && processes("nbd-client").length === 0);
console.log("nothing is left");
