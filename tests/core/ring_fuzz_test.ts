/** The fuzzer of rings finds nothing wrong with either end, does not do nothing, and says how to play a state again. */

import assert from "node:assert/strict";
import { DeviceGate } from "../../core/device_gate.ts";
import { fuzzRing } from "../conformance/peer/fuzz/fuzz.ts";

const STATES = 10_000;

for (const victim of ["backend", "frontend"] as const) {
  Deno.test(`the ${victim} does with ${STATES} fuzzed states of a ring what its model says`, () => {
    const report = fuzzRing({ seed: 1, states: STATES, victim });
    assert.equal(report.states, STATES);
    assert(report.requests > 2 * STATES && report.done > STATES, JSON.stringify(report));
    assert(report.broken > STATES / 10 && report.connected > STATES / 200, JSON.stringify(report));
  });
}

Deno.test("a state is the same whichever come before, and one that fails says how to play it alone", () => {
  const { submit } = DeviceGate.prototype;
  const failure = (first: number): string => {
    let message = "";
    DeviceGate.prototype.submit = function (request) {
      // As if the gate let a write reach one sector further.
      if (request.operation === 1) request.offsetBytes += 512;
      submit.call(this, request);
    };
    try {
      fuzzRing({ seed: 7, first, states: 1000 });
    } catch (thrown) {
      message = (thrown as Error).message;
    } finally {
      DeviceGate.prototype.submit = submit;
    }
    return message;
  };
  const message = failure(0);
  const again = /--seed=7 --first=(\d+) --states=1 --victim=backend$/.exec(message);
  assert(again, message);
  assert.equal(failure(Number(again[1])), message);
});
