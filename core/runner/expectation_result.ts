/**
 * Whether expectations hold of what was measured.
 *
 * @module
 */

import type { Comparison, Expectation, Expression, Metric } from "./expectation.ts";
import type { ExpectationCase } from "./expectation_cases.ts";
import type { CellResult, ExpectationResult } from "./result.ts";

/** An expectation of a scenario that was checked. */
export interface CheckedExpectation {
  /** As it is written. */
  readonly text: string;
  /** What it says. */
  readonly expectation: Expectation;
  /** The combinations in which it must hold. */
  readonly cases: readonly ExpectationCase[];
}

/** Whether expectations hold; those whose cells are not all measured yet are left out. */
export function judge(expectations: readonly CheckedExpectation[], cells: readonly CellResult[]): ExpectationResult[] {
  return expectations.flatMap(({ text, expectation, cases }) =>
    cases
      .filter((each) => [...each.cells.values()].every((index) => cells[index].status !== "pending"))
      .map((each): ExpectationResult => {
        const valueOf = (metric: Metric): number | null =>
          measured(metric.name, cells[each.cells.get(metric) as number]);
        const left = evaluate(expectation.left, valueOf);
        const right = evaluate(expectation.right, valueOf);
        const met = left !== null && right !== null && compare(left, expectation.comparison, right);
        return { text, labels: each.labels, status: met ? "met" : "unmet", left, right };
      })
  );
}

/** The value of a metric; null where the cell failed or it could not be measured. */
function measured(name: string, { status, summary }: CellResult): number | null {
  if (status === "failed") return null;
  if (name === "errors") return summary.errors;
  const { errors: _errors, steady: _steady, counters, ...estimates } = summary;
  return (estimates[name as keyof typeof estimates] ?? counters[name])?.median ?? null;
}

/** The value of an expression; null where a part has none, or the value is no number: division by zero. */
export function evaluate(expression: Expression, valueOf: (metric: Metric) => number | null): number | null {
  switch (expression.type) {
    case "number":
      return expression.value;
    case "metric":
      return valueOf(expression);
    case "negative": {
      const value = evaluate(expression.of, valueOf);
      return value === null ? null : -value;
    }
    case "operation": {
      const left = evaluate(expression.left, valueOf);
      const right = evaluate(expression.right, valueOf);
      if (left === null || right === null) return null;
      const value = calculate(left, expression.operator, right);
      return Number.isFinite(value) ? value : null;
    }
  }
}

function calculate(left: number, operator: "+" | "-" | "*" | "/", right: number): number {
  switch (operator) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      return left / right;
  }
}

function compare(left: number, comparison: Comparison, right: number): boolean {
  switch (comparison) {
    case ">=":
      return left >= right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    case "<":
      return left < right;
    case "==":
      return left === right;
  }
}
