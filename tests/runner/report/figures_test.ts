import assert from "node:assert/strict";
import { Dimensions } from "../../../core/runner/report/dimensions.ts";
import type { BarChart, Figure, PlotChart, Value } from "../../../core/runner/report/figure.ts";
import { efficiencyFigure, onFront } from "../../../core/runner/report/figures/efficiency.ts";
import { latencyFigure } from "../../../core/runner/report/figures/latency.ts";
import { throughputFigure, workloadFigures } from "../../../core/runner/report/figures/throughput.ts";
import { figuresOf } from "../../../core/runner/report/report.ts";
import type { CellResult, Result } from "../../../core/runner/result.ts";
import { median, summarise } from "../../../core/runner/summary.ts";
import { cellOf, resultOf, sampleOf } from "../../helpers/results.ts";
import { fixture } from "./fixture.ts";

/** The rows of a figure's table, by the keys of its columns. */
function rows({ table }: Figure): Record<string, Value>[] {
  assert.ok(table);
  return table.rows.map((row) => Object.fromEntries(table.columns.map(({ key }, index) => [key, row[index]])));
}

const FAILED: CellResult = cellOf("broken", [], { status: "failed", error: "why" });

Deno.test("the throughput has the document's medians and intervals, in the order of the cells", async () => {
  const result = await fixture();
  const figure = throughputFigure(new Dimensions(result));
  assert.deepEqual(
    rows(figure),
    result.cells.map(({ labels, summary: { iops } }) => ({
      ...{ policy: labels.policy, "workload.with.queueDepth": labels["workload.with.queueDepth"] },
      ...{ iops: iops?.median, iops_low: iops?.low, iops_high: iops?.high },
    })),
  );
  const [chart] = figure.charts as BarChart[];
  assert.deepEqual(chart.groups.map(({ name }) => name), ["queueDepth 1", "queueDepth 4", "queueDepth 16"]);
  assert.deepEqual(
    chart.groups.flatMap(({ bars }) => bars.map(({ value }) => value)),
    result.cells.map(({ summary }) => summary.iops?.median),
  );
  assert.match(
    figure.caption,
    /^Operations a second .* Median of 3 repetitions; whiskers: the smallest and the largest/,
  );
});

Deno.test("the caption says what the interval is, and that one repetition has none", () => {
  const caption = (iops: readonly number[]): string => {
    return throughputFigure(new Dimensions(resultOf([cellOf("a", iops), cellOf("b", iops)]))).caption;
  };
  assert.match(caption([1, 2, 3, 4, 5, 6]), /Median of 6 repetitions; whiskers: the 95 % bootstrap interval/);
  assert.match(caption([1]), /One repetition of each cell, which says nothing of how sure it is/);
});

Deno.test("a cell that failed has no value anywhere, and says that it failed", () => {
  const result = resultOf([cellOf("a", [1, 2, 3]), FAILED]);
  const figure = throughputFigure(new Dimensions(result));
  assert.deepEqual(rows(figure)[1], { policy: "broken", iops: null, iops_low: null, iops_high: null });
  const [chart] = figure.charts as BarChart[];
  assert.deepEqual([chart.groups[0].bars[1].value, chart.groups[0].bars[1].missing], [null, "failed"]);
  for (const { table, name } of figuresOf(result)) {
    const row = table?.rows.find((values) => values.includes("broken"));
    const numbers = row?.filter((_, index) => {
      const column = table?.columns[index];
      return column?.unit !== undefined && !["repetitions", "redone", "disturbed", "errors"].includes(column.key);
    });
    assert.ok(numbers === undefined || numbers.every((value) => value === null), name);
  }
});

Deno.test("a document that measured nothing has every figure left out, with a sentence why", () => {
  const figures = figuresOf(resultOf([FAILED]));
  for (const { name, table, charts, caption } of figures.filter(({ name }) => name !== "cells")) {
    assert.deepEqual([table, charts], [null, []], name);
    assert.match(caption, /^Left out, as .*\.$/);
  }
});

Deno.test("groups of bars whose lengths differ too much to be seen together have a picture and a scale each", () => {
  const cell = (policy: string, load: string, iops: number): CellResult => {
    const made = cellOf(policy, [iops]);
    return { ...made, id: `${policy}-${load}`, labels: { ...made.labels, "workload.with.queueDepth": load } };
  };
  const cells = [["1", 100], ["2", 2900], ["4", 3100], ["8", 90]].flatMap(([load, iops]) => {
    return ["a", "b"].map((policy) => cell(policy, load as string, (iops as number) * (policy === "a" ? 1 : 0.001)));
  });
  const { charts, caption } = throughputFigure(new Dimensions(resultOf(cells)));
  const parts = (charts as BarChart[]).map(({ groups }) => groups.map(({ bars }) => bars[0].value));
  assert.deepEqual(parts, [[100, 2900], [3100], [90]]);
  assert.match(caption, /Each picture has a scale of its own\.$/);
});

Deno.test("many bars are put into several pictures, and none is lost", () => {
  const cells = Array.from({ length: 100 }, (_, depth) =>
    ["a", "b", "c"].map((policy) => {
      const cell = cellOf(policy, [depth + 1]);
      return { ...cell, labels: { ...cell.labels, "workload.with.queueDepth": String(depth) } };
    })).flat();
  const charts = throughputFigure(new Dimensions(resultOf(cells))).charts as BarChart[];
  const sizes = charts.map(({ groups }) => groups.reduce((sum, { bars }) => sum + bars.length, 0));
  assert.ok(Math.max(...sizes) <= 36, String(sizes));
  assert.equal(sizes.reduce((sum, size) => sum + size), 300);
});

/** A cell with a throughput and a use of CPU. */
function point(policy: string, iops: number, cores: number): CellResult {
  const samples = [sampleOf(0, [iops], { cpuCores: { application: cores, driver: 0 } })];
  return cellOf(policy, [iops], { samples, summary: summarise(samples) });
}

Deno.test("the front has the cells that no other beats in throughput and CPU", () => {
  const cells = [
    point("a", 100, 1),
    point("b", 200, 2),
    point("c", 90, 1.5),
    point("d", 200, 1.8),
    point("e", 50, 0.1),
  ];
  assert.deepEqual(cells.map((cell) => onFront(cell, cells)), [true, false, false, true, true]);
  assert.equal(onFront(FAILED, cells), null);
  const figure = efficiencyFigure(new Dimensions(resultOf([...cells, FAILED])));
  assert.deepEqual(rows(figure).map((row) => row.pareto_front), ["yes", "no", "no", "yes", "yes", null]);
  const [panel] = (figure.charts[0] as PlotChart).panels;
  assert.deepEqual(panel.front?.map(({ x, y }) => [x, y]), [[0.1, 50], [1, 100], [1.8, 200]]);
});

Deno.test("cells that are equal are on the front together", () => {
  const cells = [point("a", 100, 1), point("b", 100, 1)];
  assert.deepEqual(cells.map((cell) => onFront(cell, cells)), [true, true]);
});

Deno.test("latencies are the medians of the repetitions' percentiles, with their range", async () => {
  const result = await fixture();
  const found = rows(latencyFigure(new Dimensions(result)));
  for (const [index, { samples }] of result.cells.entries()) {
    const values = samples.map(({ latencyNs }) => latencyNs?.p999 ?? NaN);
    assert.equal(found[index].latency_p999_ns, median([...values]));
    assert.equal(found[index].latency_p999_low_ns, Math.min(...values));
    assert.equal(found[index].latency_p999_high_ns, Math.max(...values));
  }
});

Deno.test("a percentile that one repetition did not measure is missing, not that of the others", () => {
  const samples = [sampleOf(0, [5]), sampleOf(1, [5], { latencyNs: null })];
  const figure = latencyFigure(new Dimensions(resultOf([cellOf("a", [5]), { ...cellOf("b", [5]), samples }])));
  assert.deepEqual(rows(figure).map((row) => row.latency_max_ns), [7, null]);
});

Deno.test("what the workload counts as figures has figures of its own, in its unit", () => {
  const counters = { median: 5e6, low: 4e6, high: 6e6, interval: "minmax" as const };
  const cell = cellOf("a", [1, 2]);
  const result: Result = {
    ...resultOf([{
      ...cell,
      summary: { ...cell.summary, counters: { readBytesPerSecond: counters, unused: counters } },
    }]),
    figures: { readBytesPerSecond: "read MB/s", never: "never" },
  };
  const [figure, ...others] = workloadFigures(new Dimensions(result));
  assert.deepEqual(others, []);
  assert.equal((figure.charts[0] as BarChart).axis.unit, "megabytes");
  assert.equal(rows(figure)[0].readBytesPerSecond, 5e6);
});
