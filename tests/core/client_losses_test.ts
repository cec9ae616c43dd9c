import assert from "node:assert/strict";
import { ClientLosses } from "../../core/client_losses.ts";
import type { DomainPlan } from "../../core/domain/plan.ts";

function domain(name: string, client?: number): DomainPlan {
  const use = { url: "", options: {} };
  const workload = { ...use, slots: { count: 1, bytes: 512 }, thread: 0, threads: 1 };
  return {
    ...{ name, kind: "worker", cpus: [], policy: use },
    ...(client === undefined ? {} : { workload: { ...workload, client: { index: client } } }),
  };
}

function machine(...domains: DomainPlan[]) {
  const failures: string[] = [];
  const lost: string[] = [];
  const losses = new ClientLosses({ domains, devices: [], links: [], seed: 1, hangTimeoutNs: 1e9 }, {
    fail: (message) => void failures.push(message),
    lose: ({ name }) => void lost.push(name),
  });
  return { losses, failures, lost };
}

Deno.test("one of several clients is lost with all its domains, and once", () => {
  const [a, b0, b1, driver] = [domain("a", 0), domain("b-0", 1), domain("b-1", 1), domain("driver")];
  const { losses, failures, lost } = machine(a, b0, b1, driver);
  losses.failed(b1, "it threw");
  losses.failed(b0, "its link is closed");
  assert.deepEqual([lost, losses.messages, failures], [["b-0", "b-1"], ["it threw"], []]);
  assert.deepEqual([a, b0, b1, driver].map((each) => losses.has(each)), [false, true, true, false]);
});

Deno.test("the machine fails with a driver, with its only client, and with the last of several", () => {
  const [a, b, driver] = [domain("a", 0), domain("b", 1), domain("driver")];
  const several = machine(a, b, driver);
  several.losses.failed(driver, "no device");
  assert.deepEqual([several.failures, several.lost], [["no device"], []]);

  const single = machine(a, driver);
  single.losses.failed(a, "it threw");
  assert.deepEqual([single.failures, single.lost], [["it threw"], []]);

  const last = machine(a, b, driver);
  last.losses.failed(b, "first");
  last.losses.failed(a, "second");
  assert.deepEqual([last.failures, last.lost], [["first"], ["b", "a"]], "with the first cause");
});
