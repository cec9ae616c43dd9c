import assert from "node:assert/strict";
import { renderResult } from "../../cli/table.ts";
import type { CellResult, Estimate, Result, Sample } from "../../core/runner/result.ts";

const WIDTH = 160;

function estimate(median: number): Estimate {
  return { median, low: median * 0.9, high: median * 1.1, interval: "minmax" };
}

function sample(isolated: boolean): Sample {
  const side = { sent: 198, suppressed: 2 };
  const waits = { spinHits: 0, spinMisses: 0, sleeps: 0, spunNs: 0, lostNs: 0, sleptNs: 0 };
  return {
    ...{ repetition: 0, durationNs: 1e9, operations: 200, bytes: 200 * 4096, iops: 200, bytesPerSecond: 819_200 },
    ...{
      latencyNs: null,
      latenessNs: null,
      timedOperations: 0,
      errors: 0,
      flushes: 0,
      counters: {},
      clients: [],
      restarts: [],
    },
    cpuCores: { application: 0.36, driver: isolated ? 0.38 : null },
    contextSwitches: { application: null, driver: null },
    cpus: { application: null, driver: null },
    confinedTo: { application: null, driver: null },
    peakMemoryBytes: null,
    neighbours: null,
    notifications: { frontend: isolated ? side : null, backend: isolated ? side : null },
    waits: { frontend: isolated ? waits : null, backend: isolated ? waits : null },
    ...{ windows: null, latencyHistogram: null, stealNs: null, othersNs: null, redone: [], disturbed: null },
  };
}

function cell(labels: Record<string, string>, iops: number, change: Partial<CellResult> = {}): CellResult {
  const all = { policy: "interrupt", device: "ramdisk", workload: "sysbench-fileio", placement: "isolated", ...labels };
  return {
    ...{ id: "0", labels: all, status: "ok", notes: [], samples: [sample(all.placement === "isolated")] },
    summary: {
      iops: estimate(iops),
      bytesPerSecond: estimate(iops * 16384),
      latencyP50Ns: estimate(68_100),
      latencyP99Ns: estimate(136_200),
      ...{ latencyP999Ns: null, steady: null },
      latenessP99Ns: null,
      cpuCores: estimate(0.74),
      iopsPerCpuCore: estimate(iops / 0.74),
      ...{ fairness: estimate(1), minClientIops: null, maxClientIops: null, restarts: null },
      errors: 0,
      counters: {},
    },
    ...change,
  };
}

function failed(labels: Record<string, string>, error: string): CellResult {
  const { summary, ...rest } = cell(labels, 0);
  return {
    ...rest,
    ...{ status: "failed", error, samples: [] },
    summary: {
      ...summary,
      ...{ iops: null, bytesPerSecond: null, latencyP50Ns: null, latencyP99Ns: null },
      ...{ cpuCores: null, iopsPerCpuCore: null, errors: null },
    },
  };
}

function render(
  cells: readonly CellResult[],
  expectations: Result["expectations"] = [],
  columns?: number,
  figures: Result["figures"] = {},
): string[] {
  return renderResult({
    schema: "iddr.result/v1",
    scenario: { name: "test", description: "What it shows." },
    startedAt: "",
    interrupted: false,
    machine: { cpuModel: null, cores: 2, kernel: null, deno: "", v8: "" },
    figures,
    cells,
    expectations,
  }, columns).split("\n");
}

/** The cells of the table's rows, without its borders. */
function rows(lines: readonly string[]): string[][] {
  return lines.filter((line) => line.startsWith("│")).map((line) =>
    line.split("│").slice(1, -1).map((each) => each.trim())
  );
}

Deno.test("a row has every metric with its interval, and is compared with the first row", () => {
  const lines = render([cell({}, 12_838), cell({ policy: "fixed-spin" }, 256_760)]);
  assert.equal(lines[0], "test: What it shows.");
  assert.equal(lines[1], "device ramdisk, workload sysbench-fileio, placement isolated");
  assert.deepEqual(rows(lines), [
    ["policy", "IOPS [low–high]", "MB/s [low–high]", "p50", "p99", "CPU", "sent", "suppr.", "speed"],
    ["interrupt", "12,838 [ 11,554– 14,122]", "210 [  189–  231]", "68.1 µs", "136 µs"]
      .concat("0.36 + 0.38", "1.98", "0.02", "1.00×"),
    ["fixed-spin", "256,760 [231,084–282,436]", "4,207 [3,786–4,627]", "68.1 µs", "136 µs"]
      .concat("0.36 + 0.38", "1.98", "0.02", "20.0×"),
  ]);
});

Deno.test("what there is not is empty: a driver without a domain, a cell that failed or did not run", () => {
  const monolithic = cell({ placement: "monolithic" }, 100);
  const pending = cell({ placement: "third" }, 0, { status: "pending", samples: [], summary: failed({}, "").summary });
  const lines = render([failed({}, "the firmware is missing"), monolithic, pending]);
  const [, first, second, third] = rows(lines);
  assert.deepEqual(first, ["isolated", "failed", "", "", "", "", "", "", ""]);
  assert.deepEqual(second.slice(5), ["0.36", "", "", ""]);
  assert.deepEqual(third, ["third", "not run", "", "", "", "", "", "", ""]);
  assert.ok(lines.includes("failed: placement=isolated: the firmware is missing"));
});

Deno.test("where operations have times of their own, it is said from when latencies run and how late the workload was", () => {
  const withDueTimes = cell({ workload: "open-loop" }, 1000);
  const open = { ...withDueTimes, summary: { ...withDueTimes.summary, latenessP99Ns: estimate(51_000) } };
  const alone = render([open]);
  assert.deepEqual(rows(alone)[1].slice(3, 7), ["68.1 µs", "136 µs", "51.0 µs", "0.36 + 0.38"]);
  assert.match(alone.join("\n"), /p50, p99: from when an operation was due to completion\./);
  assert.match(alone.join("\n"), /late: 99th percentile of how late the workload itself was\./);
  const both = render([open, cell({}, 1000)]);
  assert.match(both.join("\n"), /p99: from submission, or from when an operation was due, to completion\./);
  assert.equal(rows(both)[2][5], "", "the other has no such times");
});

Deno.test("one cell is shown by its policy; labels that all cells share are in the heading", () => {
  const lines = render([cell({ policy: "fixed-spin(spin=20us)", workload: "sysbench-fileio(mode=rndrd)" }, 5)]);
  assert.equal(rows(lines)[1][0], "fixed-spin(spin=20us)");
  assert.equal(lines[1], "device ramdisk, workload sysbench-fileio(mode=rndrd), placement isolated");
});

for (const count of [1, 3, 6, 20]) {
  Deno.test(`a table of ${count} rows with long labels keeps to ${WIDTH} columns and says what it left out`, () => {
    const policy = (index: number) =>
      `fixed-spin(spin=50us, yieldAfter=30, note=${index}) / adaptive-spin(floor=100us, end=1ms)`;
    const cells = Array.from({ length: count }, (_, index) =>
      cell({
        policy: policy(index),
        placement: index % 2 === 0 ? "isolated" : "monolithic",
        "workload.with.queueDepth": String(index + 1),
      }, 1e6 + index));
    const lines = render(cells);
    const table = lines.filter((line) => /^[┌│├└]/.test(line));
    assert.equal(table.length, count + 4);
    assert.ok(table.every((line) => line.length <= WIDTH), table.map((line) => line.length).join());
    const names = rows(lines).slice(1).map(([name]) => name);
    assert.equal(new Set(names).size, count, "each has a name of its own");
    for (const [index, name] of names.entries()) assert.ok(lines.includes(`${name}  is  ${policy(index)}`), name);
  });
}

Deno.test("labels that fit are not shortened", () => {
  const cells = ["fixed-spin(spin=20us)", "adaptive-spin(ceiling=500us)"].map((policy) => cell({ policy }, 5));
  const text = render(cells).join("\n");
  assert.ok(text.includes("│ adaptive-spin(ceiling=500us) │") && !text.includes("…"), text);
});

Deno.test("expectations stand below the table with both values: the met ones in few lines, each unmet one by itself", () => {
  const cells = ["1", "8"].map((depth) => cell({ "workload.with.queueDepth": depth }, 5));
  const [one, eight] = cells.map(({ labels }) => labels);
  const lines = render(cells, [
    { text: "errors == 0", labels: one, status: "met", left: 0, right: 0 },
    { text: "errors == 0", labels: eight, status: "met", left: 0, right: 0 },
    { text: "iops > 2 * 50", labels: one, status: "met", left: 12345.6, right: 100 },
    { text: "iops > 2 * 50", labels: eight, status: "unmet", left: null, right: 100 },
  ]);
  assert.deepEqual(lines.slice(-3), [
    "met    errors == 0   0 == 0 (2 times)",
    "met    iops > 2 * 50   queueDepth=1: 12,346 > 100",
    "UNMET  iops > 2 * 50   queueDepth=8: not measured > 100",
  ]);
});

for (const columns of [60, 80, 100, 120]) {
  Deno.test(`on a terminal of ${columns} columns the table keeps to them and names what it left out`, () => {
    const lines = render([cell({}, 12_838), cell({ policy: "fixed-spin" }, 256_760)], [], columns);
    const table = lines.filter((line) => /^[┌│├└]/.test(line));
    assert.ok(table.every((line) => line.length <= columns), table.map((line) => line.length).join());
    const [shown] = rows(lines);
    assert.deepEqual(shown.slice(0, 2), ["policy", "IOPS [low–high]"]);
    const leftOut = lines.find((line) => line.endsWith(": left out, as the terminal is narrow.")) ?? "";
    const all = ["MB/s [low–high]", "p50", "p99", "CPU", "sent", "suppr.", "speed"];
    assert.deepEqual(
      leftOut.split(": left out")[0].split(", ").sort(),
      all.filter((name) => !shown.includes(name)).sort(),
    );
    for (const name of ["CPU", "speed"]) {
      const explained = lines.some((line) => line.includes(`${name}: `) && !line.includes("left out"));
      assert.equal(explained, shown.includes(name), name);
    }
  });
}

Deno.test("a note stands below the table once, with the cells that have it when not all do", () => {
  const noted = (queueDepth: string, ...notes: string[]) =>
    cell({ "workload.with.queueDepth": queueDepth }, 1, { notes });
  const notes = (cells: readonly CellResult[]) => render(cells).filter((line) => line.startsWith("note: "));
  assert.deepEqual(notes([noted("1"), noted("2")]), []);
  assert.deepEqual(notes([noted("1", "read only", "a partition"), noted("2", "read only")]), [
    "note: read only",
    "note: queueDepth=1: a partition",
  ]);
  const some = ["1", "2", "3"].map((queueDepth) => noted(queueDepth, "odd"));
  assert.deepEqual(notes([...some, noted("8")]), ["note: queueDepth=1; queueDepth=2; queueDepth=3: odd"]);
  assert.deepEqual(notes([...some, noted("5", "odd"), noted("8")]), ["note: 4 of 5 cells: odd"]);
  assert.deepEqual(notes([cell({}, 1, { notes: ["alone"] })]), ["note: alone"]);
});

/** Lines of the table of the workload's own figures, from its heading on. */
function figuresOf(cells: readonly CellResult[], figures: Result["figures"], columns?: number): string[] {
  const lines = render(cells, [], columns, figures);
  const start = lines.indexOf("As the workload itself has it:");
  return start < 0 ? [] : lines.slice(start);
}

function counting(labels: Record<string, string>, counters: Record<string, number>): CellResult {
  const { summary, ...rest } = cell(labels, 1);
  const estimates = Object.entries(counters).map(([name, median]) => [name, estimate(median)]);
  return { ...rest, summary: { ...summary, counters: Object.fromEntries(estimates) } };
}

const FIGURES = {
  readsPerSecond: "reads/s",
  writesPerSecond: "writes/s",
  copiedBytesPerSecond: "MB/s copied",
  latencyP95Ns: "p95",
};

Deno.test("a workload's own figures are a table of their own, each with its unit, compared by the first of them", () => {
  const cells = [
    counting({}, { readsPerSecond: 2000, writesPerSecond: 0, latencyP95Ns: 280_000, copiedBytesPerSecond: 5e6 }),
    counting({ policy: "fixed-spin" }, { readsPerSecond: 5000, writesPerSecond: 0, latencyP95Ns: 1_500_000 }),
    { ...failed({ policy: "broken" }, "no luck") },
  ];
  const lines = figuresOf(cells, FIGURES);
  assert.deepEqual(rows(lines), [
    ["policy", "reads/s [low–high]", "MB/s copied [low–high]", "p95", "speed"],
    ["interrupt", "2,000 [1,800–2,200]", "5 [4.5–5.5]", "280 µs", "1.00×"],
    ["fixed-spin", "5,000 [4,500–5,500]", "", "1.50 ms", "2.50×"],
    ["broken", "", "", "", ""],
  ]);
  assert.ok(lines.includes("speed: reads/s against the first row's."));
});

Deno.test("without figures there is no table of them: none marked, none counted, or all of them 0", () => {
  const cells = [counting({}, { readsPerSecond: 0, events: 5 })];
  assert.deepEqual(figuresOf(cells, {}), []);
  assert.deepEqual(figuresOf(cells, FIGURES), []);
});

Deno.test("the table of figures keeps to a narrow terminal, and names what it left out", () => {
  const cells = ["interrupt", "fixed-spin"].map((policy) => {
    return counting({ policy }, { readsPerSecond: 123_456, writesPerSecond: 65_432, latencyP95Ns: 280_000 });
  });
  const lines = figuresOf(cells, FIGURES, 60);
  const table = lines.filter((line) => /^[┌│├└]/.test(line));
  assert.ok(table.every((line) => line.length <= 60), table.join("\n"));
  assert.equal(rows(lines)[0][1], "reads/s [low–high]");
  const leftOut = lines.filter((line) => line.endsWith(": left out, as the terminal is narrow."));
  assert.deepEqual(leftOut, ["p95, writes/s [low–high]: left out, as the terminal is narrow."]);
});

Deno.test("a long label of the heading is shortened", () => {
  const workload = `mounted(command=${"x".repeat(500)})`;
  const [, heading] = render([cell({ workload }, 1)]);
  assert.ok(heading.includes("workload mounted(command=xxx") && heading.includes("…") && heading.length < 300, heading);
});
