// Scenarios of several clients and several devices: what they become, and what is wrong with some.
import assert from "node:assert/strict";
import type { MachinePlan } from "../../core/domain/plan.ts";
import { ScenarioError } from "../../core/runner/diagnostics.ts";
import { type ExpandOptions, expandScenario } from "../../core/runner/expand.ts";
import { ScenarioDocument } from "../../core/runner/load.ts";
import { planMachine } from "../../core/runner/plan.ts";
import { runScenario } from "../../core/runner/run.ts";
import { serveScenario } from "../../core/runner/serve.ts";
import { allowedCpus } from "../../core/measure/thread.ts";
import { builtins } from "../../plugins/mod.ts";

allowedCpus(); // Opens the C library for good, before a sanitizer counts what a test opens.

const HEAD = `apiVersion: iddr/v1
kind: Scenario
name: test
policy: { use: interrupt }
`;
const ONE = "device: { use: ramdisk }\nworkload: { use: verify }\n";
const TWO = "device: [{ use: ramdisk }, { use: loop-file }]\nworkload: { use: verify }\n";

async function expand(text: string, options?: ExpandOptions) {
  return await expandScenario(ScenarioDocument.parse("test.yaml", HEAD + text), builtins, options);
}

async function plan(text: string): Promise<MachinePlan> {
  return planMachine((await expand(text)).cells[0]);
}

/** The mistakes of a scenario, with lines counted from the first after the head. */
async function mistakes(text: string, options?: ExpandOptions): Promise<string[]> {
  try {
    await expand(text, options);
  } catch (thrown) {
    assert(thrown instanceof ScenarioError);
    return thrown.diagnostics.map(({ line, column, message }) => `${line - 4}:${column} ${message}`);
  }
  return [];
}

const names = ({ domains }: MachinePlan): string[] => domains.map(({ name }) => name);

Deno.test("one client of one device is what it always was", async () => {
  const [short, full] = [await plan(ONE), await plan(`${ONE}clients: { count: 1, share: range }\n`)];
  assert.deepEqual(full, short);
  assert.deepEqual(names(short), ["application", "driver"]);
  assert.equal(short.domains[0].workload?.client, undefined);
});

Deno.test("each client has a range of the device, a ring, and domains for its threads", async () => {
  const { domains, devices, links } = await plan(
    `${ONE.replace("verify", "verify, with: { threads: 2 }")}clients: 3\n`,
  );
  assert.deepEqual(domains.map(({ name, workload }) => [name, workload?.client]), [
    ["client-0-0", { index: 0, partition: { index: 0, count: 3 } }],
    ["client-0-1", { index: 0, partition: { index: 0, count: 3 } }],
    ["client-1-0", { index: 1, partition: { index: 1, count: 3 } }],
    ["client-1-1", { index: 1, partition: { index: 1, count: 3 } }],
    ["client-2-0", { index: 2, partition: { index: 2, count: 3 } }],
    ["client-2-1", { index: 2, partition: { index: 2, count: 3 } }],
    ["driver", undefined],
  ]);
  assert.deepEqual(domains.map(({ workload }) => workload?.thread), [0, 1, 0, 1, 0, 1, undefined]);
  assert.deepEqual(devices.map(({ name, domains }) => [name, domains]), [["disk", ["driver"]]]);
  assert.deepEqual(links.map(({ device }) => device), Array(6).fill("disk"));
});

Deno.test("clients that share the whole device have no partition, and limits are in bytes and nanoseconds", async () => {
  const { domains } = await plan(
    `${ONE}clients: { count: 2, share: whole, rateLimit: { iops: 10.5, bandwidth: 1MiB, burst: 5ms } }\n`,
  );
  const limits = { iops: 10.5, bytesPerSecond: 1 << 20, burstNs: 5e6 };
  assert.deepEqual(domains.map(({ workload }) => workload?.client), [
    { index: 0, limits },
    { index: 1, limits },
    undefined,
  ]);
  const alone = await plan(`${ONE}clients: { rateLimit: { bandwidth: 1KiB } }\n`);
  assert.deepEqual(names(alone), ["application", "driver"]);
  assert.deepEqual(alone.domains[0].workload?.client, {
    index: 0,
    limits: { iops: null, bytesPerSecond: 1024, burstNs: 100e6 },
  });
});

Deno.test("several devices have one driver or one each, and clients of their own", async () => {
  const consolidated = await plan(`${TWO}clients: 2\n`);
  assert.deepEqual(names(consolidated), ["client-0", "client-1", "client-2", "client-3", "driver"]);
  assert.deepEqual(consolidated.devices.map(({ name, domains, plugin }) => [name, domains, plugin.url]), [
    ["disk-0", ["driver"], builtins.device.ramdisk],
    ["disk-1", ["driver"], builtins.device["loop-file"]],
  ]);
  const links = [["client-0", "disk-0"], ["client-1", "disk-0"], ["client-2", "disk-1"], ["client-3", "disk-1"]];
  assert.deepEqual(consolidated.links.map(({ frontend, device }) => [frontend, device]), links);
  const partition = (index: number) => ({ index, count: 2 });
  assert.deepEqual(
    consolidated.domains.map(({ workload }) => workload?.client?.partition),
    [partition(0), partition(1), partition(0), partition(1), undefined],
  );

  const isolated = await plan(`${TWO}clients: 2\ndrivers: isolated\n`);
  assert.deepEqual(names(isolated).slice(4), ["driver-0", "driver-1"]);
  assert.deepEqual(isolated.devices.map(({ domains }) => domains), [["driver-0"], ["driver-1"]]);
  assert.deepEqual(isolated.links, consolidated.links);

  const monolithic = await plan(`${TWO}clients: 2\nplacement: monolithic\n`);
  assert.deepEqual(monolithic.devices.map(({ domains }) => domains), [["client-0", "client-1"], [
    "client-2",
    "client-3",
  ]]);
  assert.deepEqual(monolithic.links, []);
});

Deno.test("labels say how many clients there are, and what is not by default", async () => {
  const { cells } = await expand(
    `${TWO}matrix:\n  clients: [1, { count: 2 }, { count: 2, share: whole }, { count: 4, rateLimit: { iops: 5, bandwidth: 1MiB } }]\n` +
      "  drivers: [consolidated, isolated]\n",
  );
  assert.deepEqual(cells.map(({ labels }) => labels.clients).filter((_, index) => index % 2 === 0), [
    "1",
    "2",
    "2(share=whole)",
    "4(iops=5, bandwidth=1MiB)",
  ]);
  assert.equal(cells[0].labels.device, "ramdisk + loop-file");
  assert.equal(new Set(cells.map(({ id }) => id)).size, 8);
  const [short, full] = [await expand(`${ONE}clients: 2\n`), await expand(`${ONE}clients: { count: 2 }\n`)];
  assert.equal(short.cells[0].id, full.cells[0].id, "the same by another name");
});

Deno.test("mistakes about clients and devices are named at their place", async () => {
  const cases: readonly (readonly [string, string])[] = [
    [`${ONE}clients: 0\n`, "3:10 clients: must be at least 1: found 0"],
    [`${ONE}clients: 65\n`, "3:10 clients: must be at most 64: found 65"],
    [`${ONE}clients: { count: two }\n`, '3:19 clients.count: must be a number: found "two"'],
    [
      `${ONE}clients: { cuont: 2 }\n`,
      "3:12 clients.cuont: is not a known key; did you mean count? (allowed: count, share, rateLimit)",
    ],
    [`${ONE}clients: { share: half }\n`, '3:19 clients.share: must be range | whole: found "half"'],
    [`${ONE}clients: { rateLimit: {} }\n`, "3:23 clients.rateLimit: must have iops or bandwidth"],
    [
      `${ONE}clients: { rateLimit: { iosp: 1 } }\n`,
      "3:25 clients.rateLimit.iosp: is not a known key; did you mean iops? (allowed: iops, bandwidth, burst)",
    ],
    [`${ONE}clients: { rateLimit: { iops: 0 } }\n`, "3:31 clients.rateLimit.iops: must be above 0: found 0"],
    [
      `${ONE}clients: { rateLimit: { bandwidth: 5 } }\n`,
      "3:36 clients.rateLimit.bandwidth: must be a size with its unit, such as 16KiB: found 5",
    ],
    [`${ONE}clients: { rateLimit: { bandwidth: 0B } }\n`, "3:36 clients.rateLimit.bandwidth: must be above 0B"],
    [
      `${ONE}placement: monolithic\nclients: { count: 2, rateLimit: { iops: 5 } }\n`,
      "4:10 clients: has a rateLimit, which a driver of its own must enforce: placement must be isolated",
    ],
    [
      "device: [{ use: ramdisk }, { use: ramdsk }]\nworkload: { use: verify }\n",
      '1:35 device.1.use: "ramdsk" is not a known device; did you mean ramdisk? ' +
      "(allowed: null, ramdisk, loop-file, sata, nbd)",
    ],
    [
      "device: [{ use: ramdisk, with: { sise: 1MiB } }]\nworkload: { use: verify }\n",
      "1:34 device.0.with.sise: is not a known key; did you mean size? (allowed: size)",
    ],
    ["device: []\nworkload: { use: verify }\n", "1:9 device: must have at least 1 value: found a list"],
    ["device: { us: ramdisk }\nworkload: { use: verify }\n", "1:9 device.use: is missing"],
    [
      `${ONE.replace("verify", "verify, with: { threads: 64 }")}clients: 5\n`,
      "3:10 clients: makes 320 rings for one driver; at most 256 are allowed",
    ],
    [
      "device: [{ use: sata, with: { path: /dev/sda } }]\nworkload: { use: mounted, with: { command: [ls] } }\nclients: 2\n",
      "3:10 clients: makes 2 applications; mounted leads the whole machine, so it can be the only one: use one device " +
      "and one client",
    ],
  ];
  for (const [text, expected] of cases) {
    const found = await mistakes(text);
    assert(found.includes(expected), `${expected}\nis not among\n${found.join("\n")}`);
  }
  assert.deepEqual(
    await mistakes(`${TWO.replace("verify", "verify, with: { threads: 64 }")}clients: 4\ndrivers: isolated\n`),
    [],
  );
});

Deno.test("what serves one application is refused for several, with where they come from", async () => {
  assert.deepEqual(await mistakes(`${ONE}clients: 2\n`, { oneCell: true }), [
    "3:10 clients: makes 2 applications; allowed is one here: use one device and one client",
  ]);
  assert.deepEqual(await mistakes(TWO, { oneCell: true }), [
    "1:9 device: makes 2 applications; allowed is one here: use one device and one client",
  ]);
  assert.deepEqual(await mistakes(ONE, { oneCell: true }), []);
  await assert.rejects(serveScenario(await expand(TWO)), /Cannot serve test\.yaml: it has 2 applications/);
});

Deno.test("each of several devices that would destroy something needs consent, at its own place", async () => {
  const { demands } = await expand(
    "device:\n  - { use: ramdisk }\n  - { use: sata, with: { path: /dev/null, destructive: true } }\nworkload: { use: verify }\n",
  );
  assert.deepEqual(demands.map(({ name, diagnostic: { line, column } }) => [name, line - 4, column]), [
    ["/dev/null", 3, 32],
  ]);
});

Deno.test("a result has what each client did, with seeds of its own", async () => {
  const result = await runScenario(
    await expand(
      "device: { use: ramdisk, with: { size: 1MiB } }\n" +
        "workload: { use: verify, with: { blockSize: 4KiB, threads: 2 } }\nclients: 3\n" +
        "run: { warmup: 5ms, duration: 50ms, repetitions: 1 }\n",
    ),
  );
  const [{ status, error, samples: [sample], summary }] = result.cells;
  assert.deepEqual([status, error], ["ok", undefined]);
  assert.deepEqual(sample.clients.map(({ client, device }) => [client, device]), [[0, "disk"], [1, "disk"], [
    2,
    "disk",
  ]]);
  assert(sample.clients.every(({ operations, errors }) => operations > 0 && errors === 0));
  assert.equal(sample.operations, sample.clients.reduce((sum, { operations }) => sum + operations, 0));
  // A range is 340 KiB (4 KiB · 85), of which each thread verifies its part: all sectors in the end.
  assert(sample.counters.sectorsVerified >= (3 * 340 * 1024) / 512);
  assert(summary.fairness !== null && summary.fairness.median > 0 && summary.fairness.median <= 1);
  assert.deepEqual((result.scenario as { clients: unknown }).clients, 3);
});
