/**
 * Collects all mistakes of a scenario, each with its place: in the file, or in the matrix where that filled the place.
 *
 * @module
 */

import type { z } from "../schema.ts";
import { type Diagnostic, ScenarioError, suggestion } from "./diagnostics.ts";
import { isMissing, issueInWords } from "./issues.ts";
import type { Path, ScenarioDocument } from "./load.ts";
import { knownKeys } from "./scenario.ts";

/** A choice of one value for each key of the matrix. */
export interface Choice {
  /** The path. */
  readonly key: string;
  /** Which of its values, from 0. */
  readonly index: number;
  /** The value. */
  readonly value: unknown;
}

/** Collects mistakes, each once: many cells share the same text. */
export class Mistakes {
  readonly #document: ScenarioDocument;
  readonly #found = new Map<string, Diagnostic>();

  /** None yet, of this document. */
  constructor(document: ScenarioDocument) {
    this.#document = document;
  }

  /** Whether there are some. */
  get any(): boolean {
    return this.#found.size > 0;
  }

  /** The error that has them all, in the order of the file. */
  error(): ScenarioError {
    const byPlace = [...this.#found.values()].sort((a, b) => a.line - b.line || a.column - b.column);
    return new ScenarioError(byPlace);
  }

  /** Adds a mistake at a path of a cell; a path that the matrix filled is placed in the matrix. */
  add(path: Path, choices: readonly Choice[], message: string, atKey = false): void {
    const diagnostic = this.diagnose(path, choices, message, atKey);
    this.#found.set(JSON.stringify(diagnostic), diagnostic);
  }

  /** What {@link add} would add. */
  diagnose(path: Path, choices: readonly Choice[], message: string, atKey = false): Diagnostic {
    const written = path.join(".");
    const choice = choices.find(({ key }) => written === key || written.startsWith(`${key}.`));
    const place = choice === undefined
      ? path
      : ["matrix", choice.key, choice.index, ...path.slice(choice.key.split(".").length)];
    return this.#document.diagnostic(place, message, atKey);
  }

  /** Adds a mistake within a text of the scenario, at a character from 0. */
  addWithin(path: Path, message: string, character: number): void {
    const diagnostic = this.#document.diagnostic(path, message, false, character);
    this.#found.set(JSON.stringify(diagnostic), diagnostic);
  }

  /**
   * Adds what a schema found.
   *
   * @param prefix where the schema's value stands
   * @param allowed the keys that are known there, for a hint
   */
  addIssue(issue: z.core.$ZodIssue, choices: readonly Choice[], prefix: Path = [], allowed?: readonly string[]): void {
    const path = [...prefix, ...issue.path] as Path;
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys) {
        const known = prefix.length === 0 ? knownKeys(path) : allowed;
        const hint = known === undefined ? "" : suggestion(key, known);
        this.add([...path, key], choices, `is not a known key${hint}`, true);
      }
      return;
    }
    if (issue.code === "invalid_union") {
      const branch = issue.errors.find((errors) => errors.some(({ path }) => path.length > 0)) ?? issue.errors[0] ?? [];
      for (const inner of branch) this.addIssue(inner, choices, path);
      return;
    }
    this.add(path, choices, isMissing(issue) ? "is missing" : issueInWords(issue));
  }
}
