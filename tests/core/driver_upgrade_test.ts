// Drivers that stand by, and drivers that are replaced while applications use them.
import assert from "node:assert/strict";
import type { MachinePlan } from "../../core/domain/plan.ts";
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

/** Processes of this one that are domains. */
function children(): number[] {
  return [...Deno.readDirSync("/proc")].filter(({ name }) => /^\d+$/.test(name)).map(({ name }) => Number(name))
    .filter((pid) => {
      try {
        const parent = Number(Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1].split(" ")[1]);
        return parent === Deno.pid && isAlive(pid) &&
          Deno.readTextFileSync(`/proc/${pid}/cmdline`).includes("/domain/process.ts");
      } catch {
        return false; // It has ended.
      }
    });
}

const standby = { standby: true };

processTest("a driver that stands by takes over, and another stands by after it", async () => {
  const plan = await planProcesses({ recovery: standby });
  const outcome = await runProcesses(plan, async (hypervisor, phases) => {
    for (let killed = 1; killed <= 3; killed++) {
      await until(phases, () => hypervisor.domain("driver").hasStandby);
      const [next] = children().filter((pid) => pid !== driverPid(hypervisor));
      Deno.kill(driverPid(hypervisor), "SIGKILL");
      await until(phases, () => hasResumed(hypervisor, killed));
      assert.equal(driverPid(hypervisor), next, "it was there already");
    }
  });
  assertUnharmed(outcome);
  assert.deepEqual(children(), []);
});

processTest("a driver that dies while it stands by is replaced, and the one at work goes on", async () => {
  const notes: string[] = [];
  const plan = await planProcesses({ recovery: standby });
  const outcome = await runProcesses(plan, async (hypervisor, phases) => {
    const atWork = driverPid(hypervisor);
    await until(phases, () => hypervisor.domain("driver").hasStandby);
    const [first] = children().filter((pid) => pid !== atWork);
    Deno.kill(first, "SIGKILL");
    await until(phases, () => children().some((pid) => pid !== atWork && pid !== first));
    assert.deepEqual([driverPid(hypervisor), hypervisor.domain("driver").restarts], [atWork, []]);
    // And it is good for something.
    const [second] = children().filter((pid) => pid !== atWork && pid !== first);
    Deno.kill(atWork, "SIGKILL");
    await until(phases, () => hasResumed(hypervisor, 1));
    assert.equal(driverPid(hypervisor), second);
  }, { note: (text) => void notes.push(text) });
  assertUnharmed(outcome);
  assert.match(notes.join("\n"), /The domain driver .*SIGKILL.*, while it stood by/);
});

processTest("both drivers die at once, the one at work and the one that stands by", async () => {
  const plan = await planProcesses({ recovery: standby });
  const outcome = await runProcesses(plan, async (hypervisor, phases) => {
    await until(phases, () => children().length === 2);
    for (const pid of children()) Deno.kill(pid, "SIGKILL");
    await until(phases, () => {
      const { restarts } = hypervisor.domain("driver");
      return restarts.length > 0 && restarts.at(-1)?.resumedAtMs !== null;
    });
  });
  assertUnharmed(outcome);
});

const CREATE = "create: (given, medium) => saboteur(medium, given.size, given, DEEDS),";
const CREATE_2 =
  'create(given, medium, { note }) { note("version 2"); return saboteur(medium, given.size, given, DEEDS); },';

/** The same device in a new version, which says so when it is made, with something before its text. */
async function withModule(before: string, run: (url: string) => Promise<void>): Promise<void> {
  const path = new URL(`../helpers/plugins/upgraded_${crypto.randomUUID()}.ts`, import.meta.url);
  const text = Deno.readTextFileSync(new URL(HELPER("saboteur")));
  assert(text.includes(CREATE));
  await Deno.writeTextFile(path, `${before}\n${text.replace(CREATE, CREATE_2)}`);
  try {
    await run(path.href);
  } finally {
    await Deno.remove(path);
  }
}

async function honest(recovery = {}): Promise<{ plan: MachinePlan; options: unknown }> {
  const plan = await planProcesses({ device: saboteur({ fault: "throw", times: 0 }), recovery });
  return { plan, options: plan.devices[0].plugin.options };
}

for (const recovery of [{}, standby]) {
  const name = "standby" in recovery ? ", though another stood by" : "";
  processTest(`a driver is replaced by another module's while it is used${name}`, async () => {
    const { plan, options } = await honest(recovery);
    await withModule("// A new version.", async (url) => {
      const notes: string[] = [];
      const outcome = await runProcesses(plan, async (hypervisor, phases) => {
        const before = driverPid(hypervisor);
        await hypervisor.upgrade("disk", { url, options });
        await until(phases, () => hasResumed(hypervisor, 1));
        assert.notEqual(driverPid(hypervisor), before);
        await until(phases, () => !isAlive(before));
        await hypervisor.upgrade("disk"); // And once more, by the same.
        await until(phases, () => hasResumed(hypervisor, 2));
        Deno.kill(driverPid(hypervisor), "SIGKILL"); // What comes after it is the new version, too.
        await until(phases, () => hasResumed(hypervisor, 3));
      }, { note: (text) => void notes.push(text) });
      assert.deepEqual(notes, ["version 2", "version 2", "version 2"]);
      assertUnharmed(outcome);
      const causes = outcome.results.get("driver")?.restarts.map(({ cause }) => cause);
      assert.deepEqual(causes?.slice(0, 2), ["upgrade", "upgrade"]);
    });
    assert.deepEqual(children(), []);
  });
}

const BAD_MODULES: Readonly<Record<string, readonly [before: string, why: RegExp]>> = {
  "that throws": ['throw new Error("half a version");', /half a version/],
  "that ends its process": ["Deno.exit(7);", /The domain driver/],
  "that is no TypeScript": ["const const = 1;", /The domain driver failed/],
};
for (const [what, [before, why]] of Object.entries(BAD_MODULES)) {
  for (const recovery of [{}, standby]) {
    processTest(
      `a driver goes on when it is to be replaced by a module ${what}${"standby" in recovery ? ", by a standby" : ""}`,
      async () => {
        const { plan, options } = await honest(recovery);
        await withModule(before, async (url) => {
          const outcome = await runProcesses(plan, async (hypervisor, phases) => {
            const atWork = driverPid(hypervisor);
            await assert.rejects(hypervisor.upgrade("disk", { url, options }), why);
            assert.deepEqual([driverPid(hypervisor), hypervisor.domain("driver").restarts], [atWork, []]);
            Deno.kill(atWork, "SIGKILL"); // And what comes after it is as before.
            await until(phases, () => hasResumed(hypervisor, 1));
          });
          assertUnharmed(outcome);
        });
        assert.deepEqual(children(), []);
      },
    );
  }
}

processTest("a driver is replaced while it is killed, and the machine goes on with the new one", async () => {
  const { plan } = await honest({ maxRestarts: 20 });
  const outcome = await runProcesses(plan, async (hypervisor, phases) => {
    for (let round = 0; round < 3; round++) {
      const before = hypervisor.domain("driver").restarts.length;
      const upgraded = hypervisor.upgrade("disk");
      Deno.kill(driverPid(hypervisor), "SIGKILL");
      await upgraded;
      await until(phases, () => hypervisor.domain("driver").restarts.length > before);
      await until(phases, () => hypervisor.domain("driver").restarts.at(-1)?.resumedAtMs !== null);
    }
  });
  assertUnharmed(outcome);
  assert.deepEqual(children(), []);
});

processTest("two upgrades at once: the second is refused", async () => {
  const { plan } = await honest();
  const outcome = await runProcesses(plan, async (hypervisor, phases) => {
    const first = hypervisor.upgrade("disk");
    await assert.rejects(hypervisor.upgrade("disk"), /is being replaced already/);
    await first;
    await until(phases, () => hasResumed(hypervisor, 1));
  });
  assertUnharmed(outcome);
});

processTest("a driver that is a worker, or that nothing starts anew, cannot be replaced", async () => {
  for (const machine of [{ driver: "worker", recovery: {} }, {}] as const) {
    await runProcesses(await planProcesses(machine), async (hypervisor) => {
      await assert.rejects(hypervisor.upgrade("disk"), /cannot be replaced/);
    });
  }
});
