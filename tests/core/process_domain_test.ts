// Domains that are processes: what they have of the hypervisor, and what is left of them.
import assert from "node:assert/strict";
import type { Hypervisor } from "../../core/hypervisor.ts";
import { openCLibrary } from "../../core/libc.ts";
import { MachineMemory } from "../../core/machine_memory.ts";
import { strictAvailability } from "../../core/sandbox/availability.ts";
import { builtins } from "../../plugins/mod.ts";
import {
  assertUnharmed,
  driverPid,
  hasResumed,
  HELPER,
  isAlive,
  planProcesses,
  processTest,
  runProcesses,
  saboteur,
  until,
} from "../helpers/process_machine.ts";
import { testUnless } from "../helpers/test_unless.ts";

/** What a process has open: the target of each descriptor. */
function descriptorsOf(pid: number | "self"): Map<number, string> {
  const found = new Map<number, string>();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    try {
      found.set(Number(name), Deno.readLinkSync(`/proc/${pid}/fd/${name}`));
    } catch {
      // Closed meanwhile.
    }
  }
  return found;
}

/** How many descriptors of each kind. */
function kinds(descriptors: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const target of descriptors) {
    const kind = target.replace(/:\[\d+\]$|\d+$/, "");
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

for (const kind of ["worker", "process"] as const) {
  for (const driver of ["worker", "process"] as const) {
    for (
      const [name, url, given] of [
        ["ramdisk", builtins.device.ramdisk, { size: "1MiB" }],
        ["a device of promises", HELPER("promise_disk"), {}],
      ] as const
    ) {
      processTest(`${name}: an application of kind ${kind} and a driver of kind ${driver} work together`, async () => {
        const plan = await planProcesses({ application: kind, driver, threads: 2, device: { url, given } });
        assertUnharmed(await runProcesses(plan));
      });
    }
  }
}

processTest(
  "a driver that completes requests by events sleeps while there is nothing to do, though it has no FFI",
  async () => {
    const device = { url: HELPER("promise_disk"), given: {} };
    const plan = await planProcesses({ device, workload: { url: HELPER("napper"), given: {} } });
    await runProcesses(plan, async (hypervisor, phases) => {
      const switches = (): number => {
        const text = Deno.readTextFileSync(`/proc/${driverPid(hypervisor)}/status`);
        return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(text)?.[1]);
      };
      const states: string[] = [];
      const before = switches();
      // A thread that only looked would never leave its core of its own will, or hardly be seen asleep.
      await until(phases, () => {
        states.push(Deno.readTextFileSync(`/proc/${driverPid(hypervisor)}/stat`).split(") ")[1][0]);
        return states.length >= 40;
      });
      assert(switches() > before);
      assert(states.filter((state) => state === "S").length > 30, states.join(""));
    });
  },
);

const { missing } = strictAvailability();
for (const sandbox of ["permissions", "none", "strict"] as const) {
  const refusal = sandbox === "strict" && missing.length > 0 ? missing.join(". ") : null;
  testUnless(refusal, `domains in the sandbox ${sandbox} work, and survive signals to the process group`, async () => {
    const plan = await planProcesses({ application: "process", sandbox, recovery: {} });
    const outcome = await runProcesses(plan, async (hypervisor, phases) => {
      const pids = [driverPid(hypervisor), driverPid(hypervisor, "application-0")];
      for (const signal of ["SIGINT", "SIGHUP", "SIGTERM"] as const) for (const pid of pids) Deno.kill(pid, signal);
      await answersMore(hypervisor, phases);
      assert.deepEqual(pids, [driverPid(hypervisor), driverPid(hypervisor, "application-0")]);
      Deno.kill(pids[0], "SIGKILL");
      await until(phases, () => hasResumed(hypervisor, 1));
    });
    assertUnharmed(outcome);
    assert.equal(outcome.results.get("driver")?.restarts.length, 1);
  });
}

/** Waits until both have used more processor time: they are alive, and at work. */
async function answersMore(hypervisor: Hypervisor, phases: { readonly signal: AbortSignal }): Promise<void> {
  const ticks = (): number[] =>
    ["driver", "application-0"].map((name) => {
      const fields = Deno.readTextFileSync(`/proc/${driverPid(hypervisor, name)}/stat`).split(") ")[1].split(" ");
      return Number(fields[11]) + Number(fields[12]);
    });
  const before = ticks();
  await until(phases, () => ticks().every((each, index) => each > before[index]));
}

processTest("a process has the descriptors that it was handed, and no other of the hypervisor's", async () => {
  using other = await Deno.open(new URL(import.meta.url)); // One of this process that is nobody's business.
  assert(other.isTerminal() === false);
  const device = { url: builtins.device["loop-file"], given: { size: "1MiB", engine: "sync" } };
  const plan = await planProcesses({ application: "process", device, recovery: {} });
  await runProcesses(plan, async (hypervisor, phases) => {
    for (let restarts = 0; restarts < 3; restarts++) {
      const driver = descriptorsOf(driverPid(hypervisor));
      const application = descriptorsOf(driverPid(hypervisor, "application-0"));
      for (const [who, descriptors] of [["driver", driver], ["application", application]] as const) {
        const strange = [...descriptors.values()].filter((target) => {
          // Memory files are mapped and closed; what is left of others are doorbells, and the medium for the driver.
          return /memfd|process_domain_test/.test(target) || (target.includes("loop") && who !== "driver");
        });
        assert.deepEqual(strange, [], who);
      }
      const own = doorbellsOf("self");
      for (const name of ["driver", "application-0"]) {
        const shared = [...doorbellsOf(driverPid(hypervisor, name))].filter((id) => own.has(id));
        assert.equal(shared.length, 2, `${name} has its own doorbell, and its peer's`);
      }
      const media = [...driver.values()].filter((target) => /\.img|disk|loop/.test(target) && !target.includes("lib"));
      assert.equal(media.length, 1, `one opening of its medium: ${media}`);
      Deno.kill(driverPid(hypervisor), "SIGKILL");
      await until(phases, () => hasResumed(hypervisor, restarts + 1));
    }
  });
});

/** The kernel's numbers of the eventfds that a process has. */
function doorbellsOf(pid: number | "self"): Set<string> {
  const ids = [...descriptorsOf(pid).keys()].map((descriptor) => {
    try {
      return /eventfd-id:\s*(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/fdinfo/${descriptor}`))?.[1];
    } catch {
      return undefined; // Closed meanwhile.
    }
  });
  return new Set(ids.filter((id) => id !== undefined));
}

for (const standby of [false, true]) {
  processTest(`twenty restarts leave no descriptor behind${standby ? ", standbys included" : ""}`, async () => {
    const device = { url: builtins.device["loop-file"], given: { size: "1MiB", engine: "sync" } };
    const plan = await planProcesses({ device, recovery: { maxRestarts: 20, standby } });
    const outcome = await runProcesses(plan, async (hypervisor, phases) => {
      const settled = async (restarts: number): Promise<Record<string, number>> => {
        await until(phases, () => hasResumed(hypervisor, restarts));
        if (standby) await until(phases, () => hypervisor.domain("driver").hasStandby);
        return kinds(descriptorsOf("self").values());
      };
      const counts: Record<string, number>[] = [];
      for (let restarts = 1; restarts <= 20; restarts++) {
        Deno.kill(driverPid(hypervisor), "SIGKILL");
        counts.push(await settled(restarts));
      }
      // The pipes of the one that died last may not be read to their end yet.
      const { pipe: first = 0, ...early } = counts[2];
      await until(phases, () => (kinds(descriptorsOf("self").values()).pipe ?? 0) <= first);
      const { pipe: _, ...late } = kinds(descriptorsOf("self").values());
      assert.deepEqual(late, early);
    });
    assertUnharmed(outcome);
  });
}

Deno.test("memory that processes share cannot be cut off under who uses it, and is of this process's heap in no part", () => {
  const memory = new MachineMemory(true);
  const buffers = [1, 4096, 3 * 4096].map((byteLength) => memory.allocate(byteLength));
  const library = openCLibrary({ ftruncate64: { parameters: ["i32", "i64"], result: "i32" } });
  assert(library !== null);
  for (const buffer of buffers) {
    const descriptor = memory.descriptorOf(buffer);
    assert(descriptor !== undefined);
    const path = `/proc/self/fd/${descriptor}`;
    for (const byteLength of [0n, 4096n, 1n << 20n]) {
      const whole = BigInt(Math.ceil(buffer.byteLength / 4096) * 4096);
      assert.equal(library.symbols.ftruncate64(descriptor, byteLength), byteLength === whole ? 0 : -1);
    }
    // Every page that a peer gets by the descriptor is the region's: it is as long as that, and holds what is written here.
    new Uint8Array(buffer).fill(0x5a);
    const seen = Deno.readFileSync(path);
    assert.equal(seen.length, Math.ceil(buffer.byteLength / 4096) * 4096);
    assert(seen.subarray(0, buffer.byteLength).every((byte) => byte === 0x5a));
    assert(seen.subarray(buffer.byteLength).every((byte) => byte === 0));
  }
  library.close();
  memory.close();
});

processTest("what a process maps of the machine are its regions, and nothing else that is shared", async () => {
  const plan = await planProcesses({ application: "process", threads: 2, recovery: {} });
  await runProcesses(plan, async (hypervisor) => {
    const shared = (pid: number): string[] => {
      // Deno's cache of modules is a file that every Deno maps.
      return Deno.readTextFileSync(`/proc/${pid}/maps`).split("\n")
        .filter((line) => /^\S+ ..?.?s/.test(line) && !/ \/.*\.cache|_cache_v\d+(?:-shm)?$/.test(line))
        .map((line) => line.split(/\s+/).slice(4).join(" "));
    };
    const regions = (name: string): Set<string> => new Set(shared(driverPid(hypervisor, name)));
    const [driver, first, second] = ["driver", "application-0", "application-1"].map(regions);
    for (const region of [...driver, ...first, ...second]) assert.match(region, /memfd:iddr/);
    // Of each other the applications have nothing: no ring, no page, no words. Both ring the driver's bell.
    const common = [...first].filter((region) => second.has(region));
    assert.deepEqual([common.length, common.every((region) => driver.has(region))], [1, true]);
    // Of the driver's each has its link, its own event page and the driver's.
    for (const each of [first, second]) assert.equal([...each].filter((region) => driver.has(region)).length, 3);
    await Promise.resolve();
  });
});

processTest("no process is left of a machine that worked, failed or was aborted", async () => {
  const device = saboteur({ fault: "kill", at: 30, times: 1 });
  for (const [recovery, aborts] of [[{}, false], [undefined, false], [{}, true]] as const) {
    const pids = new Set<number>();
    const plan = await planProcesses({ application: "process", device, recovery });
    await runProcesses(plan, async (hypervisor, phases) => {
      for (const name of ["driver", "application-0"]) pids.add(driverPid(hypervisor, name));
      if (aborts) hypervisor.abort(new Error("enough"));
      await until(phases, () => hasResumed(hypervisor, 1));
      pids.add(driverPid(hypervisor));
    }).catch(() => {});
    assert(pids.size >= 2);
    assert.deepEqual([...pids].filter(isAlive), []);
  }
});
