import assert from "node:assert/strict";
import fc from "fast-check";
import { ENTRY_BYTES, entryWord } from "../../core/blkif.ts";
import { FIRST_GRANT_REFERENCE, GRANT_ENTRY_BYTES } from "../../core/grant_table.ts";
import { allocateLink, linkLayout, type LinkOptions, slotFrames } from "../../core/link.ts";
import { FRAME_SIZE } from "../../core/memory.ts";
import { linkOptions } from "../helpers/link.ts";

const links: fc.Arbitrary<LinkOptions> = fc.record({
  ringOrder: fc.nat(4),
  merge: fc.boolean(),
  indirectSegments: fc.constantFrom(0, 1, 11, 12, 32, 256),
  slots: fc.record({ count: fc.integer({ min: 1, max: 600 }), bytes: fc.integer({ min: 1, max: 1 << 20 }) }),
}).map(linkOptions);

Deno.test("a link's parts follow each other without gap or overlap", () => {
  fc.assert(fc.property(links, (options) => {
    const layout = linkLayout(options);
    assert.equal(layout.controlFrame, 0);
    assert.equal(layout.grantFrame, 1);
    assert.equal(layout.ringFrame, layout.grantFrame + layout.grantFrameCount);
    assert.equal(layout.segmentFrame, layout.ringFrame + layout.ringFrameCount);
    assert.equal(layout.dataFrame, layout.segmentFrame + layout.segmentFrameCount);
    assert.equal(layout.frameCount, layout.dataFrame + options.slots.count * layout.slotFrameCount);
  }));
});

Deno.test("a slot's frames hold its bytes, and one frame less would not", () => {
  for (const [bytes, frames] of [[1, 1], [4095, 1], [4096, 1], [4097, 2], [1 << 20, 256], [(1 << 20) + 512, 257]]) {
    assert.equal(slotFrames({ count: 1, bytes }), frames, `${bytes}`);
  }
});

Deno.test("the ring's frames hold all of its entries", () => {
  for (const ringOrder of [0, 1, 2, 3, 4]) {
    const { ringFrameCount, entryCount } = linkLayout(linkOptions({ ringOrder }));
    assert.equal(ringFrameCount, 2 ** ringOrder);
    assert(entryWord(entryCount) * 4 <= ringFrameCount * FRAME_SIZE);
    assert.equal((entryWord(1) - entryWord(0)) * 4, ENTRY_BYTES);
  }
});

Deno.test("the grant table has an entry for every frame that is granted, and not a frame more than that needs", () => {
  fc.assert(fc.property(links, (options) => {
    const layout = linkLayout(options);
    const granted = layout.frameCount - layout.ringFrame;
    const room = (layout.grantFrameCount * FRAME_SIZE) / GRANT_ENTRY_BYTES;
    assert(FIRST_GRANT_REFERENCE + granted <= room);
    assert(FIRST_GRANT_REFERENCE + granted > room - FRAME_SIZE / GRANT_ENTRY_BYTES);
  }));
});

Deno.test("there are frames for segments only where a request can be longer than its entry holds", () => {
  const frames = (indirectSegments: number, bytes: number, merge: boolean): number => {
    return linkLayout(linkOptions({ indirectSegments, merge, slots: { count: 2, bytes } })).segmentFrameCount;
  };
  for (const indirectSegments of [0, 1, 11]) assert.equal(frames(indirectSegments, 1 << 20, true), 0);
  assert.equal(frames(32, 11 * FRAME_SIZE, false), 0, "no slot needs more than 11 segments");
  assert.equal(frames(32, 11 * FRAME_SIZE, true), 32, "but two of them, merged, do");
  assert.equal(frames(12, 11 * FRAME_SIZE + 1, false), 32);
});

Deno.test("a link's region has the layout's size", () => {
  for (const bytes of [512, 45056, 1 << 20]) {
    const options = linkOptions({ slots: { count: 3, bytes } });
    assert.equal(allocateLink(options).frameCount, linkLayout(options).frameCount);
  }
});
