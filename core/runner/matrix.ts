/**
 * The matrix of a scenario: paths into it, each with the values that it takes.
 *
 * @module
 */

import { suggestion } from "./diagnostics.ts";
import { overrideText } from "./load.ts";
import type { Choice, Mistakes } from "./mistakes.ts";
import { shellQuote } from "./plugin_reference.ts";
import type { Scenario } from "./scenario.ts";

/** Most cells that a matrix may make. */
const MAX_CELLS = 1000;
/** Most cells that are named, where one must be chosen. */
const NAMED_CELLS = 12;

type Json = Record<string, unknown>;

/** The paths that a document gives, whatever they are. */
export function matrixKeys({ matrix }: Json): string[] {
  return typeof matrix === "object" && matrix !== null ? Object.keys(matrix) : [];
}

/** The first value of each key of the matrix, so that a key that only the matrix gives is not missed. */
export function firstChoices({ matrix }: Json, keys: readonly string[]): Choice[] {
  return keys.flatMap((key) => {
    const values = (matrix as Json)[key];
    return Array.isArray(values) && values.length > 0 ? [{ key, index: 0, value: values[0] }] : [];
  });
}

/** What a cell can have of its own; the rest of a scenario is the run's. */
export const CELL_KEYS: readonly string[] = [
  "placement",
  "domains",
  "affinity",
  "device",
  "drivers",
  "clients",
  "neighbours",
  "channel",
  "policy",
  "workload",
  "recovery",
];
/** Of what is the run's, what a cell can have of its own all the same. */
export const CELL_RUN_KEYS: readonly string[] = ["run.warmup", "run.duration", "run.seed"];

/** The keys that are right. */
export function checkMatrixKeys(keys: readonly string[], mistakes: Mistakes): string[] {
  return keys.filter((key) => {
    const known = CELL_KEYS.includes(key.split(".")[0]) || CELL_RUN_KEYS.includes(key);
    const outer = keys.find((other) => key.startsWith(`${other}.`));
    if (!known) {
      const hint = suggestion(key, [...CELL_KEYS, ...CELL_RUN_KEYS]);
      mistakes.add(["matrix", key], [], `is not a path to what a cell can have of its own${hint}`, true);
    }
    if (outer !== undefined) {
      mistakes.add(["matrix", key], [], `lies within ${outer}, which the matrix replaces as a whole`, true);
    }
    return known && outer === undefined;
  });
}

/** Every combination of the values. */
export function combine(matrix: Scenario["matrix"], keys: readonly string[], mistakes: Mistakes): readonly Choice[][] {
  const count = keys.reduce((product, key) => product * matrix[key].length, 1);
  if (count > MAX_CELLS) {
    mistakes.add(["matrix"], [], `makes ${count} cells; at most ${MAX_CELLS} are allowed`);
    return [];
  }
  return keys.reduce<Choice[][]>(
    (combinations, key) =>
      combinations.flatMap((choices) => matrix[key].map((value, index) => [...choices, { key, index, value }])),
    [[]],
  );
}

/** What is wrong with several cells where one is wanted, with a line for each that chooses it on the command line. */
export function tooManyCells(combinations: readonly (readonly Choice[])[]): string {
  const lines = combinations.slice(0, NAMED_CELLS).map((choices) => {
    return ` ${choices.map(({ key, value }) => ` --set ${shellQuote(overrideText({ path: key, value }))}`).join("")}`;
  });
  const more = combinations.length > NAMED_CELLS ? [`  and ${combinations.length - NAMED_CELLS} more`] : [];
  return [`makes ${combinations.length} cells; allowed is one here. Choose it by one of these:`, ...lines, ...more]
    .join("\n");
}

/** The document with the chosen values put in. A path through something that is no mapping makes it one. */
export function applyChoices(raw: Json, choices: readonly Choice[]): Json {
  const value = structuredClone(raw);
  for (const choice of choices) {
    const keys = choice.key.split(".");
    let place: Json = value;
    for (const key of keys.slice(0, -1)) {
      if (typeof place[key] !== "object" || place[key] === null) place[key] = {};
      place = place[key] as Json;
    }
    place[keys[keys.length - 1]] = choice.value;
  }
  return value;
}
