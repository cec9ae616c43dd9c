/**
 * Mistakes in a scenario, each with its place.
 *
 * @module
 */

import { IddrError } from "../errors.ts";

/** One mistake. */
export interface Diagnostic {
  /** The file, as the person named it. */
  readonly file: string;
  /** Line, from 1. */
  readonly line: number;
  /** Column, from 1. */
  readonly column: number;
  /** What was found and what is allowed. */
  readonly message: string;
}

/** A scenario cannot be run. All its mistakes that were found are in `diagnostics`. */
export class ScenarioError extends IddrError {
  /** See {@link IddrError.code}. */
  override readonly code = "IDDR_SCENARIO";

  /**
   * An error of one or more mistakes.
   *
   * @param diagnostics at least one
   */
  constructor(readonly diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map(formatDiagnostic).join("\n"));
  }
}

/** `file:line:column: message`, which editors and terminals make a link of. */
export function formatDiagnostic({ file, line, column, message }: Diagnostic): string {
  return `${file}:${line}:${column}: ${message}`;
}

/** The candidate that is most like what was written, for "did you mean"; undefined if none is alike. */
export function nearest(written: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(written, candidate) }))
    .filter(({ candidate, distance }) => distance <= Math.max(written.length, candidate.length) / 2)
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.candidate;
}

/** What to say after a name that is not known: the nearest one, and all. */
export function suggestion(written: string, allowed: readonly string[]): string {
  const near = nearest(written, allowed);
  const list = allowed.length === 0 ? "none is" : allowed.join(", ");
  return `${near === undefined ? "" : `; did you mean ${near}?`} (allowed: ${list})`;
}

/** Fewest insertions, deletions and replacements that turn one text into the other (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}
