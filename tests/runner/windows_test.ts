import assert from "node:assert/strict";
import fc from "fast-check";
import { type DomainSample, NOTHING_MEASURED } from "../../core/domain/report.ts";
import { MAX_PIECES, type RecordedPieces } from "../../core/measure/pieces.ts";
import type { Windows } from "../../core/runner/result.ts";
import { toWindows } from "../../core/runner/windows.ts";

/** A domain whose pieces end at these numbers and at the end, with these values in all columns. */
function domain(ends: readonly number[], values: readonly number[], cpuNs?: (number | null)[]): DomainSample {
  const pieces: RecordedPieces = {
    upTo: [...ends, MAX_PIECES],
    ...{ durationNs: values, cpuNs: cpuNs ?? values, operations: values, bytes: values },
    ...{ spunNs: values, lostNs: values, sleptNs: values },
  };
  return { ...NOTHING_MEASURED, pieces };
}

Deno.test("pieces of several threads are added up, their lengths averaged", () => {
  const windows = toWindows([domain([1, 2], [10, 20, 30]), domain([1, 2], [20, 20, 20])], [domain([1, 2], [1, 2, 3])]);
  const application = { durationNs: [15, 20, 25], cpuNs: [30, 40, 50], spunNs: [30, 40, 50], lostNs: [30, 40, 50] };
  const driver = { durationNs: [1, 2, 3], cpuNs: [1, 2, 3], spunNs: [1, 2, 3], lostNs: [1, 2, 3], sleptNs: [1, 2, 3] };
  assert.deepEqual(windows, {
    ...{ durationNs: [15, 20, 25], operations: [30, 40, 50], bytes: [30, 40, 50] },
    application: { ...application, sleptNs: [30, 40, 50] },
    driver,
  });
});

Deno.test("pieces that one domain has missed are joined for all", () => {
  const windows = toWindows([domain([1, 2, 3], [1, 2, 4, 8])], [domain([2], [5, 6])]);
  assert.deepEqual(windows?.operations, [3, 12]);
  assert.deepEqual(windows?.driver?.spunNs, [5, 6]);
});

Deno.test("a CPU time that one thread does not know is null in that piece alone", () => {
  const windows = toWindows([domain([1, 2], [1, 2, 3], [1, null, 3]), domain([1, 2], [1, 1, 1])], null);
  assert.deepEqual(windows?.application.cpuNs, [2, null, 4]);
  assert.equal(windows?.driver, null);
});

Deno.test("there are no windows where a thread was not cut, nor where no piece ended for all; a driver may be missing", () => {
  assert.equal(toWindows([domain([1], [1, 2]), NOTHING_MEASURED], null), null);
  assert.equal(toWindows([domain([1], [1, 2])], [domain([2], [1, 2])]), null);
  assert.equal(toWindows([], null), null);
  const windows = toWindows([domain([1], [1, 2])], [NOTHING_MEASURED]);
  assert.deepEqual([windows?.operations, windows?.driver], [[1, 2], null]);
});

Deno.test("whatever was missed, nothing is lost: the pieces add up to the window", () => {
  const cut = fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 12 }).map((ends) => {
    ends.sort((a, b) => a - b);
    return domain(ends, [...ends, 0].map((_, index) => index + 1));
  });
  const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);
  fc.assert(
    fc.property(fc.array(cut, { minLength: 1, maxLength: 3 }), fc.array(cut, { maxLength: 2 }), (threads, drivers) => {
      const windows: Windows | null = toWindows(threads, drivers.length === 0 ? null : drivers);
      if (windows === null) return;
      assert.equal(sum(windows.operations), sum(threads.flatMap(({ pieces }) => pieces?.operations ?? [])));
      assert.equal(sum(windows.driver?.sleptNs ?? []), sum(drivers.flatMap(({ pieces }) => pieces?.sleptNs ?? [])));
    }),
  );
});
