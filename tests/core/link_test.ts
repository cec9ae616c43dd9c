import assert from "node:assert/strict";
import { ENTRY_BYTES, entryWord, MAX_SEGMENTS } from "../../core/blkif.ts";
import { FIRST_GRANT_REFERENCE, GRANT_ENTRY_BYTES } from "../../core/grant_table.ts";
import { allocateLink, linkLayout } from "../../core/link.ts";
import { FRAME_SIZE } from "../../core/memory.ts";

const ORDERS = [0, 1, 2, 3, 4];

Deno.test("a link's parts follow each other without gap or overlap, for every ring order", () => {
  for (const order of ORDERS) {
    const layout = linkLayout(order);
    assert.equal(layout.controlFrame, 0);
    assert.equal(layout.grantFrame, 1);
    assert.equal(layout.ringFrame, layout.grantFrame + layout.grantFrameCount);
    assert.equal(layout.dataFrame, layout.ringFrame + layout.ringFrameCount);
    assert.equal(layout.frameCount, layout.dataFrame + layout.entryCount * MAX_SEGMENTS);
  }
});

Deno.test("the ring's frames hold all of its entries", () => {
  for (const order of ORDERS) {
    const { ringFrameCount, entryCount } = linkLayout(order);
    assert.equal(ringFrameCount, 2 ** order);
    assert(entryWord(entryCount) * 4 <= ringFrameCount * FRAME_SIZE);
    assert.equal((entryWord(1) - entryWord(0)) * 4, ENTRY_BYTES);
  }
});

Deno.test("the grant table has an entry for every frame that is granted, and not a frame more than that needs", () => {
  for (const order of ORDERS) {
    const layout = linkLayout(order);
    const references = FIRST_GRANT_REFERENCE + layout.ringFrameCount + layout.entryCount * MAX_SEGMENTS;
    const room = (layout.grantFrameCount * FRAME_SIZE) / GRANT_ENTRY_BYTES;
    assert(references <= room && references > room - FRAME_SIZE / GRANT_ENTRY_BYTES);
  }
});

Deno.test("a link's region has the layout's size", () => {
  for (const order of ORDERS) assert.equal(allocateLink(order).frameCount, linkLayout(order).frameCount);
});
