/**
 * Looks at the system's files. None of them is on a mounted device: those may never answer.
 *
 * @module
 */

/** Whether a path exists. */
export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** The text of a small file without the white space around it; null where there is none. */
export function textOf(path: string): string | null {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch {
    return null;
  }
}
