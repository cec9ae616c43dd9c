import assert from "node:assert/strict";
import fs from "node:fs";
import { IoUring, UringOperation } from "../../core/io_uring.ts";
import { SharedMemory } from "../../core/memory.ts";
import { fillPattern } from "../helpers/devices.ts";
import { testUnless } from "../helpers/test_unless.ts";
import { uringRefusal } from "../helpers/uring.ts";

const { Read, Write, Readv, Fsync } = UringOperation;

/** An io_uring and an open file of a pattern, for the time of a test. */
function opened(entries: number, queues: "ours" | "kernel") {
  const path = Deno.makeTempFileSync();
  const content = new Uint8Array(1 << 20);
  fillPattern(content, 9);
  Deno.writeFileSync(path, content);
  const file = fs.openSync(path, "r+");
  const ring = new IoUring(entries, queues);
  const memory = SharedMemory.allocate(64);
  return {
    ...{ path, content, file, ring, memory },
    /** Takes the next completion, which must come. */
    next(): { tag: number; result: number } {
      for (;;) {
        const tag = ring.take();
        if (tag >= 0) return { tag, result: ring.result };
      }
    },
    [Symbol.dispose]() {
      ring.close();
      fs.closeSync(file);
      Deno.removeSync(path);
    },
  };
}

for (const queues of ["ours", "kernel"] as const) {
  const refusal = uringRefusal(queues);
  const where = queues === "ours" ? "queues in our memory" : "queues in the kernel's memory";
  testUnless(
    refusal,
    `${where}: reads and writes go between the file and memory, each completion with its tag`,
    () => {
      using all = opened(8, queues);
      const { ring, file, memory, content, path, next } = all;
      for (let tag = 0; tag < 8; tag++) ring.prepare(Read, file, tag * 5000, memory.address + tag * 4096, 4096, 0, tag);
      assert.equal(ring.prepared, 8);
      assert.equal(ring.take(), -1);
      ring.submit();
      assert.equal(ring.prepared, 0);
      const tags = new Set<number>();
      for (let i = 0; i < 8; i++) {
        const { tag, result } = next();
        assert.equal(result, 4096);
        tags.add(tag);
        assert.deepEqual(
          Uint8Array.from(memory.bytes.subarray(tag * 4096, tag * 4096 + 4096)),
          content.subarray(tag * 5000, tag * 5000 + 4096),
        );
      }
      assert.equal(tags.size, 8);
      assert.equal(ring.take(), -1);
      memory.bytes.fill(7, 0, 100);
      ring.prepare(Write, file, 12345, memory.address, 100, 0, 2 ** 31 - 1);
      ring.submit();
      assert.deepEqual(next(), { tag: 2 ** 31 - 1, result: 100 });
      ring.prepare(Fsync, file, 0, 0, 0, 1, 5);
      ring.submit();
      assert.deepEqual(next(), { tag: 5, result: 0 });
      assert(Deno.readFileSync(path).subarray(12345, 12445).every((byte) => byte === 7));
    },
  );

  testUnless(refusal, `${where}: its queues go round and round, in odd batches`, () => {
    using all = opened(4, queues);
    const { ring, file, memory, content, next } = all;
    assert.equal(ring.capacity, 4);
    let place = 0;
    for (let round = 0; round < 100; round++) {
      const count = 1 + round % 4;
      for (let tag = 0; tag < count; tag++) ring.prepare(Read, file, place + tag, memory.address + tag, 1, 0, tag);
      ring.submit();
      for (let i = 0; i < count; i++) {
        const { tag, result } = next();
        assert.deepEqual([result, memory.bytes[tag]], [1, content[place + tag]]);
      }
      place += 4093;
    }
  });

  testUnless(refusal, `${where}: a place beyond 4 GiB and a vector reach the kernel whole`, () => {
    using all = opened(4, queues);
    const { ring, file, memory, path, next } = all;
    const place = 5 * 2 ** 30 + 12288;
    fs.ftruncateSync(file, place + 8192);
    fs.writeSync(file, Uint8Array.of(1, 2, 3, 4, 5, 6), 0, 6, place);
    const vectors = new DataView(memory.buffer, 8192);
    for (const [i, [start, length]] of [[100, 2], [300, 4]].entries()) {
      vectors.setBigUint64(i * 16, BigInt(memory.address + start), true);
      vectors.setBigUint64(i * 16 + 8, BigInt(length), true);
    }
    ring.prepare(Readv, file, place, memory.address + 8192, 2, 0, 0);
    ring.submit();
    assert.deepEqual(next(), { tag: 0, result: 6 });
    assert.deepEqual([...memory.bytes.slice(100, 102), ...memory.bytes.slice(300, 304)], [1, 2, 3, 4, 5, 6]);
    assert(Deno.statSync(path).size > 2 ** 32);
  });

  testUnless(
    refusal,
    `${where}: an operation that fails completes with the negative errno, and the others go on`,
    () => {
      using all = opened(4, queues);
      const { ring, file, memory, next } = all;
      ring.prepare(Read, 9999, 0, memory.address, 100, 0, 1);
      ring.prepare(Read, file, 2 ** 40, memory.address, 100, 0, 2);
      ring.prepare(Read, file, 0, memory.address, 100, 0, 3);
      ring.submit();
      const results = new Map([next(), next(), next()].map(({ tag, result }) => [tag, result]));
      assert.deepEqual([results.get(1), results.get(2), results.get(3)], [-9, 0, 100]);
    },
  );

  testUnless(refusal, `${where}: an io_uring has 1 to 64 entries`, () => {
    for (const entries of [0, 65, NaN]) assert.throws(() => new IoUring(entries, queues), RangeError);
    for (const entries of [1, 33, 64]) {
      const ring = new IoUring(entries, queues);
      assert.equal(ring.capacity, entries === 33 ? 64 : entries);
      ring.close();
    }
  });
}

testUnless(uringRefusal(), "a region keeps its address, which is a page's", () => {
  const memory = SharedMemory.allocate(3);
  assert(memory.address > 0 && memory.address % 4096 === 0);
  assert.equal(SharedMemory.attach(memory.buffer).address, memory.address);
});
