/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

/**
 * One side of the ring: asks, or answers each number with the next one.
 *
 * @module
 */

import {
  AtomicsWaiter,
  ENTRY_BYTES,
  entryWord,
  EventChannel,
  EventPage,
  Ring,
  ringEntryCount,
  SharedMemory,
} from "iddr";

self.onmessage = ({ data: { role, roundTrips, ring: memory, ownEvents, peerEvents } }: MessageEvent) => {
  const { words } = SharedMemory.attach(memory);
  const entryCount = ringEntryCount(0, ENTRY_BYTES);
  const ring = role === "asks" ? Ring.front(words, entryCount) : Ring.back(words, entryCount);
  const events = new EventPage(SharedMemory.attach(ownEvents));
  const doorbell = new EventChannel(events, 0, new EventPage(SharedMemory.attach(peerEvents)), 0);

  // How this side waits: it looks for 50 µs, then sleeps until the peer rings. A policy plugin decides just this.
  const policy = { plan: (plan: { spinNs: number }) => void (plan.spinNs = 50_000) };
  const waiter = new AtomicsWaiter(events, () => {});
  waiter.add({
    peek: () => ring.peek(), // a cheap look, which may be late
    ready: () => ring.available() > 0, // the look that counts, before it sleeps
    arm(distance) { // "ring when so many more are there"
      doorbell.clear(); // first, so that no later ring is taken for one that was heard
      ring.arm(distance);
      return true;
    },
  });

  const send = (value: number): void => {
    words[entryWord(ring.entryOf(ring.produced))] = value;
    ring.produce();
    if (ring.push()) doorbell.notify(); // push says whether the peer asked to be woken
  };
  const receive = (): number => {
    while (ring.available() === 0) waiter.wait(policy);
    const value = words[entryWord(ring.entryOf(ring.consumed))];
    ring.consume();
    return value;
  };

  const startedAt = performance.now();
  for (let round = 0; round < roundTrips; round++) {
    if (role === "answers") {
      send(receive() + 1);
    } else {
      send(round);
      if (receive() !== round + 1) throw new Error(`The answer to ${round} is wrong`);
    }
  }
  self.postMessage(performance.now() - startedAt);
};
