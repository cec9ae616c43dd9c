/**
 * What tells the cells of a run from each other.
 *
 * @module
 */

/** A cell's labels: a path into the scenario, or a role such as `policy`, and what the cell has there. */
export type Labels = Readonly<Record<string, string>>;

/** The labels of which cells have different values, in the cells' order. */
export function varyingLabels(cells: readonly { readonly labels: Labels }[]): string[] {
  return [...new Set(cells.flatMap(({ labels }) => Object.keys(labels)))]
    .filter((label) => new Set(cells.map(({ labels }) => labels[label])).size > 1)
    // A plugin whose options the matrix varies one by one is shown by those.
    .filter((label, _, all) => !all.some((other) => other.startsWith(`${label}.`)));
}

/** The last part of a path, where no other path has the same. */
export function shortName(path: string, paths: readonly string[]): string {
  const last = (each: string): string => each.slice(each.lastIndexOf(".") + 1);
  return paths.some((other) => other !== path && last(other) === last(path)) ? path : last(path);
}

/** Some labels of a cell in a line: `policy=interrupt, queueDepth=8`. */
export function labelsInLine(labels: Labels, names: readonly string[]): string {
  return names.filter((name) => labels[name] !== undefined)
    .map((name) => `${shortName(name, names)}=${labels[name]}`).join(", ");
}

/** A text of at most so many characters; the middle of a longer one is left out, as both ends tell more. */
export function shorten(text: string, length: number): string {
  if (text.length <= length) return text;
  const end = Math.floor((length - 1) / 2);
  return `${text.slice(0, length - 1 - end)}…${text.slice(text.length - end)}`;
}

/** `1 cell`, `2 cells`. */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
