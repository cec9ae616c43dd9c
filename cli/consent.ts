/**
 * What the command line says of what may be lost.
 *
 * @module
 */

/** What is wrong with it by itself; undefined if nothing is. */
export function forceMistake(
  { force, allowDestructive }: { readonly force: boolean; readonly allowDestructive: readonly string[] },
): string | undefined {
  if (!force || allowDestructive.length > 0) return undefined;
  return "--force goes with --allow-destructive=PATH, which says what may be lost";
}
