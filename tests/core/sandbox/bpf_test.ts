import assert from "node:assert/strict";
import {
  Bpf,
  encode,
  onArchitecture,
  type Program,
  requireAmong,
  requireExactly,
  search,
  Verdict,
  verdict,
} from "../../../core/sandbox/bpf.ts";
import { runBpf } from "../../helpers/bpf_machine.ts";
import { fc } from "../../conformance/properties.ts";

const AUDIT = 0xc000_003e;
const REFUSED = Verdict.fail(1);
const YES = verdict(Verdict.Allow);
const LOAD_NUMBER: Program = onArchitecture(AUDIT, Verdict.KillProcess);

const word = fc.oneof(fc.nat(8), fc.bigInt(0n, 0xffff_ffffn).map(Number));
const long = fc.bigInt(0n, 2n ** 64n - 1n);
const sixArguments = fc.array(long, { minLength: 6, maxLength: 6 });

function run(program: Program, args: readonly bigint[], number = 0) {
  return runBpf(program, { number, audit: AUDIT, args });
}

Deno.test("a search finds the segment in which a number lies, however many there are", () => {
  const boundaries = fc.uniqueArray(word.filter((n) => n > 0), { maxLength: 300 });
  fc.assert(fc.property(boundaries, word, fc.nat(20), (given, number, padding) => {
    const from = [0, ...given.sort((a, b) => a - b)];
    const filler: Program = Array.from({ length: padding }, () => [Bpf.And, 0, 0, 0] as const);
    const program = [
      ...LOAD_NUMBER,
      ...search(from.map((each, i) => ({ from: each, body: [...filler, ...verdict(i)] }))),
    ];
    const wanted = from.findLastIndex((each) => each <= number);
    const { verdict: found, steps } = run(program, [], number);
    assert.equal(found, wanted);
    // Two instructions for each halving, and what stands before and after.
    assert.ok(steps <= 2 * Math.ceil(Math.log2(from.length)) + padding + 4, `${steps} steps for ${from.length}`);
  }));
});

Deno.test("a segment of thousands of instructions is passed over", () => {
  const long: Program = [...Array.from({ length: 3000 }, () => [Bpf.And, 0, 0, 0] as const), ...verdict(1)];
  const program = [...LOAD_NUMBER, ...search([{ from: 0, body: long }, { from: 5, body: verdict(2) }])];
  assert.equal(run(program, [], 4).verdict, 1);
  assert.equal(run(program, [], 5).verdict, 2);
});

Deno.test("another architecture's calls end before anything is looked at", () => {
  const program = [...LOAD_NUMBER, ...YES];
  assert.equal(runBpf(program, { number: 1, audit: 0x4000_0003, args: [] }).verdict, Verdict.KillProcess);
  assert.equal(runBpf(program, { number: 1, audit: AUDIT, args: [] }).verdict, Verdict.Allow);
});

Deno.test("an argument is compared in its lower half, masked, with each of some values", () => {
  const values = fc.uniqueArray(word, { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(
      sixArguments,
      fc.nat(5),
      word,
      values,
      fc.boolean(),
      fc.boolean(),
      (args, argument, mask, values, among, hit) => {
        const given = [...args];
        if (hit) given[argument] = given[argument] >> 32n << 32n | BigInt(values[0]);
        const is = values.includes(Number(given[argument] & BigInt(mask)));
        const program = [...requireAmong({ argument, mask, values, among }, REFUSED), ...YES];
        assert.equal(run(program, given).verdict, is === among ? Verdict.Allow : REFUSED);
      },
    ),
  );
});

Deno.test("exact arguments: all bits of all of them count, in as many steps whichever differ", () => {
  const some = fc.uniqueArray(fc.nat(5), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(sixArguments, some, sixArguments, (args, which, others) => {
      const program = [...requireExactly(new Map(which.map((i) => [i, args[i]])), REFUSED), ...YES];
      const passed = run(program, args);
      assert.equal(passed.verdict, Verdict.Allow);
      for (const i of which) {
        for (let bit = 0n; bit < 64n; bit++) {
          const changed = args.with(i, args[i] ^ 1n << bit);
          assert.deepEqual(run(program, changed), { verdict: REFUSED, steps: passed.steps });
        }
      }
      // What is not among them may be anything.
      assert.equal(run(program, args.map((arg, i) => which.includes(i) ? arg : others[i])).verdict, Verdict.Allow);
    }),
    { numRuns: 20 },
  );
});

Deno.test("instructions are laid out as the kernel reads them; too many are refused", () => {
  const bytes = encode([[Bpf.JumpEqual, 1, 2, 0xc000_003e], [Bpf.Return, 0, 0, Verdict.Allow]]);
  assert.deepEqual([...bytes], [0x15, 0, 1, 2, 0x3e, 0, 0, 0xc0, 0x06, 0, 0, 0, 0, 0, 0xff, 0x7f]);
  const longest = Array.from({ length: 4096 }, () => YES[0]);
  assert.equal(encode(longest).length, 4096 * 8);
  assert.throws(() => encode([...longest, YES[0]]), /4097 instructions: allowed are 4096/);
});
