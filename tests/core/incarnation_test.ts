import assert from "node:assert/strict";
import { DomainControl } from "../../core/domain/control.ts";
import { allocateEventPage, EventPage } from "../../core/event_channel.ts";
import { Incarnation } from "../../core/incarnation.ts";

const TIMEOUT_MS = 500;
const EVERY_MS = 50;

/** A domain that is looked at as time goes by. */
function watched() {
  const control = DomainControl.allocate(new EventPage(allocateEventPage()));
  const host = { boot() {}, proceed() {}, kill() {}, ended: Promise.resolve() };
  const { now } = performance;
  let nowMs = 1000;
  performance.now = () => nowMs;
  const incarnation = new Incarnation(host, control);
  control.beat();
  return {
    control,
    /** What is seen after some time. */
    look(afterMs: number): number {
      nowMs += afterMs;
      return incarnation.silentMs(TIMEOUT_MS, EVERY_MS);
    },
    [Symbol.dispose]: () => void (performance.now = now),
  };
}

Deno.test("a domain that shows no sign of life for too long is silent, and not before", () => {
  using domain = watched();
  domain.look(EVERY_MS);
  for (let ms = EVERY_MS; ms <= TIMEOUT_MS; ms += EVERY_MS) assert.equal(domain.look(EVERY_MS), 0);
  assert.equal(domain.look(EVERY_MS), TIMEOUT_MS);
});

Deno.test("a sign of life begins it anew", () => {
  using domain = watched();
  for (let look = 0; look < 100; look++) {
    if (look % 9 === 0) domain.control.beat();
    assert.equal(domain.look(EVERY_MS), 0);
  }
});

Deno.test("while its device may block, that counts; not longer than the longest that a device may say", () => {
  using domain = watched();
  domain.look(EVERY_MS);
  domain.control.blockingMs = 2000;
  for (let ms = EVERY_MS; ms <= 2000; ms += EVERY_MS) assert.equal(domain.look(EVERY_MS), 0);
  assert.equal(domain.look(EVERY_MS), 2000);
  domain.control.blockingMs = 1e9;
  let looks = 0;
  while (domain.look(EVERY_MS) === 0) looks++;
  assert(looks * EVERY_MS < 600_001);
});

Deno.test("time in which nobody looked is not held against a domain: who watches may have been stopped too", () => {
  using domain = watched();
  domain.look(EVERY_MS);
  assert.equal(domain.look(3_600_000), 0);
  domain.control.beat();
  assert.equal(domain.look(EVERY_MS), 0);
});
