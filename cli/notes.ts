/**
 * What devices had to say that is no error, as text for people.
 *
 * @module
 */

import type { CellResult } from "../core/runner/result.ts";
import { labelsInLine } from "./labels.ts";

/** Most cells that are named before a note; of more it is said how many they are. */
const NAMED = 3;

/**
 * Each note once, with the cells that have it; with none when all do.
 *
 * @param shown the labels by which cells are named
 */
export function renderNotes(cells: readonly CellResult[], shown: readonly string[]): string[] {
  const texts = new Set(cells.flatMap(({ notes }) => notes));
  return [...texts].map((text) => {
    const having = cells.filter(({ notes }) => notes.includes(text));
    if (having.length === cells.length) return `note: ${text}`;
    const where = having.length > NAMED
      ? `${having.length} of ${cells.length} cells`
      : having.map(({ labels }) => labelsInLine(labels, shown)).join("; ");
    return `note: ${where}: ${text}`;
  });
}
