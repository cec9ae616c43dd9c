import assert from "node:assert/strict";
import fc from "fast-check";
import { Dimensions } from "../../../core/runner/report/dimensions.ts";
import type { AreaChart, Figure, MatrixChart, PlotChart, Value } from "../../../core/runner/report/figure.ts";
import { distributionFigure, latencyAt, pooledHistogram } from "../../../core/runner/report/figures/distribution.ts";
import { expectationsTable } from "../../../core/runner/report/figures/expectations.ts";
import { relativeFigure, relativeOverview } from "../../../core/runner/report/figures/relative.ts";
import { sweepFigures } from "../../../core/runner/report/figures/sweeps.ts";
import { activity, medianRepetition, timelineFigure } from "../../../core/runner/report/figures/timeline.ts";
import { overviewFigure } from "../../../core/runner/report/overview.ts";
import type { CellResult } from "../../../core/runner/result.ts";
import { cellOf, resultOf, sampleOf } from "../../helpers/results.ts";
import { fixture } from "./fixture.ts";

function column({ table }: Figure, key: string): Value[] {
  assert.ok(table);
  const index = table.columns.findIndex((column) => column.key === key);
  assert.ok(index >= 0, key);
  return table.rows.map((row) => row[index]);
}

Deno.test("a sweep has a line for each policy, whose points are the document's in ascending order", async () => {
  const result = await fixture();
  const figures = sweepFigures(new Dimensions(result));
  assert.deepEqual(figures.map(({ name }) => name), [
    "sweep-queueDepth-throughput",
    "sweep-queueDepth-latency-p99",
    "sweep-queueDepth-cpu",
  ]);
  const { series, panels } = figures[0].charts[0] as PlotChart;
  assert.equal(panels.length, 1);
  for (const { series: index, points } of panels[0].lines) {
    assert.deepEqual(points.map((point) => point?.x), [1, 4, 16]);
    const cells = result.cells.filter(({ labels }) => labels.policy === series[index].name);
    assert.deepEqual(points.map((point) => point?.y), cells.map(({ summary }) => summary.iops?.median));
    assert.deepEqual(points[0]?.yEnds, [cells[0].summary.iops?.low, cells[0].summary.iops?.high]);
  }
});

Deno.test("a line is broken where a cell is missing", () => {
  const cells = ["1", "2", "4"].map((depth) => {
    const cell = depth === "2" ? cellOf("a", [], { status: "failed", error: "why" }) : cellOf("a", [Number(depth)]);
    return { ...cell, labels: { ...cell.labels, "workload.with.queueDepth": depth } };
  });
  const [figure] = sweepFigures(new Dimensions(resultOf(cells)));
  const [line] = (figure.charts[0] as PlotChart).panels[0].lines;
  assert.deepEqual(line.points.map((point) => point?.y ?? null), [1, null, 4]);
});

Deno.test("a histogram's percentile is the smallest bucket that has the share below or in it", () => {
  const histogram = { ns: [10, 20, 30], counts: [5, 4, 1] };
  assert.deepEqual([0.1, 50, 50.1, 90, 90.1, 100].map((share) => latencyAt(histogram, share)), [
    10,
    10,
    20,
    20,
    30,
    30,
  ]);
});

Deno.test("a histogram's percentiles are those of the operations themselves", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
      fc.integer({ min: 1, max: 100 }),
      (all, share) => {
        const ns = [...new Set(all)].sort((a, b) => a - b);
        const counts = ns.map((value) => all.filter((each) => each === value).length);
        const ascending = [...all].sort((a, b) => a - b);
        assert.equal(latencyAt({ ns, counts }, share), ascending[Math.ceil(share * all.length / 100) - 1]);
      },
    ),
  );
});

Deno.test("the histograms of a cell's repetitions are added up, and one that is missing makes the whole missing", () => {
  const samples = [
    sampleOf(0, [1], { latencyHistogram: { ns: [10, 30], counts: [1, 2] } }),
    sampleOf(1, [1], { latencyHistogram: { ns: [20, 30], counts: [4, 8] } }),
  ];
  const cell = { ...cellOf("a", [1]), samples };
  assert.deepEqual(pooledHistogram(cell), { ns: [10, 20, 30], counts: [1, 4, 10] });
  assert.equal(pooledHistogram({ ...cell, samples: [...samples, sampleOf(2, [1], { latencyHistogram: null })] }), null);
});

Deno.test("a distribution never falls, and ends where the histogram does", async () => {
  const result = await fixture();
  const figure = distributionFigure(new Dimensions(result));
  assert.ok(figure.table);
  for (const [index, row] of figure.table.rows.entries()) {
    const times = row.filter((value) => typeof value === "number");
    assert.deepEqual(times, [...times].sort((a, b) => a - b));
    assert.equal(times.at(-1), pooledHistogram(result.cells[index])?.ns.at(-1));
  }
});

Deno.test("the timeline is of the repetition with the median throughput", () => {
  const cell = cellOf("a", [30, 10, 20]);
  assert.equal(medianRepetition(cell)?.repetition, 2);
  assert.equal(medianRepetition(cellOf("a", [40, 10, 30, 20]))?.iops, 20);
  assert.equal(medianRepetition(cellOf("a", [])), null);
});

Deno.test("what threads did is time over the piece's length; working is what they did not spin away", () => {
  const times = { durationNs: [10, 20], cpuNs: [9, null], spunNs: [4, 5], lostNs: [1, 0], sleptNs: [0, 10] };
  assert.deepEqual(activity(times), [[0.5, 0.4, 0.1, 0], [null, 0.25, 0, 0.5]]);
});

Deno.test("the timeline's pieces are those of the document, for both domains", async () => {
  const result = await fixture();
  const figure = timelineFigure(new Dimensions(result));
  const [chart] = figure.charts as AreaChart[];
  const cell = result.cells[0];
  const windows = medianRepetition(cell)?.windows;
  assert.ok(windows?.driver);
  assert.match(chart.panels[0].title, /^application: interrupt/);
  assert.match(chart.panels[1].title, /^driver: interrupt/);
  const end = windows.application.durationNs.reduce((sum, length) => sum + length, 0);
  assert.equal(chart.panels[0].edgesNs.at(-1), end);
  const first = column(figure, "sleeping_threads").slice(0, windows.application.durationNs.length);
  assert.deepEqual(first, windows.application.sleptNs.map((ns, at) => ns / windows.application.durationNs[at]));
});

Deno.test("of many cells a few have timelines, of loads that lie evenly among all, and the figure says so", () => {
  const cells = Array.from({ length: 9 }, (_, depth) =>
    ["a", "b"].map((policy) => {
      const samples = [sampleOf(0, [1, 2])];
      const cell = cellOf(policy, [1], { samples });
      return { ...cell, labels: { ...cell.labels, "workload.with.queueDepth": String(depth) } };
    })).flat();
  const figure = timelineFigure(new Dimensions(resultOf(cells)));
  assert.match(figure.caption, /Shown are 8 of 18 cells/);
  assert.deepEqual([...new Set(column(figure, "workload.with.queueDepth"))], ["0", "3", "5", "8"]);
});

Deno.test("a result whose windows were not cut has no timeline, and says why", () => {
  const figure = timelineFigure(new Dimensions(resultOf([cellOf("a", [1])])));
  assert.deepEqual([figure.table, figure.charts], [null, []]);
  assert.match(figure.caption, /not cut/);
});

Deno.test("expectations have their status and both sides", async () => {
  const result = await fixture();
  const figure = expectationsTable(new Dimensions(result));
  assert.ok(figure);
  assert.deepEqual(column(figure, "status"), result.expectations.map(({ status }) => status));
  assert.deepEqual(column(figure, "right"), result.expectations.map(({ right }) => right));
  assert.match(figure.caption, /^\d+ of \d+ are not met/);
  assert.equal(expectationsTable(new Dimensions(resultOf([cellOf("a", [1])]))), null);
});

Deno.test("under each load, every policy is in per cent of the best; the best is exactly 100", async () => {
  const result = await fixture();
  const space = new Dimensions(result);
  const figure = relativeFigure(space);
  assert.ok(figure);
  assert.deepEqual(column(figure, "workload.with.queueDepth"), ["1", "4", "16"]);
  for (const [row, { cells }] of space.groups().entries()) {
    const medians = cells.map(({ summary }) => summary.iops?.median ?? NaN);
    const best = Math.max(...medians);
    const percents: Value[] = space.series.map(({ name }): Value => column(figure, `${name} %`)[row]);
    assert.deepEqual(percents, medians.map((median) => median / best * 100));
    assert.equal(Math.max(...percents as number[]), 100);
    assert.equal(column(figure, "best")[row], cells[medians.indexOf(best)].labels.policy);
    assert.equal(column(figure, "best_iops")[row], best);
  }
  const [chart] = figure.charts as MatrixChart[];
  assert.deepEqual(chart.columns, space.series.map(({ name }) => name));
});

Deno.test("a load under which nothing was measured has no best, and one policy or one load makes no comparison", () => {
  const cells = ["1", "2"].flatMap((depth) =>
    ["a", "b"].map((policy): CellResult => {
      const cell = depth === "1" || policy === "a" ? cellOf(policy, []) : cellOf(policy, [7]);
      return { ...cell, labels: { ...cell.labels, "workload.with.queueDepth": depth } };
    })
  );
  const figure = relativeFigure(new Dimensions(resultOf(cells)));
  assert.ok(figure);
  assert.deepEqual(column(figure, "best"), [null, "b"]);
  assert.deepEqual(column(figure, "a %"), [null, null]);
  assert.deepEqual(column(figure, "b %"), [null, 100]);
  assert.equal(relativeFigure(new Dimensions(resultOf([cellOf("a", [1]), cellOf("b", [1])]))), null);
  assert.equal(relativeFigure(new Dimensions(resultOf(cells.filter(({ labels }) => labels.policy === "a")))), null);
});

Deno.test("of several results the cells with the same labels are shown beside each other", () => {
  const first = resultOf([cellOf("a", [10]), cellOf("b", [20])]);
  const second = resultOf([cellOf("b", [22]), cellOf("c", [30])]);
  const figure = overviewFigure([{ name: "one", result: first }, { name: "two", result: second }]);
  assert.ok(figure);
  assert.deepEqual(column(figure, "result"), ["one", "two"]);
  assert.deepEqual(column(figure, "iops"), [20, 22]);
  assert.doesNotMatch(figure.caption, /different machines/);
  const elsewhere = { ...second, machine: { ...second.machine, cores: 64 } };
  const warned = overviewFigure([{ name: "one", result: first }, { name: "two", result: elsewhere }]);
  assert.match(warned?.caption ?? "", /different machines/);
  assert.equal(overviewFigure([{ name: "one", result: first }]), null);
  const another = { ...second, scenario: { ...second.scenario as Record<string, unknown>, name: "another" } };
  const apart = overviewFigure([{ name: "one", result: first }, { name: "two", result: another }]);
  assert.equal(apart, null, "the same labels of another scenario are another load");
});

Deno.test("results of different loads are shown in one table, each load beside its best", () => {
  const space = (name: string, a: number, b: number) => ({
    name,
    space: new Dimensions(resultOf([cellOf("a", [a]), cellOf("b", [b])])),
  });
  const figure = relativeOverview([space("one", 10, 20), space("two", 40, 10)]);
  assert.ok(figure);
  assert.deepEqual(column(figure, "result"), ["one", "two"]);
  assert.deepEqual(column(figure, "best"), ["b", "a"]);
  assert.deepEqual(column(figure, "a %"), [50, 100]);
  assert.deepEqual(column(figure, "b %"), [100, 25]);
  const other = { name: "other", space: new Dimensions(resultOf([cellOf("a", [1])])) };
  assert.equal(relativeOverview([space("one", 10, 20), other]), null, "it compares no policies");
  const more = { name: "more", space: new Dimensions(resultOf([cellOf("b", [1]), cellOf("c", [2])])) };
  const wider = relativeOverview([space("one", 10, 20), more]);
  assert.deepEqual((wider?.charts as MatrixChart[])[0].columns, ["a", "b", "c"]);
  assert.deepEqual(column(wider as Figure, "a %"), [50, null]);
});
