import assert from "node:assert/strict";
import fc from "fast-check";
import { type Turn, turns } from "../../core/runner/turns.ts";

/** Something that is measured so many times, and after some rounds once more. */
class Counted implements Turn {
  reviews = 0;

  constructor(readonly name: string, public needed: number, readonly moreAfter: readonly number[] = []) {}

  review(): void {
    if (this.moreAfter.includes(++this.reviews)) this.needed++;
  }
}

/** The order in which they are measured. */
function measure(runs: readonly Counted[], order: "interleaved" | "sequential", seed = 42): string {
  let names = "";
  for (const run of turns(runs, { order, seed })) {
    assert(run.needed > 0);
    run.needed--;
    names += run.name;
  }
  return names;
}

const each = (needed: number): Counted[] => ["a", "b", "c", "d"].map((name) => new Counted(name, needed));

Deno.test("interleaved cells are measured once a round each, in an order of its own that follows from the seed", () => {
  const order = measure(each(30), "interleaved");
  const rounds = order.match(/.{4}/g) ?? [];
  assert.equal(rounds.length, 30);
  for (const round of rounds) assert.equal([...round].sort().join(""), "abcd");
  assert(new Set(rounds).size > 10, "the order changes");
  assert.equal(measure(each(30), "interleaved"), order);
  assert.notEqual(measure(each(30), "interleaved", 43), order);
});

Deno.test("over many rounds every cell comes at every place, and after every other, about equally often", () => {
  const rounds = measure(each(2400), "interleaved").match(/.{4}/g) ?? [];
  for (const name of "abcd") {
    for (const place of [0, 1, 2, 3]) {
      const count = rounds.filter((round) => round[place] === name).length;
      assert(count > 500 && count < 700, `${name} at ${place}: ${count} of 2400`);
    }
    for (const other of "abcd".replace(name, "")) {
      const count = rounds.filter((round) => round.includes(other + name)).length;
      assert(count > 500 && count < 700, `${name} after ${other}: ${count} of 2400`);
    }
  }
});

Deno.test("sequential cells are finished one after another, in the matrix's order", () => {
  assert.equal(measure(each(3), "sequential"), "aaabbbcccddd");
});

Deno.test("what is to be measured anew comes in a later round, until nothing is needed", () => {
  const runs = [new Counted("a", 1), new Counted("b", 1, [1, 2])];
  const order = measure(runs, "interleaved");
  assert.equal([...order.slice(0, 2)].sort().join(""), "ab");
  assert.equal(order.slice(2), "bb");
  assert.equal(measure([new Counted("a", 2, [2]), new Counted("b", 1)], "sequential"), "aaab");
  assert.equal(measure([], "interleaved"), "");
});

Deno.test("every cell is measured as often as it needs, whatever the order", () => {
  const needs = fc.array(fc.nat(5), { maxLength: 6 });
  fc.assert(fc.property(needs, fc.constantFrom("interleaved", "sequential"), fc.nat(), (needed, order, seed) => {
    const names = measure(needed.map((count, index) => new Counted(String(index), count)), order, seed);
    assert.equal([...names].sort().join(""), needed.map((count, index) => String(index).repeat(count)).join(""));
  }));
});
