// Drivers that are processes and fail, in real machines: the application sees a pause, not an error.
import assert from "node:assert/strict";
import type { DomainKind } from "../../core/domain/plan.ts";
import {
  assertUnharmed,
  conduct,
  driverPid,
  failureOf,
  hasResumed,
  HELPER,
  isAlive,
  never,
  planProcesses,
  processTest,
  runProcesses,
  saboteur,
  until,
} from "../helpers/process_machine.ts";
import { RECOVERED } from "../helpers/plugins/tolerant_reader.ts";

const FAULTS: readonly (readonly [fault: string, cause: RegExp, options?: Readonly<Record<string, unknown>>])[] = [
  ["exit", /ended without saying why|exited|status 3/],
  ["crash", /SIGSEGV/],
  ["kill", /SIGKILL/],
  ["torn", /SIGKILL/],
  ["stop", /no sign of life for 1000 ms/],
  ["loop", /no sign of life for 1000 ms/],
];

for (const [fault, cause] of FAULTS) {
  processTest(
    `a driver whose fault is ${fault} is followed by another, and the application notices nothing`,
    async () => {
      const device = saboteur({ fault, of: fault === "torn" ? "write" : "any", at: 40, times: 2 });
      const plan = await planProcesses({ device, recovery: {}, hangTimeoutNs: 1e9 });
      const outcome = await runProcesses(plan, (hypervisor, phases) => until(phases, () => hasResumed(hypervisor, 2)));
      assertUnharmed(outcome);
      const { restarts = [] } = outcome.results.get("driver") ?? {};
      assert.equal(restarts.length, 2);
      for (const restart of restarts) {
        assert.match(restart.cause, cause);
        assert(restart.resumedAtMs !== null && restart.resumedAtMs >= restart.noticedAtMs);
      }
    },
  );
}

processTest("a slow device that says how long it may take is not taken to hang", async () => {
  const device = saboteur({ fault: "slow", at: 20, times: 1, slowFor: "1500ms" });
  const plan = await planProcesses({ device, recovery: {}, hangTimeoutNs: 0.5e9 });
  const outcome = await runProcesses(plan, async (hypervisor, phases) => {
    const started = performance.now();
    await until(phases, () => performance.now() - started > 2500);
    assert.deepEqual(hypervisor.domain("driver").restarts, []);
  });
  assertUnharmed(outcome);
});

processTest("a driver that is stopped from outside is killed and followed by another", async () => {
  const plan = await planProcesses({ recovery: {}, hangTimeoutNs: 1e9 });
  let first = 0;
  const outcome = await runProcesses(plan, async (hypervisor, phases) => {
    first = driverPid(hypervisor);
    Deno.kill(first, "SIGSTOP");
    await until(phases, () => hasResumed(hypervisor, 1));
    assert.notEqual(driverPid(hypervisor), first);
  });
  assert(!isAlive(first), "the one that was stopped is dead");
  assertUnharmed(outcome);
});

for (const [application, threads] of [["worker", 4], ["process", 2]] as const) {
  const name = `${threads} applications of kind ${application} on one driver go on with the next`;
  processTest(name, async () => {
    const plan = await planProcesses({ application, threads, recovery: {} });
    const outcome = await runProcesses(plan, async (hypervisor, phases) => {
      for (let killed = 1; killed <= 3; killed++) {
        Deno.kill(driverPid(hypervisor), "SIGKILL");
        await until(phases, () => hasResumed(hypervisor, killed));
      }
    });
    assertUnharmed(outcome);
    assert.equal(outcome.results.size, threads + 1);
    assert.equal(outcome.results.get("driver")?.restarts.length, 3);
  });
}

processTest(
  "a driver that cannot be made is started anew as often as that is allowed, and then the machine fails",
  async () => {
    const device = { url: HELPER("unmakeable_disk"), given: {} };
    const plan = await planProcesses({ device, recovery: { maxRestarts: 2 } });
    assert.match(
      await failureOf(plan),
      /^The domain driver failed: it cannot be made\. It was started anew 2 times, which is all that it may be$/,
    );
  },
);

for (const recovery of [undefined, { maxRestarts: 0 }]) {
  const name = recovery === undefined ? "without recovery" : "with maxRestarts 0";
  processTest(`${name}, a driver that dies is the machine's end`, async () => {
    const plan = await planProcesses({ device: saboteur({ fault: "kill", at: 20 }), recovery });
    assert.match(await failureOf(plan), /^The domain driver was killed by SIGKILL|^The domain driver .*SIGKILL/);
  });
}

for (const requests of ["requeue", "fail-io"] as const) {
  processTest(`${requests}: the workload sees failed operations, and goes on`, async () => {
    const workload = { url: HELPER("tolerant_reader"), given: {} };
    const plan = await planProcesses({ workload, recovery: { requests }, device: saboteur({ fault: "kill", at: 50 }) });
    const notes: string[] = [];
    const note = (text: string): void => void notes.push(text);
    const { results } = await runProcesses(plan, (_, phases) => until(phases, () => notes.includes(RECOVERED)), {
      note,
    });
    const { counters } = results.get("application-0") ?? assert.fail();
    assert(counters.failed > 0, "operations failed");
    assert(counters.recovered > 0, "and others after them did not");
  });
}

processTest(
  "a driver that answers what it was not asked is found broken by its application, and replaced",
  async () => {
    const plan = await planProcesses({ device: { url: HELPER("lying_disk"), given: {} }, recovery: {} });
    const outcome = await runProcesses(plan, (hypervisor, phases) => until(phases, () => hasResumed(hypervisor, 1)));
    assertUnharmed(outcome);
    assert.match(outcome.results.get("driver")?.restarts[0].cause ?? "", /was found broken by application-0/);
  },
);

const PHASES = ["boot", "warm-up", "measuring", "finishing"] as const;
for (const phase of PHASES) {
  processTest(`a driver that dies in the phase ${phase} is followed by another`, async () => {
    const plan = await planProcesses({ recovery: {}, threads: 2 });
    const outcome = await conduct(plan, (hypervisor) => {
      const strike = (): void => Deno.kill(driverPid(hypervisor), "SIGKILL");
      if (phase === "boot") {
        const timer = setInterval(() => {
          if (hypervisor.domain("driver").processId === undefined) return;
          clearInterval(timer);
          strike();
        }, 1);
      }
      return async (phases) => {
        if (phase === "warm-up") strike();
        await phases.measure();
        if (phase === "measuring") strike();
        if (phase !== "finishing") await until(phases, () => hasResumed(hypervisor, 1));
        const finished = phases.finish();
        if (phase === "finishing") strike();
        await finished;
      };
    });
    assertUnharmed(outcome);
    const restarts = outcome.results.get("driver")?.restarts.length ?? 0;
    assert(phase === "finishing" ? restarts <= 1 : restarts === 1, `${restarts} restarts`);
  });
}

processTest("applications that do nothing for long go on with the next driver, too", async () => {
  const workload = { url: HELPER("napper"), given: {} };
  const plan = await planProcesses({ workload, recovery: {}, threads: 2 });
  await runProcesses(plan, async (hypervisor, phases) => {
    for (let killed = 1; killed <= 2; killed++) {
      Deno.kill(driverPid(hypervisor), "SIGKILL");
      await until(phases, () => hasResumed(hypervisor, killed));
    }
  });
});

for (const kind of ["worker", "process"] as const satisfies readonly DomainKind[]) {
  processTest(`an application of kind ${kind} that fails is the machine's end, and no process is left`, async () => {
    const workload = { url: HELPER("misbehaving_thread"), given: { thread: 1, does: "throw" } };
    const plan = await planProcesses({ application: kind, workload, threads: 2, recovery: {} });
    let driver = 0;
    const message = await failureOf(plan, (hypervisor, phases) => {
      driver = driverPid(hypervisor);
      return never(hypervisor, phases);
    }).catch((thrown) => String(thrown));
    assert.match(message, /The domain application-1 failed: enough of it/);
    assert(driver === 0 || !isAlive(driver));
  });
}

processTest("an application that is killed is the machine's end: only drivers are started anew", async () => {
  const plan = await planProcesses({ application: "process", recovery: {} });
  const pids: number[] = [];
  const message = await failureOf(plan, async (hypervisor, phases) => {
    pids.push(driverPid(hypervisor), driverPid(hypervisor, "application-0"));
    Deno.kill(pids[1], "SIGKILL");
    await never(hypervisor, phases);
  });
  assert.match(message, /^The domain application-0 .*SIGKILL/);
  assert.deepEqual(pids.filter(isAlive), []);
});
