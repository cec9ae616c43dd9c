import assert from "node:assert/strict";
import { allocateEventPage, EventChannel, EventPage, MAX_PORTS } from "../../core/event_channel.ts";

function page(): EventPage {
  return new EventPage(allocateEventPage());
}

/** How often the bell rings while `act` runs. */
function rings(events: EventPage, act: () => void): number {
  const before = events.bell;
  act();
  return events.bell - before;
}

Deno.test("an event rings once, and again only after it was cleared", () => {
  const events = page();
  assert.equal(rings(events, () => events.raise(4)), 1);
  assert.equal(rings(events, () => events.raise(4)), 0);
  events.clear(4);
  assert.equal(rings(events, () => events.raise(4)), 1);
});

Deno.test("ports are independent of each other", () => {
  const events = page();
  events.raise(0);
  assert.equal(rings(events, () => events.raise(1)), 1);
  events.mask(2);
  assert.equal(rings(events, () => events.raise(MAX_PORTS - 1)), 1);
});

Deno.test("the last port's words do not lie on the first mask", () => {
  const events = page();
  events.raise(MAX_PORTS - 1);
  assert.equal(rings(events, () => events.raise(0)), 1);
});

Deno.test("a masked port does not ring, and rings when it is unmasked if an event came", () => {
  const events = page();
  events.mask(7);
  assert.equal(rings(events, () => events.raise(7)), 0);
  assert.equal(rings(events, () => events.unmask(7)), 1);
});

Deno.test("unmasking a port without an event does not ring", () => {
  const events = page();
  events.mask(7);
  assert.equal(rings(events, () => events.unmask(7)), 0);
  assert.equal(rings(events, () => events.raise(7)), 1);
});

Deno.test("an event that was cleared while masked does not ring at unmasking", () => {
  const events = page();
  events.mask(7);
  events.raise(7);
  events.clear(7);
  assert.equal(rings(events, () => events.unmask(7)), 0);
});

Deno.test("a sleep returns at once when the bell rang since it was seen", () => {
  const events = page();
  const seen = events.bell;
  events.wake();
  events.sleep(seen, Infinity); // Would sleep for ever if the ring were lost.
});

Deno.test("both views of one page see the same bell", () => {
  const memory = allocateEventPage();
  const mine = new EventPage(memory);
  new EventPage(memory).wake();
  assert.equal(mine.bell, 1);
});

Deno.test("a channel rings the peer's page at the peer's port", () => {
  const mine = page();
  const peer = page();
  const channel = new EventChannel(mine, 3, peer, 5);
  assert.equal(rings(mine, () => assert.equal(rings(peer, () => channel.notify()), 1)), 0);
  assert.equal(rings(peer, () => peer.raise(5)), 0, "port 5 is pending");
  assert.equal(rings(peer, () => peer.raise(3)), 1, "port 3 is not");
});

Deno.test("clearing a channel clears this side's port, so that the peer can ring it again", () => {
  const mine = page();
  const peer = page();
  const channel = new EventChannel(mine, 3, peer, 5);
  const back = new EventChannel(peer, 5, mine, 3);
  back.notify();
  assert.equal(rings(mine, () => back.notify()), 0);
  channel.clear();
  assert.equal(rings(mine, () => back.notify()), 1);
});

Deno.test("a channel cannot be bound to a port that a page does not have", () => {
  for (const port of [-1, MAX_PORTS, NaN]) {
    assert.throws(() => new EventChannel(page(), port, page(), 0), RangeError, `local ${port}`);
    assert.throws(() => new EventChannel(page(), 0, page(), port), RangeError, `remote ${port}`);
  }
});

Deno.test("waking the peer rings its bell even when its port is pending and masked", () => {
  const local = new EventPage(allocateEventPage());
  const remote = new EventPage(allocateEventPage());
  const channel = new EventChannel(local, 0, remote, 3);
  remote.mask(3);
  channel.notify();
  channel.notify();
  const seen = remote.bell;
  channel.wakePeer();
  assert.notEqual(remote.bell, seen);
});

Deno.test("a page tells how long ago its bell was rung, by the ringer's clock", () => {
  const memory = allocateEventPage();
  let now = 1000;
  const clock = (): number => now;
  const [owner, ringer] = [1, 2].map(() => new EventPage(memory, null, "word", clock));
  ringer.wake();
  now = 1234.5;
  assert.equal(owner.sinceRungNs(), 234.5);
  new EventPage(memory).wake();
  assert.equal(owner.sinceRungNs(), 234.5, "who has no clock says nothing");
  assert.equal(new EventPage(memory).sinceRungNs(), NaN);
});
