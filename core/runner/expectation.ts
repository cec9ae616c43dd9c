/**
 * The language of `expect`: one comparison of arithmetic over the measured values of cells.
 *
 * ```text
 * expectation = sum (">=" | "<=" | ">" | "<" | "==") sum
 * sum         = product (("+" | "-") product)*
 * product     = factor (("*" | "/") factor)*
 * factor      = "-" factor | "(" sum ")" | number | metric
 * number      = digits, fraction and exponent, then perhaps a unit (50us, 16KiB) or %
 * metric      = name ("(" label "=" value ("," label "=" value)* ")")?
 * value       = text up to the next comma or bracket outside brackets of its own, or a JSON string
 * ```
 *
 * @module
 */

import { IddrError } from "../errors.ts";
import { duration, size } from "../units.ts";

/** Chooses cells by one of their labels. */
export interface Selector {
  /** The label, or the last part of its path. */
  readonly label: string;
  /** The label's value, or a plugin's name without its options. */
  readonly value: string;
  /** Where it stands in the text, from 1. */
  readonly column: number;
}

/** A measured value of the cell that the selectors choose. */
export interface Metric {
  /** Tells it from the other expressions. */
  readonly type: "metric";
  /** Of the summary, or of a counter. */
  readonly name: string;
  /** What chooses the cell. */
  readonly selectors: readonly Selector[];
  /** Where it stands in the text, from 1. */
  readonly column: number;
}

/** Something with a value. */
export type Expression =
  | { readonly type: "number"; readonly value: number }
  | { readonly type: "negative"; readonly of: Expression }
  | {
    readonly type: "operation";
    readonly operator: "+" | "-" | "*" | "/";
    readonly left: Expression;
    readonly right: Expression;
  }
  | Metric;

/** How the two sides are compared. */
export type Comparison = ">=" | "<=" | ">" | "<" | "==";

/** What must hold. */
export interface Expectation {
  /** What is written on the left. */
  readonly left: Expression;
  /** How the sides are compared. */
  readonly comparison: Comparison;
  /** What is written on the right. */
  readonly right: Expression;
}

/** An expectation is wrong: its text, or what it names. */
export class ExpectationError extends IddrError {
  /** See {@link IddrError.code}. */
  override readonly code = "IDDR_EXPECTATION";

  /**
   * An error at a place.
   *
   * @param column where it is in the text, from 1
   */
  constructor(readonly column: number, message: string) {
    super(message);
  }
}

/** Longest text, in characters. It also bounds how deep brackets nest. */
export const MAX_EXPECTATION_LENGTH = 1000;

const OPENING = "([{";
const CLOSING = ")]}";

/**
 * Reads an expectation.
 *
 * @throws {ExpectationError} with the column, what was found and what may stand there
 */
export function parseExpectation(text: string): Expectation {
  if (text.length > MAX_EXPECTATION_LENGTH) {
    throw new ExpectationError(1, `has ${text.length} characters; at most ${MAX_EXPECTATION_LENGTH} are allowed`);
  }
  return new Parser(text).expectation();
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  expectation(): Expectation {
    const left = this.#sum();
    const comparison = this.#take(/>=|<=|==|>|</y);
    if (comparison === undefined) this.#fail("one of >= <= > < ==, or an operator");
    const right = this.#sum();
    this.#space();
    if (this.#at < this.#text.length) this.#fail("an operator or the end");
    return { left, comparison: comparison as Comparison, right };
  }

  #sum(): Expression {
    return this.#operations(/[+-]/y, () => this.#operations(/[*/]/y, () => this.#factor()));
  }

  #operations(operators: RegExp, operand: () => Expression): Expression {
    let left = operand();
    for (let operator = this.#take(operators); operator !== undefined; operator = this.#take(operators)) {
      left = { type: "operation", operator: operator as "+", left, right: operand() };
    }
    return left;
  }

  #factor(): Expression {
    if (this.#take(/-/y) !== undefined) return { type: "negative", of: this.#factor() };
    if (this.#take(/\(/y) !== undefined) {
      const inner = this.#sum();
      if (this.#take(/\)/y) === undefined) this.#fail("an operator or )");
      return inner;
    }
    this.#space();
    const start = this.#at;
    const number = this.#take(/\d+(\.\d+)?([eE][+-]?\d+)?/y);
    if (number !== undefined) return { type: "number", value: this.#number(Number(number), start) };
    const name = this.#take(/[A-Za-z_][A-Za-z0-9_]*/y);
    if (name === undefined) this.#fail("a number, a metric, - or (");
    return { type: "metric", name, selectors: this.#selectors(), column: start + 1 };
  }

  #number(value: number, start: number): number {
    const unit = this.#match(/[A-Za-z_]+|%/y);
    const scaled = unit === "%" ? value / 100 : value * (unit === undefined ? 1 : unitFactor(unit) ?? NaN);
    if (Number.isNaN(scaled)) {
      throw new ExpectationError(
        start + 1,
        `${unit} is not a unit (allowed: %, ns, us, ms, s, min, B, KiB, MiB, GiB, TiB)`,
      );
    }
    if (!Number.isFinite(scaled)) throw new ExpectationError(start + 1, "the number is too large");
    return scaled;
  }

  #selectors(): Selector[] {
    const selectors: Selector[] = [];
    if (this.#take(/\(/y) === undefined) return selectors;
    do {
      this.#space();
      const column = this.#at + 1;
      const label = this.#take(/[^\s=,()"]+/y);
      if (label === undefined) this.#fail("a label");
      if (this.#take(/=/y) === undefined) this.#fail("=");
      selectors.push({ label, value: this.#value(), column });
    } while (this.#take(/,/y) !== undefined);
    if (this.#take(/\)/y) === undefined) this.#fail(", or )");
    return selectors;
  }

  #value(): string {
    this.#space();
    const start = this.#at;
    const quoted = this.#take(/"(?:[^"\\]|\\.)*"/y);
    if (quoted !== undefined) {
      try {
        return JSON.parse(quoted);
      } catch {
        throw new ExpectationError(start + 1, `${quoted} is not a JSON string`);
      }
    }
    this.#at = endOfPlainValue(this.#text, start);
    const value = this.#text.slice(start, this.#at).trim();
    if (value === "") this.#fail("the label's value");
    return value;
  }

  #space(): void {
    this.#match(/\s+/y);
  }

  /** What the pattern matches after white space. */
  #take(pattern: RegExp): string | undefined {
    this.#space();
    return this.#match(pattern);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #fail(allowed: string): never {
    this.#space();
    const rest = this.#text.slice(this.#at);
    const found = rest === "" ? "the end" : JSON.stringify(rest.match(/^(\w+|[<>=]+|.)/su)?.[0]);
    throw new ExpectationError(this.#at + 1, `found ${found}; here must be ${allowed}`);
  }
}

/** What one of a unit is: nanoseconds or bytes. */
function unitFactor(unit: string): number | undefined {
  return duration().safeParse(`1${unit}`).data ?? size().safeParse(`1${unit}`).data;
}

/** Where a value without quotes ends: before a comma or closing bracket that it did not open. */
function endOfPlainValue(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (OPENING.includes(text[at])) depth++;
    else if (CLOSING.includes(text[at]) && --depth < 0) return at;
    else if (text[at] === "," && depth === 0) return at;
  }
  return text.length;
}

/** An expectation as text; parsed again it is the same. */
export function formatExpectation({ left, comparison, right }: Expectation): string {
  return `${formatExpression(left)} ${comparison} ${formatExpression(right)}`;
}

function formatExpression(expression: Expression): string {
  switch (expression.type) {
    case "number":
      return String(expression.value);
    case "metric":
      return formatMetric(expression);
    case "negative":
      return `-${bracketed(expression.of, expression.of.type === "operation")}`;
    case "operation": {
      const { operator, left, right } = expression;
      const strength = strengthOf(expression);
      const before = bracketed(left, strengthOf(left) < strength);
      return `${before} ${operator} ${bracketed(right, strengthOf(right) <= strength)}`;
    }
  }
}

/** A metric as text. */
export function formatMetric({ name, selectors }: Metric): string {
  const written = selectors.map(({ label, value }) => `${label}=${isPlain(value) ? value : JSON.stringify(value)}`);
  return selectors.length === 0 ? name : `${name}(${written.join(", ")})`;
}

function bracketed(expression: Expression, needed: boolean): string {
  return needed ? `(${formatExpression(expression)})` : formatExpression(expression);
}

function strengthOf(expression: Expression): number {
  if (expression.type !== "operation") return 3;
  return expression.operator === "*" || expression.operator === "/" ? 2 : 1;
}

function isPlain(value: string): boolean {
  const closed = [...value].filter((each) => OPENING.includes(each)).length ===
    [...value].filter((each) => CLOSING.includes(each)).length;
  return value !== "" && value === value.trim() && value[0] !== '"' && closed &&
    endOfPlainValue(value, 0) === value.length;
}
