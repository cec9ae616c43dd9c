import assert from "node:assert/strict";
import fc from "fast-check";
import {
  FIRST_GRANT_REFERENCE,
  GRANT_ENTRY_BYTES,
  GrantMapper,
  GrantStatus,
  GrantTable,
} from "../../core/grant_table.ts";
import { FRAME_SIZE } from "../../core/memory.ts";

const GRANTER_FRAMES = 100;
const MAPPER = 2;
const ENTRIES = 64;
/** Flags of an entry (`GTF_…`). */
const PERMIT = 1;
const READ_ONLY = 4;
const READING = 8;
const WRITING = 16;

function table(): { words: Int32Array; grants: GrantTable; mapper: GrantMapper } {
  const words = new Int32Array(new SharedArrayBuffer(ENTRIES * GRANT_ENTRY_BYTES));
  return { words, grants: new GrantTable(words), mapper: new GrantMapper(words, MAPPER, GRANTER_FRAMES) };
}

Deno.test("an entry has Xen's bytes: flags, domain id, frame", () => {
  const { words, grants } = table();
  const reference = grants.grantAccess(0x1234, 0x55667788, true);
  const bytes = new Uint8Array(words.buffer, reference * 8, 8);
  assert.deepEqual([...bytes], [PERMIT | READ_ONLY, 0, 0x34, 0x12, 0x88, 0x77, 0x66, 0x55]);
});

Deno.test("references are given from the first that is not reserved, each once", () => {
  const { grants } = table();
  const references = Array.from(
    { length: ENTRIES - FIRST_GRANT_REFERENCE },
    () => grants.grantAccess(MAPPER, 1, false),
  );
  assert.equal(references[0], FIRST_GRANT_REFERENCE);
  assert.equal(new Set(references).size, references.length);
});

Deno.test("a full table refuses another grant, until one is taken back", () => {
  const { grants } = table();
  for (let i = FIRST_GRANT_REFERENCE; i < ENTRIES; i++) grants.grantAccess(MAPPER, i, false);
  assert.throws(() => grants.grantAccess(MAPPER, 1, false), RangeError);
  grants.endAccess(20);
  assert.equal(grants.grantAccess(MAPPER, 1, false), 20);
});

Deno.test("a granted frame is mapped for reading and writing, and marked as in use", () => {
  const { words, grants, mapper } = table();
  const reference = grants.grantAccess(MAPPER, 42, false);
  assert.equal(mapper.map(reference, true), 42);
  assert.equal(words[reference * 2] & 0xffff, PERMIT | READING | WRITING);
  assert.equal(mapper.map(reference, false), 42);
});

Deno.test("frame 0 can be granted", () => {
  const { grants, mapper } = table();
  const reference = grants.grantAccess(MAPPER, 0, false);
  assert.equal(mapper.map(reference, true), 0);
  assert.equal(mapper.map(reference, true), 0);
});

Deno.test("a read-only grant is mapped for reading alone, the first time and every time", () => {
  const { words, grants, mapper } = table();
  const reference = grants.grantAccess(MAPPER, 3, true);
  assert.equal(mapper.map(reference, true), GrantStatus.PermissionDenied);
  assert.equal(words[reference * 2] & 0xffff, PERMIT | READ_ONLY, "a refused use leaves no mark");
  assert.equal(mapper.map(reference, false), 3);
  assert.equal(words[reference * 2] & 0xffff, PERMIT | READ_ONLY | READING);
  assert.equal(mapper.map(reference, true), GrantStatus.PermissionDenied);
});

Deno.test("another domain's grant is refused", () => {
  const { grants, mapper } = table();
  assert.equal(mapper.map(grants.grantAccess(MAPPER + 1, 3, false), false), GrantStatus.BadDomain);
});

Deno.test("a reference outside the table, reserved or never granted is refused", () => {
  const { mapper } = table();
  for (
    const reference of [0, FIRST_GRANT_REFERENCE - 1, FIRST_GRANT_REFERENCE, ENTRIES - 1, ENTRIES, 2 ** 31, 2 ** 32 - 1]
  ) {
    assert.equal(mapper.map(reference, false), GrantStatus.BadReference, `${reference}`);
  }
});

Deno.test("a reserved reference is refused even if the peer filled it in", () => {
  const { words, mapper } = table();
  words.set([PERMIT | (MAPPER << 16), 5], 2);
  assert.equal(mapper.map(1, false), GrantStatus.BadReference);
});

Deno.test("other types of entries are refused", () => {
  const { words, grants, mapper } = table();
  const reference = grants.grantAccess(MAPPER, 3, false);
  for (const type of [0, 2, 3]) {
    words[reference * 2] = type | (MAPPER << 16);
    assert.equal(mapper.map(reference, false), GrantStatus.BadReference, `type ${type}`);
  }
});

Deno.test("a frame outside the region is refused and left unmarked", () => {
  const { words, grants, mapper } = table();
  for (const frame of [GRANTER_FRAMES, 2 ** 31, -1]) {
    const reference = grants.grantAccess(MAPPER, frame, false);
    assert.equal(mapper.map(reference, false), GrantStatus.BadPage, `frame ${frame}`);
    assert.equal(words[reference * 2] & (READING | WRITING), 0);
  }
});

Deno.test("a revoked grant cannot be mapped", () => {
  const { grants, mapper } = table();
  const reference = grants.grantAccess(MAPPER, 3, false);
  assert.equal(grants.endAccess(reference), true);
  assert.equal(mapper.map(reference, false), GrantStatus.BadReference);
});

Deno.test("a mapped grant cannot be revoked until it is unmapped", () => {
  const { grants, mapper } = table();
  const kept = grants.grantAccess(MAPPER, 3, false);
  const readOnly = grants.grantAccess(MAPPER, 4, true);
  mapper.map(kept, true);
  mapper.map(readOnly, false);
  assert.equal(grants.endAccess(kept), false);
  assert.equal(grants.endAccess(readOnly), false);
  assert.equal(mapper.map(kept, true), 3, "the refused revocation changed nothing");
  mapper.unmapAll();
  assert.equal(grants.endAccess(kept), true);
  assert.equal(grants.endAccess(readOnly), true);
});

Deno.test("unmapping forgets every mapping, so that a reference is checked anew", () => {
  const { grants, mapper } = table();
  const reference = grants.grantAccess(MAPPER, 3, false);
  mapper.map(reference, true);
  mapper.unmapAll();
  grants.endAccess(reference);
  assert.equal(mapper.map(reference, false), GrantStatus.BadReference);
  assert.equal(grants.grantAccess(MAPPER, 9, true), reference);
  assert.equal(mapper.map(reference, true), GrantStatus.PermissionDenied);
  assert.equal(mapper.map(reference, false), 9);
});

Deno.test("a mapping stays where it was when the peer changes the entry under it", () => {
  const { words, grants, mapper } = table();
  const reference = grants.grantAccess(MAPPER, 3, false);
  mapper.map(reference, true);
  words[reference * 2 + 1] = 7;
  words[reference * 2] = 0;
  assert.equal(mapper.map(reference, true), 3);
});

Deno.test("a grant taken back twice is not handed out twice", () => {
  const { grants } = table();
  const reference = grants.grantAccess(MAPPER, 1, false);
  grants.endAccess(reference);
  try {
    grants.endAccess(reference);
  } catch {
    // Refusing is as good.
  }
  assert.notEqual(grants.grantAccess(MAPPER, 2, false), grants.grantAccess(MAPPER, 3, false));
});

Deno.test("what is unmapped can be revoked, and the rest stays mapped", () => {
  const { words, grants, mapper } = table();
  const [first, second] = [grants.grantAccess(MAPPER, 3, false), grants.grantAccess(MAPPER, 4, true)];
  mapper.map(first, true);
  mapper.map(second, false);
  assert.equal(mapper.unmap(first), GrantStatus.Okay);
  assert.equal(words[first * 2] & 0xffff, PERMIT);
  assert.equal(grants.endAccess(first), true);
  assert.equal(grants.endAccess(second), false);
  assert.equal(mapper.map(second, false), 4);
});

Deno.test("what is not mapped cannot be unmapped", () => {
  const { grants, mapper } = table();
  const reference = grants.grantAccess(MAPPER, 3, false);
  const others = [0, ENTRIES - 1, ENTRIES, 2 ** 32 - 1, -1, NaN];
  for (const each of [reference, ...others]) assert.equal(mapper.unmap(each), GrantStatus.BadHandle, `${each}`);
  mapper.map(reference, false);
  assert.equal(mapper.unmap(reference), GrantStatus.Okay);
  assert.equal(mapper.unmap(reference), GrantStatus.BadHandle, "a second time");
});

/** A region of two frames, filled with different bytes, of which frame 1 is granted. */
function copying(readOnly = false) {
  const words = new Int32Array(new SharedArrayBuffer(ENTRIES * GRANT_ENTRY_BYTES));
  const grants = new GrantTable(words);
  const region = Uint8Array.from({ length: 2 * FRAME_SIZE }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
  const reference = grants.grantAccess(MAPPER, 1, readOnly);
  return { words, grants, region, reference, mapper: new GrantMapper(words, MAPPER, 2) };
}

Deno.test("bytes are copied out of a granted frame, which is not mapped then", () => {
  const { words, region, reference, mapper } = copying(true);
  for (const [offset, length] of [[0, FRAME_SIZE], [0, 1], [FRAME_SIZE - 1, 1], [100, 300], [FRAME_SIZE, 0]]) {
    const into = new Uint8Array(length);
    assert.equal(mapper.copyOut(region, reference, offset, into), GrantStatus.Okay);
    assert.deepEqual(into, region.slice(FRAME_SIZE + offset, FRAME_SIZE + offset + length));
    assert.equal(words[reference * 2] & 0xffff, PERMIT | READ_ONLY);
  }
});

Deno.test("bytes are copied into a granted frame, and no byte beside them changes", () => {
  const { words, region, reference, mapper } = copying();
  const expected = region.slice();
  expected.set([1, 2, 3], FRAME_SIZE + 50);
  assert.equal(mapper.copyIn(region, reference, 50, Uint8Array.of(1, 2, 3)), GrantStatus.Okay);
  assert.deepEqual(region, expected);
  assert.equal(words[reference * 2] & 0xffff, PERMIT);
});

Deno.test("words are copied from a frame's start on, no more than fit in it, and it is not mapped then", () => {
  const { grants, reference, mapper } = copying();
  const words = new Int32Array(2 * FRAME_SIZE / 4);
  words.set([11, 22, 33], FRAME_SIZE / 4);
  const into = new Int32Array(4);
  assert.equal(mapper.copyWordsOut(words, reference, into, 2), GrantStatus.Okay);
  assert.deepEqual([...into], [11, 22, 0, 0]);
  assert.equal(mapper.copyWordsOut(words, reference, into, FRAME_SIZE / 4 + 1), GrantStatus.BadCopyArgument);
  assert.equal(mapper.copyWordsOut(words, reference + 1, into, 1), GrantStatus.BadReference);
  assert.equal(grants.endAccess(reference), true);
});

Deno.test("a frame that was mapped before a copy is mapped after it", () => {
  const { grants, region, reference, mapper } = copying();
  mapper.map(reference, true);
  mapper.copyOut(region, reference, 0, new Uint8Array(8));
  assert.equal(grants.endAccess(reference), false);
  assert.equal(mapper.unmap(reference), GrantStatus.Okay);
});

Deno.test("a copy that leaves its frame, or that nothing grants, copies nothing", () => {
  const { grants, region, reference, mapper } = copying(true);
  const foreign = grants.grantAccess(MAPPER + 1, 1, false);
  const outside = grants.grantAccess(MAPPER, 2, false);
  const revoked = grants.grantAccess(MAPPER, 1, false);
  grants.endAccess(revoked);
  const before = region.slice();
  const { BadCopyArgument, BadDomain, BadPage, BadReference, PermissionDenied } = GrantStatus;
  for (
    const [from, offset, length, status] of [
      [reference, FRAME_SIZE, 1, BadCopyArgument],
      [reference, 1, FRAME_SIZE, BadCopyArgument],
      [reference, -1, 1, BadCopyArgument],
      [reference, NaN, 1, BadCopyArgument],
      [foreign, 0, 1, BadDomain],
      [outside, 0, 1, BadPage],
      [revoked, 0, 1, BadReference],
      [0, 0, 1, BadReference],
      [2 ** 32 - 1, 0, 1, BadReference],
    ]
  ) {
    const into = new Uint8Array(length).fill(0xee);
    assert.equal(mapper.copyOut(region, from, offset, into), status, `${from} ${offset} ${length}`);
    assert(into.every((byte) => byte === 0xee));
    assert.equal(mapper.copyIn(region, from, offset, into), status);
  }
  assert.equal(mapper.copyIn(region, reference, 0, Uint8Array.of(1)), PermissionDenied);
  assert.deepEqual(region, before);
});

Deno.test("granting, mapping and revoking in any order agrees with a plain map", () => {
  const step = fc.record({
    action: fc.constantFrom("grant", "map", "end", "unmap", "unmapAll"),
    readOnly: fc.boolean(),
    write: fc.boolean(),
    foreign: fc.boolean(),
    frame: fc.nat(GRANTER_FRAMES - 1),
    pick: fc.nat(ENTRIES),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
    const { grants, mapper } = table();
    const live = new Map<number, { frame: number; readOnly: boolean; foreign: boolean; mapped: boolean }>();
    for (const { action, readOnly, write, foreign, frame, pick } of steps) {
      const reference = [...live.keys()][pick % Math.max(1, live.size)];
      const entry = live.get(reference);
      if (action === "grant" && live.size < ENTRIES - FIRST_GRANT_REFERENCE) {
        const added = grants.grantAccess(foreign ? MAPPER + 1 : MAPPER, frame, readOnly);
        assert.equal(live.has(added), false, "a live reference is not given again");
        live.set(added, { frame, readOnly, foreign, mapped: false });
      } else if (action === "map" && entry !== undefined) {
        const denied = write && entry.readOnly ? GrantStatus.PermissionDenied : entry.frame;
        assert.equal(mapper.map(reference, write), entry.foreign ? GrantStatus.BadDomain : denied);
        entry.mapped ||= !entry.foreign && denied === entry.frame;
      } else if (action === "end" && entry !== undefined) {
        assert.equal(grants.endAccess(reference), !entry.mapped);
        if (!entry.mapped) live.delete(reference);
      } else if (action === "unmap" && entry !== undefined) {
        assert.equal(mapper.unmap(reference), entry.mapped ? GrantStatus.Okay : GrantStatus.BadHandle);
        entry.mapped = false;
      } else if (action === "unmapAll") {
        mapper.unmapAll();
        for (const each of live.values()) each.mapped = false;
      }
    }
  }));
});

Deno.test("an entry that its owner changes under every look is refused, not looked at for ever", () => {
  const { grants, mapper } = table();
  const reference = grants.grantAccess(MAPPER, 1, false);
  const { compareExchange } = Atomics;
  let looks = 0;
  Atomics.compareExchange = (() => (looks++, -1)) as unknown as typeof compareExchange;
  try {
    assert.equal(mapper.map(reference, true), GrantStatus.BadReference);
  } finally {
    Atomics.compareExchange = compareExchange;
  }
  assert(looks > 1, "an honest change is borne");
  assert.equal(mapper.map(reference, true), 1);
});
