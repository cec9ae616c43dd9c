import assert from "node:assert/strict";
import fc from "fast-check";
import {
  claimEntry,
  claimResponse,
  ENTRY_BYTES,
  ENTRY_WORDS,
  entryWord,
  FIRST_SEGMENT,
  Operation,
  RequestCopy,
  responseOperation,
  responseStatus,
  SEGMENT_WORDS,
  segmentFirstSector,
  segmentLastSector,
  segmentReference,
  segmentWord,
  writeIndirect,
  writeRequest,
  writeResponse,
  writeSegment,
  writeWithoutData,
} from "../../core/blkif.ts";
import { crossesEvent, initialiseRing, Ring, ringEntryCount } from "../../core/ring.ts";

/** Bytes that Xen's own headers produce; see FACTS, "Xen ring facts". */
const golden = Deno.readTextFileSync(new URL("./blkif_golden.txt", import.meta.url)).trim().split("\n");

function vector(name: string): Uint8Array {
  const line = golden.find((each) => each.startsWith(`${name} `));
  assert(line, `no golden vector ${name}`);
  return Uint8Array.from(line.split(" ")[1].match(/../g)!, (byte) => parseInt(byte, 16));
}

function firstBytes(words: Int32Array, count: number): Uint8Array {
  return new Uint8Array(words.buffer).slice(0, count);
}

function decoded(bytes: Uint8Array): RequestCopy {
  const words = new Int32Array(ENTRY_WORDS);
  new Uint8Array(words.buffer).set(bytes);
  const copy = new RequestCopy();
  copy.fetch(words, 0);
  return copy;
}

/** Grant reference, first and last sector of a segment. */
function segmentOf({ words }: RequestCopy, index: number): number[] {
  const at = FIRST_SEGMENT + index * SEGMENT_WORDS;
  return [segmentReference(words[at]), segmentFirstSector(words[at + 1]), segmentLastSector(words[at + 1])];
}

Deno.test("a read of two segments has Xen's bytes", () => {
  const words = new Int32Array(ENTRY_WORDS);
  writeRequest(words, 0, Operation.Read, 2, 0xca00, 0x55667788, 0x11223344, 0);
  writeSegment(words, segmentWord(0), 9, 0, 7);
  writeSegment(words, segmentWord(0) + SEGMENT_WORDS, 10, 1, 6);
  // The vector's sector is larger than this program ever writes: it is put in by hand.
  assert.deepEqual([...words.subarray(4, 6)], [0, 0]);
  words.set([0x05060708, 0x01020304], 4);
  assert.deepEqual(firstBytes(words, ENTRY_BYTES), vector("READ2"));
});

Deno.test("a read of two segments is understood from Xen's bytes", () => {
  const copy = decoded(vector("READ2"));
  assert.equal(copy.operation, Operation.Read);
  assert.equal(copy.segmentCount, 2);
  assert.equal(copy.idLow, 0x55667788);
  assert.equal(copy.idHigh, 0x11223344);
  assert.equal(copy.sector, Number(0x0102030405060708n));
  assert.deepEqual([segmentOf(copy, 0), segmentOf(copy, 1)], [[9, 0, 7], [10, 1, 6]]);
});

Deno.test("a discard has Xen's bytes and is understood from them", () => {
  const bytes = vector("DISCARD");
  const words = new Int32Array(ENTRY_WORDS);
  writeWithoutData(words, 0, Operation.Discard, 0xca00, 7, 0, 8, 16, 1);
  assert.deepEqual(firstBytes(words, bytes.length), bytes);
  const copy = decoded(bytes);
  assert.deepEqual([copy.operation, copy.idLow, copy.idHigh, copy.sector, copy.discardSectors], [5, 7, 0, 8, 16]);
  assert.equal(copy.discardFlag, 1);
});

Deno.test("an indirect request has Xen's bytes and is understood from them", () => {
  const bytes = vector("INDIRECT");
  const words = new Int32Array(ENTRY_WORDS);
  writeIndirect(words, 0, Operation.Write, 32, 0xca00, 5, 0, 64, [77]);
  assert.deepEqual(firstBytes(words, bytes.length), bytes);
  const copy = decoded(bytes);
  assert.deepEqual([copy.operation, copy.idLow, copy.idHigh, copy.sector], [Operation.Indirect, 5, 0, 64]);
  assert.deepEqual(
    [copy.indirectOperation, copy.indirectSegmentCount, copy.indirectReference],
    [Operation.Write, 32, 77],
  );
});

Deno.test("a response has Xen's bytes, with clean padding", () => {
  const words = new Int32Array(4).fill(-1);
  writeResponse(words, 0, 5, 0, 1, -2);
  assert.deepEqual(firstBytes(words, 16), vector("RESP"));
  assert.equal(responseOperation(words[2]), 1);
  assert.equal(responseStatus(words[2]), -2);
});

Deno.test("an empty ring has Xen's header", () => {
  const words = new Int32Array(16).fill(-1);
  initialiseRing(words);
  const bytes = vector("SRING_INIT");
  assert.deepEqual(firstBytes(words, bytes.length), bytes);
});

Deno.test("Xen's table of notifications holds, wrap at 2³² included", () => {
  const rows = golden.filter((line) => line.startsWith("old="));
  assert.equal(rows.length, 10);
  for (const row of rows) {
    const [from, to, event, notify] = row.match(/[0-9a-f]+(?= |$)/g)!.map((digits) => parseInt(digits, 16));
    assert.equal(crossesEvent(event, from, to), notify === 1, row);
    assert.equal(crossesEvent(event | 0, from | 0, to | 0), notify === 1, `${row}, signed`);
  }
});

Deno.test("a ring notifies at the points at which Xen's macros do", () => {
  const number = (line: RegExp): number => {
    const found = golden.map((each) => line.exec(each)).find((match) => match !== null);
    assert(found, `no golden line ${line}`);
    return Number(found[1]);
  };
  const entryCount = ringEntryCount(0, ENTRY_BYTES);
  assert.equal(entryCount, number(/^nr_ents (\d+)/));
  const words = new Int32Array(1024);
  initialiseRing(words);
  const front = Ring.front(words, entryCount);
  const back = Ring.back(words, entryCount);
  const push = (count: number): number => {
    for (let i = 0; i < count; i++) front.produce();
    return front.push() ? 1 : 0;
  };
  assert.equal(push(1), number(/^push1 .*notify=(\d)/));
  assert.equal(push(3), number(/^push3 .*notify=(\d)/));
  assert.equal(back.available(), number(/^unconsumed=(\d+)/));
  for (let i = 0; i < 4; i++) back.consume();
  back.arm(1);
  assert.equal(back.available() > 0 ? 1 : 0, number(/^final_check work=(\d)/));
  assert.equal(words[1], number(/^final_check .*req_event=(\d+)/));
  assert.equal(push(2), number(/^push2 .*notify=(\d)/));
});

Deno.test("entries follow the header without gaps", () => {
  assert.equal(entryWord(0) * 4, 64);
  assert.equal((entryWord(1) - entryWord(0)) * 4, ENTRY_BYTES);
});

Deno.test("what is written as a request is what is read from it", () => {
  const segment = fc.tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.nat(255), fc.nat(255));
  const arbitrary = fc.record({
    operation: fc.constantFrom(Operation.Read, Operation.Write),
    idLow: fc.integer(),
    idHigh: fc.integer(),
    sector: fc.maxSafeNat(),
    segments: fc.array(segment, { minLength: 1, maxLength: 11 }),
    entry: fc.nat(7),
  });
  fc.assert(fc.property(arbitrary, ({ operation, idLow, idHigh, sector, segments, entry }) => {
    const words = new Int32Array(entryWord(8)).fill(-1);
    const at = entryWord(entry);
    writeRequest(words, at, operation, segments.length, 0xca00, idLow, idHigh, sector);
    segments.forEach((each, i) => writeSegment(words, segmentWord(at) + i * SEGMENT_WORDS, ...each));
    assert(words.subarray(0, at).every((word) => word === -1), "the entry before is untouched");
    assert(words.subarray(at + ENTRY_WORDS).every((word) => word === -1), "the entry after is untouched");
    const copy = new RequestCopy();
    copy.fetch(words, at);
    assert.deepEqual(
      [copy.operation, copy.segmentCount, copy.idLow, copy.idHigh, copy.sector],
      [operation, segments.length, idLow, idHigh, sector],
    );
    segments.forEach((segment, i) => assert.deepEqual(segmentOf(copy, i), segment));
  }));
});

Deno.test("any status of 16 bits survives a response", () => {
  fc.assert(fc.property(fc.integer({ min: -32768, max: 32767 }), fc.nat(255), (status, operation) => {
    const words = new Int32Array(4);
    writeResponse(words, 0, 1, 2, operation, status);
    assert.deepEqual([responseOperation(words[2]), responseStatus(words[2])], [operation, status]);
  }));
});

Deno.test("a fetched request does not change when its ring entry does", () => {
  const ring = new Int32Array(ENTRY_WORDS);
  writeRequest(ring, 0, Operation.Write, 1, 0, 3, 0, 64);
  writeSegment(ring, segmentWord(0), 8, 0, 7);
  const copy = new RequestCopy();
  copy.fetch(ring, 0);
  ring.fill(-1);
  assert.deepEqual([copy.operation, copy.segmentCount, copy.idLow, copy.sector], [Operation.Write, 1, 3, 64]);
  assert.deepEqual(segmentOf(copy, 0), [8, 0, 7]);
});

Deno.test("a request that claims more segments than fit is fetched without leaving its entry", () => {
  const words = new Int32Array(ENTRY_WORDS * 2).fill(0x7f7f7f7f, ENTRY_WORDS);
  writeRequest(words, 0, Operation.Read, 255, 0, 1, 0, 0);
  const copy = new RequestCopy();
  copy.fetch(words, 0);
  assert.equal(copy.segmentCount, 255);
  assert.equal(copy.words.length, ENTRY_WORDS);
  assert(!copy.words.includes(0x7f7f7f7f));
});

Deno.test("claiming an entry writes only to that entry", () => {
  for (const claim of [claimEntry, claimResponse]) {
    const words = new Int32Array(entryWord(3)).fill(-1);
    claim(words, entryWord(1));
    const outside = [...words.subarray(0, entryWord(1)), ...words.subarray(entryWord(2))];
    assert(outside.every((word) => word === -1));
  }
});
