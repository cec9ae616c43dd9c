// From what the domains of a machine measured to one sample.
import assert from "node:assert/strict";
import fc from "fast-check";
import type { MachinePlan } from "../../core/domain/plan.ts";
import type { DomainSample, OperationSample } from "../../core/domain/report.ts";
import type { DomainResult } from "../../core/hypervisor.ts";
import { LatencyHistogram, type RecordedLatencies } from "../../core/measure/histogram.ts";
import { type ClientDomains, clientsOf, fairness, jainIndex } from "../../core/runner/clients.ts";
import type { ClientSample, Sample } from "../../core/runner/result.ts";
import { toSample } from "../../core/runner/sample.ts";

const DRIVER: DomainSample = {
  durationNs: 1e9,
  cpuNs: 5e8,
  contextSwitches: { voluntary: 3, involuntary: 4 },
  cpus: [1],
  confinedTo: [1],
  heapGrowthBytes: 0,
  notifications: { sent: 5, suppressed: 6 },
  waits: { spinHits: 1, spinMisses: 2, sleeps: 3, spunNs: 4, lostNs: 6, sleptNs: 5 },
  operations: null,
  pieces: null,
};
const HOST = { stealNs: 2e7, othersNs: 3e8 };

function recorded(values: readonly number[]): RecordedLatencies {
  const histogram = new LatencyHistogram();
  for (const each of values) histogram.record(each);
  return histogram.recorded();
}

function operations(latencies: readonly number[], changes: Partial<OperationSample> = {}): OperationSample {
  const counts = { operations: 100, bytes: 409_600, errors: 1, flushes: 2 };
  return { ...counts, latencies: recorded(latencies), lateness: recorded([]), ...changes };
}

function application(latencies: readonly number[], changes: Partial<DomainSample> = {}): DomainSample {
  return { ...DRIVER, cpus: [0], confinedTo: [0, 2], operations: operations(latencies), ...changes };
}

function sampleOf(
  repetition: number,
  domains: Record<string, DomainResult>,
  clients: readonly ClientDomains[] = [],
): Sample {
  return toSample(repetition, {
    domains,
    clients,
    losses: [],
    counters: {},
    peakMemoryBytes: 5e6,
    host: HOST,
    neighbours: null,
  });
}

function result(sample: DomainSample, counters: Record<string, number> = {}): DomainResult {
  return { sample, counters, restarts: [] };
}

Deno.test("threads are summed up, the driver apart", () => {
  const sample = sampleOf(3, {
    "application-0": result(application([10]), { verified: 7, corrupt: 0 }),
    "application-1": result(application([20], { cpus: [2], durationNs: 2e9 }), { verified: 5, other: 1 }),
    "driver": result(DRIVER),
  });
  assert.equal(sample.repetition, 3);
  assert.equal(sample.peakMemoryBytes, 5e6);
  assert.equal(sample.durationNs, 2e9, "the longest window");
  assert.deepEqual([sample.operations, sample.bytes, sample.errors, sample.flushes], [200, 819_200, 2, 4]);
  assert.equal(sample.iops, 100 + 50, "each thread by its own clock");
  assert.equal(sample.bytesPerSecond, 409_600 * 1.5);
  assert.equal(sample.timedOperations, 2);
  assert.deepEqual(sample.counters, { verified: 12, corrupt: 0, other: 1 });
  assert.deepEqual(sample.cpuCores, { application: 0.75, driver: 0.5 });
  assert.deepEqual(sample.contextSwitches.application, { voluntary: 6, involuntary: 8 });
  assert.deepEqual(sample.contextSwitches.driver, { voluntary: 3, involuntary: 4 });
  assert.deepEqual(sample.cpus, { application: [0, 2], driver: [1] });
  assert.deepEqual(sample.confinedTo, { application: [0, 2], driver: [1] });
  assert.deepEqual(sample.notifications, {
    frontend: { sent: 10, suppressed: 12 },
    backend: { sent: 5, suppressed: 6 },
  });
  assert.deepEqual(sample.waits.frontend, {
    spinHits: 2,
    spinMisses: 4,
    sleeps: 6,
    spunNs: 8,
    lostNs: 12,
    sleptNs: 10,
  });
});

Deno.test("a thread that takes an application's responses counts to the application, and has no operations", () => {
  const plan = {
    domains: [
      { name: "application", workload: {} },
      { name: "application-responses", responder: { application: "application", client: 0 } },
      { name: "driver" },
    ],
    devices: [{ name: "disk", domains: ["driver"] }],
    links: [{ frontend: "application", device: "disk" }],
  } as unknown as MachinePlan;
  const responses: DomainSample = { ...DRIVER, durationNs: 5e8, cpus: [2], notifications: { sent: 0, suppressed: 0 } };
  const clients = clientsOf(plan);
  assert.deepEqual(clients, [{ client: 0, device: "disk", domains: ["application", "application-responses"] }]);
  const sample = sampleOf(0, {
    "application": result(application([10])),
    "application-responses": result(responses, { handedOver: 100, handOverWakes: 40 }),
    "driver": result(DRIVER),
  }, clients);
  assert.deepEqual([sample.operations, sample.iops, sample.clients.length], [100, 100, 1]);
  assert.deepEqual(sample.cpuCores, { application: 0.5 + 1, driver: 0.5 });
  assert.deepEqual(sample.contextSwitches.application, { voluntary: 6, involuntary: 8 });
  assert.deepEqual(sample.notifications.frontend, { sent: 5, suppressed: 6 });
  assert.equal(sample.waits.frontend?.sleeps, 6);
  assert.deepEqual(sample.cpus.application, [0, 2]);
  assert.deepEqual(sample.counters, { handedOver: 100, handOverWakes: 40 });
});

Deno.test("what one thread could not measure is null, never a sum of the others", () => {
  const nothing = {
    cpuNs: null,
    contextSwitches: null,
    cpus: null,
    confinedTo: null,
    notifications: null,
    waits: null,
  };
  const sample = sampleOf(0, {
    "application-0": result(application([10])),
    "application-1": result(application([20], nothing)),
    "driver": result(DRIVER),
  });
  for (const key of ["cpuCores", "contextSwitches", "cpus", "confinedTo"] as const) {
    assert.equal(sample[key].application, null, key);
    assert.notEqual(sample[key].driver, null, key);
  }
  for (const key of ["notifications", "waits"] as const) {
    assert.equal(sample[key].frontend, null, key);
    assert.notEqual(sample[key].backend, null, key);
  }
  assert.equal(sample.operations, 200);
});

Deno.test("a monolithic machine has no driver", () => {
  const sample = sampleOf(0, { application: result(application([1])) });
  for (const key of ["cpuCores", "contextSwitches", "cpus", "confinedTo"] as const) {
    assert.equal(sample[key].driver, null);
  }
  for (const key of ["notifications", "waits"] as const) assert.equal(sample[key].backend, null);
});

Deno.test("without a timed operation there are no latencies", () => {
  const { latencyNs, timedOperations } = sampleOf(0, { application: result(application([])) });
  assert.deepEqual([latencyNs, timedOperations], [null, 0]);
});

Deno.test("how late the threads themselves were is merged likewise, and null where no operation has a time of its own", () => {
  const late = (values: readonly number[]): DomainResult => {
    return result(application([1], { operations: operations([1], { lateness: recorded(values) }) }));
  };
  const { latenessNs, latencyNs } = sampleOf(0, { "application-0": late([10, 20]), "application-1": late([30]) });
  assert.deepEqual([latenessNs?.min, latenessNs?.mean, latenessNs?.p50, latenessNs?.max], [10, 20, 20, 30]);
  assert.equal(latencyNs?.max, 1);
  assert.equal(sampleOf(0, { application: late([]) }).latenessNs, null);
});

Deno.test("merged latencies are those of one histogram of all threads", () => {
  const values = fc.array(fc.integer({ min: 1, max: 1e9 }), { minLength: 1, maxLength: 200 });
  fc.assert(fc.property(fc.array(values, { minLength: 1, maxLength: 4 }), (threads) => {
    const merged = sampleOf(
      0,
      Object.fromEntries(threads.map((each, index) => [`application-${index}`, result(application(each))])),
    );
    const whole = new LatencyHistogram();
    for (const each of threads.flat()) whole.record(each);
    assert.deepEqual(merged.latencyNs, {
      min: whole.min,
      mean: Math.round(whole.mean),
      p50: Math.round(whole.quantile(0.5)),
      p95: Math.round(whole.quantile(0.95)),
      p99: Math.round(whole.quantile(0.99)),
      p999: Math.round(whole.quantile(0.999)),
      max: whole.max,
    });
    assert.equal(merged.timedOperations, threads.flat().length);
  }));
});

Deno.test("each client has its own figures, and the sample is the sum of all", () => {
  const clients = [
    { client: 0, device: "disk-0", domains: ["client-0-0", "client-0-1"] },
    { client: 1, device: "disk-1", domains: ["client-1-0", "client-1-1"] },
  ];
  const sample = sampleOf(0, {
    "client-0-0": result(application([10])),
    "client-0-1": result(application([20])),
    "client-1-0": result(application([500], { operations: operations([500], { operations: 7, errors: 0 }) })),
    "client-1-1": result(application([700], { durationNs: 2e9 })),
    "driver": result(DRIVER),
  }, clients);
  assert.deepEqual(sample.clients.map(({ client, device, operations }) => [client, device, operations]), [
    [0, "disk-0", 200],
    [1, "disk-1", 107],
  ]);
  assert.deepEqual(sample.clients.map(({ iops, errors }) => [iops, errors]), [[200, 2], [7 + 50, 1]]);
  assert.deepEqual(sample.clients.map(({ latencyNs }) => latencyNs?.min), [10, 500]);
  assert.equal(sample.operations, 307);
});

Deno.test("a client that was lost has no figures", () => {
  const clients = [
    { client: 0, device: "disk", domains: ["client-0-0", "client-0-1"] },
    { client: 1, device: "disk", domains: ["client-1"] },
  ];
  const sample = sampleOf(0, {
    "client-0-0": result(application([10])),
    "client-1": result(application([10])),
    "driver": result(DRIVER),
  }, clients);
  assert.deepEqual(sample.clients.map(({ client }) => client), [1]);
});

Deno.test("the clients of a plan are found with their devices, isolated or not", () => {
  const domain = (name: string, index?: number) => {
    const use = { url: "", options: {} };
    const workload = { ...use, slots: { count: 1, bytes: 512 }, thread: 0, threads: 2 };
    return {
      ...{ name, kind: "worker", cpus: [], policy: use } as const,
      ...(index === undefined ? {} : { workload: { ...workload, client: { index } } }),
    };
  };
  const domains = [domain("b-0", 1), domain("b-1", 1), domain("a", 0), domain("driver")];
  const device = (name: string, domains: readonly string[]) => ({ name, domains, plugin: { url: "", options: {} } });
  const link = (frontend: string, device: string) => ({ frontend, device, channel: {} as never });
  const common = { domains, seed: 1, hangTimeoutNs: 1e9 };
  const expected = [
    { client: 0, device: "y", domains: ["a"] },
    { client: 1, device: "x", domains: ["b-0", "b-1"] },
  ];
  const isolated = {
    devices: [device("x", ["driver"]), device("y", ["driver"])],
    links: [link("b-0", "x"), link("b-1", "x"), link("a", "y")],
  };
  assert.deepEqual(clientsOf({ ...common, ...isolated }), expected);
  const monolithic = { devices: [device("x", ["b-0", "b-1"]), device("y", ["a"])], links: [] };
  assert.deepEqual(clientsOf({ ...common, ...monolithic }), expected);
});

Deno.test("Jain's index is 1 where all have the same, 1/n where one has all, and between for all else", () => {
  assert.equal(jainIndex([5, 5, 5]), 1);
  assert.equal(jainIndex([9, 0, 0, 0]), 0.25);
  assert.equal(jainIndex([0, 0]), null);
  const values = fc.array(fc.double({ min: 0.001, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 20 });
  fc.assert(fc.property(values, fc.double({ min: 0.001, max: 1000, noNaN: true }), (values, factor) => {
    const index = jainIndex(values) as number;
    assert(index > 1 / values.length - 1e-9 && index < 1 + 1e-9);
    assert(Math.abs((jainIndex(values.map((value) => value * factor)) as number) - index) < 1e-9, "whatever the unit");
  }));
});

Deno.test("fairness is that of the device whose clients were served least alike, by bytes where there are any", () => {
  const client = (device: string, bytesPerSecond: number, iops = 1): ClientSample => {
    return { device, bytesPerSecond, iops } as ClientSample;
  };
  assert.equal(fairness([client("a", 1), client("b", 100)]), 1);
  assert.equal(fairness([client("a", 1), client("a", 1), client("b", 9), client("b", 0)]), 0.5);
  assert.equal(fairness([client("a", 0, 3), client("a", 0, 3)]), 1);
  assert.equal(fairness([client("a", 0, 0), client("b", 1)]), null);
  assert.equal(fairness([]), null);
});

Deno.test("windows are of all threads and the driver; one that was started anew in the window has none", () => {
  const pieces = (count: number) => {
    const column = Array(count).fill(5);
    const upTo = [...Array.from({ length: count - 1 }, (_, index) => index + 1), 100];
    const counted = { durationNs: column, cpuNs: column, operations: column, bytes: column };
    return { upTo, ...counted, spunNs: column, lostNs: column, sleptNs: column };
  };
  const domains = (restarts: DomainResult["restarts"]): Record<string, DomainResult> => ({
    "application-0": result(application([10], { pieces: pieces(3) })),
    "application-1": result(application([20], { pieces: pieces(3) })),
    "driver": { ...result({ ...DRIVER, pieces: pieces(2) }), restarts },
  });
  const { windows, stealNs, othersNs, latencyHistogram } = sampleOf(0, domains([]));
  assert.deepEqual(
    [windows?.operations, windows?.driver?.cpuNs],
    [[10, 20], [5, 5]],
    "joined where the driver was cut",
  );
  assert.deepEqual([stealNs, othersNs], [2e7, 3e8]);
  assert.deepEqual(latencyHistogram, { ns: [10, 20], counts: [1, 1] });
  const restarted = sampleOf(0, domains([{ cause: "", noticedAtMs: 1, resumedAtMs: 2 }])).windows;
  assert.deepEqual([restarted?.operations, restarted?.driver], [[10, 10, 10], null]);
});
