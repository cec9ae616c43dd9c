import assert from "node:assert/strict";
import { Command, DomainControl } from "../../core/domain/control.ts";
import type { DomainReport, DomainSample } from "../../core/domain/report.ts";
import { allocateEventPage, EventPage } from "../../core/event_channel.ts";
import { MeasurementWindow } from "../../core/domain/measurement.ts";
import { OperationMeter } from "../../core/measure/meter.ts";
import { threadUsage } from "../../core/measure/thread.ts";

// The C library is opened once and stays open: here, so that it is no leak of the first test that measures.
threadUsage();

/** A window over counters that the test moves. */
function windowed({ linked = true, workload = true } = {}) {
  const control = DomainControl.allocate(new EventPage(allocateEventPage()));
  const reports: DomainReport[] = [];
  const waits = { spinHits: 0, spinMisses: 0, sleeps: 0, spunNs: 0, lostNs: 0, sleptNs: 0 };
  const pushes = linked ? [{ sent: 0, suppressed: 0 }, { sent: 0, suppressed: 0 }] : [];
  const meter = new OperationMeter(1);
  const measured = { waits, pushes, meter: workload ? meter : null, confinedTo: [1] };
  const window = new MeasurementWindow(control, measured, (report) => reports.push(report));
  const command = (value: number): void => {
    control.send(value);
    assert.equal(window.observe(), value);
  };
  /** Everything counts on by `step`. */
  const work = (step: number): void => {
    for (const each of [waits, ...pushes] as Record<string, number>[]) {
      for (const key of Object.keys(each)) each[key] += step;
    }
    for (let i = 0; i < step; i++) {
      meter.submitted(0, 4096);
      meter.completed(0, 0);
    }
  };
  const sample = (): DomainSample => {
    const [begun, report] = reports;
    assert.deepEqual(begun, { type: "measuring" });
    assert(report?.type === "sample" && reports.length === 2, "one sample was reported");
    return report.sample;
  };
  return { control, window, command, work, reports, sample };
}

Deno.test("a sample is what was counted between the commands to measure and to finish", () => {
  const { command, work, sample } = windowed();
  work(1000);
  command(Command.WarmUp);
  work(100);
  command(Command.Measure);
  work(7);
  command(Command.Finish);
  work(30);
  const { waits, notifications, operations, durationNs } = sample();
  assert.deepEqual(waits, { spinHits: 7, spinMisses: 7, sleeps: 7, spunNs: 7, lostNs: 7, sleptNs: 7 });
  assert.deepEqual(notifications, { sent: 14, suppressed: 14 }, "of both links together");
  assert.deepEqual([operations?.operations, operations?.bytes], [7, 7 * 4096]);
  assert(durationNs > 0);
});

Deno.test("a window that is looked at often is cut at the first look after each command", () => {
  const { window, command, work, reports, sample } = windowed();
  command(Command.Measure);
  for (let i = 0; i < 5; i++) {
    work(1);
    assert.equal(window.observe(), Command.Measure);
  }
  assert.deepEqual(reports, [{ type: "measuring" }]);
  command(Command.Finish);
  window.observe();
  assert.equal(sample().operations?.operations, 5);
});

Deno.test("a window in which nothing happened has counts of 0 and no latency", () => {
  const { command, sample } = windowed();
  command(Command.Measure);
  command(Command.Finish);
  const { operations, notifications } = sample();
  assert.deepEqual([operations?.operations, operations?.latencies.count], [0, 0]);
  assert.deepEqual(notifications, { sent: 0, suppressed: 0 });
});

Deno.test("a domain without a link or a workload has null for what it cannot count", () => {
  const { command, sample } = windowed({ linked: false, workload: false });
  command(Command.Measure);
  command(Command.Finish);
  assert.deepEqual([sample().notifications, sample().waits, sample().operations], [null, null, null]);
});

Deno.test("a domain that is finished or stopped without having measured reports nothing", () => {
  for (const last of [Command.Finish, Command.Stop]) {
    const { command, reports } = windowed();
    command(Command.WarmUp);
    command(last);
    assert.deepEqual(reports, []);
  }
});

Deno.test("each look at the command shows that the domain lives", () => {
  const { control, window } = windowed();
  const before = control.heartbeat;
  window.observe();
  assert.notEqual(control.heartbeat, before);
});

Deno.test("each piece of the window has what was counted in it, and together they are the window", () => {
  const { control, window, command, work, sample } = windowed();
  command(Command.WarmUp);
  work(50);
  command(Command.Measure);
  for (const [piece, step] of [[1, 3], [2, 5], [4, 7]]) {
    work(step);
    control.beginPiece(piece);
    assert.equal(window.observe(), Command.Measure);
    assert.equal(window.observe(), Command.Measure, "a piece is cut once");
  }
  work(11);
  command(Command.Finish);
  const { pieces, operations, durationNs, waits } = sample();
  assert(pieces !== null && operations !== null && waits !== null);
  assert.deepEqual(pieces.upTo, [1, 2, 4, 100], "the third was not seen");
  for (const key of ["operations", "spunNs", "lostNs", "sleptNs"] as const) {
    assert.deepEqual(pieces[key], [3, 5, 7, 11]);
  }
  assert.deepEqual(pieces.bytes, [3, 5, 7, 11].map((each) => each * 4096));
  assert.equal(operations.operations, 26);
  const lengths = pieces.durationNs.reduce((total, each) => total + each, 0);
  assert(pieces.durationNs.every((each) => each >= 0) && lengths <= durationNs, `${lengths} of ${durationNs}`);
  assert(pieces.cpuNs.every((each) => each === null || each >= 0));
});

Deno.test("a window that nobody cut has no pieces, and a driver's pieces have no operations", () => {
  const { command, work, sample } = windowed();
  command(Command.Measure);
  work(3);
  command(Command.Finish);
  assert.equal(sample().pieces, null);

  const driver = windowed({ workload: false });
  driver.command(Command.Measure);
  driver.work(2);
  driver.control.beginPiece(1);
  driver.command(Command.Measure);
  driver.work(4);
  driver.command(Command.Finish);
  const { pieces } = driver.sample();
  assert.deepEqual([pieces?.operations, pieces?.bytes, pieces?.spunNs], [[0, 0], [0, 0], [2, 4]]);
});
