import assert from "node:assert/strict";
import fc from "fast-check";
import { z } from "../../../core/schema.ts";
import type { Cell } from "../../../core/runner/cell.ts";
import {
  divideTime,
  isOpenLoop,
  loadAxis,
  OVERHEAD_NS,
  screeningNs,
  spreadOut,
} from "../../../core/runner/advise/load_axis.ts";
import { SCREENING_ROUNDS } from "../../../core/runner/advise/elimination.ts";

Deno.test("of the values the given one is kept, then those that lie farthest from all others", () => {
  const axis = { values: [1, 2, 4, 8, 16, 32], given: 1 };
  assert.deepEqual(spreadOut(axis, 1), [1]);
  assert.deepEqual(spreadOut(axis, 2), [1, 32]);
  assert.deepEqual(spreadOut(axis, 3), [1, 4, 32]);
  assert.deepEqual(spreadOut(axis, 99), axis.values);
  assert.deepEqual(spreadOut({ values: [1, 2, 4, 6, 8, 16, 32], given: 6 }, 3), [1, 6, 32]);
});

Deno.test("what is spread out is ascending, has no value twice, and always the given one", () => {
  fc.assert(fc.property(
    fc.uniqueArray(fc.integer({ min: 1, max: 512 }), { minLength: 1, maxLength: 12 }),
    fc.nat(20),
    (all, count) => {
      const values = all.toSorted((a, b) => a - b);
      const chosen = spreadOut({ values, given: all[0] }, count);
      assert.equal(chosen.length, Math.max(1, Math.min(count, values.length)));
      assert.deepEqual(chosen, [...new Set(chosen)].sort((a, b) => a - b));
      assert.ok(chosen.includes(all[0]) && chosen.every((value) => values.includes(value)));
    },
  ));
});

/** A cell whose workload has such options, of which rates above 3000 are refused. */
function cellWith(written: Record<string, unknown>, more: Record<string, unknown> = {}): Cell {
  const options = z.looseObject({ rate: z.number().max(3000).optional() });
  return {
    workload: { plugin: { options, ...more }, written },
    scenario: { channel: { ringOrder: 0 } },
  } as unknown as Cell;
}

Deno.test("of an open loop the rate is varied, as far as the workload takes it, and not the queue depth", () => {
  const cell = cellWith({ rate: 2000, queueDepth: 8 });
  assert.ok(isOpenLoop(cell));
  assert.deepEqual(loadAxis(cell), { path: "workload.with.rate", given: 2000, values: [500, 1000, 2000] });
  assert.equal(isOpenLoop(cellWith({ queueDepth: 8 })), false);
  assert.deepEqual(loadAxis(cellWith({ queueDepth: 3 }))?.values, [1, 2, 3, 4, 8, 16, 32]);
});

Deno.test("a workload that leads the machine itself, or has neither rate nor depth, is not varied", () => {
  assert.equal(loadAxis(cellWith({ queueDepth: 8 }, { conduct: () => {} })), null);
  assert.equal(loadAxis(cellWith({ blockSize: "4KiB" })), null);
});

const MS = 1e6;
const usual = { policies: 9, loads: 6, fewer: true, warmupNs: 500 * MS, durationNs: 1000 * MS };

Deno.test("with time enough, repetitions measure for as long as the scenario says, at all loads", () => {
  assert.deepEqual(divideTime({ ...usual, timeNs: 3600e9 }), { loads: 6, durationNs: 1000 * MS });
});

Deno.test("with less they are shorter, and then there are fewer loads, down to one", () => {
  const short = divideTime({ ...usual, timeNs: 600e9 });
  assert.equal(short.loads, 6);
  assert.ok(short.durationNs < 1000 * MS && short.durationNs >= 200 * MS);
  assert.ok(divideTime({ ...usual, timeNs: 120e9 }).loads < 6);
  assert.deepEqual(divideTime({ ...usual, timeNs: 1e9 }), { loads: 1, durationNs: 200 * MS });
  assert.deepEqual(divideTime({ ...usual, durationNs: 50 * MS, timeNs: 1e9 }), { loads: 1, durationNs: 50 * MS });
});

Deno.test("the loads of a scenario's own matrix all stay", () => {
  assert.equal(divideTime({ ...usual, fewer: false, timeNs: 1e9 }).loads, 6);
});

Deno.test("screening takes at most half of the time, where that is possible at all", () => {
  const given = fc.record({
    timeNs: fc.integer({ min: 1, max: 3600 }).map((seconds) => seconds * 1e9),
    policies: fc.integer({ min: 1, max: 20 }),
    loads: fc.integer({ min: 1, max: 10 }),
    warmupNs: fc.integer({ min: 1, max: 2000 }).map((ms) => ms * MS),
    durationNs: fc.integer({ min: 1, max: 2000 }).map((ms) => ms * MS),
  });
  fc.assert(fc.property(given, (each) => {
    const { loads, durationNs } = divideTime({ ...each, fewer: true });
    assert.ok(loads >= 1 && loads <= each.loads);
    assert.ok(durationNs <= each.durationNs && durationNs > 0);
    const took = SCREENING_ROUNDS * each.policies * loads * (OVERHEAD_NS + each.warmupNs + durationNs);
    assert.ok(screeningNs({ ...each, cells: each.policies * loads, durationNs }) < took);
    if (loads > 1 || durationNs > 200 * MS) assert.ok(took <= each.timeNs / 2);
  }));
});
