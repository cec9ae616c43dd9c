/**
 * Labels that are too long for a table.
 *
 * @module
 */

import { shorten, shortName } from "./labels.ts";

/** Fewest characters of a label; a table with many labels is wider rather than say less. */
const MIN_LABEL = 13;

/** Short names of long labels, each different. */
export class ShortNames {
  readonly #names = new Map<string, string>();

  /** What a label is called in so many characters. */
  of(label: string, length: number): string {
    if (label.length <= length) return label;
    const taken = [...this.#names].filter(([other]) => other !== label).map(([, name]) => name);
    let name = shorten(label, length);
    for (let number = 2; taken.includes(name); number++) name = `${shorten(label, length - 3)}#${number}`;
    this.#names.set(label, name);
    return name;
  }

  /** What the short names stand for, a line each. */
  legend(): string[] {
    return [...this.#names].map(([label, name]) => `${name}  is  ${label}`);
  }
}

/** How long labels may be: the columns that need less give the rest to the others. */
export function labelLengths(
  cells: readonly { readonly labels: Readonly<Record<string, string>> }[],
  shown: readonly string[],
  width: number,
): number[] {
  const needed = shown.map((label) => {
    return Math.max(shortName(label, shown).length, ...cells.map(({ labels }) => (labels[label] ?? "").length));
  });
  const lengths = needed.map(() => 0);
  let left = width;
  const ascending = needed.map((_, column) => column).sort((a, b) => needed[a] - needed[b]);
  for (const [index, column] of ascending.entries()) {
    const share = Math.floor(left / (ascending.length - index));
    lengths[column] = Math.min(needed[column], Math.max(MIN_LABEL, share));
    left -= lengths[column];
  }
  return lengths;
}
