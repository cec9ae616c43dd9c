import assert from "node:assert/strict";
import fc from "fast-check";
import {
  crossesEvent,
  initialiseRing,
  MAX_RING_ORDER,
  Ring,
  RING_HEADER_BYTES,
  ringEntryCount,
} from "../../core/ring.ts";

const REQ_PROD = 0;
const REQ_EVENT = 1;
const RSP_EVENT = 3;
const ENTRIES = 32;
const U32 = 2 ** 32;

/** Both ends of a ring whose indices are all `start`. */
function ringAt(start: number, entryCount = ENTRIES): { words: Int32Array; front: Ring; back: Ring } {
  const words = new Int32Array(new SharedArrayBuffer(4096));
  initialiseRing(words);
  const front = Ring.front(words, entryCount);
  const back = Ring.back(words, entryCount);
  for (const end of [front, back]) {
    end.produced = start | 0;
    end.consumed = start | 0;
    if (end.unpushed) end.push();
  }
  front.arm(1);
  back.arm(1);
  return { words, front, back };
}

Deno.test("a ring of order 0 to 4 has 32 to 512 block entries", () => {
  const counts = Array.from({ length: MAX_RING_ORDER + 1 }, (_, order) => ringEntryCount(order, 112));
  assert.deepEqual(counts, [32, 64, 128, 256, 512]);
});

Deno.test("the entry count is the largest power of two that fits", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 16, max: 2000 }), (order, entryBytes) => {
    const room = (4096 << order) - RING_HEADER_BYTES;
    const count = ringEntryCount(order, entryBytes);
    assert.equal(Math.log2(count) % 1, 0);
    assert(count * entryBytes <= room && 2 * count * entryBytes > room);
  }));
});

Deno.test("initialising a ring clears its header and leaves its entries alone", () => {
  const words = new Int32Array(64).fill(-1);
  initialiseRing(words);
  assert.deepEqual([...words.subarray(0, 16)], [0, 1, 0, 1, ...Array(12).fill(0)]);
  assert(words.subarray(16).every((word) => word === -1));
});

Deno.test("a push crosses the event exactly if the event index is among those that it publishes", () => {
  const u32 = fc.oneof(fc.integer({ min: 0, max: U32 - 1 }), fc.integer({ min: -600, max: 600 }).map((n) => n >>> 0));
  fc.assert(fc.property(u32, fc.nat(512), fc.integer({ min: -600, max: 600 }), (from, count, distance) => {
    const event = (from + distance) >>> 0;
    const crossed = Array.from({ length: count }, (_, i) => (from + i + 1) >>> 0).includes(event);
    assert.equal(crossesEvent(event, from, (from + count) >>> 0), crossed);
    assert.equal(crossesEvent(event | 0, from | 0, (from + count) | 0), crossed, "with signed words");
  }));
});

Deno.test("what was produced is invisible until it is pushed", () => {
  const { front, back } = ringAt(0);
  front.produce();
  front.produce();
  assert.equal(front.unpushed, true);
  assert.equal(back.available(), 0);
  assert.equal(back.peek(), false);
  front.push();
  assert.equal(front.unpushed, false);
  assert.equal(back.available(), 2);
  assert.equal(back.peek(), true);
});

Deno.test("requests and responses do not disturb each other's indices", () => {
  const { front, back } = ringAt(0);
  front.produce();
  front.push();
  assert.equal(front.available(), 0);
  back.consume();
  back.produce();
  back.push();
  assert.equal(back.available(), 0);
  assert.equal(front.available(), 1);
});

Deno.test("each end arms its own event word, relative to what it has consumed", () => {
  const { words, front, back } = ringAt(U32 - 2);
  back.consume();
  back.arm(5);
  assert.equal(words[REQ_EVENT], 4);
  front.arm(3);
  assert.equal(words[RSP_EVENT], 1);
});

Deno.test("a producer index beyond the ring, backwards or wrapped is reported as more than fits", () => {
  for (const [consumed, claimed] of [[0, 33], [0, -1], [5, 4], [U32 - 1, 40], [U32 / 2, 0]]) {
    const { words, back } = ringAt(consumed);
    words[REQ_PROD] = claimed | 0;
    assert(back.available() > ENTRIES, `${claimed} after ${consumed}`);
  }
});

Deno.test("an end made for an entry count maps every index onto an entry of it", () => {
  fc.assert(fc.property(fc.nat(4), fc.integer(), (order, index) => {
    const { front } = ringAt(0, ringEntryCount(order, 112));
    assert.equal(front.entryOf(index), (index >>> 0) % front.entryCount);
  }));
});

// The model keeps true, unbounded indices; the ring keeps 32 bits of them.
Deno.test("a ring agrees with unbounded indices, wherever its indices start, and loses no notification", () => {
  const start = fc.constantFrom(0, 2 ** 31 - 40, 2 ** 31 - 1, U32 - 40, U32 - 1);
  const steps = fc.array(
    fc.tuple(fc.constantFrom("produce", "push", "consume", "sleep"), fc.integer({ min: 1, max: 4 })),
    {
      maxLength: 300,
      size: "max",
    },
  );
  fc.assert(fc.property(start, steps, (first, actions) => {
    const { front, back } = ringAt(first);
    let produced = first;
    let published = first;
    let consumed = first;
    let wakeAt: number | null = null;
    for (const [action, amount] of actions) {
      if (action === "produce" && produced + amount - consumed <= ENTRIES) {
        for (let i = 0; i < amount; i++) front.produce();
        produced += amount;
      } else if (action === "push" && front.unpushed) {
        published = produced;
        const notified = front.push();
        if (wakeAt !== null) {
          assert.equal(notified, published >= wakeAt, "a sleeper is told when, and only when, its entry is there");
          if (notified) wakeAt = null;
        }
      } else if (action === "consume" && consumed + amount <= published) {
        for (let i = 0; i < amount; i++) back.consume();
        consumed += amount;
        wakeAt = null;
      } else if (action === "sleep" && published === consumed) {
        back.arm(amount);
        wakeAt = consumed + amount;
      }
      assert.equal(back.available(), published - consumed);
      assert.equal(back.peek(), published !== consumed);
      assert.equal(front.unpushed, produced !== published);
      assert.equal(front.produced >>> 0, produced % U32);
    }
  }));
});

const OWN = 512;
const PEER = 768;

/** Both ends of a ring with sleep flags. */
function flaggedRing(): { flags: Int32Array; front: Ring; back: Ring } {
  const { front, back } = ringAt(0);
  const flags = new Int32Array(new SharedArrayBuffer(4096)).fill(1);
  front.useSleepFlags(flags, OWN, PEER);
  back.useSleepFlags(flags, PEER, OWN);
  return { flags, front, back };
}

function pushOne(ring: Ring): boolean {
  ring.produce();
  return ring.push();
}

Deno.test("with sleep flags, both ends are awake at first, and each has a word of its own", () => {
  const { flags, front, back } = flaggedRing();
  assert.deepEqual([flags[OWN], flags[PEER]], [0, 0]);
  front.arm(1);
  assert.deepEqual([flags[OWN], flags[PEER]], [1, 0]);
  back.arm(1);
  front.disarm();
  assert.deepEqual([flags[OWN], flags[PEER]], [0, 1]);
  flags[OWN] = flags[PEER] = 0;
  assert(flags.every((word, index) => word === (index === OWN || index === PEER ? 0 : 1)), "no other word changes");
});

Deno.test("with sleep flags, a sleeper is notified once, at the next push, whatever the distance", () => {
  const { front, back } = flaggedRing();
  assert.equal(pushOne(front), false, "nobody sleeps");
  back.arm(100);
  assert.deepEqual([pushOne(front), pushOne(front)], [true, false]);
  back.arm(1);
  back.disarm();
  assert.equal(pushOne(front), false, "it woke up by itself");
});

Deno.test("with sleep flags, arming leaves the event index alone", () => {
  const { words, front } = ringAt(0);
  const before = words[RSP_EVENT];
  const flags = new Int32Array(new SharedArrayBuffer(4096));
  front.useSleepFlags(flags, OWN, PEER);
  front.arm(7);
  assert.equal(words[RSP_EVENT], before);
});

Deno.test("a flag that holds neither SLEEPING nor RUNNING is a peer that is not notified, and is left as it is", () => {
  const { flags, front } = flaggedRing();
  for (const garbage of [2, -1, 0x7fffffff, -(2 ** 31)]) {
    flags[PEER] = garbage;
    assert.equal(pushOne(front), false);
    assert.equal(flags[PEER], garbage);
  }
});

Deno.test("with event indices, disarming does nothing", () => {
  const { words, front } = ringAt(5);
  const before = [...words];
  front.disarm();
  assert.deepEqual([...words], before);
});
