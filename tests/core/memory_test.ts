import assert from "node:assert/strict";
import { FRAME_SIZE, SECTOR_SIZE, SECTORS_PER_FRAME, SharedMemory } from "../../core/memory.ts";

Deno.test("a region is new, zeroed and as many frames long as asked", () => {
  const memory = SharedMemory.allocate(3);
  assert.equal(memory.frameCount, 3);
  assert.equal(memory.bytes.length, 3 * FRAME_SIZE);
  assert.equal(memory.words.length, (3 * FRAME_SIZE) / 4);
  assert(memory.words.every((word) => word === 0));
});

Deno.test("the views of a region are of the same memory, little-endian", () => {
  const memory = SharedMemory.allocate(1);
  memory.words[1] = 0x01020304;
  assert.deepEqual([...memory.bytes.subarray(4, 8)], [4, 3, 2, 1]);
});

Deno.test("an attached region is the allocated one", () => {
  const memory = SharedMemory.allocate(2);
  const attached = SharedMemory.attach(memory.buffer);
  attached.words[5] = 77;
  assert.equal(memory.words[5], 77);
  assert.equal(attached.frameCount, 2);
});

Deno.test("a frame's words are those at the frame's place", () => {
  const memory = SharedMemory.allocate(4);
  const words = memory.frameWords(1, 2);
  assert.equal(words.length, (2 * FRAME_SIZE) / 4);
  words[0] = 1;
  words[words.length - 1] = 2;
  assert.equal(memory.words[FRAME_SIZE / 4], 1);
  assert.equal(memory.words[(3 * FRAME_SIZE) / 4 - 1], 2);
});

Deno.test("frames outside the region cannot be viewed", () => {
  assert.throws(() => SharedMemory.allocate(2).frameWords(1, 2), RangeError);
});

Deno.test("a region that is cloned, as posting does, is still the same memory", () => {
  const memory = SharedMemory.allocate(1);
  SharedMemory.attach(structuredClone(memory.buffer)).words[0] = 5;
  assert.equal(memory.words[0], 5);
});

Deno.test("a frame is a page of eight sectors", () => {
  assert.deepEqual([FRAME_SIZE, SECTOR_SIZE, SECTORS_PER_FRAME], [4096, 512, 8]);
});
