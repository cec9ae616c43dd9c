import assert from "node:assert/strict";
import fc from "fast-check";
import { RingCounterpart } from "../../core/counterpart.ts";
import { initialiseRing, Ring, RING_HEADER_BYTES } from "../../core/ring.ts";

function ring(): Int32Array {
  const words = new Int32Array(new SharedArrayBuffer(4096));
  initialiseRing(words);
  return words;
}

Deno.test("each end hears what the other said last, and nothing of a ring that begins anew", () => {
  const words = ring();
  const [front, back] = [RingCounterpart.ofFront(words), RingCounterpart.ofBack(words)];
  assert.deepEqual([front.said(), back.said()], [0, 0]);
  fc.assert(fc.property(fc.nat({ max: 2 ** 32 - 1 }), fc.nat({ max: 2 ** 32 - 1 }), (one, other) => {
    front.tell(one);
    back.tell(other);
    assert.deepEqual([back.said(), front.said()], [one, other]);
  }));
  initialiseRing(words);
  assert.deepEqual([front.said(), back.said()], [0, 0]);
});

Deno.test("it is said in the padding of the header, so neither indices, events nor entries are touched", () => {
  const words = ring();
  const before = Array.from(words);
  RingCounterpart.ofFront(words).tell(2 ** 32 - 1);
  RingCounterpart.ofBack(words).tell(2 ** 32 - 1);
  const changed = Array.from(words).flatMap((word, at) => word === before[at] ? [] : [at]);
  assert.equal(changed.length, 2);
  // Xen's header: four indices and the private word of 4 bytes, then 44 bytes of padding.
  for (const at of changed) assert(at * 4 >= 20 && at * 4 < RING_HEADER_BYTES, `word ${at}`);
  const [front, back] = [Ring.front(words, 32), Ring.back(words, 32)];
  front.produce();
  front.push();
  assert.equal(back.available(), 1);
});
