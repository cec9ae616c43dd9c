/**
 * What became of a scenario's expectations, as text for people.
 *
 * @module
 */

import { parseExpectation } from "../core/runner/expectation.ts";
import type { ExpectationResult, Result } from "../core/runner/result.ts";
import { labelsInLine, varyingLabels } from "./labels.ts";

/** Most different pairs of values that stand behind an expectation; more stand below it. */
const IN_LINE = 3;

/** Each expectation with its two values: those that are met in few lines, the others one for each combination. */
export function renderExpectations({ cells, expectations }: Result): string[] {
  const names = varyingLabels(cells);
  return [...new Set(expectations.map(({ text }) => text))].flatMap((text) => {
    const results = expectations.filter((each) => each.text === text);
    const met = valuesOf(results.filter(({ status }) => status === "met"), names);
    const unmet = valuesOf(results.filter(({ status }) => status === "unmet"), names);
    return [...lines(`met    ${text}`, met), ...lines(`UNMET  ${text}`, unmet)];
  });
}

function lines(heading: string, values: readonly string[]): string[] {
  if (values.length === 0) return [];
  if (values.length <= IN_LINE) return [`${heading}   ${values.join("; ")}`];
  return [heading, ...values.map((each) => `         ${each}`)];
}

/** The values of combinations. Equal ones are told once. */
function valuesOf(results: readonly ExpectationResult[], names: readonly string[]): string[] {
  const alike = new Map<string, ExpectationResult[]>();
  for (const each of results) {
    const { comparison } = parseExpectation(each.text);
    const values = `${valueInWords(each.left)} ${comparison} ${valueInWords(each.right)}`;
    alike.set(values, [...alike.get(values) ?? [], each]);
  }
  return [...alike].map(([values, [first, ...others]]) => {
    if (others.length > 0) return `${values} (${others.length + 1} times)`;
    const where = labelsInLine(first.labels, names);
    return where === "" ? values : `${where}: ${values}`;
  });
}

function valueInWords(value: number | null): string {
  if (value === null) return "not measured";
  return value.toLocaleString(
    "en-US",
    Math.abs(value) < 1000 ? { maximumSignificantDigits: 4 } : { maximumFractionDigits: 0 },
  );
}
