import assert from "node:assert/strict";
import { crowded, stolen } from "../../core/runner/disturbance.ts";
import type { Sample } from "../../core/runner/result.ts";
import { sampleOf } from "../helpers/results.ts";

/** A sample of one second in which the domains lost their cores so often, and others used so many cores. */
function sample(switches: number, othersCores: number, changes: Partial<Sample> = {}): Sample {
  return sampleOf(0, [1], {
    contextSwitches: { application: { voluntary: 9, involuntary: switches }, driver: { voluntary: 9, involuntary: 0 } },
    othersNs: othersCores * 1e9,
    ...changes,
  });
}

const USUAL = [[30, 0.01], [35, 0.02], [28, 0.02], [31, 0.03]].map(([switches, cores]) => sample(switches, cores));

Deno.test("time that the host took counts from 2 % of all cores' time on, and from two ticks of its count", () => {
  const taken = (ms: number, durationNs = 1e9): string | null => {
    return stolen(sample(0, 0, { stealNs: ms * 1e6, durationNs }), 2);
  };
  assert.equal(taken(40), null, "2 % of two cores");
  assert.equal(taken(50), "the host took 2.5 % of the cores' time");
  assert.equal(taken(10, 1e8), null, "5 %, but one tick may be none");
  assert.equal(taken(20, 1e8), "the host took 10.0 % of the cores' time");
  assert.equal(stolen(sample(0, 0, { stealNs: null }), 2), null);
});

Deno.test("a repetition is disturbed when others used far more than is usual and the domains lost their cores more often", () => {
  assert.equal(
    crowded(sample(900, 0.6), USUAL),
    "other programs used 0.60 cores, where 0.02 are usual, and the domains lost theirs 900 times a second, where 31 are",
  );
});

Deno.test("a policy in another mood is not disturbed: its cores were taken more often, but nobody else used them", () => {
  assert.equal(crowded(sample(9000, 0.02), USUAL), null);
});

Deno.test("other programs that took no core from the domains did not disturb them", () => {
  assert.equal(crowded(sample(31, 0.9), USUAL), null);
});

Deno.test("what the cell itself always causes is usual: a spinning policy on too few cores, and its neighbours", () => {
  const spinning = [[5000, 0.9], [5200, 1.0], [4800, 0.95], [5100, 0.92]].map(([a, b]) => sample(a, b));
  assert.equal(crowded(sample(5400, 1.0), spinning), null);
  assert.notEqual(crowded(sample(9000, 1.9), spinning), null);
});

Deno.test("with fewer than four other repetitions nobody can say what is usual, nor where nothing was measured", () => {
  assert.equal(crowded(sample(900, 0.6), USUAL.slice(1)), null);
  assert.equal(crowded(sample(900, 0.6, { othersNs: null }), USUAL), null);
  const unknown = { contextSwitches: { application: null, driver: null } };
  assert.equal(crowded(sample(0, 0.6, unknown), USUAL), null);
  assert.equal(crowded(sample(900, 0.6), USUAL.map((each) => ({ ...each, ...unknown }))), null);
});
