import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Expectation,
  ExpectationError,
  type Expression,
  formatExpectation,
  MAX_EXPECTATION_LENGTH,
  parseExpectation,
} from "../../core/runner/expectation.ts";
import { evaluate } from "../../core/runner/expectation_result.ts";

/** The expectation without the columns, which printing changes. */
function bare(expectation: Expectation): unknown {
  return JSON.parse(JSON.stringify(expectation, (key, value) => key === "column" ? undefined : value));
}

function valueOf(text: string, metrics: Record<string, number> = {}): number | null {
  return evaluate(parseExpectation(`${text} > 0`).left, ({ name }) => metrics[name] ?? null);
}

function mistake(text: string): string {
  try {
    parseExpectation(text);
  } catch (thrown) {
    if (!(thrown instanceof ExpectationError)) throw thrown;
    return `${thrown.column}: ${thrown.message}`;
  }
  throw new Error(`no mistake was found in ${text}`);
}

const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/);
const label = fc.stringMatching(/^[A-Za-z][A-Za-z0-9.]{0,12}$/);
const value = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12 }),
  fc.constantFrom("fixed-spin(spin=50us)", "a(b=1, c=2)", "interrupt / fixed-spin", '{"a":[0,1]}', ")(", "a, b", '"'),
);
const expression = fc.letrec<{ expression: Expression; leaf: Expression }>((tie) => ({
  leaf: fc.oneof(
    fc.record({ type: fc.constant("number" as const), value: fc.double({ min: 0, max: 1e300, noNaN: true }) }),
    fc.record({
      type: fc.constant("metric" as const),
      name,
      selectors: fc.array(fc.record({ label, value, column: fc.constant(1) }), { maxLength: 2 }),
      column: fc.constant(1),
    }),
  ),
  expression: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    tie("leaf"),
    fc.record({ type: fc.constant("negative" as const), of: tie("expression") }),
    fc.record({
      type: fc.constant("operation" as const),
      operator: fc.constantFrom("+" as const, "-" as const, "*" as const, "/" as const),
      left: tie("expression"),
      right: tie("expression"),
    }),
  ),
})).expression;
const expectation: fc.Arbitrary<Expectation> = fc.record({
  left: expression,
  comparison: fc.constantFrom(">=" as const, "<=" as const, ">" as const, "<" as const, "==" as const),
  right: expression,
});

Deno.test("an expectation that is printed and parsed again is the same", () => {
  fc.assert(fc.property(expectation, (written) => {
    const text = formatExpectation(written);
    fc.pre(text.length <= MAX_EXPECTATION_LENGTH);
    assert.deepEqual(bare(parseExpectation(text)), bare(written));
  }));
});

Deno.test("no text makes the parser fail but with a column in it", () => {
  const pieces = fc.array(
    fc.constantFrom(..."()=,<>+-*/%\"' [", "iops", "policy", "1", "50us", ">=", "\n", "\\"),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(fc.oneof(fc.string({ maxLength: 60 }), pieces.map((each) => each.join(""))), (text) => {
      try {
        parseExpectation(text);
      } catch (thrown) {
        assert.ok(thrown instanceof ExpectationError, String(thrown));
        assert.ok(thrown.column >= 1 && thrown.column <= text.length + 1, `${thrown.column} in ${text}`);
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("the deepest nesting that fits neither overflows the stack nor is refused", () => {
  const depth = Math.floor((MAX_EXPECTATION_LENGTH - 5) / 2);
  const text = `${"(".repeat(depth)}1${")".repeat(depth)}>1`;
  assert.equal(parseExpectation(text).left.type, "number");
  assert.equal(parseExpectation(`${"-".repeat(MAX_EXPECTATION_LENGTH - 3)}1>1`).left.type, "negative");
  assert.match(mistake("(".repeat(MAX_EXPECTATION_LENGTH + 1)), /^1: has 1001 characters; at most 1000 are allowed/);
});

Deno.test("operators bind as in arithmetic, and from the left", () => {
  assert.equal(valueOf("2 + 3 * 4"), 14);
  assert.equal(valueOf("(2 + 3) * 4"), 20);
  assert.equal(valueOf("10 - 3 - 2"), 5);
  assert.equal(valueOf("24 / 4 / 2"), 3);
  assert.equal(valueOf("-2 * -iops", { iops: 3 }), 6);
});

Deno.test("numbers have units of time and size, or are shares in percent", () => {
  assert.equal(valueOf("50us"), 50_000);
  assert.equal(valueOf("1.5KiB"), 1536);
  assert.equal(valueOf("150%"), 1.5);
  assert.equal(valueOf("2e3"), 2000);
  assert.equal(valueOf("1e3us"), 1e6);
});

Deno.test("what cannot be calculated is null", () => {
  assert.equal(valueOf("1 / 0"), null);
  assert.equal(valueOf("iops - iops"), null);
  assert.equal(valueOf("1e308 * 10"), null);
});

Deno.test("a selector's value may have brackets, and commas within them", () => {
  const { left } = parseExpectation("iops(policy = fixed-spin(spin=50us, x=[1, 2]) , queueDepth=8) > 1");
  assert.deepEqual(
    left.type === "metric" && left.selectors.map(({ label, value, column }) => [label, value, column]),
    [["policy", "fixed-spin(spin=50us, x=[1, 2])", 6], ["queueDepth", "8", 49]],
  );
});

Deno.test("a mistake says where it is, what was found and what may be there", () => {
  assert.equal(mistake("iops"), "5: found the end; here must be one of >= <= > < ==, or an operator");
  assert.equal(mistake("iops = 3"), '6: found "="; here must be one of >= <= > < ==, or an operator');
  assert.equal(mistake("1 < iops < 3"), '10: found "<"; here must be an operator or the end');
  assert.equal(mistake("iops() > 1"), '6: found ")"; here must be a label');
  assert.equal(mistake("iops(policy) > 1"), '12: found ")"; here must be =');
  assert.equal(mistake("iops(policy=) > 1"), '13: found ")"; here must be the label\'s value');
  assert.equal(mistake("iops(policy=a > 1"), "18: found the end; here must be , or )");
  assert.equal(mistake("* 2 > 1"), '1: found "*"; here must be a number, a metric, - or (');
  assert.match(mistake("iops > 5 parsecs"), /^10: found "parsecs"/);
  assert.match(mistake("iops > 5parsecs"), /^8: parsecs is not a unit \(allowed: %, ns, us/);
  assert.equal(mistake("iops > 1e999"), "8: the number is too large");
});
