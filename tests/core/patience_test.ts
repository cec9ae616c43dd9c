import assert from "node:assert/strict";
import { ConnectionError } from "../../core/errors.ts";
import { Patience } from "../../core/patience.ts";

/** Runs with a clock that the test moves. */
function withClock(test: (advance: (ms: number) => void) => void): void {
  const { now } = performance;
  let nowMs = 1000;
  performance.now = () => nowMs;
  try {
    test((ms) => nowMs += ms);
  } finally {
    performance.now = now;
  }
}

Deno.test("a driver that answers nothing for too long is lost", () => {
  withClock((advance) => {
    const patience = new Patience(100);
    patience.check(true, 7);
    advance(100);
    patience.check(true, 7);
    advance(1);
    assert.throws(() => patience.check(true, 7), ConnectionError);
  });
});

Deno.test("every answer, and every time that nothing is in flight, begins it anew; so does a loss", () => {
  withClock((advance) => {
    const patience = new Patience(100);
    for (let answered = 0; answered < 5; answered++) {
      patience.check(true, answered);
      advance(90);
    }
    patience.check(false, 4);
    advance(1000);
    patience.check(true, 4);
    advance(101);
    assert.throws(() => patience.check(true, 4), ConnectionError);
    patience.check(true, 4);
  });
});

Deno.test("without a limit nobody looks at the clock", () => {
  const patience = new Patience(Infinity);
  withClock((advance) => {
    patience.check(true, 0);
    advance(1e12);
    patience.check(true, 0);
  });
});
