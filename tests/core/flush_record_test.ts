// What the driver after a dead one must know of its flushes.
import assert from "node:assert/strict";
import fc from "fast-check";
import { FlushRecord } from "../../core/flush_record.ts";

/** What became of the flushes of a driver: one that succeeded, failed, or was under way when the driver died. */
type Flush = "succeeded" | "failed" | "under way";

/** The lives of drivers on one record: for each, its flushes, in order. Which flushes were let through. */
function lives(reopened: boolean, ...drivers: readonly (readonly Flush[])[]): boolean[][] {
  const words = new Int32Array(2);
  return drivers.map((flushes) => {
    const record = new FlushRecord(words, reopened);
    return flushes.map((flush) => {
      const begun = record.begin();
      if (begun && flush !== "under way") record.end(flush === "succeeded");
      return begun;
    });
  });
}

const TABLE: readonly (readonly [what: string, before: readonly Flush[], reopened: boolean, toldAgain: boolean])[] = [
  ["nothing", [], true, false],
  ["nothing, on the same opening", [], false, false],
  ["flushes that succeeded", ["succeeded", "succeeded"], false, false],
  ["one that failed", ["failed"], true, true],
  ["one that failed, on the same opening", ["failed"], false, true],
  ["one that failed and one after it that succeeded", ["failed", "succeeded"], false, false],
  ["one that was under way", ["under way"], true, false],
  ["one that was under way, on the same opening", ["under way"], false, true],
  ["two that were under way, on the same opening", ["under way", "under way"], false, true],
  ["one that failed while another was under way", ["under way", "failed"], true, true],
];

for (const [what, before, reopened, toldAgain] of TABLE) {
  Deno.test(`after ${what}, the next driver's first flush is ${toldAgain ? "failed" : "done"}`, () => {
    const next: Flush[] = ["succeeded", "succeeded"];
    const [, after] = lives(reopened, before, next);
    assert.deepEqual(after, [!toldAgain, true]);
  });
}

Deno.test("a failure that the next driver could not tell either is told by the one after it", () => {
  assert.deepEqual(lives(true, ["failed"], [], [], ["succeeded"]).at(-1), [false]);
  // It was told by the second, but whether that arrived nobody knows.
  assert.deepEqual(lives(true, ["failed"], ["succeeded"], ["succeeded", "succeeded"]).at(-1), [false, true]);
  assert.deepEqual(lives(true, ["failed"], ["succeeded", "succeeded"], ["succeeded"]).at(-1), [true]);
});

Deno.test("after a flush that failed, none is done before one was answered as failed, whoever dies when", () => {
  const flush = fc.constantFrom<Flush>("succeeded", "failed", "under way");
  fc.assert(
    fc.property(fc.array(fc.array(flush, { maxLength: 4 }), { maxLength: 6 }), fc.boolean(), (all, reopened) => {
      const begun = lives(reopened, ...all);
      for (let driver = 0; driver + 1 < all.length; driver++) {
        if (all[driver].at(-1) !== "failed" || begun[driver].at(-1) === false) continue;
        const next = begun.slice(driver + 1).flat();
        if (next.length > 0) assert.equal(next[0], false);
      }
    }),
  );
});
